"""From a config.json to a checkpoint that transformers opens, without the model ever being built."""

import json
import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 101,
}
CONFIGS = {
    "gpt2": ("AutoModelForCausalLM", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 20, "vocab_size": 101}),
    "llama": ("AutoModelForCausalLM", {**SMALL, "num_key_value_heads": 2, "dtype": "bfloat16", "pad_token_id": 3}),
    "llama-tied": ("AutoModelForCausalLM", {**SMALL, "model_type": "llama", "tie_word_embeddings": True}),
    "t5": (
        "AutoModelForSeq2SeqLM",
        {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 101, "pad_token_id": 0},
    ),
    "bert": ("AutoModelForMaskedLM", {**SMALL, "max_position_embeddings": 20}),
    "vit": ("AutoModelForImageClassification", {**SMALL, "image_size": 16, "patch_size": 8}),
}


@pytest.mark.parametrize("family", CONFIGS)
def test_a_config_becomes_a_checkpoint_that_transformers_opens(command, tmp_path, family):
    kind, config = CONFIGS[family]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family, **config}))
    function = f"transformers:{kind}.from_config"
    files = ["--shapes", "manifest.json", "--seed", "42"]
    code, out, err = command("record", function, "--config", "config.json", "--out", "plan.toml", *files)
    assert code == 0, err
    assert f"recorded with transformers {transformers.__version__}, torch " in out
    code, _, err = command("model", "plan.toml", *files, "--out", "model.safetensors", "--shard-bytes", "20kB")
    assert code == 0, err
    assert (tmp_path / "model.safetensors.index.json").exists()
    code, out, _ = command("verify", "model.safetensors.index.json", "--plan", "plan.toml", "--shapes", "manifest.json")
    assert code == 0, out

    automatic = getattr(transformers, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # transformers' own
        opened, report = automatic.from_pretrained(tmp_path, output_loading_info=True)
    assert {name: list(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys")} == {
        "missing_keys": [],
        "unexpected_keys": [],
        "mismatched_keys": [],
    }
    with wt.recording() as recorded:
        module = automatic.from_config(transformers.AutoConfig.from_pretrained(tmp_path))
    plan = wf.Plan.from_toml((tmp_path / "plan.toml").read_text())
    assert recorded.plan(module, seed=42) == plan
    wt.materialize(module, plan)
    wanted, found = module.state_dict(), opened.state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name
    pointers = {name: tensor.data_ptr() for name, tensor in found.items()}
    ties = json.loads((tmp_path / "manifest.json").read_text())
    for name, entry in ties.items():
        assert "tied_to" not in entry or pointers[name] == pointers[entry["tied_to"]]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"model_type": "gtp2"}, "transformers raised ValueError: "),
        ({"model_type": "gpt2", "n_layer": "many"}, "transformers raised "),
    ],
)
def test_a_config_that_transformers_refuses_is_one_line(command, tmp_path, config, problem):
    (tmp_path / "config.json").write_text(json.dumps(config))
    given = ["transformers:AutoModelForCausalLM.from_config", "--config", "config.json"]
    code, out, err = command("record", *given, "--out", "plan.toml", "--shapes", "manifest.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"weightfill: --config config.json: {problem}")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_the_nearest_class_of_a_library_is_suggested(command):
    given = ["transformers:AutoModelForCasualLM.from_config", "--out", "plan.toml", "--shapes", "manifest.json"]
    assert command("record", *given)[2] == (
        "weightfill: module:function must name a function of transformers, got "
        "'transformers:AutoModelForCasualLM.from_config', which has no AutoModelForCasualLM; "
        "did you mean AutoModelForCausalLM?\n"
    )
