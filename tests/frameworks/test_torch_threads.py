"""torch's number of threads, where it is less than weightfill's default."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from weightfill import _core  # noqa: E402
from weightfill._run import threads  # noqa: E402
from weightfill.torch._nn_init import drawing  # noqa: E402

LARGE = (512, 512)
PLAN = wf.Plan({"*": wf.Normal()}, seed=1)
THREADS = {"fill": -2, "verify": -2, "fill_all": -2}  # where the core's functions take them


@pytest.fixture
def used(monkeypatch):
    """The numbers of threads that the core was called with, where weightfill alone would use 6 and torch 3."""
    for variable in (threads.VARIABLE, *threads.LIMITS):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(threads, "available_cpus", lambda: 6)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    found = []

    def spied(function, place):
        def call(*arguments):
            found.append(arguments[place])
            return function(*arguments)

        return call

    for name, place in THREADS.items():
        monkeypatch.setattr(_core, name, spied(getattr(_core, name), place))
    filler = _core.filler
    monkeypatch.setattr(_core, "filler", lambda *arguments: spied(filler(*arguments), -1))
    drawing._drawing.cache_clear()  # which has fillers that are not spied on, and must not keep those that are
    yield found
    drawing._drawing.cache_clear()
    wf.set_threads(None)


def linear():
    return torch.nn.Linear(*LARGE, bias=False)


def module_verify():
    wt.verify(wt.initialize(linear(), PLAN), PLAN)


CALLS = {
    "fill": lambda **given: wt.fill(torch.empty(LARGE), wf.Normal(), seed=1, **given),
    "wf.fill": lambda **given: wf.fill(torch.empty(LARGE), wf.Normal(), seed=1, **given),
    "part": lambda **given: wf.fill(torch.empty(LARGE), wf.Normal(), seed=1, shape=(1024, 512), **given),
    "rows": lambda **given: wf.fill_rows(
        torch.empty(LARGE), wf.Normal(), range(512), seed=1, shape=(None, 512), **given
    ),
    "verify": lambda **given: wf.verify(torch.zeros(LARGE), wf.Zeros(), **given),
    "initialize": lambda **given: wt.initialize(linear(), PLAN, **given),
    "materialize": lambda **given: wt.materialize(linear().to("meta"), PLAN, **given),
}


@pytest.mark.parametrize("call", CALLS)
def test_tensors_use_no_more_threads_than_torch(call, used, monkeypatch):
    CALLS[call]()
    assert set(used) == {3}
    used.clear()
    CALLS[call](threads=5)
    assert set(used) == {5}
    used.clear()
    monkeypatch.setenv(threads.VARIABLE, "4")
    CALLS[call]()
    assert set(used) == {4}
    used.clear()
    wf.set_threads(7)
    CALLS[call]()
    assert set(used) == {7}


def test_modules_are_verified_and_functions_drawn_with_torchs_threads(used):
    wt.normal_(torch.empty(LARGE))
    module_verify()
    assert set(used) == {3}


def test_more_threads_of_torch_and_arrays_change_nothing(used, monkeypatch):
    wf.create(LARGE, wf.Normal(), seed=1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    CALLS["fill"]()
    assert used == [6, 6]


def test_small_tensors_stay_on_one_thread(used):
    wf.fill(torch.empty(8), wf.Normal(), seed=1)
    wt.normal_(torch.empty(8), std=0.0123)  # which no other test has drawn
    assert used == [1, 1]


def test_the_values_are_the_same(used):
    assert np.array_equal(CALLS["fill"]().numpy(), wf.create(LARGE, wf.Normal(), seed=1))
