import asyncio
import functools
import inspect
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

import weightfill.torch as wt  # noqa: E402
from weightfill.torch._nn_init import functions  # noqa: E402
from weightfill.torch._nn_init.originals import NAMES, originals  # noqa: E402

# As a library that took hold of the functions when it was imported.
HELD = {name: getattr(nn.init, name) for name in NAMES}
PARTIAL = functools.partial(nn.init.normal_, std=0.5)


def ours(function, *args, **kwargs):
    """Whether a call gives weightfill's values."""
    torch.manual_seed(8)
    found = function(torch.empty(6, 6), *args, **kwargs)
    torch.manual_seed(8)
    name = getattr(function, "__name__", "normal_")
    expected = getattr(wt, name)(torch.empty(6, 6), *args, **(kwargs or getattr(function, "keywords", {})))
    return torch.equal(found, expected)


class Mixed(nn.Module):
    """Modules of every file of torch.nn.modules that initializes something random."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.bilinear = nn.Bilinear(4, 4, 4)
        self.conv = nn.Conv2d(4, 8, 3)
        self.transposed = nn.ConvTranspose1d(4, 8, 3)
        self.norm = nn.LayerNorm(8)
        self.batch_norm = nn.BatchNorm2d(8)
        self.lstm = nn.LSTM(8, 8, num_layers=2)
        self.attention = nn.MultiheadAttention(8, 2)
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.embedding = nn.Embedding(10, 8, padding_idx=3)
        self.bag = nn.EmbeddingBag(10, 8)
        self.activation = nn.PReLU()
        self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(32, 20, [5, 10])


def parameters(seed):
    torch.manual_seed(seed)
    return {name: p.detach().clone() for name, p in Mixed().named_parameters()}


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    codes = {name: function.__code__ for name, function in HELD.items()}
    yield
    for name, function in HELD.items():
        assert getattr(nn.init, name) is function
        assert function.__code__ is codes[name]


def test_modules_of_torch_get_weightfills_values():
    before = parameters(1)
    with wt.patched():
        found, again = parameters(1), parameters(1)
    after = parameters(1)
    for name, values in before.items():
        assert torch.equal(values, after[name]), name
        assert torch.equal(found[name], again[name]), name
        random = values.numel() > 1 and values.unique().numel() > 1
        assert torch.equal(values, found[name]) == (not random), name
        if random and values.numel() > 30:
            assert found[name].std() == pytest.approx(values.std().item(), rel=0.5), name
    assert (found["embedding.weight"][3] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_functions_held_before_go_through_weightfill(name, monkeypatch):
    called = []
    monkeypatch.setattr(functions, name, lambda *args: called.append(args))
    signature = inspect.signature(HELD[name])
    arguments = {parameter: number for number, parameter in enumerate(signature.parameters)}
    with wt.patched():
        HELD[name](**arguments)
        assert inspect.signature(HELD[name]) == signature
    assert called == [tuple(arguments.values())]


def test_partials_and_deprecated_names_go_through_weightfill():
    with wt.patched():
        assert ours(PARTIAL)
        torch.manual_seed(8)
        with pytest.warns(FutureWarning, match="deprecated"):
            found = nn.init.xavier_uniform(torch.empty(6, 6))
    torch.manual_seed(8)
    assert torch.equal(found, wt.xavier_uniform_(torch.empty(6, 6)))
    assert not ours(PARTIAL)


def test_an_exception_restores_everything():
    @wt.patched()
    def fail():
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not ours(nn.init.normal_)


def test_blocks_may_be_nested():
    with wt.patched():
        with wt.patched():
            assert ours(nn.init.normal_)
        assert ours(nn.init.normal_)
    assert not ours(nn.init.normal_)


def test_blocks_may_end_in_any_order():
    first, second = ExitStack(), ExitStack()
    first.enter_context(wt.patched())
    second.enter_context(wt.patched())
    first.close()
    assert ours(nn.init.normal_)
    second.close()
    with wt.patched():
        thread = threading.Thread(target=lambda: found.append(ours(nn.init.normal_)))
        found = []
        thread.start()
        thread.join()
    assert found == [False]
    assert not ours(nn.init.normal_)


def test_a_block_may_end_in_another_thread():
    def fixture():
        with wt.patched():
            yield

    block = fixture()
    next(block)
    assert ours(nn.init.normal_)
    thread = threading.Thread(target=block.close)
    thread.start()
    thread.join()
    assert not ours(nn.init.normal_)


def test_modes_that_skip_initialization_are_heard():
    class Skipping(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if function.__module__ == "torch.nn.init":
                return kwargs["tensor"] if "tensor" in kwargs else args[0]
            return function(*args, **kwargs)

    tensor = torch.full((4, 4), 7.0)
    with wt.patched(), Skipping():
        for function in (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            assert function(tensor) is tensor
    assert (tensor == 7).all()


def test_a_child_process_can_patch_though_another_thread_was_patching():
    code = """
import os, sys, threading
import torch
import weightfill.torch as wt
from weightfill.torch._nn_init import patching

own, method = torch.nn.init.normal_.__code__, torch.Tensor.normal_
entered, leave = threading.Event(), threading.Event()

def other():
    with wt.patched():
        entered.set()
        leave.wait()

thread = threading.Thread(target=other)
thread.start()
entered.wait()
patching._blocks._lock.acquire()  # as another thread would hold it
child = os.fork()
if child == 0:
    def is_restored():
        return torch.nn.init.normal_.__code__ is own and torch.Tensor.normal_ is method

    restored = is_restored()
    with wt.patched():
        redirected = torch.nn.init.normal_.__code__ is not own and torch.Tensor.normal_ is not method
    os._exit(0 if restored and redirected and is_restored() else 1)
patching._blocks._lock.release()
leave.set()
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_it_is_refused_to_take_other_functions_for_torchs():
    code = "import torch; torch.nn.init.normal_ = lambda *args: None; import weightfill.torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: torch.nn.init.normal_ must be torch's own when weightfill.torch is imported" in done.stderr


def test_compiled_functions_are_not_compiled_again_for_every_block():
    def code():
        with wt.patched():
            return nn.init.normal_.__code__

    assert code() is code()


def test_it_is_a_decorator_too():
    assert wt.patched()(ours)(nn.init.uniform_)
    assert not ours(nn.init.uniform_)


def test_other_threads_keep_torchs_values():
    entered, checked = threading.Event(), threading.Event()
    found = []

    def other():
        entered.wait()
        generator = torch.Generator().manual_seed(8)
        found.append(nn.init.normal_(torch.empty(6, 6), generator=generator))
        with wt.patched():
            checked.set()
            done.wait()
            found.append(nn.init.normal_(torch.empty(6, 6), generator=generator.manual_seed(8)))

    done = threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    with wt.patched():
        entered.set()
        checked.wait()
        assert ours(nn.init.normal_)
    done.set()  # this block has ended while the other thread's is open
    assert not ours(nn.init.normal_)
    thread.join()
    generator = torch.Generator().manual_seed(8)
    assert torch.equal(found[0], originals["normal_"](torch.empty(6, 6), generator=generator))
    assert torch.equal(found[1], wt.normal_(torch.empty(6, 6), generator=generator.manual_seed(8)))


def test_many_threads_may_enter_and_leave():
    failures = []

    def work(number):
        for _ in range(50):
            with wt.patched():
                generator = torch.Generator().manual_seed(number)
                found = nn.init.normal_(torch.empty(6, 6), generator=generator)
                if not torch.equal(found, wt.normal_(torch.empty(6, 6), generator=generator.manual_seed(number))):
                    failures.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_tasks_that_did_not_enter_keep_torchs_values():
    async def patched(entered, checked):
        with wt.patched():
            entered.set()
            await checked.wait()
            return ours(nn.init.normal_)

    async def other(entered, checked):
        await entered.wait()
        result = ours(nn.init.normal_)
        checked.set()
        return result

    async def both():
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(patched(*events), other(*events))

    assert asyncio.run(both()) == [True, False]


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64], ids=str)
def test_tensors_that_weightfill_cannot_fill_are_filled_by_torch(dtype):
    torch.manual_seed(1)
    expected = nn.init.constant_(torch.empty(4, dtype=dtype), 3), nn.init.eye_(torch.empty(2, 2, dtype=dtype))
    with wt.patched():
        found = nn.init.constant_(torch.empty(4, dtype=dtype), 3), nn.init.eye_(torch.empty(2, 2, dtype=dtype))
    assert all(map(torch.equal, found, expected))


def test_meta_modules_stay_on_meta():
    with wt.patched(), torch.device("meta"):
        layer = nn.Linear(4, 3)
    assert layer.weight.is_meta


def test_a_default_device_makes_no_difference():
    with wt.patched():
        with torch.device("cpu"):
            assert ours(nn.init.normal_)
        torch.set_default_device("cpu")
        try:
            assert ours(nn.init.kaiming_uniform_)
        finally:
            torch.set_default_device(None)


def test_names_and_documentation_stay_torchs():
    with wt.patched():
        assert nn.init.normal_.__name__ == "normal_"
        assert (
            inspect.getdoc(nn.init.normal_) == inspect.getdoc(originals["normal_"])
            or originals["normal_"].__doc__ is None
        )
        assert nn.init.normal_.__module__ == "torch.nn.init"
