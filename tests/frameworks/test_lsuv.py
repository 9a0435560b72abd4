"""LSUV in torch: outputs of std 1 in one pass, as a plan; everything else as it was."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.scaled_models import ORTHOGONAL, SMALL, assert_reproduced, batch, deep, output_stds  # noqa: E402
from weightfill import signals  # noqa: E402
from weightfill.torch import ScaledPlan, initialize, lsuv, verify  # noqa: E402

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "init",
    [wf.Normal(std=0.01), wf.Orthogonal(), wf.StandardUniform(), wf.Sparse(7, std=0.3), wf.Scaled(wf.Orthogonal(), 9)],
    ids=str,
)
def test_every_output_has_std_1_and_the_plan_gives_the_same_bits(init, dtype):
    def build():
        return deep().to(dtype)

    plan = wf.Plan({"*bias": wf.Uniform(-0.2, 0.2), "*": init}, seed=42)
    model, x = build(), batch(200, 60, dtype=dtype)
    scaled = lsuv(model, x, plan)
    for name, std in output_stds(model, x, nn.Linear).items():
        assert abs(std - 1) <= 0.0201, name
    assert_reproduced(model, scaled, build)
    assert [layer.name for layer in scaled.layers] == [f"{2 * i}.weight" for i in range(5)]
    for layer in scaled.layers:
        assert abs(layer.std_after - 1) <= 0.02
        assert layer.trials <= 3
        assert layer.factor == float(f"{layer.factor:.4g}")
        expected = wf.Scaled(init, layer.factor) if layer.factor != 1 else init
        assert scaled.rule(layer.name).init == expected


def test_without_biases_one_trial_is_enough():
    scaled = lsuv(deep(bias=False), batch(200, 60), wf.Plan({"*": wf.Normal(std=3.0)}, seed=1), tolerance=1e-4)
    assert [layer.trials for layer in scaled.layers] == [1] * 5
    assert max(abs(layer.std_after - 1) for layer in scaled.layers) < 1e-4


def test_each_layer_is_run_a_few_times_whatever_the_depth():
    calls = []

    class Counted(nn.Linear):
        def forward(self, x):
            calls.append(self)
            return super().forward(x)

    model = nn.Sequential(*(Counted(30, 30) for _ in range(40)))
    lsuv(model, batch(50, 30), SMALL)
    assert max(calls.count(layer) for layer in model) <= 3


class Convolutions(nn.Module):
    """All kinds of layers that torch has for it, on an image, a line and a volume."""

    def __init__(self):
        super().__init__()
        self.line = nn.Sequential(nn.Conv1d(3, 6, 3), nn.Tanh(), nn.ConvTranspose1d(6, 4, 3))
        self.image = nn.Sequential(nn.Conv2d(3, 8, 3, groups=1), nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 4, 2))
        self.volume = nn.Sequential(nn.Conv3d(3, 4, 2), nn.Dropout(0.5), nn.ConvTranspose3d(4, 2, 2))
        self.two = nn.Bilinear(4, 5, 6)

    def forward(self, line, image, volume, first, second):
        return {
            "line": self.line(line),
            "image": self.image(image),
            "volume": self.volume(volume),
            "two": self.two(first, second),
        }


@pytest.mark.parametrize("training", [True, False])
def test_convolutions_of_every_kind_are_scaled_in_either_mode(training):
    plan = wf.Plan({"*.1.weight": wf.Ones(), "*bias": wf.Zeros(), "*": wf.Normal(std=0.02)}, seed=42)
    model = Convolutions().train(training)
    model.volume.eval()
    given = (batch(8, 3, 20), batch(8, 3, 9, 9), batch(8, 3, 5, 5, 5), batch(40, 4), batch(40, 5))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    random = torch.get_rng_state()
    scaled = lsuv(model, given, plan)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert [part.training for part in (model, model.line, model.volume)] == [training, training, False]
    assert len(scaled.layers) == 7
    assert all(abs(layer.std_after - 1) <= 0.02 for layer in scaled.layers)
    assert_reproduced(model, scaled, Convolutions)
    named = dict(zip(("line", "image", "volume", "first", "second"), given, strict=True))
    assert lsuv(model, named, plan) == scaled
    assert lsuv(model, list(given), plan) == scaled
    assert all(not part._forward_hooks for part in model.modules())


@pytest.mark.parametrize("training", [True, False])
def test_attention_is_scaled_by_its_output_projection_also_where_a_fast_path_would_pass_it_by(training):
    def build():
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train(training)

    model, x = build(), batch(6, 10, 32)
    scaled = lsuv(model, x, ORTHOGONAL)
    assert torch.backends.mha.get_fastpath_enabled()
    assert [layer.kind for layer in scaled.layers] == ["MultiheadAttention", "Linear", "Linear"] * 2
    model.train()
    for name, std in output_stds(model, x, (nn.MultiheadAttention, nn.Linear)).items():
        assert abs(std - 1) <= 0.0201, name
    assert_reproduced(model, scaled, build)
    assert "layers.0.self_attn.in_proj_weight" not in [layer.name for layer in scaled.layers]


def of_old_weight_norm(layer):
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize(
    ("change", "magnitude"),
    [(parametrizations.weight_norm, "parametrizations.weight.original0"), (of_old_weight_norm, "weight_g")],
)
def test_weight_norm_is_scaled_by_its_magnitude(change, magnitude):
    def build():
        return nn.Sequential(change(nn.Linear(20, 30)), nn.ReLU(), nn.Linear(30, 10))

    rules = {f"*.{magnitude}": wf.Constant(3), "*original1": wf.Normal(), "*weight_v": wf.Normal(), "*bias": wf.Zeros()}
    unused = "*weight_v" if "original0" in magnitude else "*original1"
    rules = {pattern: init for pattern, init in rules.items() if pattern != unused} | {"*": wf.Orthogonal()}
    model, x = build(), batch(100, 20)
    scaled = lsuv(model, x, wf.Plan(rules, seed=3))
    first, _ = scaled.layers
    assert first.name == f"0.{magnitude}"
    assert scaled.rule(f"0.{magnitude}").init == wf.Scaled(wf.Constant(3), first.factor)
    assert all(abs(std - 1) <= 0.0201 for std in output_stds(model, x, nn.Linear).values())
    assert_reproduced(model, scaled, build)


def test_weights_that_are_otherwise_computed_are_left_and_named():
    model = nn.Sequential(parametrizations.spectral_norm(nn.Linear(20, 30)), nn.Linear(30, 10, bias=False))
    vectors = [buffer.clone() for buffer in model.buffers()]
    scaled = lsuv(model, batch(100, 20), SMALL)
    notes = {layer.name: layer.note for layer in scaled.layers}
    assert notes == {"1.weight": "", "0.weight": "left as it is: SpectralNorm computes its weight"}
    assert all(torch.equal(buffer, before) for buffer, before in zip(model.buffers(), vectors, strict=True))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 12)
        self.shared = nn.Linear(12, 12)
        self.tied = nn.Linear(12, 12)
        self.again = nn.Linear(12, 12)
        self.again.weight = self.tied.weight
        self.unused = nn.Linear(12, 3)
        self.head = nn.Linear(12, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        x = self.shared(torch.relu(self.shared(x)))
        return self.head(self.again(torch.relu(self.tied(x))))


def test_shared_tied_and_unused_layers_are_scaled_once_and_named():
    plan = wf.Plan({"*bias": wf.Zeros(), "embed*": wf.Normal(), "*": wf.Normal(std=0.01)}, seed=42)
    model, ids = Shared(), torch.arange(11).repeat(20)
    scaled = lsuv(model, ids, plan)
    rows = {layer.name: layer for layer in scaled.layers}
    assert rows["shared.weight"].note == "called 2 times, scaled by the first"
    assert rows["tied.weight"].note == "called 2 times, scaled by the first"
    assert rows["unused.weight"].note == "never called"
    assert rows["embed.weight"].note == "left as it is: its weight is also that of 'embed' (Embedding)"
    assert set(rows) == {"shared.weight", "tied.weight", "unused.weight", "embed.weight"}
    assert abs(output_stds(model, ids, nn.Linear)["tied"] - 1) <= 0.0201
    assert_reproduced(model, scaled, Shared)
    assert torch.equal(model.embed.weight, initialize(Shared(), plan).embed.weight)


class Block(nn.Module):
    """A layer of a user's own that has a weight, a residual and a layer inside, and gives a tuple."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(24, 24))
        self.inner = nn.Linear(24, 24)

    def forward(self, x):
        return 0.5 * x + self.inner(x) @ self.weight, "not a tensor"


def test_layers_around_others_are_scaled_after_what_is_inside():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(Block() for _ in range(3))

        def forward(self, x):
            for block in self.blocks:
                x, _ = block(x)
            return x

    model, x = Net(), batch(300, 24)
    scaled = lsuv(model, x, SMALL)
    assert [layer.name for layer in scaled.layers[:2]] == ["blocks.0.inner.weight", "blocks.0.weight"]
    assert not any(layer.note for layer in scaled.layers)
    assert all(abs(std - 1) <= 0.0201 for std in output_stds(model, x, (Block, nn.Linear)).values())
    assert_reproduced(model, scaled, Net)


class Standardized(nn.Linear):
    """A layer whose output does not depend on the scale of its weight."""

    def forward(self, x):
        return nn.functional.linear(x, 3 * self.weight / self.weight.norm())


class Experts(nn.Module):
    """Of two layers, the first gets no samples at its first call."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(10, 10), nn.Linear(10, 10)

    def forward(self, x):
        return self.first(self.first(x[:0]).sum() + self.second(x))


LEFT = [
    (nn.Sequential(nn.Linear(8, 8), nn.ReLU()), {"*": wf.Zeros()}, "left as it is: its output is constant"),
    (
        nn.Sequential(nn.Linear(8, 8)),
        {"*bias": wf.Normal(), "*": wf.Zeros()},
        "left as it is: its weight does not change its output",
    ),
    (
        nn.Sequential(nn.Linear(8, 64)),
        {"*bias": wf.Normal(std=3.0), "*": wf.Normal()},
        "left as it is: without its weight its output has std 2.81",
    ),
    (
        nn.Sequential(Standardized(8, 8)),
        {"*": wf.Normal()},
        "left as it is: its output does not change with its weight's scale",
    ),
]


@pytest.mark.parametrize(("model", "rules", "note"), LEFT, ids=[note[15:50] for *_, note in LEFT])
def test_layers_that_no_factor_helps_are_left_and_warned_of(model, rules, note):
    plan = wf.Plan(rules, seed=42)
    with pytest.warns(UserWarning, match=re.escape("1 of 1 layers do not have outputs of std 1: '0.weight' (")) as told:
        scaled = lsuv(model, batch(100, 8), plan)
    assert note in str(told[0].message)
    assert scaled.layers[0].note == note
    assert scaled == plan
    assert verify(model, plan)


def test_layers_that_get_no_samples_at_first_are_scaled_later():
    scaled = lsuv(Experts(), batch(50, 10), SMALL)
    assert [(layer.name, layer.note) for layer in scaled.layers] == [("second.weight", ""), ("first.weight", "")]
    assert all(abs(layer.std_after - 1) <= 0.02 for layer in scaled.layers)


def test_a_few_layers_can_be_chosen():
    model = deep()
    scaled = lsuv(model, batch(100, 60), SMALL, layers=["2.*", "[46].weight"])
    assert [layer.name for layer in scaled.layers] == ["2.weight", "4.weight", "6.weight"]
    assert scaled.rule("0.weight").init == wf.Normal(std=0.01)
    assert verify(model, scaled)


def test_rules_that_are_no_longer_used_are_left_out_and_names_are_taken_literally():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("a[0]*", nn.Linear(8, 8))
            self.register_buffer("scale", torch.ones(3))

        def forward(self, x):
            return self._modules["a[0]*"](x)

    plan = wf.Plan([("a*bias", wf.Zeros()), ("a*", wf.Normal(std=0.1)), ("scale", wf.Constant(2))], seed=1)
    model = Net()
    scaled = lsuv(model, batch(50, 8), plan)
    assert [rule.pattern for rule in scaled.rules] == ["a[[]0][*].weight", "a*bias", "scale"]
    assert_reproduced(model, scaled, Net)
    again = lsuv(model, batch(50, 8), scaled)
    assert again == scaled
    assert [layer.factor for layer in again.layers] == [1.0]
    constant = lsuv(nn.Linear(8, 8, bias=False), batch(50, 8), wf.Plan({"*": wf.Ones()}))
    assert constant.seed == 0


def test_models_that_are_compiled_or_wrapped_have_the_names_of_their_own(tmp_path):
    x, alone = batch(50, 60), deep()
    expected = lsuv(alone, x, SMALL)
    compiled = torch.compile(deep(), backend="eager")
    assert lsuv(compiled, x, SMALL) == expected
    assert verify(compiled, expected)
    assert lsuv(nn.DataParallel(deep()), x, SMALL) == expected


def test_autocast_and_hooks_of_others_see_the_scaled_layers():
    x, seen = batch(100, 60, dtype=torch.bfloat16), []
    model = deep(3)
    model[2].register_forward_hook(lambda _module, _args, output: seen.append(float(output.std())))
    with torch.autocast("cpu", torch.bfloat16):
        scaled = lsuv(model, x, SMALL)
        stds = output_stds(model, x, nn.Linear)
    assert all(abs(std - 1) <= 0.03 for std in stds.values())
    assert len(seen) == 2
    assert all(abs(std - 1) <= 0.03 for std in seen)
    assert_reproduced(model, scaled, lambda: deep(3))


def test_gradients_and_requires_grad_stay_as_they_are():
    model, x = deep(), batch(50, 60)
    model[0].weight.requires_grad_(False)
    model(x).sum().backward()
    before = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    lsuv(model, x, SMALL)
    for name, param in model.named_parameters():
        assert param.requires_grad == (name != "0.weight")
        assert before[name] is None or torch.equal(param.grad, before[name])


def test_progress_counts_layers_also_those_that_are_never_called():
    seen = []
    lsuv(deep(), batch(20, 60), SMALL, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]
    lsuv(nn.Sequential(nn.Identity(), Unused()), batch(20, 6), SMALL, progress=lambda *now: seen.append(now))
    assert seen[5:] == [(1, 2), (2, 2)]


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.other = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        return self.used(x)


def test_the_report_is_a_table():
    scaled = lsuv(deep(1), batch(200, 60), SMALL)
    assert isinstance(scaled, ScaledPlan)
    head, row = scaled.report().splitlines()
    assert head.split() == ["weight", "layer", "std", "scaled", "factor", "trials", "note"]
    assert row.split()[:2] == ["0.weight", "Linear"]
    assert "<td>0.weight</td>" in scaled._repr_html_()
    assert lsuv(deep(1), batch(9, 60), SMALL, layers=[]).report() == "no layers"


def test_numbers_are_those_of_a_direct_computation():
    model, x = deep(3, bias=False), batch(200, 60)
    scaled = lsuv(model, x, wf.Plan({"*": wf.KaimingNormal()}, seed=9))
    given = x.numpy().astype(np.float64)
    for layer in scaled.layers:
        weight = wf.create((60, 60), wf.KaimingNormal(), seed=9, stream=layer.name).astype(np.float64)
        out = given @ weight.T
        assert layer.std_before == pytest.approx(out.std(), rel=1e-5)
        assert layer.factor == pytest.approx(1 / out.std() if layer.trials else 1, rel=1e-3)
        given = np.maximum(out * layer.factor, 0)


def test_the_plan_is_that_of_signals():
    layers = torch.nn.Sequential()
    for number, (inputs, outputs) in enumerate([(40, 60), (60, 30), (30, 50)], 1):
        layers.add_module(f"layer{number}", torch.nn.Linear(inputs, outputs))
        layers.append(torch.nn.Tanh())
    given = wf.create((300, 40), wf.Normal(), seed=7, stream="mine")
    plan = signals.lsuv([40, 60, 30, 50], "tanh", wf.Orthogonal(), bias=wf.Normal(std=0.1), batch=given, seed=3)
    rules = wf.Plan({"*.bias": wf.Normal(std=0.1), "*.weight": "orthogonal"}, seed=3)
    assert lsuv(layers, torch.from_numpy(given), rules) == plan
