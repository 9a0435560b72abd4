"""Tests of weightfill.keras that only Keras's JAX backend has; test_keras.py runs them with 4 devices on the host."""

import jax
import keras
import numpy as np
import pytest

import weightfill as wf
import weightfill.keras as wk
from tests.bits import assert_same_bits

SHAPE = (6, 8)


def seeds():
    return [3, keras.random.SeedGenerator(3)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float8_e5m2", "float8_e4m3fn"])
@pytest.mark.parametrize("name", ["HeNormal", "RandomUniform", "Orthogonal"])
def test_jit_gives_the_bits_of_the_eager_call(name, dtype):
    initializer = getattr(wk, name)(seed=3)
    staged = jax.jit(initializer.__call__, static_argnames=["shape", "dtype"])(shape=SHAPE, dtype=dtype)
    assert_same_bits(np.asarray(staged), np.asarray(initializer(SHAPE, dtype)))


def test_seed_generator_goes_on_under_jit():
    generator = keras.random.SeedGenerator(3)
    initializer = wk.RandomNormal(seed=generator)

    @jax.jit
    def two_calls(state):
        with keras.StatelessScope(state_mapping=[(generator.state, state)]) as scope:
            values = initializer(SHAPE), initializer(SHAPE)
        return values, scope.get_current_value(generator.state)

    staged, state = two_calls(generator.state.value)
    assert state.tolist() == [3, 2]
    assert generator.state.value.tolist() == [3, 0]
    for value in staged:
        assert_same_bits(np.asarray(value), np.asarray(initializer(SHAPE)))


@pytest.mark.parametrize("seed", seeds(), ids=["integer", "generator"])
def test_eval_shape_fills_nothing(seed):
    result = jax.eval_shape(lambda: wk.HeNormal(seed=seed)((10**7, 10**7)))
    assert result.shape == (10**7, 10**7)


def test_errors_are_the_same_under_jit():
    with pytest.raises(ValueError, match="init must stay within"):
        jax.jit(lambda: wk.RandomNormal(stddev=2e4)((3,), "float16"))()


@pytest.mark.parametrize("seed", seeds(), ids=["integer", "generator"])
@pytest.mark.parametrize("kernel", [(None, "model"), ("batch", None), ("batch", "model"), (None, None)], ids=str)
@pytest.mark.parametrize("name", ["GlorotUniform", "Orthogonal", "Identity"])
def test_variables_of_a_distribution_are_sharded_and_have_the_bits_of_the_whole(name, kernel, seed):
    devices = keras.distribution.list_devices("cpu")
    assert len(devices) == 4
    mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"], devices=devices)
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*kernel"] = kernel
    arguments = {} if name == "Identity" else {"seed": seed}
    whole = getattr(wk, name)(**({} if name == "Identity" else {"seed": 3}))(SHAPE)
    if not isinstance(seed, int):
        seed.state.assign([3, 0])
    with keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch").scope():
        layer = keras.layers.Dense(SHAPE[1], kernel_initializer=getattr(wk, name)(**arguments))
        layer.build((None, SHAPE[0]))
    value = layer.kernel.value
    assert value.sharding.spec == jax.sharding.PartitionSpec(*kernel)
    assert len(value.addressable_shards) == 4
    assert_same_bits(np.asarray(value), np.asarray(whole))
    for shard in value.addressable_shards:
        assert_same_bits(np.asarray(shard.data), np.asarray(whole)[shard.index])


@pytest.mark.parametrize("made", ["before", "after"])
@pytest.mark.parametrize("kernel", [(None, "model"), (None, None)], ids=str)
def test_seed_generator_goes_on_under_a_distribution(kernel, made):
    generators = {"before": keras.random.SeedGenerator(3)}
    mesh = keras.distribution.DeviceMesh((4,), ["model"], devices=keras.distribution.list_devices("cpu"))
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*kernel"] = kernel
    with keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="model").scope():
        generators["after"] = keras.random.SeedGenerator(3)
        for call in range(3):
            initializer = wk.HeNormal(seed=generators[made])
            layer = keras.layers.Dense(SHAPE[1], kernel_initializer=initializer)
            layer.build((None, SHAPE[0]))
            value = layer.kernel.value
            assert value.sharding.spec == jax.sharding.PartitionSpec(*kernel)
            expected = wf.create(SHAPE, initializer.init(SHAPE), seed=3 + call * 2**32)
            assert_same_bits(np.asarray(value), expected)
    assert generators[made].state.value.tolist() == [3, 3]


@pytest.mark.parametrize("name", ["half", "single"])
def test_names_of_numpy_are_dtypes_as_for_keras_s_own(name):
    theirs = keras.initializers.HeNormal(seed=1)(SHAPE, name)
    ours = wk.HeNormal(seed=1)(SHAPE, name)
    assert ours.dtype == theirs.dtype
    assert_same_bits(np.asarray(ours), wf.create(SHAPE, wk.HeNormal().init(SHAPE), seed=1, dtype=name))


@pytest.mark.parametrize("staged", [False, True])
def test_layout_may_be_a_sharding(staged):
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "rows"))

    def call():
        return wk.HeNormal(seed=1)(SHAPE, layout=sharding)

    result = jax.jit(call)() if staged else call()
    assert result.sharding.is_equivalent_to(sharding, 2)
    assert_same_bits(np.asarray(result), np.asarray(wk.HeNormal(seed=1)(SHAPE)))


@pytest.mark.parametrize("name", ["float64", "double", "float"])
def test_float64_is_float32_unless_jax_has_it(name):
    with pytest.warns(UserWarning, match="Explicitly requested dtype"):
        value = wk.HeUniform(seed=1)(SHAPE, name)
    assert value.dtype == np.float32
    with jax.enable_x64(True):
        value = wk.HeUniform(seed=1)(SHAPE, name)
    assert_same_bits(np.asarray(value), wf.create(SHAPE, wf.HeUniform(layout="keras"), seed=1, dtype="float64"))


@pytest.mark.parametrize("name", ["TruncatedNormal", "Orthogonal"])
def test_patched_variables_of_a_distribution_are_sharded_and_have_the_bits_of_the_whole(name):
    mesh = keras.distribution.DeviceMesh((4,), ["model"], devices=keras.distribution.list_devices("cpu"))
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*kernel"] = (None, "model")
    with keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="model").scope(), wk.patched():
        found = []
        for dtype, seed in (("float32", 3), ("float16", 3), ("float32", keras.random.SeedGenerator(3))):
            initializer = getattr(keras.initializers, name)(seed=seed)
            layer = keras.layers.Dense(SHAPE[1], kernel_initializer=initializer, dtype=dtype)
            layer.build((None, SHAPE[0]))
            found.append(layer.kernel.value)
    for value in found:
        assert value.sharding.spec == jax.sharding.PartitionSpec(None, "model")
        assert_same_bits(np.asarray(value), np.asarray(getattr(wk, name)(seed=3)(SHAPE, value.dtype)))


def test_patched_leaves_variables_that_keras_draws_itself_where_they_are_to_be():
    mesh = keras.distribution.DeviceMesh((4,), ["model"], devices=keras.distribution.list_devices("cpu"))
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*kernel"] = (None, "model")
    initializer = keras.initializers.RandomNormal(seed=True)  # a seed that weightfill does not have
    with keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="model").scope(), wk.patched():
        layer = keras.layers.Dense(SHAPE[1], kernel_initializer=initializer)
        layer.build((None, SHAPE[0]))
    assert layer.kernel.value.sharding.spec == jax.sharding.PartitionSpec(None, "model")
    assert_same_bits(np.asarray(layer.kernel.value), np.asarray(initializer(SHAPE)))
