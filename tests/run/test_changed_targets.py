"""Targets that are not what they show, or that change while the arguments are read."""

import numpy as np
import pytest

import weightfill as wf

ROWS, COLUMNS = 32, 32


class OtherDtype(np.ndarray):
    dtype = np.dtype(np.float64)


class AlwaysWritable(np.ndarray):
    flags = np.empty(1).flags


class OtherShape(np.ndarray):
    shape = (64, 64)
    size = 4096


class Changing:
    """An integer that changes an array where it is read."""

    def __init__(self, change, value=1):
        self.change, self.value = change, value

    def __index__(self):
        self.change()
        return self.value


CHANGES = {
    "read-only": lambda out: out.setflags(write=False),
    "of 4 bytes": lambda out: setattr(out, "dtype", np.float32),
    "got shape (1024,)": lambda out: setattr(out, "shape", (1024,)),
    "got shape (2, 2)": lambda out: out.resize((2, 2), refcheck=False),
}


def fill_plan(out, init):
    return wf.Plan({"*": init}, seed=1).fill({"w": out})["w"]


def fill_rows(out, init):
    return wf.fill_rows(out, init, range(ROWS), seed=1, shape=(None, COLUMNS))


WRITES = {"fill": lambda out, init: wf.fill(out, init, seed=1), "fill_rows": fill_rows, "plan": fill_plan}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", [OtherDtype, OtherShape])
def test_the_array_itself_is_filled_whatever_a_subclass_shows(write, kind):
    memory = np.zeros((2 * ROWS, COLUMNS), np.float32)
    WRITES[write](memory[:ROWS].view(kind), wf.XavierUniform() if write != "fill_rows" else wf.Uniform())
    expected = np.empty((ROWS, COLUMNS), np.float32)
    WRITES[write](expected, wf.XavierUniform() if write != "fill_rows" else wf.Uniform())
    assert np.array_equal(memory[:ROWS], expected)
    assert not memory[ROWS:].any()


@pytest.mark.parametrize("write", WRITES)
def test_read_only_arrays_stay_so_whatever_a_subclass_shows(write):
    memory = np.zeros((ROWS, COLUMNS), np.float32)
    memory.setflags(write=False)
    with pytest.raises(ValueError, match="must be writable, got a read-only array"):
        WRITES[write](memory.view(AlwaysWritable), wf.Uniform())
    assert not memory.any()


@pytest.mark.parametrize("init", [wf.Uniform(), wf.Sparse(connections=3), wf.Orthogonal()], ids=str)
def test_what_a_subclass_shows_is_not_verified(init):
    out = wf.create((ROWS, COLUMNS), init, seed=1)
    for kind in (OtherDtype, OtherShape):
        assert wf.verify(out.view(kind), init, seed=1).total == ROWS * COLUMNS


@pytest.mark.parametrize("words", CHANGES)
@pytest.mark.parametrize("argument", ["seed", "threads", "start"])
@pytest.mark.parametrize("init", [wf.Uniform(), wf.Sparse(connections=3)], ids=str)
def test_a_target_that_an_argument_changes_is_refused(words, argument, init):
    out = np.zeros((ROWS, COLUMNS), np.float64)
    changing = Changing(lambda: CHANGES[words](out))
    arguments = {"seed": 1, "shape": (2 * ROWS, 2 * COLUMNS), argument: changing}
    if argument == "start":
        arguments["start"] = (changing, 0)
    with pytest.raises(ValueError, match="out must stay as it was checked") as caught:
        wf.fill(out, init, **arguments)
    assert words in str(caught.value)
    assert not out.any()


@pytest.mark.parametrize("words", CHANGES)
def test_a_target_of_fill_rows_that_an_argument_changes_is_refused(words):
    out = np.zeros((ROWS, COLUMNS), np.float64)
    changing = Changing(lambda: CHANGES[words](out))
    with pytest.raises(ValueError, match="out must "):
        wf.fill_rows(out, wf.Uniform(), range(ROWS), seed=changing, shape=(None, COLUMNS))
    assert not out.any()


@pytest.mark.parametrize("words", CHANGES)
def test_a_parameter_that_an_argument_changes_is_refused(words):
    out = np.zeros((ROWS, COLUMNS), np.float64)
    changing = Changing(lambda: CHANGES[words](out))
    with pytest.raises(ValueError, match="params must stay as it was checked"):
        wf.Plan({"*": wf.Uniform()}, seed=1).fill({"w": out}, threads=changing)
    assert not out.any()


@pytest.mark.parametrize("words", [words for words in CHANGES if words != "read-only"])
def test_what_an_argument_changes_is_not_verified(words):
    out = np.zeros((ROWS, COLUMNS), np.float64)
    with pytest.raises(ValueError, match="target must stay as it was checked"):
        wf.verify(out, wf.Zeros(), seed=Changing(lambda: CHANGES[words](out)))
