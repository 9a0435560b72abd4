"""Tests of weightfill.keras on the backend that KERAS_BACKEND names; test_keras.py runs them once for each."""

import doctest
import inspect
import math
import pathlib
import re

import keras
import numpy as np
import pytest
from scipy import stats

import weightfill as wf
import weightfill.keras as wk
from tests.bits import DTYPES, assert_same_bits
from tests.frameworks.keras_cases import CONFIGURED, EQUIVALENTS, NAMES, RANDOM, SCHEMES, THEIRS, made, same, values
from tests.public import PUBLIC


def raised(call):
    try:
        call()
    except Exception as error:
        return type(error)
    return None


def test_docstrings_examples_are_right():
    failed, attempted = doctest.testmod(wk, extraglobs=PUBLIC)
    assert attempted
    assert not failed


def test_every_initializer_of_keras_is_here_under_all_its_names_but_stft():
    assert sorted(set(wk.__all__) - {"patched"}) == NAMES
    for name in NAMES:
        assert issubclass(getattr(wk, name), THEIRS[name])
        assert getattr(wk, name).__name__ == THEIRS[name].__name__


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_that_of_keras(name):
    assert inspect.signature(getattr(wk, name)) == inspect.signature(THEIRS[name])
    call = list(inspect.signature(getattr(wk, name).__call__).parameters.values())
    assert call[:3] == [
        parameter.replace(annotation=ours.annotation)
        for parameter, ours in zip(inspect.signature(THEIRS[name].__call__).parameters.values(), call, strict=False)
    ]


@pytest.mark.parametrize(("name", "arguments"), CONFIGURED)
def test_configuration_is_that_of_keras(name, arguments):
    seed = {"seed": 5} if name in RANDOM else {}
    lost = {"gain": 1.0} if name == "Identity" else {}  # by Keras 3.15
    theirs = THEIRS[name](**arguments, **seed).get_config()
    assert getattr(wk, name)(**arguments, **seed).get_config() == ({**lost, **arguments} if lost else theirs)
    assert getattr(wk, name)().get_config() == {**lost, **THEIRS[name]().get_config()}


def test_gain_of_the_identity_survives_cloning():
    initializer = wk.Identity(gain=3.0)
    for copy in (initializer.clone(), keras.initializers.deserialize(keras.initializers.serialize(initializer))):
        assert type(copy) is wk.Identity
        assert values(copy((2, 2))).tolist() == [[3, 0], [0, 3]]
    assert wk.Identity.from_config({}).gain == 1  # as Keras 3.15 saves it


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, {"seed": "1"}) for name in RANDOM),
        *((name, {"seed": 1.5}) for name in RANDOM),
        *((name, {"scale": 1.0}) for name in SCHEMES),
        ("VarianceScaling", {"scale": 0}),
        ("VarianceScaling", {"scale": -1.0}),
        ("VarianceScaling", {"mode": "fanin"}),
        ("VarianceScaling", {"distribution": "gamma"}),
        ("VarianceScaling", {"distribution": 3}),
        ("Zeros", {"value": 1}),
    ],
)
def test_wrong_arguments_raise_what_keras_raises(name, arguments):
    theirs = raised(lambda: THEIRS[name](**arguments))
    assert theirs is not None
    assert raised(lambda: getattr(wk, name)(**arguments)) is theirs


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "dtype"),
    [
        ("Identity", {}, (3, 3, 3), None),
        ("Identity", {}, (3,), None),
        ("Orthogonal", {}, (3,), None),
        ("Orthogonal", {}, (), None),
        ("GlorotUniform", {"input_axes": [0], "output_axes": [3]}, (2, 2), None),
        *((name, {}, (2, 2), "float31") for name in ["Zeros", "Ones", "Constant", "Identity"]),
    ],
)
def test_wrong_shapes_and_dtypes_raise_what_keras_raises(name, arguments, shape, dtype):
    theirs = raised(lambda: THEIRS[name](**arguments)(shape, dtype))
    assert theirs is not None
    assert raised(lambda: getattr(wk, name)(**arguments)(shape, dtype)) is theirs


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wk.RandomNormal(stddev=-1)((3,)), ValueError, "stddev must be at least 0, got -1.0"),
        (lambda: wk.TruncatedNormal(stddev=-1)((3,)), ValueError, "stddev must be at least 0, got -1.0"),
        (
            lambda: wk.RandomUniform(1, 0)((3,)),
            ValueError,
            "minval must be at most maxval, got minval=1.0, maxval=0.0",
        ),
        (lambda: wk.RandomNormal(seed=-1)((3,)), ValueError, "seed must be in [0, 2**64), got -1"),
        (lambda: wk.RandomNormal(seed=True)((3,)), TypeError, "seed must be an integer in [0, 2**64), got True"),
        (lambda: wk.RandomNormal()((3, None)), TypeError, "shape must have only integers, got (3, None)"),
        (lambda: wk.RandomNormal()((3,), "float31"), ValueError, "Invalid dtype: float31"),
        (lambda: wk.RandomNormal()((3,), "int32"), TypeError, "dtype must be one of float32,"),
        *(
            (
                lambda name=name: getattr(wk, name)()((3, 3), keras.DTypePolicy("mixed_float16")),
                TypeError,
                'dtype must be a dtype or its name, got <DTypePolicy "mixed_float16">; pass its variable_dtype',
            )
            for name in ["RandomNormal", "Identity"]
        ),
        (lambda: wk.Orthogonal(gain=-1)((3, 3)), ValueError, "gain must be greater than 0, got -1"),
        (lambda: wk.RandomNormal(stddev=2e4)((3,), "float16"), ValueError, "init must stay within +-65504,"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize(("name", "arguments", "shape", "init"), EQUIVALENTS)
def test_bits_are_those_of_weightfill(name, arguments, shape, init):
    tensor = made(name, arguments)(shape)
    assert keras.ops.is_tensor(tensor)
    assert tuple(tensor.shape) == shape
    assert_same_bits(values(tensor), wf.create(shape, init, seed=7))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != np.float64], ids=str)
@pytest.mark.parametrize("name", ["Constant", "GlorotUniform", "HeNormal", "Identity", "Ones", "Orthogonal", "Zeros"])
def test_every_dtype_has_the_bits_of_weightfill(name, dtype):
    arguments, init = next((arguments, init) for other, arguments, _, init in EQUIVALENTS if other == name)
    tensor = made(name, arguments)((9, 5), dtype=dtype.name)
    assert_same_bits(values(tensor), wf.create((9, 5), init, seed=7, dtype=dtype))


def test_dtype_is_floatx_unless_given():
    default = keras.backend.floatx()
    keras.backend.set_floatx("float16")
    try:
        assert values(wk.HeNormal(seed=1)((2, 3))).dtype == np.float16
    finally:
        keras.backend.set_floatx(default)


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("Zeros", {}), ("Ones", {}), ("Constant", {"value": 3}), ("Constant", {"value": 2.7}), ("Identity", {"gain": 2})],
)
def test_constants_of_other_dtypes_are_those_of_keras(name, arguments, dtype):
    ours, theirs = getattr(wk, name)(**arguments)((3, 3), dtype), THEIRS[name](**arguments)((3, 3), dtype)
    np.testing.assert_array_equal(values(ours), values(theirs))
    assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("value", [-math.inf, math.nan, True, np.array([1.0, 2.0], np.float32)], ids=str)
def test_constants_that_are_not_finite_numbers_are_those_of_keras(value):
    ours, theirs = wk.Constant(value)((3, 2)), THEIRS["Constant"](value)((3, 2))
    np.testing.assert_array_equal(values(ours), values(theirs))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, (80, 250)) for name in RANDOM if name != "Orthogonal"),
        *((name, shape) for name in ["GlorotNormal", "HeUniform"] for shape in [(20_000,), (3, 3, 40, 60)]),
    ],
    ids=str,
)
def test_law_is_that_of_keras(name, shape):
    ours = values(getattr(wk, name)(seed=11)(shape)).ravel()
    theirs = values(THEIRS[name](seed=11)(shape)).ravel()
    assert not np.array_equal(ours, theirs)
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)


@pytest.mark.parametrize(
    ("initializer", "low", "high"),
    [
        (wk.RandomUniform(-0.25, 0.5, seed=1), -0.25, 0.5),
        (wk.TruncatedNormal(0.5, 0.125, seed=1), 0.25, 0.75),
    ],
)
def test_values_fill_the_support_of_the_definition(initializer, low, high):
    drawn = values(initializer((100_000,)))
    assert low <= drawn.min() < low + 0.001
    assert high - 0.001 < drawn.max() <= high


@pytest.mark.parametrize("shape", [(5000,), (80, 250), (3, 3, 40, 60)], ids=str)
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_is_scale_over_fan_and_the_support_that_of_the_definition(mode, distribution, shape):
    fan_in, fan_out = {1: (5000, 5000), 2: (80, 250), 4: (360, 540)}[len(shape)]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    drawn = values(wk.VarianceScaling(0.5, mode, distribution, seed=3)(shape)).astype(np.float64)
    assert drawn.var() == pytest.approx(0.5 / n, rel=5 * math.sqrt(2 / drawn.size))
    assert abs(drawn.mean()) < 5 * math.sqrt(0.5 / n / drawn.size)
    bound = {"uniform": math.sqrt(1.5 / n), "truncated_normal": 2 * math.sqrt(0.5 / n) / 0.87962566103423978}
    if distribution in bound:
        assert 0.98 * bound[distribution] < np.abs(drawn).max() <= bound[distribution]
    else:
        assert np.abs(drawn).max() > 3 * math.sqrt(0.5 / n)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 5)], ids=str)
def test_orthogonal_has_orthonormal_columns_or_rows_times_gain(shape):
    matrix = values(wk.Orthogonal(gain=2.0, seed=1)(shape)).reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize("name", RANDOM)
def test_integer_seeds_repeat_at_every_call_and_survive_cloning(name):
    initializer = getattr(wk, name)(seed=5)
    first = initializer((6, 5))
    assert same(first, initializer((6, 5)))
    assert not same(first, getattr(wk, name)(seed=6)((6, 5)))
    for copy in (
        initializer.clone(),
        type(initializer).from_config(initializer.get_config()),
        keras.initializers.deserialize(keras.initializers.serialize(initializer)),
        keras.initializers.get({"class_name": f"weightfill>{name}", "config": {"seed": 5}}),
    ):
        assert type(copy) is type(initializer)
        assert copy.get_config() == initializer.get_config()
        assert same(first, copy((6, 5)))


def test_no_seed_is_one_drawn_at_construction():
    keras.utils.set_random_seed(1)
    one, other = wk.HeNormal(), wk.HeNormal()
    assert one.get_config()["seed"] is None
    assert same(one((3, 4)), one((3, 4)))
    assert not same(one((3, 4)), other((3, 4)))
    assert not same(one((3, 4)), one.clone()((3, 4)))
    assert_same_bits(values(one((3, 4))), wf.create((3, 4), one.init((3, 4)), seed=one.seed))
    keras.utils.set_random_seed(1)
    assert same(one((3, 4)), wk.HeNormal()((3, 4)))


@pytest.mark.parametrize("seed", [0, 42, 2**31 - 1])
def test_seed_generator_goes_on_at_every_call(seed):
    initializer = wk.RandomNormal(seed=keras.random.SeedGenerator(seed))
    for call in range(3):
        expected = wf.create((5, 3), wf.Normal(std=0.05), seed=seed + call * 2**32)
        assert_same_bits(values(initializer((5, 3))), expected)
    copy = initializer.clone()
    assert same(copy((5, 3)), wk.RandomNormal(seed=seed)((5, 3)))


def test_seed_generator_goes_on_where_keras_s_own_does():
    ours, theirs = keras.random.SeedGenerator(1), keras.random.SeedGenerator(1)
    for name in ["RandomNormal", "GlorotUniform", "Orthogonal"]:
        getattr(wk, name)(seed=ours)((2, 2))
        THEIRS[name](seed=theirs)((2, 2))
        assert values(ours.state.value).tolist() == values(theirs.state.value).tolist()


@pytest.mark.parametrize("name", ["Constant", "Identity", "HeNormal", "RandomUniform"])
def test_nothing_of_the_tensor_s_size_is_allocated_besides_it(name):
    def kilobytes(field):
        return int(re.search(field + r":\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

    initializer = made(name, {"value": 0.5} if name == "Constant" else {})
    initializer((1000, 1000))  # loads what is used
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = kilobytes("VmRSS")
    tensor = initializer((8192, 4096))
    assert kilobytes("VmHWM") - before <= 128 * 1024 + 24 * 1024
    assert tuple(tensor.shape) == (8192, 4096)
