"""LSUV in torch: what goes wrong, and that everything is as before then."""

import re

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.scaled_models import SMALL, batch, deep  # noqa: E402
from weightfill.torch import lsuv  # noqa: E402


class Raising(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.first, self.norm, self.error = nn.Linear(8, 8), nn.BatchNorm1d(8), error
        self.register_buffer("expanded", torch.ones(1).expand(3))

    def forward(self, x):
        self.norm(self.first(x))
        raise self.error


class Overflowing(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.second(torch.log(self.first(x) - 1e9))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Raising(RuntimeError("as the user wrote it")), RuntimeError, "as the user wrote it"),
        (Raising(KeyboardInterrupt("stop")), KeyboardInterrupt, "stop"),
        (
            Overflowing(),
            ValueError,
            "model must give finite numbers, got NaN or infinity from the layer of 'second.weight' in torch.float32",
        ),
    ],
)
def test_after_an_error_everything_is_as_before(model, error, message):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random, fast = torch.get_rng_state(), torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(error, match=re.escape(message)):
        lsuv(
            model, batch(50, 8), wf.Plan({"*norm*": wf.Ones(), "*": wf.Normal()}, seed=1) if len(before) > 4 else SMALL
        )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert all(not part._forward_hooks for part in model.modules())


NAN = batch(5, 8)
NAN[2, 3] = float("nan")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, x: lsuv(3, x, SMALL), TypeError, "model must be a torch.nn.Module, got int"),
        (lambda m, x: lsuv(m, x, {"*": wf.Normal()}), TypeError, "plan must be a weightfill.Plan, got dict"),
        (lambda m, x: lsuv(m, x, SMALL, tolerance=0), ValueError, "tolerance must be between 0 and 1, got 0; 0.02 is"),
        (lambda m, x: lsuv(m, x, SMALL, tolerance="1"), TypeError, "tolerance must be a number, got '1'"),
        (lambda m, x: lsuv(m, x, SMALL, trials=0), ValueError, "trials must be at least 1, got 0"),
        (lambda m, x: lsuv(m, x, SMALL, trials=1.5), TypeError, "trials must be an integer, got 1.5"),
        (lambda m, x: lsuv(m, x, SMALL, layers=3), TypeError, "layers must be a pattern of names of weights, or sever"),
        (
            lambda m, x: lsuv(m, x, SMALL, layers="head"),
            ValueError,
            "layers must match weights of layers, got 'head', which matches none of '0.weight', '2.weight'",
        ),
        (
            lambda m, x: lsuv(nn.Embedding(4, 3), x, wf.Plan({"*": wf.Ones()})),
            ValueError,
            "layers must match weights of layers, got '*', which matches none of a model without any",
        ),
        (
            lambda m, x: lsuv(m, NAN, SMALL),
            ValueError,
            "batch must be finite, got NaN or infinity in a tensor of shape",
        ),
        (lambda m, x: lsuv(m, {"input": (NAN,)}, SMALL), ValueError, "(5, 8); leave out such samples"),
        (
            lambda m, x: lsuv(m.to("meta"), x, SMALL),
            ValueError,
            "model must have its parameters in memory, got '0.weight', '0.bias', '2.weight', '2.bias' on meta; call "
            "weightfill.torch.materialize(model, plan) first",
        ),
        (lambda m, x: lsuv(m, x, wf.Plan({"*bias": wf.Zeros()})), ValueError, "params must all match a rule"),
        (lambda m, x: lsuv(m, x, SMALL, progress=3), TypeError, "progress must be True, False or a callable"),
    ],
)
def test_wrong_arguments_are_refused(call, error, message):
    with pytest.raises(error) as raised:
        call(deep(2, 8), batch(5, 8))
    assert message in str(raised.value)


def test_a_factor_that_the_dtype_cannot_hold_is_an_error_that_names_the_layer():
    model, x = nn.Sequential(nn.Linear(8, 8, bias=False).half()), batch(50, 8).half() * 1e-5
    with pytest.raises(ValueError, match=r"^params\['0.weight'\], Scaled\(of=Normal.*: init must stay within \+-65504"):
        lsuv(model, x, wf.Plan({"*": wf.Normal()}, seed=1))


def test_a_process_group_of_gpus_alone_is_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_backend", lambda group: "nccl")
    with pytest.raises(
        ValueError, match="group must add tensors on the CPU, got one of nccl; pass group=torch.distrib"
    ):
        lsuv(deep(1), batch(9, 60), SMALL)


def test_a_model_on_another_device_is_refused_with_what_to_do():
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode  # here, as only this test needs them

    mode, model = FakeTensorMode(), nn.Linear(3, 2, bias=False)
    model.weight = nn.Parameter(FakeTensor(mode, torch.empty(2, 3, device="meta"), torch.device("cuda:0")))
    with pytest.raises(
        ValueError, match=r"^model must be on the CPU, got 'weight' on cuda:0; call it before model.to\("
    ):
        lsuv(model, batch(5, 3), SMALL)
