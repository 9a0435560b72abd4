"""Models of transformers that compute some of their parameters, recorded and compared with plain construction."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
stats = pytest.importorskip("scipy.stats")

import numpy as np  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from examples import record  # noqa: E402

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 99}
SEQUENCE = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "pad_token_id": 0,
}
HALVES = wf.Sinusoid(form="halves")
STEPS = wf.LogUniform(0.001, 0.1, then="inverse_softplus")
FAMILIES = {
    "whisper": (
        {**SEQUENCE, "vocab_size": 99, "max_source_positions": 40, "max_target_positions": 20},
        {"encoder.embed_positions.weight": wf.Values},
    ),
    "marian": (
        {**SEQUENCE, "vocab_size": 99, "max_position_embeddings": 40},
        {"encoder.embed_positions.weight": HALVES},
    ),
    "mamba": (
        {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "state_size": 16},
        {"layers.1.mixer.A_log": wf.Values, "layers.1.mixer.dt_proj.bias": STEPS, "layers.1.mixer.D": wf.Ones()},
    ),
    "mamba2": (
        {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "num_heads": 8, "head_dim": 8, "n_groups": 2},
        {"layers.1.mixer.dt_bias": STEPS},
    ),
    "roformer": ({**SMALL, "max_position_embeddings": 40}, {"encoder.embed_positions.weight": HALVES}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_they_are_said_with_computed_numbers_kept(family):
    options, expected = FAMILIES[family]
    config = transformers.AutoConfig.for_model(family, **options)
    with wt.recording() as recorded:
        model = transformers.AutoModel.from_config(config)
    if wf.Values in expected.values() or family == "mamba2":
        with pytest.raises(ValueError, match="which got values that the module computes"):
            recorded.plan(model, seed=42)
    plan = recorded.plan(model, seed=42, computed="keep")
    for name, init in expected.items():
        found = plan.rule(name).init
        assert isinstance(found, init) if isinstance(init, type) else found == init, name
    recorded.check(model, plan)
    wt.materialize(model, plan)
    assert wt.verify(model, plan)
    plain = transformers.AutoModel.from_config(config)
    theirs, ours = dict(plain.named_parameters()), dict(model.named_parameters())
    assert theirs.keys() == ours.keys()
    drawn: dict[object, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, param in theirs.items():
        init, pair = plan.rule(name).init, (param.detach().numpy().ravel(), ours[name].detach().numpy().ravel())
        if init.random:
            drawn.setdefault((init, param.shape[-1]), []).append(pair)
        else:
            assert (pair[0] == pair[1]).all(), name
    for init, pairs in drawn.items():
        assert stats.ks_2samp(*map(np.concatenate, zip(*pairs, strict=True)), method="asymp").pvalue > 1e-5, init


def test_large_tables_of_a_family_go_into_a_file_beside_the_plan(tmp_path):
    config = transformers.AutoConfig.for_model("whisper", **FAMILIES["whisper"][0])
    with wt.recording() as recorded:
        model = transformers.AutoModel.from_config(config)
    plan = recorded.plan(model, seed=42, computed="keep")
    text = plan.to_toml(values=tmp_path / "tables.safetensors")
    assert 'tensor = "encoder.embed_positions.weight"' in text
    assert len(text) < 1000
    again = wf.Plan.from_toml(text, folder=tmp_path)
    assert again == plan
    plan.write(tmp_path / "model.safetensors", model)
    assert wf.verify_checkpoint(tmp_path / "model.safetensors", again, shapes=model)


def test_magnitudes_of_weight_norm_are_named_and_may_have_a_rule():
    options = {
        **SMALL,
        "conv_dim": [16, 16],
        "conv_kernel": [3, 3],
        "conv_stride": [2, 2],
        "num_conv_pos_embeddings": 4,
    }
    config = transformers.AutoConfig.for_model(
        "wav2vec2", **options, num_conv_pos_embedding_groups=2, num_feat_extract_layers=2
    )
    with wt.recording() as recorded:
        model = transformers.AutoModel.from_config(config)
    message = (
        "got 'encoder.pos_conv_embed.conv.parametrizations.weight.original0', which norm computed from a draw; pass"
    )
    for computed in ("refuse", "keep"):
        with pytest.raises(ValueError, match=message):
            recorded.plan(model, seed=42, computed=computed)
    plan = recorded.plan(model, seed=42, rules={"*.original0": wf.Ones()})
    assert plan.rule("encoder.pos_conv_embed.conv.parametrizations.weight.original1").init == wf.StandardUniform()
    assert wt.verify(wt.materialize(model, plan), plan)


def test_an_unknown_family_is_named_before_any_is_recorded():
    with pytest.raises(SystemExit, match=r"^examples\.record: families are bert-base, .*, got 'gpt3'$"):
        record.main(["gpt3", "gpt2"])
