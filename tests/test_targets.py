import os
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from weightfill import _core


def run_with_target(name, code):
    environment = {**os.environ, "WEIGHTFILL_TARGET": name}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", _core.supported_targets())
def test_environment_forces_a_target(target):
    run = run_with_target(target, "from weightfill import _core; print(_core.active_target())")
    assert run.stdout == f"{target}\n"


def test_empty_environment_means_the_widest_target():
    run = run_with_target("", "from weightfill import _core; print(_core.active_target())")
    assert run.stdout == f"{_core.supported_targets()[-1]}\n"


@pytest.mark.parametrize("name", ["sse9", "neon" if "neon" not in _core.built_targets() else "avx2"])
def test_unknown_and_unsupported_targets_are_an_error(name):
    choices = ", ".join(map(repr, _core.supported_targets()))
    run = run_with_target(name, "import weightfill")
    assert run.returncode != 0
    assert run.stderr.splitlines()[-1] == (
        f"ValueError: WEIGHTFILL_TARGET must be one of {choices} (what this CPU can run), got {name!r}"
    )


def test_targets_are_listed_narrowest_first():
    assert _core.built_targets()[0] == _core.supported_targets()[0] == "baseline"
    assert set(_core.supported_targets()) <= set(_core.built_targets())


def test_setting_an_unknown_target_changes_nothing():
    before = _core.active_target()
    with pytest.raises(ValueError, match=r"^target must be one of 'baseline'.* \(what this CPU can run\), got 'sse9'$"):
        _core.set_active_target("sse9")
    assert _core.active_target() == before


def test_every_isa_gives_the_same_bits(each_isa, init, dtype):
    results = set()
    for _ in each_isa():
        out = np.zeros((37, 43), dtype)
        wf.fill(out, init, seed=5, stream="x")
        wf.fill(out[3:30:2, 40:2:-3], init, seed=6, stream="x", shape=(2**40, 2**20), start=(2**35, 7))
        results.add(out.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_ceiling_is_written_without_zeros(threads):
    out = np.zeros(1 << 22, np.uint8)
    _core.streaming_ceiling(out, threads)
    begin = -out.ctypes.data % 64
    assert out[begin:][: (out.size - begin) // 64 * 64].all()
