"""The examples: their sizes, their plans explained in full size and some written scaled down, GPT-2 as a whole."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import weightfill as wf
from tests.repository import DOCS, EXAMPLES
from weightfill import _cli as cli
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files.safetensors_file import open_checkpoint
from weightfill._models.manifest import specs

ROW = re.compile(r"\| `([^`]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|")
TABLE = {  # tensors, elements, bytes, rules
    name: tuple(int(number.replace(",", "")) for number in numbers)
    for name, *numbers in ROW.findall((DOCS / "howto" / "published-models.md").read_text(encoding="utf-8"))
}
FOLDERS = sorted(file.parent.name for file in EXAMPLES.glob("*/plan.toml"))
PUBLISHED = {  # elements, as their authors or model cards count them
    "clip-b32": 151_277_313,
    "convnext-tiny": 28_589_128,
    "deepseek-v3": 671_026_419_200 - 58 * 256,  # which are buffers
    "gemma3-1b": 999_885_952,
    "gpt2": 124_439_808,
    "llama-8b": 8_030_261_248,
    "mamba-130m": 129_135_360,
    "mixtral-8x7b": 46_702_792_704,
    "qwen3-8b": 8_190_735_360,
    "resnet-50": 25_557_032 + 53 + 2 * 26_560,  # with the counters and statistics of norms
    "swin-tiny": 28_288_354,
    "t5-small": 60_506_624,
    "unet-sd1.5": 859_520_964,
    "vit-b16": 86_567_656,
    "whisper-large": 1_543_490_560,
}

models = pytest.mark.parametrize("model", FOLDERS)


def plan_of(model):
    return wf.Plan.from_toml((EXAMPLES / model / "plan.toml").read_text(encoding="utf-8"))


def explained(model):
    """Returns for every parameter of a model in full size what its plan does to it."""
    return {parameter.name: parameter for parameter in plan_of(model).explain(EXAMPLES / model / "manifest.json")}


@models
def test_the_table_of_the_document_has_the_sizes(model):
    plan, explanation = plan_of(model), plan_of(model).explain(EXAMPLES / model / "manifest.json")
    assert TABLE[model] == (len(explanation), explanation.elements, explanation.nbytes, len(plan.rules))
    assert PUBLISHED.get(model, explanation.elements) == explanation.elements


def test_every_folder_is_in_the_table_and_all_are_small():
    assert sorted(TABLE) == FOLDERS
    assert sum(file.stat().st_size for file in EXAMPLES.rglob("*") if file.suffix in (".json", ".toml")) < 3_000_000


@models
def test_plan_survives_toml(model):
    plan = plan_of(model)
    assert wf.Plan.from_toml(plan.to_toml()) == plan


def test_gpt2_begins_as_in_transformers():
    laws = {name: parameter.law for name, parameter in explained("gpt2").items()}
    residual = 0.02 / np.sqrt(2 * 12)
    for name, law in laws.items():
        if name.endswith("c_proj.weight"):
            assert (law.mean, law.std) == (0, pytest.approx(residual, rel=1e-15))
        elif name.endswith(".bias"):
            assert law == wf.Constant(0.0)
        elif "ln_" in name:
            assert law == wf.Constant(1.0)
        else:
            assert law == wf.Normal(std=0.02)
    assert sum(law == wf.Constant(1.0) for law in laws.values()) == 25


def test_llama_begins_as_in_transformers():
    laws = [parameter.law for parameter in explained("llama-8b").values()]
    assert laws.count(wf.Constant(1.0)) == 65
    assert laws.count(wf.Normal(std=0.02)) == 226


def test_dlrm_begins_as_its_authors_have_it():
    for name, parameter in explained("dlrm").items():
        law, outputs = parameter.law, parameter.shape[0]
        if name.startswith("emb_l"):
            assert (law.low, law.high) == (-law.high, pytest.approx(1 / np.sqrt(outputs), rel=1e-15))
        elif name.endswith(".weight"):
            assert (law.mean, law.std) == (0, pytest.approx(np.sqrt(2 / sum(parameter.shape)), rel=1e-15))
        else:
            assert (law.mean, law.std) == (0, pytest.approx(np.sqrt(1 / outputs), rel=1e-15))


def scaled_down(model):
    """Returns the manifest of a model whose every dimension is cut to 64."""
    return {
        name: {"shape": [min(count, 64) for count in shape], "dtype": dtype.name}
        for name, (shape, dtype) in specs(EXAMPLES / model / "manifest.json").items()
    }


@pytest.mark.parametrize("model", ["gpt2", "llama-8b", "dlrm", "siglip-b16"])
def test_model_scaled_down_is_written_and_verified(model, tmp_path, capsys):
    plan, file = str(EXAMPLES / model / "plan.toml"), str(tmp_path / "model.safetensors")
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps(scaled_down(model)))
    assert cli.run(["model", plan, "--shapes", str(manifest), "--out", file, "--shard-size", "500KB"]) == 0
    file += "" if Path(file).exists() else ".index.json"
    assert cli.run(["verify", file, "--plan", plan, "--shapes", str(manifest)]) == 0
    assert cli.run(["verify", file, "--plan", plan, "--seed", "43"]) == 1
    assert cli.run(["inspect", file]) == 0
    capsys.readouterr()
    shapes = specs(manifest)
    params = plan_of(model).fill({name: np.empty(shape, dtype) for name, (shape, dtype) in shapes.items()})
    written = open_checkpoint(file)
    assert written.keys() == params.keys()
    for name, array in params.items():
        assert written[name].dtype == array.dtype
        assert written[name].tobytes() == array.tobytes()


@pytest.mark.slow
def test_gpt2_is_written_whole(tmp_path, capsys):
    plan, shapes = (str(EXAMPLES / "gpt2" / name) for name in ("plan.toml", "manifest.json"))
    file = str(tmp_path / "model.safetensors")
    assert cli.run(["model", plan, "--shapes", shapes, "--out", file]) == 0
    assert "148 tensors, 124,439,808 elements, 497,759,232 bytes" in capsys.readouterr().out
    assert verify_checkpoint(file, plan_of("gpt2"), shapes=shapes)
    expected = specs(shapes)
    with safe_open(file, "numpy") as opened:
        assert set(opened.keys()) == expected.keys()
        assert opened.metadata() == {"format": "pt"}
    loaded = load_file(file)
    assert {name: (array.shape, array.dtype) for name, array in loaded.items()} == expected
    for name in ("wte.weight", "h.11.mlp.c_proj.weight"):
        init = plan_of("gpt2").rule(name).init
        assert loaded[name].tobytes() == wf.create(expected[name].shape, init, seed=42, stream=name).tobytes()
    Path(file).unlink()  # half a gigabyte, of which pytest would keep three
