"""weightfill.torch.propagation leaves models as they were, runs them within wrappers, and refuses bad input."""

import contextlib
import math
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.propagated import Net, batch_of, hooks_in, mlp, state_of  # noqa: E402
from weightfill.torch import propagation  # noqa: E402


def test_nothing_changes():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten(), nn.Linear(288, 4)
    )
    model[5].weight.grad = torch.ones_like(model[5].weight)
    model[0].weight.requires_grad_(False)
    model[1].eval()
    model[1].weight.register_hook(lambda gradient: None)
    batch = batch_of(5, 3, 8, 8)
    given, before = batch.clone(), state_of(model)
    propagation(model, batch)
    assert state_of(model) == before
    assert torch.equal(batch, given)
    model[1].train()
    before = state_of(model)
    propagation(model, batch, lambda output: output.mean())
    assert state_of(model) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, ZeroDivisionError])
@pytest.mark.parametrize("where", ["forward", "loss", "backward", "progress"])
def test_nothing_is_left_after_an_exception(error, where):
    def fail(*_):
        raise error("mine")

    def run(self, x):
        x = self.b(self.a(x))
        if where == "backward":
            x.register_hook(fail)
        return fail() if where == "forward" else x

    model = Net(run, a=nn.Linear(4, 4), b=nn.BatchNorm1d(4), c=nn.Tanh())
    before = state_of(model)
    with pytest.raises(error, match="mine"):
        propagation(
            model, batch_of(6, 4), fail if where == "loss" else None, progress=fail if where == "progress" else None
        )
    assert state_of(model) == before
    model._run = lambda self, x: self.c(self.a(x))
    assert len(propagation(model, batch_of(6, 4)).layers) == 2


def test_frozen_parameters_let_gradients_be_seen():
    model = mlp(10, 10, 10)
    expected = propagation(model, batch_of(6, 10)).layers
    model.requires_grad_(False)
    found = propagation(model, batch_of(6, 10)).layers
    assert [layer.grad_std for layer in found] == [layer.grad_std for layer in expected]
    assert all(math.isnan(layer.grad_to_weight) for layer in found)
    assert not any(param.requires_grad for param in model.parameters())


def test_a_checkpoint_is_measured_once():
    for reentrant in (False, True):
        model = Net(
            lambda self, x, reentrant=reentrant: self.c(checkpoint(self.b, self.a(x), use_reentrant=reentrant)),
            a=nn.Linear(6, 6),
            b=mlp(6, 6, 6),
            c=nn.Linear(6, 2),
        )
        if reentrant:
            with pytest.raises(RuntimeError, match="use_reentrant"):
                propagation(model, batch_of(5, 6))
            assert not hooks_in(model)
            continue
        found = propagation(model, batch_of(5, 6)).layers
        model._run = lambda self, x: self.c(self.b(self.a(x)))
        expected = propagation(model, batch_of(5, 6)).layers
        assert [layer[:5] for layer in found] == [layer[:5] for layer in expected]


def test_wrappers_are_seen_through():
    model = mlp(6, 5)
    names = ["0", "1"]
    for wrapped in (
        torch.compile(model, backend="eager"),
        nn.DataParallel(model),
        nn.DataParallel(torch.compile(model, backend="eager")),
    ):
        assert [layer.name for layer in propagation(wrapped, batch_of(4, 6)).layers] == names


@pytest.mark.parametrize("stance", [True, False])  # of torch 2.6 and newer
def test_parts_that_are_compiled_run_uncompiled(stance, monkeypatch):
    compiled = mlp(4, 4)
    compiled.compile(backend="eager")
    models = [nn.Sequential(part, nn.Linear(4, 4)) for part in (compiled, torch.compile(mlp(4, 4), backend="eager"))]
    for model in models:
        model(batch_of(3, 4))
    if not stance:
        monkeypatch.delattr(torch.compiler, "set_stance", raising=False)
    for model in models:
        held = [dict(vars(part)) for part in model.modules()]
        assert [layer.name for layer in propagation(model, batch_of(3, 4)).layers] == ["0.0", "0.1", "1"]
        assert [vars(part) for part in model.modules()] == held


def test_a_call_that_a_model_gives_up_is_none():
    def broken(self, x):
        self.a(x)
        raise KeyError("lost")

    def run(self, x):
        with contextlib.suppress(KeyError):
            self.broken(x)
        return self.b(x)

    model = Net(run, broken=Net(broken, a=nn.Linear(4, 4)), b=nn.Linear(4, 4))
    assert [layer.name for layer in propagation(model, batch_of(3, 4)).layers] == ["broken.a", "b"]


def test_grad_modes_of_the_caller_do_not_matter():
    model = mlp(5, 4)
    expected = [layer.grad_std for layer in propagation(model, batch_of(6, 5)).layers]
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert [layer.grad_std for layer in propagation(model, batch_of(6, 5)).layers] == expected


def test_importing_weightfill_torch_does_not_import_signals():
    code = "import sys, weightfill.torch; print(*[name for name in sys.modules if 'weightfill.signals' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def with_nan():
    batch = batch_of(4, 6)
    batch[2, 3] = math.nan
    return batch


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": 3}, TypeError, "model must be a torch.nn.Module, got int"),
        (
            {"model": nn.Linear(6, 6, device="meta")},
            ValueError,
            "got 'weight', 'bias' on meta; call weightfill.torch.materialize",
        ),
        (
            {"model": nn.LazyLinear(6)},
            ValueError,
            "got uninitialized 'weight', 'bias'; run a forward pass first",
        ),
        (
            {"model": Net(lambda self, x: x.sum().item(), a=nn.Tanh())},
            ValueError,
            "model must call modules that give floating tensors, got Net",
        ),
        (
            {"model": Net(lambda self, x: self.a(x).argmax(), a=nn.Linear(6, 6))},
            ValueError,
            "model must give a floating tensor with a gradient, got Tensor; is it computed in",
        ),
        (
            {"batch": np.zeros((4, 6))},
            TypeError,
            "batch must be a tensor, a tuple of arguments or a mapping from their names, got ndarray; torch.from_numpy",
        ),
        ({"batch": with_nan()}, ValueError, r"batch must be finite, got nan at \(2, 3\)"),
        ({"batch": {"input": with_nan()}}, ValueError, r"batch\['input'\] must be finite, got nan at \(2, 3\)"),
        ({"batch": (batch_of(2, 2), with_nan())}, ValueError, r"batch\[1\] must be finite, got nan"),
        ({"batch": torch.zeros(0, 6)}, ValueError, r"batch must have elements, got the shape \(0, 6\)"),
        (
            {"batch": torch.zeros(4, 6, device="meta")},
            ValueError,
            "batch must be on the device of the model, 'cpu', got 'meta'",
        ),
        ({"loss": 3}, TypeError, "loss must be a function of the model's output, or None, got 3"),
        ({"loss": lambda out: 3.0}, TypeError, "loss must return a tensor, got float"),
        (
            {"loss": lambda out: out.sum(1)},
            ValueError,
            r"loss must return a scalar, got a tensor of shape \(4,\); such as its mean\(\)",
        ),
        (
            {"loss": lambda out: out.sum().detach() * 0},
            ValueError,
            "depends on the model by differentiable operations, got -?0.0 without a gradient",
        ),
        ({"plan": {}}, TypeError, "plan must be a weightfill.Plan, got dict"),
        ({"plan": wf.Plan({"x": wf.Zeros()}, seed=1)}, ValueError, "weight"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"progress": 3}, TypeError, "progress must be True, False or a callable"),
    ],
)
def test_propagation_refuses(arguments, error, message):
    given = {"model": nn.Linear(6, 6), "batch": batch_of(4, 6)} | arguments
    before = hooks_in(given["model"]) if isinstance(given["model"], nn.Module) else []
    with pytest.raises(error, match=message):
        propagation(**given)
    assert not before or before == hooks_in(given["model"])


def test_nan_in_the_batch_is_found_before_anything_runs():
    model = Net(lambda self, x: pytest.fail("it ran"), a=nn.Linear(6, 6))
    with pytest.raises(ValueError, match=re.escape("batch must be finite")):
        propagation(model, with_nan())


def test_compiled_torchscript_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.script(nn.Tanh())
    with pytest.raises(TypeError, match=r"model must be in Python, got a RecursiveScriptModule; pass the module from"):
        propagation(script, batch_of(4, 6))


def test_models_in_parts_are_refused():
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.tensor import distribute_module

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model = distribute_module(nn.Linear(6, 6), init_device_mesh("cpu", (1,)))
        with pytest.raises(ValueError, match=r"got 'weight', 'bias', of which this process holds a part; measure the"):
            propagation(model, batch_of(4, 6))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flat = FullyShardedDataParallel(nn.Linear(6, 6), device_id=torch.device("cpu"))
        with pytest.raises(ValueError, match=r"flattened by FullyShardedDataParallel; measure it before it is wrapped"):
            propagation(flat, batch_of(4, 6))
    finally:
        distributed.destroy_process_group()
