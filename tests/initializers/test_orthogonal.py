import math

import numpy as np
import pytest
from scipy import stats

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits
from weightfill._initializers.fans import Layout
from weightfill._initializers.orthogonal import DeltaOrthogonal, Orthogonal

SEED, STREAM = 7, "recurrent"
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
NARROW = [dtype for dtype in DTYPES if dtype not in (F32, F64)]
SHAPES = [(1, 1), (1, 9), (9, 1), (6, 6), (5, 17), (17, 5), (130, 130), (8, 3, 3, 3), (64, 3, 5, 5), (3, 3, 4, 16)]
LEAST_P = 1e-6
SIGMAS = 5
N = 4000


def made(init, shape, dtype=F32, stream=STREAM):
    return wf.create(shape, init, seed=SEED, stream=stream, dtype=dtype)


def matrix_of(tensor, axis=0):
    return np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1).astype(np.float64)


def gram(matrix):
    """Of the rows, or of the columns if these are fewer."""
    return matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("wide", [F32, F64], ids=str)
def test_the_shorter_side_is_orthonormal_times_gain(shape, axis, wide):
    product = gram(matrix_of(made(Orthogonal(3.0, axis), shape, wide), axis))
    np.testing.assert_allclose(product, 9 * np.eye(len(product)), atol=200 * np.finfo(wide).eps, rtol=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("wide", "atol"), [(F32, 1e-3), (F64, 1e-11)], ids=str)
def test_values_are_q_of_the_normal_matrix_with_positive_diagonal_of_r(shape, wide, atol):
    normal = matrix_of(made(wf.Normal(), shape, wide))
    rows, columns = normal.shape
    q, r = np.linalg.qr(normal if rows > columns else normal.T)
    q *= np.where(np.diag(r) < 0, -0.5, 0.5)
    expected = q if rows > columns else q.T
    np.testing.assert_allclose(matrix_of(made(Orthogonal(0.5), shape, wide)), expected, atol=atol, rtol=0)


def test_axis_moves_the_rows():
    first = made(Orthogonal(), (6, 20))
    last = made(Orthogonal(axis=-1), (4, 5, 6))
    assert_same_bits(last, np.moveaxis(first.reshape(6, 4, 5), 0, -1))
    assert_same_bits(last, made(Orthogonal(axis=2), (4, 5, 6)))


@pytest.mark.parametrize("init", [Orthogonal(1.7), Orthogonal(1.7, -1), DeltaOrthogonal(1.7)], ids=str)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_narrow_dtypes_are_float32_rounded_once(init, dtype):
    assert_same_bits(made(init, (24, 8, 3), dtype), made(init, (24, 8, 3)).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_part_is_the_slice_of_the_whole(dtype):
    for init in (Orthogonal(), Orthogonal(axis=1), DeltaOrthogonal()):
        whole = made(init, (70, 40, 3), dtype)
        part = np.empty((9, 40, 2), dtype)
        wf.fill(part, init, seed=SEED, stream=STREAM, shape=whole.shape, start=(31, 0, 1))
        assert_same_bits(part, whole[31:40, :, 1:])
        rows = np.empty((3, 40, 3), dtype)
        wf.fill_rows(rows, init, [69, 0, 69], seed=SEED, stream=STREAM, shape=whole.shape)
        assert_same_bits(rows, whole[[69, 0, 69]])


@pytest.mark.parametrize("shape", [(257, 257), (300, 64), (64, 300)], ids=str)
def test_calls_agree_bit_for_bit_whatever_the_number_of_threads_that_fill(shape):
    once = made(Orthogonal(), shape)
    for threads in (1, 2, 3):
        again = wf.create(shape, Orthogonal(), seed=SEED, stream=STREAM, threads=threads)
        assert_same_bits(again, once)


def test_streams_and_seeds_differ():
    once = made(Orthogonal(), (4, 4))
    assert not np.allclose(once, made(Orthogonal(), (4, 4), stream="other"))
    assert not np.allclose(once, wf.create((4, 4), Orthogonal(), seed=SEED + 1, stream=STREAM))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (4, 0, 3)], ids=str)
def test_empty_tensors_stay_empty(shape):
    assert made(Orthogonal(), shape).shape == shape


def test_a_row_of_one_matrix_is_a_unit_vector_in_the_direction_of_the_normal_one():
    normal = made(wf.Normal(), (1, 50), F64)
    np.testing.assert_allclose(made(Orthogonal(), (1, 50), F64), normal / np.linalg.norm(normal), rtol=1e-13)


def test_gain_up_to_the_largest_value_stays_finite():
    assert np.isfinite(made(Orthogonal(65504.0), (2, 2), np.float16).astype(np.float32)).all()


def many(shape):
    return np.array([made(Orthogonal(), shape, F64, stream=f"haar/{k}") for k in range(N)])


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2)], ids=str)
def test_every_entry_is_distributed_as_on_the_sphere(shape):
    """A coordinate of a uniform unit vector in n dimensions: (1 + x) / 2 is Beta((n - 1) / 2, (n - 1) / 2)."""
    half = (max(shape) - 1) / 2
    for entry in many(shape).reshape(N, -1).T:
        assert stats.kstest((1 + entry) / 2, stats.beta(half, half).cdf).pvalue > LEAST_P


def test_traces_have_the_moments_of_the_haar_measure():
    """Diaconis and Shahshahani 1994: traces of powers are nearly independent normal variables."""
    matrices = many((8, 8))
    trace = np.trace(matrices, axis1=1, axis2=2)
    of_square = np.trace(matrices @ matrices, axis1=1, axis2=2)
    for values, mean, variance in ((trace, 0, 1), (trace**2, 1, 2), (of_square, 1, 2)):
        assert abs(values.mean() - mean) < SIGMAS * math.sqrt(variance / N)


def test_rotations_and_reflections_are_equally_likely():
    determinants = np.linalg.det(many((4, 4)))
    np.testing.assert_allclose(abs(determinants), 1, rtol=1e-12)
    assert abs(np.sign(determinants).mean()) < SIGMAS / math.sqrt(N)


def test_first_rows_of_two_matrices_are_independent_directions():
    """Squares of the cosines between directions have the mean 1 / n."""
    first = many((4, 4))[:, 0]
    cosines = (first[::2] * first[1::2]).sum(axis=1)
    assert abs((cosines**2).mean() - 1 / 4) < SIGMAS * math.sqrt((3 / 24 - 1 / 16) / (N / 2))


@pytest.mark.parametrize("kernel", [(1,), (2,), (3, 4), (3, 3, 3), (5, 1, 2)], ids=str)
@pytest.mark.parametrize("layout", ["torch", "keras", "torch_transposed", Layout(-1, -2)], ids=str)
def test_only_the_centre_of_the_kernel_is_not_zero(kernel, layout):
    outputs, inputs, centre = 8, 6, tuple((k - 1) // 2 for k in kernel)
    shape, index, turned = {
        "torch": ((outputs, inputs, *kernel), (..., *centre), False),
        "keras": ((*kernel, inputs, outputs), centre, True),
        "torch_transposed": ((inputs, outputs, *kernel), (..., *centre), True),
    }.get(layout, ((*kernel, outputs, inputs), centre, False))
    tensor = made(DeltaOrthogonal(2.0, layout=layout), shape)
    matrix = tensor[index].T if turned else tensor[index]
    assert_same_bits(matrix, made(Orthogonal(2.0), (outputs, inputs)))
    tensor[index] = 0
    assert not tensor.any()


def test_a_delta_orthogonal_convolution_keeps_lengths():
    kernel = made(DeltaOrthogonal(), (7, 5, 3), F64)
    signal = np.random.default_rng(0).standard_normal((5, 20))
    output = sum(kernel[:, :, k] @ np.roll(signal, 1 - k, axis=1) for k in range(3))
    np.testing.assert_allclose(np.linalg.norm(output), np.linalg.norm(signal), rtol=1e-13)


@pytest.mark.parametrize("shape", [(4, 0, 3), (4, 2, 0), (0, 0, 3)], ids=str)
def test_convolutions_without_inputs_or_kernel_stay_empty(shape):
    assert made(DeltaOrthogonal(), shape).shape == shape


def test_initializers_are_values():
    assert Orthogonal() == Orthogonal(1, np.int64(0)) != Orthogonal(2)
    assert hash(DeltaOrthogonal(2)) == hash(DeltaOrthogonal(2.0, layout="torch"))
    assert repr(Orthogonal(2, axis=-1)) == "Orthogonal(gain=2.0, axis=-1)"


@pytest.mark.parametrize("init", [Orthogonal, DeltaOrthogonal])
@pytest.mark.parametrize(
    ("gain", "error", "message"),
    [
        ("1", TypeError, "gain must be a number, got '1'"),
        (True, TypeError, "gain must be a number, got True"),
        (math.inf, ValueError, "gain must be finite, got inf"),
        (0, ValueError, "gain must be greater than 0, got 0.0"),
        (-1, ValueError, "gain must be greater than 0, got -1.0"),
    ],
)
def test_wrong_gains_are_refused(init, gain, error, message):
    with pytest.raises(error, match=message):
        init(gain)


@pytest.mark.parametrize("axis", [True, 1.0, "0", None])
def test_axis_must_be_an_integer(axis):
    with pytest.raises(TypeError, match="axis must be an integer, got"):
        Orthogonal(axis=axis)


@pytest.mark.parametrize(
    ("layout", "error", "message"),
    [
        ("caffe", ValueError, "layout must be"),
        (3, TypeError, "layout must be"),
        (Layout((0, 1), 2), ValueError, "layout must have one input axis, one output axis and no batch axis, got"),
        (Layout(0, 1, 2), ValueError, "layout must have one input axis, one output axis and no batch axis, got"),
    ],
)
def test_wrong_layouts_are_refused(layout, error, message):
    with pytest.raises(error, match=message):
        DeltaOrthogonal(layout=layout)


@pytest.mark.parametrize(
    ("init", "shape", "message"),
    [
        (Orthogonal(), (), r"shape must have at least 2 dimensions for an orthogonal matrix, got \(\); use Normal"),
        (Orthogonal(), (5,), "shape must have at least 2 dimensions for an orthogonal matrix"),
        (Orthogonal(axis=2), (5, 4), r"axis must be within the 2 axes of shape \(5, 4\), got 2"),
        (Orthogonal(axis=-3), (5, 4), "axis must be within the 2 axes"),
        (Orthogonal(65505.0), (5, 4), "gain must be at most 65504, the largest finite value of float16, got 65505.0"),
        (DeltaOrthogonal(), (5, 4), "shape must have 3, 4 or 5 dimensions for a convolution"),
        (DeltaOrthogonal(), (5, 4, 1, 1, 1, 1), "shape must have 3, 4 or 5 dimensions for a convolution"),
        (DeltaOrthogonal(), (4, 5, 3), "got 4 outputs along axis 0 and 5 inputs along axis 1"),
        (DeltaOrthogonal(layout="keras"), (3, 5, 4), "got 4 outputs along axis 2 and 5 inputs along axis 1"),
        (DeltaOrthogonal(layout=Layout(0, 3)), (5, 4, 3), "layout must name two axes of shape"),
        (DeltaOrthogonal(layout=Layout(0, -3)), (5, 4, 3), "layout must name two axes of shape"),
        (DeltaOrthogonal(1e6), (5, 4, 3), "gain must be at most 65504"),
    ],
    ids=str,
)
def test_tensors_that_do_not_fit_are_refused_and_left_alone(init, shape, message):
    out = np.full(shape, 7, np.float16)
    with pytest.raises(ValueError, match=message):
        wf.fill(out, init, seed=1)
    assert (out == 7).all()
