"""Tests of weightfill.keras in layers and models, on the backend that KERAS_BACKEND names; test_keras.py runs them."""

import json
import math

import keras
import numpy as np
import pytest

import weightfill as wf
import weightfill.keras as wk
from tests.bits import assert_same_bits
from tests.frameworks.keras_cases import HAS_AXES, same, values

# Keras itself makes arrays of tensors in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3, kernel_initializer=wk.HeNormal(seed=1), bias_initializer=wk.Constant(0.01)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, kernel_initializer=wk.VarianceScaling(0.1, "fan_avg", "uniform", seed=2)),
            keras.layers.Reshape((2, 4)),
            keras.layers.LSTM(
                3, kernel_initializer=wk.GlorotUniform(seed=3), recurrent_initializer=wk.Orthogonal(seed=4)
            ),
            keras.layers.Dense(3, kernel_initializer=wk.Identity(), bias_initializer=wk.RandomUniform(seed=5)),
        ]
    )


def assert_same_weights(a, b):
    assert len(a.weights) == len(b.weights) > 0
    for ours, theirs in zip(a.weights, b.weights, strict=True):
        assert same(ours.value, theirs.value)


def test_model_that_is_saved_and_loaded_has_the_same_configuration_and_values(tmp_path):
    saved = model()
    saved.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert json.dumps(loaded.get_config()) == json.dumps(saved.get_config())  # tuples are loaded as lists
    assert type(loaded.layers[0].kernel_initializer) is wk.HeNormal
    assert_same_weights(loaded, saved)
    assert_same_weights(type(saved).from_config(loaded.get_config()), saved)
    assert_same_weights(keras.models.clone_model(saved), saved)


def test_model_s_weights_are_those_of_weightfill():
    convolution, _, dense, _, recurrent, last = model().layers
    expected = wf.create((3, 3, 2, 4), wf.HeNormal(truncated=True, layout="keras"), seed=1)
    assert_same_bits(values(convolution.kernel.value), expected)
    expected = wf.create((64, 8), wf.VarianceScaling(0.1, "fan_avg", "uniform", layout="keras"), seed=2)
    assert_same_bits(values(dense.kernel.value), expected)
    assert_same_bits(values(recurrent.cell.recurrent_kernel.value), wf.create((3, 12), wf.Orthogonal(axis=-1), seed=4))
    assert_same_bits(values(last.kernel.value), wf.create((3, 3), wf.Identity()))


def test_einsum_dense_passes_its_axes():
    layer = keras.layers.EinsumDense("abc,cde->abde", (None, 3, 16), kernel_initializer=wk.LecunUniform(seed=1))
    layer.build((None, 5, 12))
    limit = math.sqrt(3 / (12 if HAS_AXES else 12 * 3))
    assert_same_bits(values(layer.kernel.value), wf.create((12, 3, 16), wf.Uniform(-limit, limit), seed=1))


def test_a_kernel_whose_memory_weightfill_allocated_is_trained():
    trained = keras.Sequential([keras.Input((2048,)), keras.layers.Dense(1100, kernel_initializer=wk.HeNormal(seed=1))])
    trained.compile("sgd", "mse")
    trained.fit(np.ones((4, 2048), np.float32), np.ones((4, 1100), np.float32), epochs=2, verbose=0)
    initial = wk.HeNormal(seed=1)((2048, 1100))
    assert not same(trained.layers[0].kernel.value, initial)
    assert_same_bits(values(initial), wf.create((2048, 1100), wf.HeNormal(truncated=True, layout="keras"), seed=1))


def test_variables_made_in_a_stateless_scope_get_their_values_when_it_ends():
    with keras.StatelessScope():
        variable = keras.Variable(wk.GlorotNormal(seed=1), shape=(3, 4))
        assert same(variable.value, wk.GlorotNormal(seed=1)((3, 4)))
    assert same(variable.value, wk.GlorotNormal(seed=1)((3, 4)))


def test_symbolic_calls_give_the_values_of_eager_ones():
    layer = keras.layers.Dense(4, kernel_initializer=wk.GlorotNormal(seed=1))
    assert layer(keras.KerasTensor((2, 3))).shape == (2, 4)
    assert same(layer.kernel.value, wk.GlorotNormal(seed=1)((3, 4)))
