"""weightfill.torch.propagation: what is measured, in any model."""

import collections
import dataclasses
import math
import re
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.functional import mse_loss  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.propagated import HE, Net, batch_of, mlp, state_of  # noqa: E402
from tests.repository import DOCS  # noqa: E402
from weightfill import signals  # noqa: E402
from weightfill.torch import initialize, propagation  # noqa: E402
from weightfill.torch._signals.propagation import initialized_propagation  # noqa: E402


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


def test_gradients_have_a_stream_of_their_own():
    model, batch = mlp(5, 40), batch_of(60, 5)
    one, same, other = (propagation(model, batch, seed=seed).layers[1].grad_std for seed in (1, 1, 2))
    assert one == same != other
    drawn = wf.create((60, 40), wf.Normal(), seed=1, stream="gradient")
    assert one == pytest.approx(float(drawn.std()), rel=1e-5)


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


def test_the_code_of_the_document_runs(capsys):
    text = (DOCS / "concepts" / "signals.md").read_text(encoding="utf-8")
    section = re.search(r"^## Torch models\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    exec(block, {})
    printed = capsys.readouterr().out.splitlines()
    assert f"    {printed[-1]}\n" in section
    assert f"    {printed[1]}\n" in section
