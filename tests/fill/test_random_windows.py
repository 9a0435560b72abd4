"""Random fills: a window equals the slice of the whole, whatever is drawn, in any shape and dtype."""

import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits

CASES = 1000
MATRICES = ["XavierUniform", "XavierNormal", "KaimingUniform", "KaimingNormal", "LecunUniform", "LecunNormal"]


def initializer(rng, shape):
    """A random initializer that has a law for the shape."""
    kinds = [
        "constant",
        "uniform",
        "normal",
        "truncated",
        "one-sided",
        "laplace",
        "log-uniform",
        "sparse",
        "sparsity",
        "padded",
        "depth",
        "scaled",
    ]
    if len(shape) >= 2:
        kinds += ["scheme", "scaling", "standard"]
    if len(shape) == 2:
        kinds += ["identity", "orthogonal"]
    if len(shape) == 3:
        kinds += ["dirac"]
    axis = int(rng.integers(-len(shape), len(shape)))
    std = float(rng.choice([0.02, 0.5, 1.0]))
    match rng.choice(kinds):
        case "constant":
            return wf.Constant(std)
        case "uniform":
            return wf.Uniform(-std, 2 * std)
        case "normal":
            return wf.Normal(std, std)
        case "truncated":
            return wf.TruncatedNormal(std=std)
        case "one-sided":
            return wf.TruncatedNormal(std=std, low=0.5 * std)
        case "laplace":
            return wf.Laplace(float(rng.choice([0.0, 0.5])), std)
        case "log-uniform":
            return wf.LogUniform(0.02 * std, std, then=[None, "inverse_softplus"][int(rng.integers(2))])
        case "sparse":
            return wf.Sparse(int(rng.integers(1, shape[axis] + 1)), std=std, axis=axis)
        case "sparsity":
            return wf.Sparse(sparsity=float(rng.random()), std=std, axis=axis)
        case "padded":
            rows = rng.integers(0, shape[0], 2).tolist()
            return wf.Padded(wf.Normal(std=std), rows)
        case "depth":
            return wf.DepthScaled(wf.Uniform(-std, std), layers=int(rng.integers(1, 50)))
        case "scaled":
            return wf.Scaled(wf.Sparse(1, std=std, axis=axis) if axis else wf.TruncatedNormal(std=std), 0.8731)
        case "scheme":
            return getattr(wf, rng.choice(MATRICES))(layout=str(rng.choice(["torch", "keras"])))
        case "scaling":
            return wf.VarianceScaling(2.0, str(rng.choice(["fan_in", "fan_out", "fan_avg", "fan_geo_avg"])))
        case "standard":
            return wf.StandardUniform()
        case "identity":
            return wf.Identity(std)
        case "orthogonal":
            return wf.Orthogonal()
        case _:
            return wf.Dirac()


def composed(rng, shape):
    """Blocks, repeated values and tables, one in the other."""
    axis = int(rng.integers(-len(shape), len(shape)))
    length = shape[axis]
    of = composed if rng.random() < 0.4 else initializer

    def along(count):
        return tuple(count if k == axis % len(shape) else n for k, n in enumerate(shape))

    kinds = ["arange", "blocks", "blocks", "repeat", "padded"]
    if max(shape) <= 300:
        kinds += ["logs", "slopes", "rotary"]
        kinds += ["sinusoid"] * (len(shape) > 1)
    match rng.choice(kinds):
        case "arange":
            return wf.Arange(float(rng.normal()), 0.01, axis=axis)
        case "logs":
            return wf.LogRange(axis=axis)
        case "slopes":
            return wf.AlibiSlopes(axis)
        case "rotary":
            return wf.Rotary(scaling="linear", factor=2.0)
        case "sinusoid":
            return wf.Sinusoid()
        case "blocks":
            cuts = sorted({0, length, *rng.integers(0, length + 1, 2).tolist()})
            sizes = tuple(np.diff(cuts).tolist())
            return wf.Blocks([of(rng, along(size)) for size in sizes], sizes, axis)
        case "repeat":
            factor = int(rng.choice([n for n in range(1, min(length, 50) + 1) if length % n == 0]))
            return wf.Repeat(of(rng, along(length // factor)), factor, axis)
        case _:
            return wf.Padded(wf.Scaled(wf.Blocks("normal", 1, axis), 0.5), int(rng.integers(0, shape[0])))


@pytest.mark.parametrize("kind", [initializer, composed])
@pytest.mark.parametrize("number", range(20))
def test_windows_equal_slices_of_the_whole(number, kind):
    cases = CASES if kind is initializer else CASES // 4
    for case in range(number * cases // 20, (number + 1) * cases // 20):
        rng = np.random.default_rng(case)
        shape = tuple(rng.integers(1, [0, 30_000, 300, 40, 12][n := int(rng.integers(1, 5))], n).tolist())
        init = kind(rng, shape)
        dtype = DTYPES[rng.integers(len(DTYPES))]
        how = {"seed": int(rng.integers(2**63)), "stream": f"p{case}"}
        whole = wf.create(shape, init, dtype=dtype, threads=int(rng.integers(1, 8)), **how)
        start = [int(rng.integers(0, size)) for size in shape]
        part = [int(rng.integers(0, size - begin + 1)) for begin, size in zip(start, shape, strict=True)]
        slices = tuple(slice(begin, begin + size) for begin, size in zip(start, part, strict=True))
        order = tuple(rng.permutation(len(shape)).tolist())
        out = np.empty([part[axis] for axis in order], dtype).transpose(np.argsort(order))
        wf.fill(out, init, shape=shape, start=start, threads=int(rng.integers(1, 8)), **how)
        assert_same_bits(out, whole[slices])
        assert wf.verify(out, init, shape=shape, start=start, **how), f"case {case}: {init}, {shape}, {start}, {part}"
