"""Scaled: whole and in parts, of distributions, of masks, of tensors that are made in one piece."""

import math

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits, codes
from tests.repository import DATA
from weightfill._files import blockwise
from weightfill._initializers.base import as_initializer

HOW = {"seed": 42, "stream": "item_table"}
GOLDEN = [line for line in (DATA / "scaled_v1.txt").read_text().splitlines() if not line.startswith("#")]


class Staircase(wf.WholeTensor):
    """A user's own tensor that is made in one piece."""

    __slots__ = ()

    def check(self, shape, dtype):
        assert len(shape) == 2

    def tensor(self, shape, dtype, *, seed, stream, threads):
        return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def test_golden_values_of_scaled_initializers_never_change():
    for line in GOLDEN:
        init, _, rest = line.partition(" | ")
        place, _, values = rest.partition(" -> ")
        dtype, seed, name = place.split()
        assert codes(wf.create((3, 4), init, seed=int(seed), stream=name, dtype=dtype)) == values.split(), line
    assert len(GOLDEN) == 10 * 6 * 2


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (wf.Normal(1.0, 0.02), wf.Normal(0.7, 0.02 * 0.7)),
        (wf.Uniform(-1, 2), wf.Uniform(-0.7, 1.4)),
        (wf.TruncatedNormal(std=0.4), wf.TruncatedNormal(std=0.4 * 0.7)),
        (wf.TruncatedNormal(low=-4, high=math.inf), wf.TruncatedNormal(std=0.7, low=-4 * 0.7, high=math.inf)),
        (wf.Laplace(1.0, 0.02), wf.Laplace(0.7, 0.02 * 0.7)),
        (wf.LogUniform(0.5, 2.0), wf.LogUniform(0.35, 1.4)),
        (wf.Constant(8), wf.Constant(8 * 0.7)),
        (wf.Ones(), wf.Constant(0.7)),
        (wf.Zeros(), wf.Constant(0.0)),
        (wf.Scaled(wf.Normal(), 3.0), wf.Normal(std=3.0 * 0.7)),
        (wf.DepthScaled(wf.Normal(std=0.02), 12), wf.Normal(std=0.02 / math.sqrt(24) * 0.7)),
    ],
    ids=str,
)
def test_every_number_of_a_distribution_is_multiplied(of, expected):
    assert wf.Scaled(of, 0.7).law((3, 4)) == expected


def test_zeros_of_a_mask_stay_where_they_are(dtype):
    for of, shape in (
        (wf.Sparse(connections=3, std=0.5), (40, 30)),
        (wf.Identity(2.0), (40, 30)),
        (wf.Padded(wf.Normal(), (0, 7)), (40, 30)),
        (wf.Dirac(), (4, 4, 3)),
    ):
        law = wf.Scaled(of, 0.5).law(shape)
        assert law.mask == of.law(shape).mask
        scaled = wf.create(shape, wf.Scaled(of, 0.5), dtype=dtype, **HOW)
        wide = np.float64 if dtype == np.float64 else np.float32
        expected = wf.create(shape, of, dtype=wide, **HOW) * wide(0.5)  # a power of two: exact
        assert_same_bits(scaled, expected.astype(dtype), of)


def test_padding_and_depth_scaling_work_around_it():
    inner = wf.Scaled(wf.XavierUniform(), 0.5)
    table = wf.create((40, 16), wf.Padded(inner, 5), **HOW)
    expected = wf.create((40, 16), inner, **HOW)
    expected[5] = 0
    assert_same_bits(table, expected)
    assert wf.DepthScaled(wf.Scaled(wf.Normal(), 0.5), 2).law((3,)) == wf.Normal(std=0.25)


def test_a_tensor_made_in_one_piece_is_multiplied_in_float32_and_rounded_once(dtype):
    for of in (wf.Orthogonal(), wf.Orthogonal(1.5, -1), wf.DeltaOrthogonal(0.3), Staircase()):
        shape = (6, 4, 3) if isinstance(of, wf.DeltaOrthogonal) else (6, 4)
        wide = np.float64 if dtype == np.float64 else np.float32
        expected = (wf.create(shape, of, dtype=wide, **HOW) * wide(0.8731)).astype(dtype)
        found = wf.create(shape, wf.Scaled(of, 0.8731), dtype=dtype, **HOW)
        assert_same_bits(found, expected, of)


@pytest.mark.parametrize(
    "of", [wf.KaimingUniform(), wf.Sparse(connections=3), wf.Padded(wf.Normal(), 2), wf.Orthogonal()], ids=str
)
def test_parts_and_rows_are_those_of_the_whole(of):
    init = wf.Scaled(of, 1.7)
    whole = wf.create((50, 30), init, **HOW)
    assert wf.verify(whole, init, **HOW)
    part = wf.fill(np.empty((20, 7), np.float32), init, shape=(50, 30), start=(11, 5), **HOW)
    assert_same_bits(part, whole[11:31, 5:12])
    assert wf.verify(part, init, shape=(50, 30), start=(11, 5), **HOW)
    rows = wf.fill_rows(np.empty((3, 30), np.float32), init, [49, 0, 2], shape=(50, 30), **HOW)
    assert_same_bits(rows, whole[[49, 0, 2]])
    tensor = wf.Tensor((50, 30), init, **HOW)
    assert_same_bits(tensor[3:40:2, 1], whole[3:40:2, 1])
    assert tensor.only_whole == wf.Tensor((50, 30), of, **HOW).only_whole
    assert not wf.verify(whole, wf.Scaled(of, 1.8), **HOW)


def test_checkpoints_and_plans_have_its_values(tmp_path, monkeypatch):
    monkeypatch.setattr(blockwise, "_BLOCK_BYTES", 8192)
    rules = {
        "sparse": wf.Scaled(wf.Sparse(sparsity=0.5, axis=0), 0.7),
        "whole": wf.Scaled(wf.Orthogonal(), 1.3),
        "*": wf.Scaled(wf.KaimingNormal("tanh"), 0.8731),
    }
    plan = wf.Plan(rules, seed=7)
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    assert 'init = "Scaled"\nof = {init = "Orthogonal"}\nfactor = 1.3' in plan.to_toml()
    shapes = {"sparse": (60, 80), "whole": (30, 20), "fc": (10, 20)}
    path = tmp_path / "m.safetensors"
    plan.write(path, shapes)
    assert wf.verify_checkpoint(path, plan)
    arrays = plan.fill({name: np.empty(shape, np.float32) for name, shape in shapes.items()})
    for name, array in arrays.items():
        assert_same_bits(array, wf.create(shapes[name], rules.get(name, rules["*"]), seed=7, stream=name))
    rows = {row.name: row for row in plan.explain(shapes)}
    assert rows["whole"].law is None
    assert rows["fc"].law == wf.Scaled(wf.KaimingNormal("tanh"), 0.8731).law((10, 20))


def test_it_is_written_as_text():
    init = wf.Scaled(wf.Orthogonal(), factor=0.8731)
    assert as_initializer("scaled(of=orthogonal, factor=0.8731)") == init
    assert as_initializer(repr(init)) == init
    assert wf.Scaled("kaiming_normal", 2) == wf.Scaled(wf.KaimingNormal(), 2.0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Scaled(wf.Normal()), TypeError, "Scaled must be given of and factor, got no factor"),
        (lambda: wf.Scaled(wf.Normal, 1), TypeError, "of must be an initializer, got the class Normal"),
        (lambda: wf.Scaled(wf.Normal(), "1"), TypeError, "factor must be a number, got '1'"),
        (lambda: wf.Scaled(wf.Normal(), True), TypeError, "factor must be a number, got True"),
        (lambda: wf.Scaled(wf.Normal(), 0), ValueError, "factor must be greater than 0, got 0.0; use Zeros()"),
        (lambda: wf.Scaled(wf.Normal(), -2), ValueError, "factor must be greater than 0, got -2.0"),
        (lambda: wf.Scaled(wf.Normal(), math.inf), ValueError, "factor must be finite, got inf"),
        (
            lambda: wf.Scaled(wf.Normal(std=1e300), 1e300).law((2,)),
            ValueError,
            "factor must leave a distribution of Normal(mean=0.0, std=1e+300), got 1e+300: std must be finite, got inf",
        ),
        (
            lambda: wf.Scaled(wf.TruncatedNormal(std=1e-300), 1e-300).law((2,)),
            ValueError,
            "got 1e-300: std must be greater than 0, got 0.0",
        ),
        (
            lambda: wf.Scaled(wf.LogUniform(1, 2, then="inverse_softplus"), 2).law((2,)),
            ValueError,
            "of must have no transform, got LogUniform(low=1.0, high=2.0, then='inverse_softplus'); what it draws",
        ),
        (lambda: wf.Padded(wf.Scaled(wf.Orthogonal(), 2), 0), TypeError, "of must draw every element for itself"),
        (lambda: wf.create((3,), wf.Scaled(wf.Orthogonal(), 2), **HOW), ValueError, "at least 2 dimensions for an"),
        (lambda: wf.create((2, 2), wf.Scaled(wf.Normal(), 2)), TypeError, "seed must be given for Scaled("),
        (
            lambda: wf.create((9, 9), wf.Scaled(wf.Normal(), 1e5), dtype="float16", **HOW),
            ValueError,
            "init must stay within +-65504, the finite values of float16, got Normal(mean=0.0, std=100000.0)",
        ),
    ],
)
def test_wrong_parameters_are_refused(make, error, message):
    with pytest.raises(error) as raised:
        make()
    assert message in str(raised.value)


@pytest.mark.parametrize(("dtype", "largest"), [("float16", "65504"), ("float8_e4m3fn", "448"), ("float32", "3.40282")])
def test_products_beyond_the_dtype_are_refused_before_memory_is_touched(dtype, largest):
    out = np.ones((9, 9), wf.create((), wf.Zeros(), dtype=dtype).dtype)
    with pytest.raises(ValueError, match=rf"factor must keep values within \+-{largest}.*got 1e\+39; use a smaller"):
        wf.fill(out, wf.Scaled(wf.Orthogonal(), 1e39), **HOW)
    assert (out == 1).all()
