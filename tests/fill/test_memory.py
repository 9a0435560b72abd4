"""Peak memory of a fill beyond its target, as the process itself reports it."""

import subprocess
import sys

import pytest

CODE = """
import re, sys
from pathlib import Path
import ml_dtypes, numpy as np, weightfill as wf

def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

dtype, layout, nbytes = np.dtype(sys.argv[1]), sys.argv[2], int(sys.argv[3])
law = wf.TruncatedNormal(mean=0.5, std=0.02, low=0.4)
wf.create((1000, 1000), law, seed=1, dtype=dtype, threads=2)  # loads and builds what is used
rows, columns = nbytes // dtype.itemsize // 1024, 1024
out = np.empty((columns, rows), dtype).T if layout == "transposed" else np.empty((rows, columns), dtype)
before = kilobytes("VmRSS")
wf.fill(out, law, seed=1, threads=2)
if layout == "verified":
    assert wf.verify(out, law, seed=1, threads=2)
assert out[-1, -1] >= 0.4
print(kilobytes("VmHWM") - before - out.nbytes // 1024)
"""


@pytest.mark.parametrize("layout", ["contiguous", "verified", pytest.param("transposed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("nbytes", [2**29, pytest.param(2**31, marks=pytest.mark.slow)])
def test_arrays_of_any_size_are_filled_with_at_most_16_megabytes_more(nbytes, dtype, layout):
    program = [sys.executable, "-c", CODE, dtype, layout, str(nbytes)]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) <= 16 * 1024
