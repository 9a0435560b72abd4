"""Tests of weightfill.keras.patched, on the backend that KERAS_BACKEND names; test_keras.py runs them."""

import asyncio
import contextlib
import inspect
import json
import threading

import keras
import pytest

import weightfill as wf
import weightfill.keras as wk
from tests.bits import assert_same_bits
from tests.frameworks.keras_cases import RANDOM, same, values

# Keras itself makes arrays of tensors in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SHAPE = (6, 8)
HELD = {name: getattr(keras.initializers, name) for name in RANDOM}
CALLS = {theirs: vars(theirs)["__call__"] for theirs in HELD.values() if "__call__" in vars(theirs)}


def is_ours():
    """Whether Keras's initializers draw weightfill's values in this thread or task."""
    return same(keras.initializers.HeNormal(seed=3)(SHAPE), wk.HeNormal(seed=3)(SHAPE))


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert not is_ours()
    for theirs, call in CALLS.items():
        assert vars(theirs)["__call__"] is call


def encoder(of=keras.initializers):
    """A small encoder, with initializers of this module as objects and by their names."""

    def named(name):
        return keras.initializers.get(name) if of is keras.initializers else getattr(of, name)()

    tokens = keras.Input((5,), dtype="int32")
    normal = {"kernel_initializer": of.TruncatedNormal(stddev=0.02)}
    x = keras.layers.Embedding(11, 8, embeddings_initializer=named("random_uniform"))(tokens)
    x = x + keras.layers.MultiHeadAttention(2, 4, **normal)(x, x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Dense(8, kernel_initializer=named("he_normal"), bias_initializer=named("random_normal"))(x)
    recurrent = {"recurrent_initializer": named("orthogonal")}
    x = keras.layers.LSTM(4, kernel_initializer=named("glorot_uniform"), **recurrent)(x)
    return keras.Model(tokens, keras.layers.Dense(3, kernel_initializer=named("glorot_uniform"))(x))


# Values


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", RANDOM)
def test_an_initializer_draws_what_weightfill_s_class_draws(name, dtype):
    before = HELD[name](seed=3)
    with wk.patched():
        found = [before(SHAPE, dtype), HELD[name](seed=3)(SHAPE, dtype)]
        if name in ("GlorotUniform", "Orthogonal"):
            config = {"class_name": name, "config": {"seed": 3}}
            found.append(keras.initializers.get(config)(shape=SHAPE, dtype=dtype))
    for one in found:
        assert_same_bits(values(one), values(getattr(wk, name)(seed=3)(SHAPE, dtype)))
    assert_same_bits(values(found[0]), wf.create(SHAPE, getattr(wk, name)().init(SHAPE), seed=3, dtype=dtype))


def test_initializers_have_their_names_and_classes():
    with wk.patched():
        initializer = keras.initializers.get("glorot_uniform")
        assert type(initializer) is keras.initializers.GlorotUniform
        assert initializer.get_config()["seed"] is None
        assert same(initializer(SHAPE), wk.GlorotUniform(seed=initializer.seed)(SHAPE))


def test_subclasses_draw_the_distribution_of_their_base():
    class Halved(keras.initializers.RandomNormal):
        def __call__(self, shape, dtype=None):
            return super().__call__(shape, dtype) * 0.5

    class Wide(keras.initializers.VarianceScaling):
        def __init__(self, seed=None):
            super().__init__(scale=4.0, mode="fan_out", seed=seed)

    with wk.patched():
        halved, wide = Halved(seed=1)(SHAPE), Wide(seed=1)(SHAPE)
    assert same(halved, wk.RandomNormal(seed=1)(SHAPE) * 0.5)
    assert same(wide, wk.VarianceScaling(4.0, "fan_out", seed=1)(SHAPE))


def test_weightfill_s_classes_stay_as_they_are():
    expected = wk.HeNormal(seed=3)(SHAPE)
    with wk.patched():
        assert same(wk.HeNormal(seed=3)(SHAPE), expected)


def test_a_generator_goes_on_by_one_a_call():
    generator = keras.random.SeedGenerator(3)
    with wk.patched():
        initializer = keras.initializers.RandomNormal(seed=generator)
        found = [initializer(SHAPE) for _ in range(2)]
    for call, one in enumerate(found):
        assert_same_bits(values(one), wf.create(SHAPE, wf.Normal(std=0.05), seed=3 + call * 2**32))
    assert values(generator.state.value).tolist() == [3, 2]


# Models


def test_a_model_is_the_same_again_with_the_same_seed():
    models = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        with wk.patched():
            models.append(encoder())
    once, again, other = ([values(weight.value) for weight in model.weights] for model in models)
    assert len(once) == len(again) > 10
    for first, second in zip(once, again, strict=True):
        assert_same_bits(first, second)
    assert any((first != second).any() for first, second in zip(once, other, strict=True))


def test_a_model_is_that_of_weightfill_s_classes():
    keras.utils.set_random_seed(1)
    expected = encoder(wk)
    keras.utils.set_random_seed(1)
    with wk.patched():
        found = encoder()
    for ours, theirs in zip(found.weights, expected.weights, strict=True):
        assert_same_bits(values(ours.value), values(theirs.value))


def test_a_model_s_configuration_is_keras_s_own():
    with wk.patched():
        model = encoder()
    configuration = json.dumps(model.get_config())
    assert "weightfill" not in configuration
    assert '"TruncatedNormal"' in configuration


def test_layers_draw_when_they_are_built():
    with wk.patched():
        layer = keras.layers.Dense(8, kernel_initializer=keras.initializers.HeNormal(seed=3))
    layer.build((None, 6))
    assert not same(layer.kernel.value, wk.HeNormal(seed=3)(SHAPE))
    with wk.patched():
        layer = keras.layers.Dense(8, kernel_initializer=keras.initializers.HeNormal(seed=3))
        layer.build((None, 6))
    assert same(layer.kernel.value, wk.HeNormal(seed=3)(SHAPE))


# What Keras draws itself


def test_keras_draws_what_weightfill_cannot():
    cases = [
        (keras.initializers.RandomNormal(seed=True), "float32"),
        (keras.initializers.RandomNormal(stddev=2e4, seed=1), "float16"),
    ]
    before = [initializer(SHAPE, dtype) for initializer, dtype in cases]
    with wk.patched():
        after = [initializer(SHAPE, dtype) for initializer, dtype in cases]
        other = keras.random.normal(SHAPE, seed=1)
    assert all(map(same, before, after))
    assert same(other, keras.random.normal(SHAPE, seed=1))


def test_errors_are_keras_s_own():
    messages = []
    for block in (contextlib.nullcontext(), wk.patched()):
        with block, pytest.raises(Exception, match=r".") as caught:
            keras.initializers.Orthogonal(seed=1)((3,))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


# Blocks


def test_an_exception_restores_keras():
    @wk.patched()
    def fail():
        assert is_ours()
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not is_ours()


def test_blocks_may_be_nested_and_end_in_any_order():
    first, second = wk.patched(), wk.patched()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert is_ours()
    second.__exit__(None, None, None)
    assert not is_ours()


def test_other_threads_keep_keras_s_values_and_signatures():
    found = []

    def look():
        found.append((is_ours(), list(inspect.signature(keras.initializers.HeNormal()).parameters)))

    with wk.patched():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        look()
    assert found == [(False, ["shape", "dtype"]), (True, ["shape", "dtype", "layout"])]


def test_a_task_that_outlives_the_block_has_keras_s_values_again():
    async def look(event):
        first = is_ours()
        await event.wait()
        return first, is_ours()

    async def main():
        event = asyncio.Event()
        with wk.patched():
            task = asyncio.create_task(look(event))
            await asyncio.sleep(0)
        event.set()
        return await task

    assert asyncio.run(main()) == (True, False)


def test_what_another_library_puts_in_the_place_of_a_call_stays():
    theirs = keras.initializers.RandomNormal

    def other(self, shape, dtype=None):
        return "other"

    with wk.patched():
        theirs.__call__ = other
    assert keras.initializers.RandomNormal()(SHAPE) == "other"
    theirs.__call__ = CALLS[theirs]
