"""Values do not depend on the floating-point environment that other libraries have left behind."""

import ctypes
import hashlib
import itertools
import platform
import subprocess
import sys

import pytest

from tests.repository import ROOT

ROUNDING = {
    "x86_64": {"down": 0x400, "up": 0x800, "to zero": 0xC00},
    "aarch64": {"down": 0x800000, "up": 0x400000, "to zero": 0xC00000},
}[platform.machine()]


def set_mode(name):
    """Set the rounding of this thread, or have it take subnormal numbers for zero."""
    libm = ctypes.CDLL("libm.so.6")
    if name in ROUNDING:
        assert libm.fesetround(ROUNDING[name]) == 0
    elif name == "flush":
        environment = (ctypes.c_uint32 * 8)()
        libm.fegetenv(environment)
        word, bits = (7, 0x8040) if platform.machine() == "x86_64" else (0, 1 << 24)
        environment[word] |= bits
        libm.fesetenv(environment)


def fills():
    """Yield what a first use computes: laws by fans, by gains and by depth, bounds, tables and masks."""
    import numpy as np

    import weightfill as wf

    shape = (61, 47)
    inits = [
        wf.Normal(1 / 3, 0.02),
        wf.Normal(std=1e-40),
        wf.Uniform(-0.1, 0.7),
        wf.TruncatedNormal(0.3, 0.02),
        wf.TruncatedNormal(0.3, 0.02, 1.7),
        wf.TruncatedNormal(std=0.7, low=-0.1, high=0.3),
        wf.Constant(0.1),
        wf.Constant(1e-40),
        wf.StandardUniform(),
        wf.LecunNormal(),
        wf.LecunUniform(),
        wf.Sparse(sparsity=0.7, std=0.1),
        wf.Sparse(sparsity=1 - 1 / 61, axis=0),
        wf.Padded(wf.XavierNormal(), padding_idx=3),
        wf.Orthogonal(),
    ]
    for gain, truncated in itertools.product(("relu", "tanh", 1.3, wf.gain("leaky_relu", 0.3)), (False, True)):
        inits += [wf.XavierUniform(gain), wf.KaimingUniform(gain), wf.ScaledNormal(gain)]
        inits += [wf.XavierNormal(gain, truncated=truncated), wf.KaimingNormal(gain, truncated=truncated)]
    inits += [wf.VarianceScaling(1.7, "fan_geo_avg", law) for law in ("normal", "truncated_normal", "uniform")]
    inits += [
        wf.DepthScaled(init, layers=7) for init in inits if not isinstance(init, wf.Sparse | wf.Padded | wf.Orthogonal)
    ]
    inits += [wf.Scaled(init, 0.8731) for init in inits]
    inits.append(wf.Normal(std=1e-310))
    for init in inits:
        for dtype in (np.float64, np.float32, "bfloat16", "float8_e5m2"):
            if (
                init in (wf.Normal(std=1e-40), wf.Normal(std=1e-310), wf.Constant(1e-40))
                and np.dtype(dtype).itemsize == 1
            ):
                continue
            yield init, wf.create(shape, init, seed=1, stream="mode", dtype=dtype, threads=2)


def digest():
    """Return a digest of all fills, made with rounding to nearest or otherwise."""
    whole = hashlib.sha256()
    for init, array in fills():
        whole.update(f"{init!r}".split("(")[0].encode() + array.tobytes())
    return whole.hexdigest()


def digest_in(mode):
    """Return the digest of a new process that is in this mode before it uses anything of the package."""
    code = f"import weightfill, {__name__} as t; t.set_mode({mode!r}); print(t.digest())"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout


@pytest.mark.parametrize("mode", ["flush", *ROUNDING])
def test_first_fills_are_the_same_in_every_float_mode(mode):
    assert digest_in(mode) == digest_in("nearest")


def test_constants_of_modules_are_the_same_in_every_float_mode(tmp_path):
    """Of modules that are compiled, as where they are installed: Python's compiler reads numbers in the mode, too."""
    code = (
        f"import sys, weightfill, {__name__} as t; t.set_mode(sys.argv[1])\n"
        "sys.pycache_prefix, sys.dont_write_bytecode = sys.argv[2], False\n"
        "from weightfill._initializers import elementary, gains, laplace, laws, scaling\n"
        "print([[float(x).hex() for x in xs] for xs in (elementary._SINE, elementary._COSINE, laplace.REACH.values(), "
        "laws.REACH.values(), laws.CUT_REACH.values(), gains.GAINS.values(), [scaling.TRUNCATED_STD])])"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, mode, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for mode in ("nearest", "flush", *ROUNDING)
    ]
    assert any(tmp_path.rglob("laplace.*.pyc"))
    assert len(set(outputs)) == 1


def test_the_mode_of_the_caller_is_kept():
    code = "import ctypes, weightfill as wf\nlibm = ctypes.CDLL('libm.so.6')\n"
    code += f"libm.fesetround({ROUNDING['down']})\nwf.create((30, 20), wf.XavierNormal(), seed=1, dtype='float64')\n"
    code += f"print(libm.fegetround() == {ROUNDING['down']})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
