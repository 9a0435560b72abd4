import itertools
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits, bits

SEED, STREAM = 2024, "mlp.0.weight"


def whole(shape, init, dtype):
    return wf.fill(np.empty(shape, dtype), init, seed=SEED, stream=STREAM)


def test_fill_returns_its_target():
    out = np.empty(5, np.float32)
    assert wf.fill(out, wf.Ones()) is out


def test_empty_and_single_element_targets_work(init, dtype):
    for shape in ((), (0,), (3, 0, 2), (1,), (1, 1, 1)):
        out = whole(shape, init, dtype)
        assert out.shape == shape
        assert_same_bits(out.ravel(), whole(7, init, dtype)[: out.size], shape)


def test_constants_need_no_seed(dtype):
    assert (wf.fill(np.empty(9, dtype), wf.Zeros()) == 0).all()
    assert (wf.fill(np.empty(9, dtype), wf.Ones()) == 1).all()
    assert (wf.fill(np.empty(9, dtype), wf.Constant(-1.5)) == -1.5).all()


def test_constant_is_rounded_once_to_nearest_even(dtype):
    for value in (0.1, 1 / 3, 1e-7, -2.4375, 1.0625, 3.0e-5):
        once = np.float32(value).astype(dtype) if dtype != np.float64 else np.float64(value)
        assert_same_bits(wf.fill(np.empty(3, dtype), wf.Constant(value)), np.full(3, once, dtype))


def test_prefix_of_a_tensor_does_not_depend_on_its_length(init, dtype):
    longest = whole(1001, init, dtype)
    for n in (*range(70), 127, 128, 129, 1000):
        assert_same_bits(whole(n, init, dtype), longest[:n], n)


def test_values_do_not_depend_on_the_number_of_threads(init, dtype):
    expected = whole((37, 41), init, dtype)
    for threads in (1, 2, 3, 7):
        out = wf.fill(np.empty((37, 41), dtype), init, seed=SEED, stream=STREAM, threads=threads)
        assert_same_bits(out, expected, threads)


def views(dtype):
    """Arrays of shape (5, 4, 6) that lie in memory in as many ways."""
    yield "fortran", np.zeros((5, 4, 6), dtype, order="F")
    yield "transposed", np.zeros((6, 5, 4), dtype).transpose(1, 2, 0)
    yield "strided", np.zeros((10, 12, 12), dtype)[::2, ::3, ::2]
    yield "strided inside", np.zeros((5, 4, 30), dtype)[:, :, ::5]
    yield "column block", np.zeros((5, 4, 9), dtype)[:, :, 2:8]
    yield "reversed", np.zeros((5, 4, 6), dtype)[::-1, ::-1, ::-1]
    yield "reversed and strided", np.zeros((5, 8, 12), dtype)[::-1, ::-2, ::-2]
    yield "reversed rows", np.zeros((5, 4, 6), dtype)[::-1]
    yield "misaligned", np.zeros(1 + 5 * 4 * 6 * dtype.itemsize, np.uint8)[1:].view(dtype).reshape(5, 4, 6)
    field = np.zeros((5, 4, 6), np.dtype([("flag", "u1"), ("weight", dtype)], align=False))
    yield "field of packed records", field["weight"]


def test_layout_of_the_target_does_not_change_the_values(init, dtype):
    expected = whole((5, 4, 6), init, dtype)
    for name, out in views(dtype):
        wf.fill(out, init, seed=SEED, stream=STREAM, threads=2)
        assert (bits(out) == bits(expected)).all(), name


def test_nothing_beside_a_strided_target_is_written(init, dtype):
    memory = np.zeros((40, 40), dtype)
    part = (slice(3, 33, 3), slice(30, 5, -2))
    wf.fill(memory[part], init, seed=SEED, stream=STREAM)
    memory[part] = 0
    assert not bits(memory).any()


def test_nothing_before_or_behind_a_target_is_written(init, dtype):
    for n, offset in itertools.product((1, 15, 16, 17, 63, 64, 65, 1000), (64, 65, 71)):
        size = n * dtype.itemsize
        memory = np.full(size + 200, 0xA5, np.uint8)
        wf.fill(memory[offset : offset + size].view(dtype), init, seed=SEED, stream=STREAM)
        assert (memory[:offset] == 0xA5).all(), (n, offset)
        assert (memory[offset + size :] == 0xA5).all(), (n, offset)


def test_narrow_dtypes_are_the_rounded_float32_values(dtype):
    if dtype == np.float64:
        return  # draws 64 bits an element
    for init in (wf.Normal(0.25, 2.0), wf.TruncatedNormal(std=2.0), wf.TruncatedNormal(mean=1.0, low=-0.5, high=4.0)):
        assert_same_bits(whole(5000, init, dtype), whole(5000, init, np.float32).astype(dtype))


def test_narrow_uniform_is_the_rounded_float32_value_kept_below_high(dtype):
    if dtype == np.float64:
        return
    out = whole(5000, wf.Uniform(-0.5, 1.5), dtype)
    rounded = whole(5000, wf.Uniform(-0.5, 1.5), np.float32).astype(dtype)
    below = np.nextafter(dtype.type(1.5), dtype.type(0))
    assert_same_bits(out, np.where(rounded == 1.5, below, rounded))


def test_streams_and_seeds_differ(dtype):
    init = wf.Normal()
    out = [
        wf.fill(np.empty(100, dtype), init, seed=seed, stream=stream)
        for seed in (0, 1, 2**32, 2**64 - 1)
        for stream in ("", "a", "b", "ä")
    ]
    assert len({bits(values).tobytes() for values in out}) == len(out)


def test_seed_may_be_a_numpy_integer():
    expected = wf.fill(np.empty(9, np.float32), wf.Uniform(), seed=2**63)
    assert_same_bits(wf.fill(np.empty(9, np.float32), wf.Uniform(), seed=np.uint64(2**63)), expected)


@pytest.mark.parametrize(
    ("init", "dtype"),
    [
        (wf.Uniform(-3.4e38, 3.4e38), np.float32),
        (wf.Uniform(-1.7e308, 1.7e308), np.float64),
        (wf.Uniform(-65504, 65504), np.float16),
        (wf.Uniform(0, 2.0**-102), np.float32),
        (wf.Uniform(0, 2.0**-969), np.float64),
        (wf.Uniform(1, np.nextafter(1, 2)), np.float64),
        (wf.Uniform(-448, 448), "float8_e4m3fn"),
    ],
)
def test_uniform_keeps_its_bounds_at_the_ends_of_the_range(init, dtype):
    out = wf.create(10_000, init, seed=1, dtype=dtype).astype(np.float64)
    assert (out >= init.low).all()
    assert (out < init.high).all()


def test_normal_without_spread_is_its_mean(dtype):
    assert (whole(50, wf.Normal(mean=1.5, std=0), dtype) == 1.5).all()


def test_memory_map_is_filled_in_place(tmp_path, dtype):
    mapped = np.memmap(tmp_path / "table.bin", dtype, "w+", shape=(20, 30))
    assert wf.fill(mapped, wf.Normal(), seed=SEED, stream=STREAM) is mapped
    mapped.flush()
    from_disk = np.fromfile(tmp_path / "table.bin", np.uint8).view(dtype).reshape(20, 30)
    assert_same_bits(from_disk, whole((20, 30), wf.Normal(), dtype))


def test_create_equals_fill(init, dtype):
    out = wf.create((6, 7), init, seed=SEED, stream=STREAM, dtype=dtype)
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert_same_bits(out, whole((6, 7), init, dtype))


def test_create_takes_an_integer_for_a_vector_and_names_of_dtypes():
    assert wf.create(3, wf.Zeros()).shape == (3,)
    assert wf.create((), wf.Ones(), dtype="float8_e5m2")[()] == 1
    assert wf.create((2, 0), wf.Ones(), dtype=float).dtype == np.float64


def test_create_of_a_large_array_equals_fill_and_is_writable():
    out = wf.create((3000, 1001), wf.Uniform(), seed=SEED, stream=STREAM)
    assert_same_bits(out, whole((3000, 1001), wf.Uniform(), np.float32))
    out += 1
    assert out.min() >= 1


def test_importing_the_package_leaves_the_command_line_out():
    code = "import sys, weightfill; print([name for name in ('typer', 'rich', 'click') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_shape_may_be_a_numpy_integer():
    assert wf.create(np.int64(3), wf.Ones()).shape == (3,)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("init", [wf.TruncatedNormal(0, 1e-6, low=-1e-6, high=2e-6), wf.Uniform(-1e-6, 2e-6)], ids=str)
def test_zeros_keep_the_sign_of_the_float32_value(init, dtype):
    wide = wf.create(300_000, init, seed=1)
    narrow = wf.create(300_000, init, seed=1, dtype=dtype)
    assert (np.signbit(narrow.astype(np.float32)) == np.signbit(wide)).all()
    assert (narrow.astype(np.float32) == 0).all()
