"""The fuzzer finds faults, says how to repeat them, and finds none where there is none."""

import pytest

import weightfill as wf
from tests import fuzz


def test_a_hundred_cases_have_no_fault():
    faults = {number: fuzz.fault(fuzz.case_of(number)) for number in range(100)}
    assert {number: fault for number, fault in faults.items() if fault} == {}


def test_every_initializer_is_drawn():
    drawn = {type(fuzz.case_of(number).init) for number in range(1000)}
    assert drawn >= {wf.Constant, wf.Uniform, wf.Normal, wf.TruncatedNormal, wf.Sparse, wf.Padded, wf.Identity}
    assert drawn >= {wf.Dirac, wf.Orthogonal, wf.KaimingNormal, wf.XavierUniform}


@pytest.fixture
def broken(monkeypatch):
    """Has fills by more than one thread add 1 to the last element."""
    fill = wf.fill

    def broken(out, *arguments, threads, **options):
        fill(out, *arguments, threads=threads, **options)
        if threads > 1 and out.size:
            out[(-1,) * out.ndim] += 1
        return out

    monkeypatch.setattr(wf, "fill", broken)


@pytest.mark.usefixtures("broken")
def test_a_fault_ends_the_run_with_the_line_that_repeats_it(capsys, monkeypatch):
    assert fuzz.main(["--seconds", "60", "--seed", "1"]) == 1
    seed, line = capsys.readouterr().out.splitlines()
    assert seed == "seed 1"
    assert " of " in line
    command, _, number = line.partition("  # ")[0].rpartition(" ")
    assert command == "python -m tests.fuzz --case"
    assert fuzz.main(["--case", number]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == line
    monkeypatch.undo()
    assert fuzz.main(["--case", number]) == 0


def test_a_case_is_the_same_whenever_it_is_made():
    assert all(str(fuzz.case_of(number)) == str(fuzz.case_of(number)) for number in range(50))


def test_a_run_prints_its_seed_and_how_many_cases_it_had(capsys):
    assert fuzz.main(["--seconds", "0.2"]) == 0
    seed, cases = capsys.readouterr().out.splitlines()
    assert seed.startswith("seed ")
    assert cases.endswith(" cases")
