"""The laws of jax.nn.initializers, and weightfill's initializers of the same laws."""

import re

import pytest

from tests.public import PUBLIC
from tests.repository import DOCS

jax = pytest.importorskip("jax", reason="jax is not installed")

import numpy as np  # noqa: E402
from jax import numpy as jnp  # noqa: E402
from jax.nn import initializers as jax_initializers  # noqa: E402
from scipy import stats  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.jax  # noqa: E402

DOCUMENTATION = DOCS / "howto" / "jax.md"
DENSE, CONV, HEADS = (784, 256), (3, 3, 64, 128), (256, 8, 64)
# jax.nn.initializers, weightfill, shapes. These are the rows of the table of docs/howto/jax.md.
SAME_LAWS = [
    ("zeros", "Zeros()", [DENSE]),
    ("ones", "Ones()", [DENSE]),
    ("constant(0.1)", "Constant(0.1)", [DENSE]),
    ("uniform()", "Uniform(0, 0.01)", [DENSE]),
    ("uniform(0.5)", "Uniform(0, 0.5)", [(200_000,)]),
    ("normal()", "Normal(std=0.01)", [DENSE]),
    ("normal(0.02)", "Normal(std=0.02)", [(200_000,)]),
    ("truncated_normal()", "TruncatedNormal(std=0.01)", [DENSE]),
    (
        "truncated_normal(0.02, lower=-1.0, upper=2.0)",
        "TruncatedNormal(std=0.02, low=-0.02, high=0.04)",
        [DENSE, (200_000,)],
    ),
    (
        'variance_scaling(0.5, "fan_in", "truncated_normal")',
        'VarianceScaling(0.5, "fan_in", "truncated_normal", layout="jax")',
        [DENSE, CONV],
    ),
    (
        'variance_scaling(0.5, "fan_out", "normal")',
        'VarianceScaling(0.5, "fan_out", "normal", layout="jax")',
        [DENSE, CONV],
    ),
    (
        'variance_scaling(0.5, "fan_geo_avg", "uniform")',
        'VarianceScaling(0.5, "fan_geo_avg", "uniform", layout="jax")',
        [DENSE, CONV],
    ),
    (
        'variance_scaling(1.0, "fan_avg", "uniform", in_axis=0, out_axis=(1, 2))',
        'VarianceScaling(1.0, "fan_avg", "uniform", layout=Layout(0, (1, 2)))',
        [HEADS],
    ),
    ("glorot_uniform(), xavier_uniform()", 'XavierUniform(layout="jax")', [DENSE, CONV]),
    ("glorot_normal(), xavier_normal()", 'XavierNormal(truncated=True, layout="jax")', [DENSE, CONV]),
    ("he_uniform(), kaiming_uniform()", 'KaimingUniform(layout="jax")', [DENSE, CONV]),
    ("he_normal(), kaiming_normal()", 'KaimingNormal(truncated=True, layout="jax")', [DENSE, CONV]),
    ("lecun_uniform()", 'LecunUniform(layout="jax")', [DENSE, CONV]),
    ("lecun_normal()", 'LecunNormal(truncated=True, layout="jax")', [DENSE, CONV]),
    (
        "lecun_normal(in_axis=1, out_axis=2, batch_axis=0)",
        "LecunNormal(truncated=True, layout=Layout(1, 2, 0))",
        [HEADS],
    ),
    (
        'variance_scaling(1.0, "fan_in", "normal", out_axis=0)',
        'VarianceScaling(1.0, "fan_in", "normal", layout=Layout(-2, 0))',
        [(4000, 64)],
    ),
    (
        'variance_scaling(1.0, "fan_in", "uniform", in_axis=0, out_axis=())',
        'VarianceScaling(1.0, "fan_in", "uniform", layout=Layout(0, ()))',
        [(200_000,)],
    ),
    ("orthogonal()", "Orthogonal(axis=-1)", [(80, 50), (50, 80), (3, 4, 5)]),
    ("orthogonal(2.0, column_axis=0)", "Orthogonal(2.0)", [(80, 50), (3, 4, 5)]),
    ("delta_orthogonal()", 'DeltaOrthogonal(layout="jax")', [(4, 30, 50), (3, 3, 30, 50), (2, 3, 4, 5, 6)]),
]


def names(theirs):
    return re.split(r"(?<=\)), ", theirs)


ROWS = [
    pytest.param(name, ours, shape, id=f"{name}-{shape}")
    for theirs, ours, shapes in SAME_LAWS
    for name in names(theirs)
    for shape in shapes
]


def draw(theirs, ours, shape):
    f = eval(theirs, vars(jax_initializers))
    init = eval(ours, PUBLIC)
    their_values = np.asarray(f(jax.random.key(1), shape, jnp.float32), np.float64)
    our_values = np.asarray(weightfill.jax.initializer(init)(jax.random.key(2), shape), np.float64)
    return init, their_values, our_values


@pytest.mark.parametrize(("theirs", "ours", "shape"), ROWS)
def test_the_law_is_that_of_jax(theirs, ours, shape):
    init, expected, values = draw(theirs, ours, shape)
    if isinstance(init, wf.WholeTensor):
        assert_same_orthogonality(expected, values, getattr(init, "axis", -1))
    elif not init.random:
        np.testing.assert_array_equal(values, expected)
    else:
        assert_same_distribution(expected.ravel(), values.ravel(), init.law(shape))


def assert_same_distribution(expected, values, law):
    """Two samples of one law miss a bound of 5 standard errors about twice in a million tries."""
    n = values.size
    deviation = expected.std()
    assert abs(values.mean() - expected.mean()) <= 5 * deviation * np.sqrt(2 / n)
    # The variance of a sample's deviation is at most deviation^2 / (2 n), where the kurtosis is at most 3.
    assert abs(values.std() - deviation) <= 5 * deviation / np.sqrt(n)
    assert stats.ks_2samp(values, expected).pvalue > 1e-6
    if isinstance(law, wf.Normal):
        return
    # At the bounds the density is at least 0.035 / deviation: no value within 400 / n of one, once in 10^6 tries.
    low, high = law.bounds() if isinstance(law, wf.TruncatedNormal) else (law.low, law.high)
    gap = 400 * deviation / n
    rounding = 1e-6 * max(abs(low), abs(high))
    for sample in (values, expected):
        assert low - rounding <= sample.min() <= low + gap
        assert high - gap <= sample.max() <= high + rounding


def assert_same_orthogonality(expected, values, axis):
    """Both have the same inner products, of rows or of columns, whichever are fewer, and the same places of zeros."""
    grams = []
    for tensor in (expected, values):
        matrix = np.moveaxis(tensor, axis, -1).reshape(-1, tensor.shape[axis])
        matrix = matrix[np.any(matrix != 0, axis=1)]
        grams.append(matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T)
    np.testing.assert_allclose(*grams, atol=1e-5)
    np.testing.assert_allclose(grams[1], np.eye(len(grams[1])) * grams[1][0, 0], atol=1e-5)
    np.testing.assert_array_equal(expected != 0, values != 0)


def test_the_table_has_every_initializer_of_jax():
    public = {name for name in dir(jax_initializers) if not name.startswith("_")} - {"Initializer"}
    assert public == {row.values[0].partition("(")[0] for row in ROWS}


def test_the_documentation_has_the_same_table():
    text = DOCUMENTATION.read_text()
    for theirs, ours, _ in SAME_LAWS:
        cell = ", ".join(f"`{name}`" for name in names(theirs))
        assert f"| {cell} | `{ours}` |" in text
