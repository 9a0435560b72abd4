import os
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from weightfill import _core
from weightfill._run import isa


def run_with(code, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


ACTIVE = "from weightfill import _core; print(_core.active_isa())"


@pytest.mark.parametrize("variable", isa.VARIABLES)
@pytest.mark.parametrize("name", _core.supported_isas())
def test_environment_forces_an_instruction_set(variable, name):
    assert run_with(ACTIVE, **{variable: name}).stdout == f"{name}\n"


def test_new_name_of_the_variable_goes_before_the_former_one():
    assert run_with(ACTIVE, WEIGHTFILL_ISA="baseline", WEIGHTFILL_TARGET="sse9").stdout == "baseline\n"


def test_empty_environment_means_the_widest_instruction_set():
    run = run_with(ACTIVE, WEIGHTFILL_ISA="", WEIGHTFILL_TARGET="")
    assert run.stdout == f"{_core.supported_isas()[-1]}\n"


@pytest.mark.parametrize("variable", isa.VARIABLES)
@pytest.mark.parametrize("name", ["sse9", "neon" if "neon" not in _core.built_isas() else "avx2"])
def test_unknown_and_unsupported_instruction_sets_are_an_error(variable, name):
    choices = ", ".join(map(repr, _core.supported_isas()))
    run = run_with("import weightfill", **{variable: name})
    assert run.returncode != 0
    assert run.stderr.splitlines()[-1] == (
        f"ValueError: {variable} must be one of {choices} (what this CPU can run), got {name!r}"
    )


def test_instruction_sets_are_listed_narrowest_first():
    assert _core.built_isas()[0] == _core.supported_isas()[0] == "baseline"
    assert set(_core.supported_isas()) <= set(_core.built_isas())


def test_all_that_this_cpu_can_run_is_supported():
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((set(line.split()) for line in file if line.startswith("flags")), None)
    except FileNotFoundError:  # not Linux: only what the core itself says
        flags = None
    needed = {"baseline": set(), "avx2": {"avx2", "fma", "f16c", "bmi2"}}
    needed["avx512"] = needed["avx2"] | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
    if flags is None:
        assert _core.supported_isas() == _core.built_isas()[: len(_core.supported_isas())]
    else:
        assert _core.supported_isas() == tuple(isa for isa in _core.built_isas() if needed[isa] <= flags)


def test_activating_an_unknown_instruction_set_changes_nothing():
    before = _core.active_isa()
    with pytest.raises(ValueError, match=r"^isa must be one of 'baseline'.* \(what this CPU can run\), got 'sse9'$"):
        isa.activate("sse9")
    assert _core.active_isa() == before


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
