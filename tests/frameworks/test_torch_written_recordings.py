"""Recorded models of transformers, written and loaded: the same bits as materialized ones."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from safetensors.torch import load_file, load_model  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch  # noqa: E402

BERT = {"num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 19, "max_position_embeddings": 12}
MODELS = {
    "GPT2LMHeadModel": {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 19, "n_positions": 12},
    "LlamaForCausalLM": {"hidden_size": 8, "intermediate_size": 12, "num_key_value_heads": 1, **BERT},
    "BertForMaskedLM": {"hidden_size": 8, "intermediate_size": 12, **BERT},
    "SwinModel": {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]},
    "ResNetModel": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]},
}


def built(name):
    kind = getattr(transformers, name)
    return kind(kind.config_class(**MODELS[name]))


@pytest.mark.parametrize("name", MODELS)
def test_a_written_recording_is_loaded_as_the_materialized_model(tmp_path, name):
    with weightfill.torch.recording() as recorded:
        model = built(name)
    plan = recorded.plan(model, seed=42)
    file = tmp_path / "model.safetensors"
    plan.write(file, model)
    assert wf.verify_checkpoint(file, plan, model)

    buffers = {buffer: tensor.clone() for buffer, tensor in model.named_buffers()}
    assert not any(tensor.is_meta for tensor in buffers.values())
    weightfill.torch.materialize(model, plan)
    assert all(torch.equal(tensor, buffers[buffer]) for buffer, tensor in model.named_buffers())
    assert wf.verify_checkpoint(file, plan, model)

    loaded = built(name)
    with torch.no_grad():
        for tensor in loaded.state_dict().values():
            tensor.zero_()
    assert load_model(loaded, file, strict=True) == (set(), [])
    state = model.state_dict()
    for key, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, state[key]), key
    if loaded._tied_weights_keys is None:  # each tensor has one name, as load_state_dict wants them all
        again = built(name)
        again.load_state_dict(load_file(file), strict=True)
        assert all(torch.equal(tensor, state[key]) for key, tensor in again.state_dict().items())

    model.save_pretrained(tmp_path)  # config.json beside another model.safetensors
    plan.write(file, built(name), replace=True)
    opened = type(model).from_pretrained(tmp_path)
    for key, tensor in opened.state_dict().items():
        assert torch.equal(tensor, state[key]), key
