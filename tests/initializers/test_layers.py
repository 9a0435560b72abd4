"""LayerScaled: the distribution that the number in a tensor's name decides, whole, in parts and in plans."""

import math
import pickle
import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits, codes
from tests.repository import DATA
from weightfill import _cli as cli
from weightfill.signals import propagation

GOLDEN = [line for line in (DATA / "layers_v1.txt").read_text().splitlines() if not line.startswith("#")]
WO = wf.LayerScaled(wf.Normal(std=0.02))


def law(init, stream, shape=(4, 4)):
    return wf.Tensor(shape, init, seed=1, stream=stream).law


def test_golden_values_of_layers_never_change():
    for line in GOLDEN:
        init, _, rest = line.partition(" | ")
        place, _, values = rest.partition(" -> ")
        dtype, seed, name = place.split()
        assert codes(wf.create((3, 4), init, seed=int(seed), stream=name, dtype=dtype)) == values.split(), line
    assert len(GOLDEN) == 8 * 6


def test_stds_are_those_of_torchtitan_and_olmo_to_the_last_bit():
    for layer in range(300):
        stream = f"layers.{layer}.feed_forward.w2.weight"
        assert law(WO, stream) == wf.Normal(std=0.02 / (2 * (layer + 1)) ** 0.5)
        for width in (768, 2048, 4096):
            init = wf.LayerScaled(wf.Normal(std=1.0), branches=2 * width)
            assert law(init, stream) == wf.Normal(std=1 / math.sqrt(2 * width * (layer + 1)))


@pytest.mark.parametrize(
    ("stream", "index", "number"),
    [
        ("layers.3.wo", None, 3),
        ("model.layers.12.experts.7.w2", None, 12),
        ("0.weight", None, 0),
        ("h.007", None, 7),
        ("5", None, 5),
        ("layers/4/kernel", None, 4),
        ("block1.2b.c3.8.w", None, 8),
        ("layers.3.qkv[0]", None, 3),
        ("model.layers.12.experts.7.w2", "*.experts.{i}.*", 7),
        ("layers_13/kernel", "*layers_{i}/*", 13),
        ("decoder.layers_13/kernel", "*layers_{i}/*", 13),
        ("a.12.b.34", "*{i}*", 12),
        ("a.12.b.34", "*.{i}", 34),
        ("a+12(", "a+{i}(", 12),
        ("a\n12", "*{i}", 12),
        (f"layers.{2**64 - 2}.w", None, 2**64 - 2),
        ("layers." + "0" * 5000 + "2.w", None, 2),
    ],
)
def test_the_number_is_found_in_the_name(stream, index, number):
    assert law(wf.LayerScaled(wf.Normal(), index), stream) == wf.DepthScaled(wf.Normal(), number + 1).law(())
    assert wf.LayerScaled("normal", index).for_stream(stream) == wf.DepthScaled("normal", number + 1)


def test_a_given_number_counts_whatever_the_name():
    init = wf.LayerScaled(wf.Uniform(-1, 1), index=np.int64(3))
    assert init.law((2,)) == law(init, "layers.9.w") == law(init, "") == wf.DepthScaled(wf.Uniform(-1, 1), 4).law(())
    assert init.for_stream("layers.9.w") is init
    assert init == wf.LayerScaled(wf.Uniform(-1, 1), 3)


def test_offset_and_branches_are_those_of_the_formula():
    of = wf.TruncatedNormal(mean=0.1, std=0.02, low=-0.3, high=0.4)
    found = law(wf.LayerScaled(of, branches=3, offset=2), "b.5")
    root = math.sqrt(3 * 7)
    assert found == wf.TruncatedNormal(0.1 / root, 0.02 / root, low=-0.3 / root, high=0.4 / root)
    assert law(wf.LayerScaled("ones", offset=0), "b.8") == wf.Constant(0.25)


def test_schemes_take_the_fans_of_the_shape():
    assert law(wf.LayerScaled("lecun_normal"), "b.1", (8, 16)) == wf.Normal(std=0.25 / 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.LayerScaled(3), TypeError, "of must be an initializer such as Normal(std=0.02), got 3"),
        (lambda: wf.LayerScaled("orthogonal"), TypeError, "of must draw every element for itself, got Orthogonal("),
        (
            lambda: wf.LayerScaled("normal", 1.5),
            TypeError,
            "index must be an integer or a pattern such as '*layers_{i}/*', got 1.5",
        ),
        (lambda: wf.LayerScaled("normal", True), TypeError, "index must be an integer or a pattern"),
        (
            lambda: wf.LayerScaled("normal", "layers"),
            ValueError,
            "index must have {i} once, where the number stands, got 'layers'",
        ),
        (lambda: wf.LayerScaled("normal", "{i}.{i}"), ValueError, "index must have {i} once"),
        (lambda: wf.LayerScaled("normal", -1), ValueError, "index must be at least 0, got -1"),
        (
            lambda: wf.LayerScaled("normal", 2**64),
            ValueError,
            "index must be less than 2**64, got 18446744073709551616",
        ),
        (lambda: wf.LayerScaled("normal", branches=0), ValueError, "branches must be at least 1, got 0"),
        (lambda: wf.LayerScaled("normal", branches=2**64), ValueError, "branches must be less than 2**64"),
        (lambda: wf.LayerScaled("normal", branches=1.0), TypeError, "branches must be an integer, got 1.0"),
        (lambda: wf.LayerScaled("normal", offset=-1), ValueError, "offset must be at least 0, got -1"),
        (
            lambda: wf.LayerScaled("normal", 0, offset=0),
            ValueError,
            "index + offset must be in [1, 2**64), got 0 + 0",
        ),
        (
            lambda: law(wf.LayerScaled("normal", offset=0), "b.0.w"),
            ValueError,
            "index + offset must be in [1, 2**64), got 0 + 0",
        ),
        (
            lambda: WO.law((3,)),
            ValueError,
            "index must be an integer where no stream is known, got None; pass index=3, or ask Tensor(shape, init, "
            "seed=..., stream=...).law",
        ),
        (
            lambda: law(WO, "head.weight"),
            ValueError,
            "stream must have the number of a layer between dots or slashes for LayerScaled, got 'head.weight'; pass "
            "the number as index=3, or a pattern of names with {i} where it stands, such as index='*layers_{i}/*'",
        ),
        (lambda: wf.create(3, WO, seed=1), ValueError, "stream must have the number of a layer"),
        (lambda: law(WO, "b.\u0663.w"), ValueError, "stream must have the number of a layer"),
        (
            lambda: law(wf.LayerScaled("normal", "*blocks.{i}.*"), "layers.3.w"),
            ValueError,
            "stream must match '*blocks.{i}.*' for LayerScaled, got 'layers.3.w'; pass",
        ),
        (
            lambda: law(WO, f"b.{2**64}.w"),
            ValueError,
            "stream must have the number of a layer below 2**64, got 'b.18446744073709551616.w'",
        ),
        (
            lambda: law(WO, "b." + "9" * 5000),
            ValueError,
            "stream must have the number of a layer below 2**64, got 'b.9",
        ),
        (lambda: law(wf.LayerScaled(wf.Sparse(1)), "b.0"), ValueError, "of must draw every element, got Sparse("),
        (
            lambda: wf.Plan({"*": WO}, seed=1).fill({"head": np.empty(3, np.float32)}),
            ValueError,
            "params['head'], LayerScaled(of=Normal(mean=0.0, std=0.02), index=None, branches=2, offset=1): stream must",
        ),
        (
            lambda: wf.Plan({"*": WO}, seed=1).explain({"head": 3}),
            ValueError,
            "'head', rule '*': stream must have the number of a layer",
        ),
    ],
)
def test_what_has_no_such_number_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


WITHIN = {
    wf.Scaled(WO, 0.5): lambda own: wf.Scaled(own, 0.5),
    wf.Padded(WO, 1): lambda own: wf.Padded(own, 1),
    wf.DepthScaled(WO, 3): lambda own: wf.DepthScaled(own, 3),
    wf.MuP(WO, (3, 2)): lambda own: wf.MuP(own, (3, 2)),
    wf.Repeat(WO, 3): lambda own: wf.Repeat(own, 3),
    wf.Blocks(WO, 3): lambda own: wf.Blocks(own, 3),
    wf.Blocks((wf.Zeros(), wf.Scaled(WO, 2.0)), 2): lambda own: wf.Blocks((wf.Zeros(), wf.Scaled(own, 2.0)), 2),
    wf.Scaled(wf.Padded(wf.Blocks(WO, 2), 0), 0.5): lambda own: wf.Scaled(wf.Padded(wf.Blocks(own, 2), 0), 0.5),
    wf.LayerScaled(WO, index=1): lambda own: wf.LayerScaled(own, index=1),
    wf.LayerScaled(WO): lambda own: wf.DepthScaled(own, 8),
}


@pytest.mark.parametrize("init", WITHIN, ids=str)
def test_it_works_within_others(init, dtype):
    how = {"seed": 42, "stream": "layers.7.w"}
    expected = wf.create((12, 10), WITHIN[init](wf.DepthScaled(wf.Normal(std=0.02), 8)), dtype=dtype, **how)
    tensor = wf.Tensor((12, 10), init, dtype=dtype, **how)
    assert_same_bits(np.asarray(tensor), expected)
    assert tensor.verify(expected)
    assert_same_bits(tensor.fill(np.empty((5, 7), dtype), start=(3, 2)), expected[3:8, 2:9])
    assert_same_bits(tensor[[7, 0, 11]], expected[[7, 0, 11]])
    assert_same_bits(wf.fill_rows(np.empty((2, 10), dtype), init, [9, 4], shape=(12, 10), **how), expected[[9, 4]])


def test_tensors_keep_what_was_given():
    tensor = wf.Tensor((10**9, 8), WO, seed=42, stream="layers.7.w")
    assert tensor.init is WO
    assert tensor.law == wf.Normal(std=0.005)
    again = pickle.loads(pickle.dumps(tensor))
    assert again == tensor
    assert hash(again) == hash(tensor)
    assert_same_bits(again[5:7], tensor[5:7])
    assert tensor != wf.Tensor((10**9, 8), wf.Normal(std=0.005), seed=42, stream="layers.7.w")
    assert wf.Tensor((None, 8), WO, seed=42, stream="layers.7.w").law == wf.Normal(std=0.005)


def test_a_plan_gives_each_layer_its_own_distribution(tmp_path):
    rules = {"*.wo": WO, "*.w2": wf.Scaled(WO, 0.5), "*.emb": wf.Padded(WO, 0), "*": "normal"}
    plan = wf.Plan(rules, seed=42)
    shapes = {f"layers.{layer}.{name}": (6, 5) for layer in range(4) for name in ("wo", "w2", "emb", "w1")}
    params = plan.fill({name: np.empty(shape, np.float32) for name, shape in shapes.items()})
    for name, tensor in plan.tensors(shapes).items():
        assert_same_bits(params[name], np.asarray(tensor))
        layer = int(name.split(".")[1])
        scaled = wf.DepthScaled(wf.Normal(std=0.02), layer + 1)
        own = {"wo": scaled, "w2": wf.Scaled(scaled, 0.5), "emb": wf.Padded(scaled, 0), "w1": wf.Normal()}
        assert_same_bits(params[name], wf.create((6, 5), own[name.split(".")[2]], seed=42, stream=name))
    laws = {row.name: row.law for row in plan.explain(shapes)}
    assert laws["layers.3.wo"] == wf.Normal(std=0.02 / 8**0.5)
    assert "Normal(mean=0, std=0.00707107)" in str(plan.explain(shapes))
    plan.write(tmp_path / "init.safetensors", shapes)
    assert wf.verify_checkpoint(tmp_path / "init.safetensors", plan)
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan


class FirstOnly(wf.Initializer):
    """One's own that changes with some names alone."""

    def law(self, shape):
        return wf.Normal()

    def for_stream(self, stream):
        return wf.Constant(3.0) if stream == "b" else self


def test_names_may_decide_for_initializers_of_ones_own_too():
    plan = wf.Plan({"*": FirstOnly()}, seed=42)
    params = plan.fill({name: np.empty(4, np.float32) for name in "abc"})
    assert params["b"].tolist() == [3.0] * 4
    for name in "ac":
        assert_same_bits(params[name], wf.create(4, wf.Normal(), seed=42, stream=name))


def test_signals_know_the_distribution_of_each_layer():
    of = wf.Normal(std=0.5)
    report = propagation([16, 16, 16, 16], "tanh", wf.LayerScaled(of, "layer{i}.*", offset=0), seed=42)
    assert [layer.init for layer in report.layers] == [wf.DepthScaled(of, number) for number in (1, 2, 3)]
    assert report.layers[2].predicted_std == pytest.approx(report.layers[2].std, rel=0.5)


def test_the_command_line_has_it(tmp_path, capsys):
    path = tmp_path / "t.npy"
    how = ["--init", "LayerScaled(Normal(std=0.02))", "--seed", "42", "--stream", "layers.7.wo"]
    assert cli.run(["table", "--rows", "9", "--dim", "8", "--out", str(path), *how]) == 0
    assert_same_bits(np.load(path), wf.create((9, 8), wf.Normal(std=0.005), seed=42, stream="layers.7.wo"))
    assert cli.run(["verify", str(path), *how]) == 0
    assert cli.run(["verify", str(path), *how[:-1], "head"]) == 2
    assert "stream must have the number of a layer" in capsys.readouterr().err


def test_inspect_draws_the_density_of_each_layer(tmp_path):
    plan, out = wf.Plan({"*": WO}, seed=42), tmp_path / "init.safetensors"
    plan.write(out, {f"layers.{layer}.wo": (40, 30) for layer in range(3)})
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    single = {f"layers.{layer}.wo": wf.DepthScaled(wf.Normal(std=0.02), layer + 1) for layer in range(3)}
    (tmp_path / "single.toml").write_text(wf.Plan(single, seed=42).to_toml())
    for name in ("plan", "single"):
        how = ["--plan", str(tmp_path / f"{name}.toml"), "--png", str(tmp_path / f"{name}.png")]
        assert cli.run(["inspect", str(out), *how]) == 0
    assert (tmp_path / "plan.png").read_bytes() == (tmp_path / "single.png").read_bytes()
    assert cli.run(["inspect", str(out), "--png", str(tmp_path / "without.png")]) == 0
    assert (tmp_path / "plan.png").read_bytes() != (tmp_path / "without.png").read_bytes()
