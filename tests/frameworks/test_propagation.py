"""weightfill.torch.propagation: what is measured, and that the model is left as it was."""

import collections
import contextlib
import dataclasses
import math
import re
import subprocess
import sys
import warnings
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.functional import mse_loss  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.repository import DOCS  # noqa: E402
from weightfill import signals  # noqa: E402
from weightfill.torch import initialize, propagation  # noqa: E402
from weightfill.torch._propagation import initialized_propagation  # noqa: E402

HE = wf.Plan({"*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=1)


def batch_of(*shape, dtype=torch.float32):
    return torch.from_numpy(wf.create(shape, wf.Normal(), seed=3, stream="batch")).to(dtype)


def mlp(*sizes, activation=nn.ReLU):
    return nn.Sequential(*(part for pair in pairwise(sizes) for part in (nn.Linear(*pair), activation())))


class Net(nn.Module):
    """A model of parts, whose forward pass is a function."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._run = forward

    def forward(self, *args, **kwargs):
        return self._run(self, *args, **kwargs)


def hooks_in(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs")
    return [hook for part in model.modules() for kind in kinds for hook in getattr(part, kind)]


def state_of(model):
    """What must not change: values, gradients, flags, modes, random generators, hooks, and who is whose."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return (
        {name: (id(t), t.detach().clone().reshape(-1).view(torch.uint8).tolist()) for name, t in tensors.items()},
        {
            name: (t.requires_grad, None if t.grad is None else (id(t.grad), t.grad.tolist()))
            for name, t in tensors.items()
        },
        [part.training for part in model.modules()],
        torch.get_rng_state().tolist(),
        hooks_in(model),
        {name: len(t._backward_hooks or ()) for name, t in tensors.items()},
    )


def test_layers_are_those_that_numpy_measures():
    init, seed = wf.Normal(std=0.08), 5
    sizes = [60, 50, 40, 30]
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": init}, seed=seed)
    model = initialize(mlp(*sizes, activation=nn.Tanh), plan)
    weights = {f"layer{n + 1}.weight": model[2 * n].weight.detach().numpy() for n in range(3)}
    stack = Net(lambda self, x: self.stack(x), stack=mlp(*sizes, activation=nn.Tanh))
    for n in range(3):
        with torch.no_grad():
            stack.stack[2 * n].weight.copy_(
                torch.from_numpy(
                    wf.create(weights[f"layer{n + 1}.weight"].shape, init, seed=seed, stream=f"layer{n + 1}.weight")
                )
            )
            stack.stack[2 * n].bias.zero_()
    batch = wf.create((90, 60), wf.Normal(), seed=seed, stream="batch")
    theirs = signals.propagation(sizes, "tanh", init, batch=batch, seed=seed)
    ours = propagation(stack, torch.from_numpy(batch), seed=seed)
    for one, two, weight in zip(ours.layers[1::2], theirs.layers, ours.layers[::2], strict=True):
        for name in ("mean", "std", "rms", "grad_std", "dead", "saturated", "effective_rank", "correlation"):
            assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-4, abs=1e-6), name
        assert one.outside == pytest.approx(two.outside, abs=1e-3)
        assert (weight.weight_std, weight.grad_to_weight) == pytest.approx(
            (two.weight_std, two.grad_to_weight), rel=1e-4
        )
        assert (weight.fan_in, weight.units) == (two.fan_in, two.units)
    assert [layer.name for layer in ours.layers] == [f"stack.{n}" for n in range(6)]


def test_gradients_are_those_of_the_loss():
    model, batch = mlp(20, 15, 10), batch_of(8, 20)
    target = batch_of(8, 10)
    report = propagation(model, batch, lambda output: mse_loss(output, target))
    mse_loss(model(batch), target).backward()
    for number in (0, 2):
        weight = model[number].weight
        ratio = float(weight.grad.square().mean().sqrt() / weight.detach().square().mean().sqrt())
        assert report.layers[number].grad_to_weight == pytest.approx(ratio, rel=1e-5)
    assert math.isnan(report.layers[1].weight_std)


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


class Named(NamedTuple):
    logits: torch.Tensor
    number: int


@dataclasses.dataclass
class Output:
    logits: torch.Tensor
    rest: tuple = ()


OUTPUTS = {
    "tensor": lambda x: x,
    "tuple": lambda x: (x, None),
    "nested": lambda x: [1, {"a": (x,)}],
    "dataclass": lambda x: Output(x, (x.detach(),)),
    "named tuple": lambda x: Named(x, 3),
    "integers first": lambda x: {"argmax": x.argmax(), "x": x},
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_any_output_is_measured(kind):
    inner = Net(lambda self, x: OUTPUTS[kind](x @ self.weight), weight=nn.Parameter(batch_of(6, 5)))
    model = Net(lambda self, x: self.inner(x), inner=inner)
    (layer,) = propagation(model, batch_of(7, 6)).layers
    assert layer.name == "inner"
    assert layer.std > 1
    assert layer.grad_std == pytest.approx(1, abs=0.3)
    assert layer.grad_to_weight > 0


def test_any_batch_is_given():
    model = Net(lambda self, x, *, y=None: self.a(x) + (0 if y is None else self.b(y)), a=nn.Linear(4, 3), b=nn.Tanh())
    x, y = batch_of(5, 4), batch_of(5, 3)
    assert len(propagation(model, x).layers) == 1
    assert len(propagation(model, (x,)).layers) == 1
    assert len(propagation(model, [x]).layers) == 1
    assert [layer.name for layer in propagation(model, {"x": x, "y": y}).layers] == ["a", "b"]
    assert len(propagation(model, collections.UserDict(x=x, y=None)).layers) == 1


def test_a_module_that_is_called_again_has_a_row_for_each_call():
    def run(self, x):
        for _ in range(12):
            x = self.a(x)
        return x

    layers = propagation(Net(run, a=nn.Linear(4, 4)), batch_of(3, 4)).layers
    assert [layer.name for layer in layers[:4]] == ["a", "a (2nd call)", "a (3rd call)", "a (4th call)"]
    assert layers[10].name == "a (11th call)"
    assert len({layer.std for layer in layers}) == 12


def test_units_are_channels_or_features():
    images = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 7))
    assert [layer.units for layer in propagation(images, batch_of(4, 3, 8, 8)).layers] == [6, 6, 6, 54, 7]
    tokens = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.LayerNorm(6))
    assert [layer.units for layer in propagation(tokens, batch_of(4, 9, 5)).layers] == [6, 6, 6]
    sounds = nn.Sequential(nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6), nn.Tanh())
    assert [layer.units for layer in propagation(sounds, batch_of(4, 3, 9)).layers] == [6, 6, 6]
    single = propagation(nn.Conv2d(3, 6, 3), batch_of(3, 8, 8)).layers[0]
    assert (single.units, single.fan_in) == (6, 27)
    swapped = Net(lambda self, x: self.b(self.a(x.movedim(1, -1))), a=nn.Linear(3, 5), b=nn.ReLU())
    assert [layer.units for layer in propagation(swapped, batch_of(2, 3, 8, 8)).layers] == [5, 5]


def test_dead_units_are_those_of_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
    nn.init.constant_(model[0].bias, 0.0)
    with torch.no_grad():
        model[0].bias[1] = -99
    assert propagation(model, batch_of(6, 1, 5, 5)).layers[1].dead == 0.25


@pytest.mark.parametrize(
    ("module", "share"),
    [
        (nn.Tanh(), 1.0),
        (nn.Sigmoid(), 1.0),
        (nn.Hardtanh(-2, 2), 1.0),
        (nn.Hardsigmoid(), 1.0),
        (nn.Softsign(), 1.0),
        (nn.ReLU(), math.nan),
        (nn.Identity(), math.nan),
    ],
)
def test_saturation_is_known_of_functions_with_bounds(module, share):
    model = nn.Sequential(nn.Linear(4, 4), module)
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(4) * 1e4)
    batch = batch_of(9, 4).sign()
    assert propagation(model, batch).layers[1].saturated == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_narrow_models_are_measured_in_float32(dtype):
    model = initialize(mlp(64, 64, 64), HE)
    wide = propagation(model, batch_of(40, 64))
    narrow = propagation(model.to(dtype), batch_of(40, 64, dtype=dtype))
    for one, two in zip(wide.layers, narrow.layers, strict=True):
        assert one.std == pytest.approx(two.std, rel=0.02)
        assert one.grad_std == pytest.approx(two.grad_std, rel=0.02)
        assert one.weight_std == pytest.approx(two.weight_std, rel=0.01, nan_ok=True)


def test_frozen_parameters_let_gradients_be_seen():
    model = mlp(10, 10, 10)
    expected = propagation(model, batch_of(6, 10)).layers
    model.requires_grad_(False)
    found = propagation(model, batch_of(6, 10)).layers
    assert [layer.grad_std for layer in found] == [layer.grad_std for layer in expected]
    assert all(math.isnan(layer.grad_to_weight) for layer in found)
    assert not any(param.requires_grad for param in model.parameters())


def test_unused_parameters_and_modules_without_them():
    model = Net(lambda self, x: self.a(self.b(x)), a=nn.Linear(4, 4), b=nn.Tanh(), unused=nn.Linear(3, 3))
    assert [layer.name for layer in propagation(model, batch_of(5, 4)).layers] == ["b", "a"]
    (alone,) = propagation(nn.Tanh(), batch_of(5, 4)).layers
    assert alone.name == "Tanh"
    assert alone.grad_std > 0


def test_attention_and_recurrent_modules_are_layers():
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2, enable_nested_tensor=False
    ).eval()
    names = [layer.name for layer in propagation(model, batch_of(3, 5, 16), lambda out: out[:, 0].sum()).layers]
    assert "layers.0.self_attn" in names
    assert "layers.1.linear1" in names
    (layer,) = propagation(nn.LSTM(6, 4), batch_of(5, 3, 6)).layers
    assert (layer.units, layer.fan_in) == (4, None)
    assert layer.weight_std > 0
    embedding = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Linear(4, 3))
    layers = propagation(embedding, torch.arange(6).reshape(2, 3)).layers
    assert layers[0].grad_to_weight > 0
    assert (layers[0].units, layers[0].fan_in) == (4, None)


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_computed_weights_are_measured(norm):
    model = nn.Sequential(nn.Linear(6, 5), norm(nn.Linear(5, 4)))
    before = state_of(model)
    layers = propagation(model, batch_of(7, 6)).layers
    assert state_of(model) == before
    assert [layer.name for layer in layers] == ["0", "1"]
    assert layers[1].weight_std == pytest.approx(float(model[1].weight.detach().std(correction=0)), rel=0.05)
    assert layers[1].grad_to_weight > 0


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


def test_gradients_have_a_stream_of_their_own():
    model, batch = mlp(5, 40), batch_of(60, 5)
    one, same, other = (propagation(model, batch, seed=seed).layers[1].grad_std for seed in (1, 1, 2))
    assert one == same != other
    drawn = wf.create((60, 40), wf.Normal(), seed=1, stream="gradient")
    assert one == pytest.approx(float(drawn.std()), rel=1e-5)


def test_theory_predicts_chains():
    model = nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(48, 64, 3, stride=2),
        nn.Sequential(nn.LeakyReLU(0.1), nn.Dropout(0.5)),
        nn.Conv2d(64, 64, 3, padding="same", groups=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(64 * 36, 100),
    ).eval()
    initialize(model, wf.Plan({"*.bias": wf.Normal(std=0.3), "*": wf.LecunNormal()}, seed=2))
    report = propagation(model, batch_of(60, 3, 14, 14))
    assert report.unpredicted is None
    for layer in report.layers:
        assert layer.std == pytest.approx(layer.predicted_std, rel=0.15)
        assert layer.grad_std == pytest.approx(layer.predicted_grad_std, rel=0.15)


def test_verdict_is_about_layers_with_their_activations():
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Normal(std=0.01)}, seed=1)
    model = initialize(mlp(*[300] * 7, activation=nn.Tanh), plan)
    for one, drawn in ((model, plan), (model, None), (nn.Sequential(model, nn.Identity()), None)):
        verdict = propagation(one, batch_of(100, 300), plan=drawn).verdict
        assert verdict.startswith("vanishes 0.17x a layer: std 0.01 is too small for tanh at 300 inputs; XavierNormal")
    with_norm = nn.Sequential(model, nn.LayerNorm(300))
    assert propagation(with_norm, batch_of(100, 300)).verdict.startswith("vanishes 0.17x a layer")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


def test_verdict_compares_counterparts_in_blocks():
    blocks = nn.Sequential(*(Block(32) for _ in range(6)))
    plan = wf.Plan(
        {"*norm.weight": wf.Ones(), "*.bias": wf.Zeros(), "*down.weight": wf.Normal(std=1e-4), "*": wf.KaimingNormal()},
        seed=1,
    )
    initialize(blocks, plan)
    report = propagation(nn.Sequential(blocks, nn.Linear(32, 5)), batch_of(40, 32))
    assert [layer.name for layer in report.judged] == [f"0.{n}.up" for n in range(6)]
    assert report.verdict.startswith("holds: std 1.4")


def test_theory_predicts_gradients_of_a_loss():
    model = initialize(mlp(300, 300, 300), HE)
    for layer in propagation(model, batch_of(200, 300), lambda out: (out * batch_of(200, 300)).mean()).layers:
        assert layer.grad_std == pytest.approx(layer.predicted_grad_std, rel=0.15)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)),
            "chains of Linear or Conv and activations, and '1' is LayerNorm",
        ),
        (nn.Sequential(nn.Tanh(), nn.Linear(6, 6)), "a Linear or Conv before each activation, and '0' has none"),
        (nn.Sequential(nn.Linear(6, 6), nn.Dropout()), "and '1' is Dropout"),
        (
            Net(lambda self, x: self.a(x), a=nn.Linear(6, 6)),
            "theory covers nn.Sequential of Linear or Conv and activations, and the model is Net",
        ),
        (nn.Sequential(nn.Embedding(6, 6), nn.Tanh()), "theory needs a batch of one floating tensor"),
    ],
)
def test_no_prediction_says_why(model, why):
    report = propagation(model, torch.arange(6) if "one floating" in why else batch_of(5, 6))
    assert why in report.unpredicted
    assert f"no prediction: {report.unpredicted}" in str(report)
    assert all(layer.predicted_std is None for layer in report.layers)


def test_weights_of_another_mean_are_not_predicted():
    model = nn.Sequential(nn.Linear(50, 50))
    nn.init.constant_(model[0].weight, 0.5)
    report = propagation(model, batch_of(5, 50))
    assert report.unpredicted == "theory needs weights of mean 0, and that of '0' has mean 0.5"


def test_equal_units_are_counted():
    model = mlp(6, 9, 8, 5, activation=nn.Tanh)
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Constant(0.1)}, seed=1)
    initialize(model, plan)
    for given in (plan, None):
        report = propagation(model, batch_of(8, 6), plan=given)
        assert [layer.equal_units for layer in report.layers] == [9, 0, 8, 0, 0, 0]  # outputs get different gradients
        assert report.layers[0].init == (wf.Constant(0.1) if given else wf.Constant(float(np.float32(0.1))))
        assert report.verdict.startswith("equal units: Constant(")
        assert any(problem.startswith("0 and 2: 8 to 9 equal units, which") for problem in report.problems)


def test_equal_rows_of_different_numbers_are_equal_units():
    model = mlp(6, 9, 5)
    with torch.no_grad():
        model[0].weight[:] = model[0].weight[:1]
        model[0].bias.fill_(0.3)
        model[2].weight.fill_(0.1)
    report = propagation(model, batch_of(8, 6))
    assert report.layers[0].equal_units == 9
    assert report.layers[0].init is None
    assert "None" not in " ".join([*report.problems, report.verdict])
    assert "0: 9 equal units, which training keeps equal" in report.problems


def test_units_that_training_will_tell_apart_are_not_equal():
    def run(self, x):
        return self.head(x + self.zero(torch.tanh(self.inner(x))))

    model = Net(run, inner=nn.Linear(6, 9), zero=nn.Linear(9, 6), head=nn.Linear(6, 4))
    nn.init.zeros_(model.zero.weight)
    nn.init.zeros_(model.zero.bias)
    assert [layer.equal_units for layer in propagation(model, batch_of(8, 6)).layers] == [0, 0, 0]
    constant = mlp(6, 9, 5)
    nn.init.constant_(constant[0].weight, 0.2)
    assert not any(layer.equal_units for layer in propagation(constant, batch_of(8, 6)).layers)


def test_outputs_that_hold_no_plain_numbers_are_left_out():
    empty = Net(lambda self, x: self.a(x) + self.b(x[:0]).sum(), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    assert [layer.name for layer in propagation(empty, batch_of(5, 4)).layers] == ["a"]
    mapped = Net(lambda self, x: self.b(torch.func.vmap(self.a)(x)), a=nn.Linear(4, 4), b=nn.Tanh())
    assert [layer.name for layer in propagation(mapped, batch_of(5, 4)).layers] == ["b"]


def test_models_that_run_in_autocast_are_measured():
    def run(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.b(self.a(x))

    layers = propagation(Net(run, a=nn.Linear(40, 40), b=nn.Tanh()), batch_of(50, 40)).layers
    assert layers[1].effective_rank > 5
    assert layers[0].grad_to_weight > 0


def test_importing_weightfill_torch_does_not_import_signals():
    code = "import sys, weightfill.torch; print(*[name for name in sys.modules if 'weightfill.signals' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_function_that_builds_the_model_is_enough():
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=4)
    report = initialized_propagation(lambda: mlp(20, 30, 10), plan, (16, 20), seed=2)
    assert [layer.init for layer in report.layers] == [wf.KaimingNormal(), None] * 2
    expected = wf.create((30, 20), wf.KaimingNormal(), seed=4, stream="0.weight")
    assert report.layers[0].weight_std == pytest.approx(float(expected.std()), rel=1e-5)
    with pytest.raises(TypeError, match=r"build must return a torch.nn.Module, got int"):
        initialized_propagation(lambda: 3, plan, (16, 20))


def test_progress_counts_calls():
    seen = []
    propagation(mlp(4, 4, 4), batch_of(3, 4), progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert {total for _, total in seen} == {8}


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


def test_the_code_of_the_document_runs(capsys):
    text = (DOCS / "signals.md").read_text(encoding="utf-8")
    section = re.search(r"^## Torch models\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    exec(block, {})
    printed = capsys.readouterr().out.splitlines()
    assert f"    {printed[-1]}\n" in section
    assert f"    {printed[1]}\n" in section
