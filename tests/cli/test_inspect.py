"""`weightfill inspect`, called in this process and, where memory matters, in another one."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from matplotlib.figure import Figure
from safetensors.numpy import save_file

import weightfill as wf
from weightfill._cli import picture, tensors
from weightfill._cli.commands import inspect
from weightfill._cli.inspected import Inspected
from weightfill._files.stored import OpenFile, StoredArray
from weightfill._reading.histogram import Histogram

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def model(monkeypatch, tmp_path_factory):
    """Makes `weightfill inspect model` find these tensors."""
    found = {
        "h.0.attn.weight": wf.create((100, 40), wf.Normal(std=0.02), seed=1),
        "h.0.attn.bias": np.zeros(40, np.float32),
        "wte.weight": wf.create((70, 40), wf.Uniform(), seed=1, dtype="bfloat16"),
        "h.0.attn.mask": np.tri(5, dtype=bool),
        "steps": np.array(7),
        "packed": np.zeros(3, "V3"),
    }

    def stored(number, array):
        file = tmp_path_factory.getbasetemp() / f"{number}.bytes"
        file.write_bytes(array.tobytes())
        return StoredArray(OpenFile(str(file)), array.dtype, array.shape, 0)

    monkeypatch.setattr(
        inspect,
        "tensors",
        lambda path, dtype: ((name, stored(number, array)) for number, (name, array) in enumerate(found.items())),
    )
    return found


def test_numbers_are_those_of_the_finite_elements(command, dtype):
    values = wf.create((200, 30), wf.Normal(mean=0.5, std=0.5), seed=1, dtype=dtype)
    values[0, :3] = [math.nan, 0.0, -0.0]
    infinite = dtype != ml_dtypes.float8_e4m3fn
    if infinite:
        values[1, 1] = math.inf
    np.save("t.npy", values.view(f"V{values.itemsize}") if dtype.isbuiltin == 2 else values)
    code, out, err = command("inspect", "t.npy", "--json", "--dtype", dtype.name)
    assert (code, err) == (0, "")
    report = json.loads(out)
    (tensor,) = report["tensors"]
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert report["file"] == "t.npy"
    assert {key: tensor[key] for key in ("name", "shape", "dtype", "elements", "bytes")} == {
        "name": "t",
        "shape": [200, 30],
        "dtype": dtype.name,
        "elements": 6000,
        "bytes": values.nbytes,
    }
    assert (tensor["zeros"], tensor["nan"], tensor["infinite"]) == (np.count_nonzero(wide == 0), 1, int(infinite))
    assert (tensor["mean"], tensor["std"]) == pytest.approx((finite.mean(), finite.std()), rel=1e-9)
    assert (tensor["min"], tensor["max"]) == (finite.min(), finite.max())
    histogram = tensor["histogram"]
    assert len(histogram["counts"]) == 24
    assert sum(histogram["counts"]) == finite.size
    assert finite.min() <= histogram["low"] < histogram["high"] <= finite.max()


def test_every_tensor_has_a_line_and_the_file_a_total(command, model):
    code, out, err = command("inspect", "model")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 1 + len(model) + 1
    for line, (name, array) in zip(lines[1:], model.items(), strict=False):
        assert line.startswith(name)
        assert str(array.dtype) in line
        assert any(block in line for block in "▁▂▃▄▅▆▇█") == (array.dtype in (np.float32, ml_dtypes.bfloat16))
    assert lines[-1] == "6 tensors, 6,869 elements, 21,802 bytes, 40 zeros, 0 NaN, 0 inf"


def test_integers_and_unknown_types_are_listed_without_numbers(command, model):
    report = json.loads(command("inspect", "model", "--json")[1])
    tensors = {tensor.pop("name"): tensor for tensor in report["tensors"]}
    assert list(tensors) == list(model)
    assert tensors["h.0.attn.mask"] == {"shape": [5, 5], "dtype": "bool", "elements": 25, "bytes": 25}
    assert tensors["steps"] == {"shape": [], "dtype": "int64", "elements": 1, "bytes": 8}
    assert tensors["packed"] == {"shape": [3], "dtype": "|V3", "elements": 3, "bytes": 9}
    assert report["total"]["tensors"] == 6
    assert report["total"]["elements"] == 6869
    assert report["total"]["zeros"] == 40
    assert (report["total"]["min"], report["total"]["max"]) == (
        tensors["h.0.attn.weight"]["min"],
        tensors["wte.weight"]["max"],
    )


def test_match_chooses_tensors_by_name(command, model):
    def chosen(*globs):
        arguments = [argument for glob in globs for argument in ("--match", glob)]
        return [
            tensor["name"] for tensor in json.loads(command("inspect", "model", "--json", *arguments)[1])["tensors"]
        ]

    assert chosen("*.weight") == ["h.0.attn.weight", "wte.weight"]
    assert chosen("wte*", "steps") == ["wte.weight", "steps"]
    assert chosen("WTE*", "h.?.attn.bias") == ["h.0.attn.bias"]
    assert command("inspect", "model", "--match", "x*", "--match", "y") == (
        2,
        "",
        "weightfill: --match must name a tensor of model, got 'x*' and 'y'; "
        "there are 'h.*.attn.weight', 'h.*.attn.bias', 'wte.weight'\n",
    )
    assert command("inspect", "model", "--match", "*Mask*")[2].endswith("; there are 'h.*.attn.mask'\n")
    assert command("inspect", "model", "--match", "pakced")[2].endswith("; there are 'packed'\n")


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((0, 3), np.float32),
        np.float32(2.5),
        np.full(9, 3.5, np.float16),
        np.full(3, np.nan),
        np.array([np.inf, -np.inf]),
        np.array([1e308, -1e308]),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(3),
        np.ones(3, ">f4"),
        np.zeros(2, [("a", "f4"), ("b", "i2")]),
    ],
    ids=["empty", "scalar", "alike", "NaN", "infinite", "huge", "Fortran order", "integers", "swapped", "structured"],
)
def test_arrays_of_every_kind_are_shown(command, values):
    np.save("t.npy", values)
    for arguments in ([], ["--json"], ["--png", "t.png", "--force"]):
        code, out, err = command("inspect", "t.npy", *arguments)
        assert (code, err) == (0, "")
        assert out
    json.loads(command("inspect", "t.npy", "--json")[1], parse_constant=pytest.fail)


def test_blocks_give_what_one_pass_gives(command, monkeypatch):
    np.save("t.npy", wf.create((1000, 7), wf.Normal(std=0.02), seed=1))
    whole = json.loads(command("inspect", "t.npy", "--json")[1])["tensors"][0]
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 10_001)
    blocks = json.loads(command("inspect", "t.npy", "--json", "--threads", "3")[1])["tensors"][0]
    assert blocks.pop("mean") == pytest.approx(whole.pop("mean"))
    assert blocks.pop("std") == pytest.approx(whole.pop("std"))
    for end in ("low", "high"):
        assert blocks["histogram"].pop(end) == pytest.approx(whole["histogram"].pop(end))
    assert blocks == whole


def test_blocks_cover_every_element_of_a_file_once(tmp_path, monkeypatch):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 10_000)
    values = np.asfortranarray(np.arange(50_000.0).reshape(250, 200))
    np.save(tmp_path / "t.npy", values)
    ((name, array),) = tensors.tensors(str(tmp_path / "t.npy"))
    assert name == "t"
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate([block.copy() for block in array.blocks()]), values.ravel("K"))


def test_picture_is_drawn_and_replaced_only_if_forced(command, model, tmp_path):
    code, _, err = command("inspect", "model", "--png", "p.png")
    assert (code, err) == (0, "")
    first = (tmp_path / "p.png").read_bytes()
    assert first.startswith(PNG)
    refused = command("inspect", "model", "--png", "p.png", "--match", "wte*")
    assert refused == (2, "", "weightfill: p.png exists; --force replaces a file\n")
    assert (tmp_path / "p.png").read_bytes() == first
    assert command("inspect", "model", "--png", "p.png", "--match", "wte*", "--force")[0] == 0
    assert (tmp_path / "p.png").read_bytes() != first
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_tensors_that_a_picture_leaves_out_are_counted(command, model, tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MOST_PANELS", 1)
    code, out, _ = command("inspect", "model", "--png", "p.png")
    assert code == 0
    assert out.splitlines()[-1] == "p.png: 1 tensor left out; --match chooses others"
    assert json.loads(command("inspect", "model", "--png", "p.png", "--force", "--json")[1])["left_out_of_picture"] == 1


@pytest.fixture
def figures(monkeypatch):
    """Keeps the figures that are drawn."""
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: drawn.append(figure) or save(figure, *a, **k))
    return drawn


@pytest.fixture
def layers(tmp_path):
    """Writes a checkpoint of four layers, of which the weights' deviations grow, and a plan."""
    tensors = {f"h.{n}.w": wf.create((100, 90), wf.Normal(std=0.02 * (n + 1)), seed=1) for n in range(4)}
    tensors |= {f"h.{n}.b": np.zeros(9, np.float32) for n in range(4)}
    tensors |= {"emb": wf.create((50, 40), wf.Uniform(0, 1), seed=1), "ids": np.arange(3)}
    save_file(tensors, tmp_path / "m.safetensors")
    plan = '[[rule]]\nmatch = "h.*.w"\ninit = "Normal"\nstd = 0.02\n[[rule]]\nmatch = "*.b"\ninit = "Zeros"\n'
    (tmp_path / "plan.toml").write_text(plan)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_picture_has_a_panel_for_equal_layers_and_their_deviations_by_depth(command, layers, figures):
    assert command("inspect", "m.safetensors", "--png", "p.png")[0] == 0
    (figure,) = figures
    panels, depth = figure.axes
    found = texts(panels)
    assert found[0] == "emb"
    assert found[1].startswith("50 x 40   std 0.2")
    assert "h.*.w" in found
    assert any(text.startswith("x4   100 x 90   std 0.05") for text in found)
    assert not any("h.*.b" in text or "ids" in text for text in found)
    assert texts(figure) == ["4 tensors of equal elements left out"]
    (line,) = depth.lines
    assert line.get_ydata() == pytest.approx([0.02, 0.04, 0.06, 0.08], rel=0.02)
    assert command("inspect", "m.safetensors", "--png", "all.png", "--all", "--match", "h.*")[0] == 0
    assert [text for text in texts(figures[1].axes[0]) if text.startswith("h.")] == [f"h.{n}.w" for n in range(4)]


def test_plan_is_drawn_in_red(command, layers, figures):
    assert command("inspect", "m.safetensors", "--png", "p.png", "--plan", "plan.toml")[0] == 0
    (figure,) = figures
    panels, depth = figure.axes
    assert sum(line.get_color() == "tab:red" for line in panels.lines) == 1  # no rule has emb
    assert [list(line.get_ydata()) for line in depth.lines if line.get_color() == "tab:red"] == [[0.02] * 4]
    assert "red: as planned" in texts(figure)[0]
    assert command("inspect", "m.safetensors", "--plan", "plan.toml") == (
        2,
        "",
        "weightfill: --plan must be left out without --png, got plan.toml\n",
    )


def test_every_law_that_is_drawn_has_its_line(command, tmp_path, figures):
    laws = {
        "a": wf.Uniform(-1, 1),
        "b": wf.TruncatedNormal(std=0.5),
        "c": wf.Laplace(scale=0.3),
        "d": wf.LogUniform(1e-3, 1),
        "e": wf.LogUniform(1e-3, 0.1, then="inverse_softplus"),
    }
    plan = wf.Plan(laws, seed=1)
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    plan.write(tmp_path / "m.safetensors", dict.fromkeys(laws, (100, 100)))
    assert command("inspect", "m.safetensors", "--png", "p.png", "--plan", "plan.toml")[0] == 0
    lines = [line for line in figures[0].axes[0].lines if line.get_color() == "tab:red"]
    assert len(lines) == len(laws)


def test_a_rule_that_makes_tensors_in_one_piece_has_no_red_line(command, layers, figures, tmp_path):
    rules = '[[rule]]\nmatch = "emb"\ninit = "Orthogonal"\n[[rule]]\nmatch = "h.*.w"\ninit = "Normal"\nstd = 1e40\n'
    (tmp_path / "plan.toml").write_text(rules)
    assert command("inspect", "m.safetensors", "--png", "p.png", "--plan", "plan.toml")[0] == 0
    panels, depth = figures[0].axes
    assert sum(line.get_color() == "tab:red" for line in panels.lines) == 1  # float32 could not hold it; it is drawn
    assert [list(line.get_ydata()) for line in depth.lines if line.get_color() == "tab:red"] == [[1e40] * 4]


def test_comparable_tensors_share_an_axis(command, tmp_path):
    def tensor(reach):
        histogram = Histogram(-reach, reach / 2, 4)
        return Inspected("t", (1,), "float32", 1, 4, None, histogram)

    assert picture._axes_of([tensor(reach) for reach in (1.0, 0.3, 0.01, 2.0, 0.001)]) == [
        (-2.0, 1.0),
        (-2.0, 1.0),
        (-0.01, 0.005),
        (-2.0, 1.0),
        (-0.001, 0.0005),
    ]
    assert picture._axes_of([]) == []


@pytest.mark.parametrize(
    "law",
    [
        wf.Uniform(-1, 3),
        wf.Normal(mean=1, std=0.5),
        wf.TruncatedNormal(mean=1, std=0.5),
        wf.TruncatedNormal(mean=0.0, std=1.0, low=5.0, high=math.inf),
        wf.Laplace(mean=-1, scale=0.5),
        wf.LogUniform(1e-3, 1e-1),
        wf.LogUniform(1e-3, 1e-1, then="inverse_softplus"),
    ],
    ids=str,
)
def test_density_is_that_of_the_law(law):
    ends, heights = picture.density(law)
    x = np.linspace(ends[0], ends[-1], 20_001)
    y = np.interp(x, ends, heights)
    mass = np.diff(x) * (y[1:] + y[:-1]) / 2
    middle = (x[1:] + x[:-1]) / 2
    assert mass.sum() == pytest.approx(1, rel=0.01)
    mean = mass @ middle
    assert math.sqrt(mass @ (middle - mean) ** 2) == pytest.approx(picture.deviation(law), rel=0.02)
    values = wf.create(10_000, law, seed=1)
    assert values.std() == pytest.approx(picture.deviation(law), rel=0.03)


def test_laws_without_a_density_have_none():
    for law in (None, wf.Constant(1), wf.Normal(std=0), wf.Identity().law((3, 3)), wf.Normal(std=1e308)):
        assert picture.density(law) is None
    assert picture.deviation(wf.Constant(1)) is None


def test_a_file_of_another_name_that_is_no_npy_file_is_told_the_names_of_checkpoints(command, tmp_path):
    for name, way_out in (("model.bin", "; names of checkpoints end in .safetensors or .json\n"), ("t.npy", "")):
        (tmp_path / name).write_text("seed = 42")
        code, out, err = command("inspect", name)
        assert (code, out) == (2, "")
        assert err.startswith(f"weightfill: file must be a whole .npy file, got {name}: ")
        assert err.endswith(way_out)
        assert ("safetensors" in err) == bool(way_out)


def test_picture_that_cannot_be_written_is_refused_before_the_file_is_read(command, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for path, problem in (("none/p.png", "No such file or directory"), ("folder.png", "Is a directory")):
        assert command("inspect", "none.npy", "--png", path) == (2, "", f"weightfill: {path}: {problem}\n")
    assert list((tmp_path / "folder.png").iterdir()) == []


def test_missing_matplotlib_is_one_line_that_names_the_extra(command, monkeypatch):
    np.save("t.npy", np.ones(3))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command("inspect", "t.npy", "--png", "p.png") == (
        2,
        "",
        "weightfill: --png must be left out without matplotlib; pip install 'weightfill[plot]' gives it\n",
    )


def test_file_errors_are_one_line_and_exit_with_2(command, tmp_path):
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.npy").write_text("no array")
    np.save("whole.npy", np.ones(1000))
    (tmp_path / "short.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-1])
    np.save("opaque.npy", np.zeros(3, "V1"))
    (tmp_path / "folder.npy").mkdir()
    cases = [
        (["none.npy"], r"none\.npy: No such file or directory"),
        (["folder.npy"], r"file must be a whole \.npy file, got folder\.npy: it is not a regular file"),
        (["empty.npy"], r"file must be a whole \.npy file, got empty\.npy: .*"),
        (["text.npy"], r"file must be a whole \.npy file, got text\.npy: .*"),
        (["short.npy"], r"file must be a whole \.npy file, got short\.npy: .*"),
        (["opaque.npy"], r"dtype must be given for a file of opaque .*"),
        (["whole.npy", "--dtype", "float16"], r"dtype must be what the file holds \(float64\), got float16"),
        (["whole.npy", "--threads", "0"], r"threads must be in \[1, 1024\], got 0"),
        (["none.safetensors", "--dtype", "float16"], r"dtype must be left out for a checkpoint, .*, got float16"),
        ([], r"weightfill inspect needs <file>, as in: .*"),
    ]
    for arguments, message in cases:
        code, out, err = command("inspect", *arguments)
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"weightfill: {message}\n", err)


def test_output_that_cannot_show_blocks_is_drawn_in_ascii(tmp_path):
    np.save(tmp_path / "t.npy", wf.create((1000,), wf.Normal(), seed=1))
    program = [sys.executable, "-c", "from weightfill._cli import main; main()", "inspect", "t.npy"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "@" in shown.stdout


def test_file_larger_than_the_memory_allowed_is_read_in_constant_memory(tmp_path):
    with open(tmp_path / "t.npy", "wb") as file:  # mostly a hole
        header = {"descr": "<f4", "fortran_order": False, "shape": (100_000_000,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 400_000_000)
    script = """
import resource, sys
from weightfill import _cli as cli
def kilobytes(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
resource.setrlimit(resource.RLIMIT_DATA, ((kilobytes("VmData") << 10) + (64 << 20),) * 2)
before = kilobytes("VmHWM")
code = cli.run(["inspect", "t.npy", "--json", "--threads", "2"])
assert kilobytes("VmHWM") - before < 100 << 10
sys.exit(code)
"""
    program = [sys.executable, "-c", script]
    report = subprocess.run(program, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert json.loads(report)["total"]["zeros"] == 100_000_000


def test_import_of_the_package_needs_neither_typer_nor_rich():
    script = "import sys, weightfill; sys.exit(bool({'typer', 'rich', 'matplotlib'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True)
