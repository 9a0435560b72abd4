import numpy as np
import pytest

import weightfill as wf
from weightfill._run.progress import ticking


def test_callable_hears_of_the_end():
    calls = []
    wf.fill(np.empty((10, 20), np.float32), wf.Zeros(), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (200, 200)


def test_what_is_done_never_falls():
    calls = []
    out = np.empty(3_000_000, np.float32)
    wf.fill(out, wf.Normal(), seed=1, threads=2, progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1] == (out.size, out.size)
    assert all(total == out.size for _, total in calls)


def test_exception_of_the_callable_stops_the_fill_and_comes_out():
    def stop(done, total):
        raise LookupError(total)

    with pytest.raises(LookupError):
        wf.fill(np.empty(3_000_000, np.float32), wf.Normal(), seed=1, progress=stop)
    with pytest.raises(LookupError):
        wf.verify(np.empty(3_000_000, np.float32), wf.Normal(), seed=1, progress=stop)


def test_all_verbs_report():
    calls = []

    def listen(done, total):
        calls.append((done, total))

    table = wf.create((4, 5), wf.Uniform(), seed=1, progress=listen)
    wf.fill_rows(np.empty((2, 5), np.float32), wf.Uniform(), [3, 1], seed=1, shape=(4, 5), progress=listen)
    assert wf.verify(table, wf.Uniform(), seed=1, progress=listen)
    assert {(20, 20), (10, 10)} == set(calls)


def test_bar_prints_nothing_where_there_is_no_terminal(capsys):
    out = wf.create(100, wf.Uniform(), seed=1, progress=True)
    assert wf.verify(out, wf.Uniform(), seed=1)
    assert capsys.readouterr() == ("", "")


def test_bar_says_on_a_terminal_what_is_done(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ticking(True, 10, "training") as tick:
        tick(5)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "training" in printed.err


def test_no_progress_is_wanted_by_none_or_false(capsys):
    for progress in (None, False):
        assert (wf.fill(np.empty(3, np.float32), wf.Ones(), progress=progress) == 1).all()
    assert capsys.readouterr() == ("", "")
