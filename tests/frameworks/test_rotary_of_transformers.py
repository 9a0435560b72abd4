"""Rotary beside the functions of transformers, whose `pow` is torch's."""

import importlib

import numpy as np
import pytest

import weightfill as wf

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
rope = importlib.import_module("transformers.modeling_rope_utils")

KINDS = {
    "linear": {"factor": 4.0},
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "yarn": {"factor": 32.0, "original_max_position_embeddings": 4096},
}


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0, 1_000_000.0])
@pytest.mark.parametrize("dim", [64, 96, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_frequencies_are_those_of_transformers_but_for_the_last_bits_of_a_few(kind, dim, theta):
    parameters = {"rope_type": kind, "rope_theta": theta, **KINDS[kind]}
    config = transformers.LlamaConfig(
        hidden_size=4 * dim, num_attention_heads=4, max_position_embeddings=131_072, rope_parameters=parameters
    )
    theirs, _ = rope.ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    ours = wf.create(dim // 2, wf.Rotary(theta, scaling=kind, **KINDS[kind]))
    apart = np.abs(ours.view(np.int32) - theirs.numpy().view(np.int32))
    assert apart.max() <= 2
    assert np.count_nonzero(apart) <= 2
