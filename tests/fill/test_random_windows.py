"""A thousand random fills: a window equals the slice of the whole, whatever is drawn, in any shape and dtype."""

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


@pytest.mark.parametrize("number", range(20))
def test_windows_equal_slices_of_the_whole(number):
    for case in range(number * CASES // 20, (number + 1) * CASES // 20):
        rng = np.random.default_rng(case)
        shape = tuple(rng.integers(1, [0, 30_000, 300, 40, 12][n := int(rng.integers(1, 5))], n).tolist())
        init = initializer(rng, shape)
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
