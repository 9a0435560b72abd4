"""Weight-normalized layers started by data, against the same computed directly."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

import weightfill as wf  # noqa: E402
from weightfill.torch import initialize, normalize_units  # noqa: E402


def of_old_weight_norm(layer, **options):
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(layer, **options)


NEW = (parametrizations.weight_norm, "original0", "original1")
OLD = (of_old_weight_norm, "weight_g", "weight_v")


def plan_for(magnitude, direction, **others):
    rules = {f"*{magnitude}": wf.Ones(), f"*{direction}": wf.Normal(std=0.05), "*bias": wf.Normal(), **others}
    return wf.Plan(rules, seed=42)


def batch(*shape, dtype=torch.float32):
    return torch.from_numpy(wf.create(shape, wf.Normal(0.5, 2.0), seed=1, stream="batch")).to(dtype)


def named(module, name):
    return dict(module.named_parameters())[name]


@pytest.mark.parametrize(("change", "magnitude", "direction"), [NEW, OLD], ids=["new", "old"])
def test_magnitudes_and_biases_are_those_of_a_direct_computation(change, magnitude, direction):
    model = nn.Sequential(change(nn.Linear(20, 30)), nn.ReLU(), change(nn.Linear(30, 10)))
    x = batch(200, 20)
    assert normalize_units(model, x, plan_for(magnitude, direction)) is model
    values = x.numpy().astype(np.float64)
    for layer in (model[0], model[2]):
        params = {name.rpartition(".")[2]: p.detach().double().numpy() for name, p in layer.named_parameters()}
        v = params[direction]
        t = values @ (v / np.linalg.norm(v, axis=1, keepdims=True)).T
        np.testing.assert_allclose(params[magnitude][:, 0], 1 / t.std(0), rtol=1e-5)
        np.testing.assert_allclose(params["bias"], -t.mean(0) / t.std(0), rtol=1e-4, atol=1e-5)
        values = np.maximum((t - t.mean(0)) / t.std(0), 0)
    expected = initialize(
        nn.Sequential(change(nn.Linear(20, 30)), nn.ReLU(), change(nn.Linear(30, 10))), plan_for(magnitude, direction)
    )
    for name, param in model.named_parameters():
        if name.endswith(direction):
            assert torch.equal(param, named(expected, name))


LAYERS = [
    (lambda norm: norm(nn.Conv1d(3, 5, 3, groups=1)), (8, 3, 20), -2),
    (lambda norm: norm(nn.Conv2d(4, 6, 3, groups=2, bias=True)), (8, 4, 9, 9), -3),
    (lambda norm: norm(nn.Conv2d(4, 6, 3)), (4, 9, 9), -3),  # one sample without an axis for it
    (lambda norm: norm(nn.ConvTranspose2d(3, 5, 3), dim=1), (8, 3, 9, 9), -3),
    (lambda norm: norm(nn.Conv3d(3, 5, 2)), (8, 3, 5, 5, 5), -4),
    (lambda norm: norm(nn.Linear(7, 9)), (8, 11, 7), -1),
    (lambda norm: norm(nn.Linear(7, 9)), (8, 9, 7), -1),  # as many positions as units
]


@pytest.mark.parametrize(("change", "magnitude", "direction"), [NEW, OLD], ids=["new", "old"])
@pytest.mark.parametrize(("build", "shape", "axis"), LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_every_unit_has_mean_0_and_std_1(build, shape, axis, dtype, change, magnitude, direction):
    layer, x = build(change).to(dtype), batch(*shape, dtype=dtype)
    normalize_units(layer, x, plan_for(magnitude, direction))
    with torch.no_grad():
        units = layer(x).double().movedim(axis, 0).flatten(1)
    near = 0.03 if dtype == torch.bfloat16 else 1e-5
    assert units.mean(1).abs().max() < near
    assert (units.std(1, correction=0) - 1).abs().max() < near


def test_without_biases_only_magnitudes_are_set():
    layer, x = parametrizations.weight_norm(nn.Linear(7, 9, bias=False)), batch(100, 7)
    rules = {"*original0": wf.Ones(), "*original1": wf.Normal()}
    with torch.no_grad():
        out = normalize_units(layer, x, wf.Plan(rules, seed=1))(x)
    assert (out.std(0, correction=0) - 1).abs().max() < 1e-5
    assert out.mean(0).abs().max() > 0.01


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = parametrizations.weight_norm(nn.Linear(8, 8))
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.unused = parametrizations.weight_norm(nn.Linear(8, 8))
        self.plain = nn.Linear(8, 8)

    def forward(self, x, fail=False):
        y = self.drop(self.norm(self.shared(x)))
        if fail:
            raise RuntimeError("as the user wrote it")
        return {"out": self.plain(self.shared(y))}


PLAN = plan_for("original0", "original1", **{"norm.weight": wf.Ones(), "plain.weight": wf.Normal()})


def test_all_else_has_the_values_of_the_plan_and_what_is_never_called_is_named():
    model, x = Net(), batch(50, 8)
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    random = torch.get_rng_state()
    with pytest.warns(UserWarning, match="^the batch never reaches 'unused'$"):
        normalize_units(model, x, PLAN)
    assert torch.equal(torch.get_rng_state(), random)
    expected = initialize(Net(), PLAN)
    changed = {name for name, param in model.named_parameters() if not torch.equal(param, named(expected, name))}
    assert changed == {"shared.bias", "shared.parametrizations.weight.original0"}
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert model.training
    assert all(not part._forward_hooks for part in model.modules())
    units = model.shared(x)
    assert (units.std(0, correction=0) - 1).abs().max() < 1e-5


def test_after_an_error_everything_is_as_before():
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="as the user wrote it"):
        normalize_units(model, {"x": batch(50, 8), "fail": True}, PLAN)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(not part._forward_hooks for part in model.modules())


def test_units_of_constant_output_keep_magnitude_1():
    layer, x = parametrizations.weight_norm(nn.Linear(4, 3)), torch.ones(20, 4)
    with pytest.warns(UserWarning, match="units of '' have constant outputs, which no magnitude changes"):
        normalize_units(layer, x, plan_for("original0", "original1"))
    assert torch.equal(layer.parametrizations.weight.original0, torch.ones(3, 1))
    assert layer(x).abs().max() < 1e-6


def test_progress_counts_layers():
    seen = []
    model = nn.Sequential(*(parametrizations.weight_norm(nn.Linear(4, 4)) for _ in range(3)))
    normalize_units(model, batch(9, 4), plan_for("original0", "original1"), progress=lambda *now: seen.append(now))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            parametrizations.weight_norm(nn.Linear(8, 8), dim=None),
            "model must have a magnitude for each unit, got weight_norm with dim=-1 in '', a Linear; use weight_norm",
        ),
        (
            parametrizations.weight_norm(nn.ConvTranspose1d(8, 8, 1)),
            "got weight_norm with dim=0 in '', a ConvTranspose1d; use weight_norm(layer, dim=1) and one group",
        ),
        (
            parametrizations.weight_norm(nn.ConvTranspose1d(8, 8, 1, groups=2), dim=1),
            "use weight_norm(layer, dim=1) and one group",
        ),
        (parametrizations.weight_norm(nn.Linear(8, 8)).to("meta"), "model must have its parameters in memory, got"),
    ],
)
def test_models_that_have_not_a_magnitude_for_each_unit_are_refused(model, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        normalize_units(model, batch(8, 8), plan_for("original0", "original1"))


def test_models_without_weight_norm_are_told_of_lsuv():
    with pytest.raises(ValueError, match="model must have a layer with weight_norm, got none; weightfill.torch.lsuv"):
        normalize_units(nn.Linear(3, 2), batch(5, 3), wf.Plan({"*": wf.Normal()}, seed=1))


def test_a_batch_with_nan_is_refused():
    with pytest.raises(ValueError, match="batch must be finite, got NaN or infinity"):
        normalize_units(parametrizations.weight_norm(nn.Linear(3, 2)), torch.full((2, 3), float("nan")), PLAN)
