"""Arange, LogRange, AlibiSlopes and Sinusoid: their values, whole and in parts."""

import decimal
import math
import re

import mpmath
import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits, codes
from tests.initializers.table_formulas import FORMULAS, assert_as_formula
from tests.repository import DATA
from weightfill._initializers.elementary import logarithms, powers, sines_and_cosines

GOLDEN = [line for line in (DATA / "tables_v1.txt").read_text().splitlines() if not line.startswith("#")]
LARGE = [
    (wf.Arange(3.0, -0.25), (40, 30)),
    (wf.LogRange(axis=0), (40, 30)),
    (wf.AlibiSlopes(), (40, 30)),
    (wf.Sinusoid(form="timescales"), (3, 40, 30)),
    (wf.Scaled(wf.Sinusoid(form="halves"), 0.5), (40, 30)),
]


def test_golden_values_of_tables_never_change():
    for line in GOLDEN:
        init, _, rest = line.partition(" | ")
        place, _, values = rest.partition(" -> ")
        dtype, shape = place.split()
        assert codes(wf.create(tuple(map(int, shape.split("x"))), init, dtype=dtype)) == values.split(), line
    assert len(GOLDEN) == 9 * 6


@pytest.mark.parametrize(
    ("init", "shape", "formula"), FORMULAS, ids=lambda value: None if callable(value) else str(value)
)
def test_values_are_those_of_the_formula(init, shape, formula):
    for dtype in DTYPES:
        assert_as_formula(wf.create(shape, init, dtype=dtype), init, formula)


@pytest.mark.parametrize(("init", "shape"), LARGE, ids=str)
def test_parts_are_those_of_the_full_tensor(init, shape, dtype):
    tensor = wf.Tensor(shape, init, seed=0, dtype=dtype)
    whole = np.asarray(tensor)
    assert not tensor.only_whole
    starts = [[(0,) * len(shape), shape], [(1,) * len(shape), (2, *(5,) * (len(shape) - 1))]]
    for start, part in starts:
        window = np.empty(part, dtype)
        tensor.fill(window, start=start)
        cut = whole[tuple(slice(begin, begin + count) for begin, count in zip(start, part, strict=True))]
        assert_same_bits(window, cut)
        assert tensor.verify(window, start=start)
    rows = np.array([2, 0, 1, 2])
    assert_same_bits(tensor.fill_rows(np.empty((4, *shape[1:]), dtype), rows), whole[rows])
    for index in [(-1,), (slice(None, None, -2), ..., 3), (1, ..., slice(20, 3, -4)), ([2, 0],), (slice(3, 3),)]:
        assert_same_bits(np.asarray(tensor[index]), np.asarray(whole[index]), index)


def test_a_window_of_a_table_of_any_size_is_made_alone():
    positions = wf.Tensor((2**40, 2**20), wf.Arange(axis=0), dtype=np.float64)
    assert positions[2**39, 5] == 2.0**39
    assert wf.Tensor((2**40, 2**24), wf.Arange(axis=0))[-1, -1] == 2.0**40
    assert positions[2**39 : 2**39 + 2, 7].tolist() == [2.0**39, 2.0**39 + 1]
    sines = wf.Tensor((2**22, 64), wf.Sinusoid(), dtype=np.float64)
    assert sines[2**22 - 1, 0] == pytest.approx(float(mpmath.sin(2**22 - 1)), abs=4e-16)


def test_verify_finds_the_first_element_that_differs():
    table = wf.create((5, 6), wf.Sinusoid())
    table[2, 3] += 1
    found = wf.verify(table, wf.Sinusoid())
    assert (found.differing, found.index, found.found) == (1, (2, 3), table[2, 3])


def test_scaled_tables_are_multiplied_in_float32_or_float64(dtype):
    wide = np.float64 if dtype == np.float64 else np.float32
    expected = (wf.create((9, 6), wf.Sinusoid(), dtype=wide) * wide(0.3)).astype(dtype)
    assert_same_bits(wf.create((9, 6), wf.Scaled(wf.Sinusoid(), 0.3), seed=1, dtype=dtype), expected)


def test_tables_need_no_seed_and_stand_in_plans_and_files(tmp_path):
    plan = wf.Plan({"*.slopes": wf.AlibiSlopes(), "*": "Sinusoid(form='timescales')"})
    shapes = {"a.slopes": (6,), "a.positions": (50, 16)}
    expected = {name: tensor[...] for name, tensor in plan.tensors(shapes).items()}
    params = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
    plan.fill(params)
    for name, array in params.items():
        assert_same_bits(array, expected[name])
    (file,) = plan.write(tmp_path / "tables.safetensors", shapes)
    assert wf.verify_checkpoint(file, plan)
    assert "Sinusoid(base=10000.0, form='timescales')" in str(plan.explain(shapes))


def test_mamba_and_whisper_and_bloom_have_these_tables():
    """Their own float32 computations, which NumPy's functions stand for, come within one rounding of each step."""
    logs = np.log(np.arange(1, 17, dtype=np.float32))
    np.testing.assert_allclose(wf.create((4, 16), wf.LogRange()), np.broadcast_to(logs, (4, 16)), rtol=1.2e-7)
    steps = np.exp(-math.log(10000) / 31 * np.arange(32, dtype=np.float32))
    angles = np.arange(1500)[:, None] * steps
    whisper = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(wf.create((1500, 64), wf.Sinusoid(form="timescales")), whisper, atol=1.3e-4)
    ours = wf.create(20, wf.AlibiSlopes())
    first = 2.0 ** -(2.0 ** -(math.log2(16) - 3))
    extra = 2.0 ** -(2.0 ** -(math.log2(32) - 3))
    np.testing.assert_allclose(ours, [*first ** np.arange(1, 17), *extra ** np.arange(1, 9, 2)], rtol=1e-6)


def test_elementary_functions_are_right_to_the_last_bit_or_nearly():
    angles = np.concatenate([np.random.default_rng(1).uniform(0, 2**22, 2000), np.arange(500.0), [2.0**22]])
    with mpmath.workdps(40):
        exact = [(mpmath.sin(x), mpmath.cos(x)) for x in map(mpmath.mpf, angles)]
        off = [max(abs(s - a), abs(c - b)) for s, c, (a, b) in zip(*sines_and_cosines(angles), exact, strict=True)]
        numbers = [0.1, 1.0, 2.0, 3.5, 1e-300, 1e300]
        assert logarithms(numbers).tolist() == [float(mpmath.log(number)) for number in numbers]
        assert powers(10000.0, [-0.3, 2.5]).tolist() == [float(mpmath.mpf(10000) ** x) for x in (-0.3, 2.5)]
    assert max(off) < 3e-16


def test_values_do_not_depend_on_the_context_of_decimal_numbers():
    expected = wf.create((4, 6), wf.Sinusoid())
    with decimal.localcontext(prec=3, rounding=decimal.ROUND_UP):
        assert_same_bits(wf.create((4, 6), wf.Sinusoid()), expected)


@pytest.mark.parametrize(
    ("shape", "init", "options", "message"),
    [
        ((), wf.Arange(), {}, "shape must have at least 1 dimension for Arange(start=0.0, step=1.0, axis=-1), got ()"),
        ((3,), wf.Arange(axis=1), {}, "axis must be within the 1 axes of shape (3,), got 1"),
        (
            (2**17,),
            wf.Arange(),
            {"dtype": "float16"},
            "init must stay within +-65504, the finite values of float16, got",
        ),
        (
            (3,),
            wf.Sinusoid(),
            {},
            "shape must have at least 2 dimensions for Sinusoid(base=10000.0, form='interleaved'",
        ),
        ((3, 5), wf.Sinusoid(form="halves"), {}, "shape must have an even last dimension for Sinusoid("),
        ((3, 2), wf.Sinusoid(form="timescales"), {}, "shape must have at least 4 channels in the last dimension for S"),
        ((2**23, 2), wf.Sinusoid(), {}, "shape must have positions whose angles are at most 2**22 for Sinusoid("),
        ((2**20, 64), wf.Sinusoid(0.01), {}, "shape must have positions whose angles are at most 2**22 for Sinusoid("),
        ((None, 4), wf.Sinusoid(), {}, "shape must have a known first dimension for Sinusoid("),
    ],
)
def test_tensors_that_no_table_has_are_refused(shape, init, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        wf.Tensor(shape, init, **options)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Arange("1"), TypeError, "start must be a number, got '1'"),
        (lambda: wf.Arange(0, math.inf), ValueError, "step must be finite, got inf"),
        (lambda: wf.Arange(axis=1.5), TypeError, "axis must be an integer, got 1.5"),
        (lambda: wf.LogRange(0), ValueError, "start must be greater than 0, got 0.0"),
        (lambda: wf.Sinusoid(-1), ValueError, "base must be greater than 0, got -1.0"),
        (
            lambda: wf.Sinusoid(form="half"),
            ValueError,
            "form must be one of 'interleaved', 'halves', 'timescales', got",
        ),
    ],
)
def test_wrong_parameters_are_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_empty_tables_are_left_alone():
    for shape in ((0, 4), (3, 0)):
        assert wf.create(shape, wf.Sinusoid()).shape == shape
        assert wf.create(shape, wf.Arange()).shape == shape
    assert wf.create(0, wf.AlibiSlopes()).shape == (0,)
    padded = wf.Padded(wf.Sinusoid(), 1)
    assert wf.create((0, 4), padded, seed=1).shape == (0, 4)
    assert padded.whole().tensor((0, 4), np.dtype(np.float32), seed=1, stream="", threads=1).shape == (0, 4)


@pytest.mark.parametrize("of", [wf.Sinusoid(), wf.Blocks(wf.Normal(), 2), wf.Scaled(wf.Sinusoid(form="halves"), 0.5)])
def test_padding_rows_of_what_the_core_does_not_fill_are_zero(of, dtype):
    tensor = wf.Tensor((40, 6), wf.Padded(of, (1, 30)), seed=42, stream="w", dtype=dtype)
    expected = wf.create((40, 6), of, seed=42, stream="w", dtype=dtype)
    expected[[1, 30]] = 0
    assert not tensor.only_whole
    assert_same_bits(np.asarray(tensor), expected)
    assert_same_bits(tensor.fill(np.empty((3, 4), dtype), start=(29, 1)), expected[29:32, 1:5])
    assert_same_bits(tensor.fill_rows(np.empty((4, 6), dtype), [30, 0, 1, 30]), expected[[30, 0, 1, 30]])
    assert_same_bits(tensor[::-2, 3], expected[::-2, 3])
    assert tensor.verify(expected)
    with pytest.raises(ValueError, match="padding_idx must be one of the 30 rows of shape="):
        wf.Tensor((30, 6), wf.Padded(of, (1, 30)), seed=42)
