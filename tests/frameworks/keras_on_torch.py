"""Tests of weightfill.keras that only Keras's torch backend has; test_keras.py runs them."""

import keras
import pytest
import torch

import weightfill as wf
import weightfill.keras as wk
from tests.bits import assert_same_bits


def test_meta_tensors_are_not_filled():
    generator = keras.random.SeedGenerator(1)
    with keras.device("meta"):
        tensor = wk.RandomNormal(seed=generator)((10**7, 10**7), "bfloat16")
    assert tensor.is_meta
    assert tensor.shape == (10**7, 10**7)
    assert tensor.dtype == torch.bfloat16
    assert generator.state.value.tolist() == [1, 0]


def test_errors_are_the_same_without_memory():
    with keras.device("meta"), pytest.raises(ValueError, match="init must stay within"):
        wk.RandomNormal(stddev=2e4)((3,), "float16")


def test_float64_has_its_own_bits():
    tensor = wk.HeUniform(seed=1)((3, 4), torch.float64)
    assert_same_bits(tensor.numpy(), wf.create((3, 4), wf.HeUniform(layout="keras"), seed=1, dtype="float64"))


def test_result_is_a_plain_tensor_without_gradient():
    tensor = wk.HeUniform(seed=1)((3, 4))
    assert type(tensor) is torch.Tensor
    assert not tensor.requires_grad
    assert tensor.is_contiguous()
    assert tensor.device == torch.device("cpu")


def test_layout_is_an_error():
    with pytest.raises(ValueError, match="layout must be None on the torch backend, got 'rows'"):
        wk.HeUniform(seed=1)((3, 4), layout="rows")


def test_seed_generators_of_negative_seeds_have_the_values_of_the_unsigned_word():
    tensor = wk.RandomNormal(seed=keras.random.SeedGenerator(-3))((3, 4))
    assert_same_bits(tensor.numpy(), wf.create((3, 4), wf.Normal(std=0.05), seed=2**32 - 3))
