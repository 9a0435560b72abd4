"""Weights whose std follows the number of their layer, as models of torchtitan, OLMo and timm have it."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.bits import assert_same_bits  # noqa: E402
from tests.frameworks.recorded_modules import recorded_plan  # noqa: E402


def blocks(layers, width):
    """Return blocks of a transformer by number, as torchtitan keeps them."""

    def block():
        return nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in ("wq", "wo", "w1", "w2")})

    return nn.ModuleDict({str(layer): block() for layer in range(layers)})


class Stack(nn.Module):
    """Blocks, of which `change(weight, i)` initializes the last weights; all others are Normal(std=0.02)."""

    def __init__(self, change, layers=8, width=8):
        super().__init__()
        self.embeddings = nn.Embedding(30, width)
        self.layers = blocks(layers, width)
        nn.init.normal_(self.embeddings.weight)
        for layer, block in enumerate(self.layers.values()):
            for name, linear in block.items():
                nn.init.normal_(linear.weight, std=0.02)
                if name in ("wo", "w2"):
                    with torch.no_grad():
                        change(linear.weight, layer)


def rules_of(plan):
    return [(rule.pattern, rule.init) for rule in plan.rules]


def titan(weight, layer):
    nn.init.trunc_normal_(weight, mean=0.0, std=0.02 / (2 * (layer + 1)) ** 0.5)  # within [-2, 2], whatever the std


def olmo(weight, layer):
    std = 1 / (math.sqrt(2 * 768 * (layer + 1)))
    nn.init.trunc_normal_(weight, mean=0.0, std=std, a=-3.0 * std, b=3.0 * std)


def timm(weight, layer):
    nn.init.trunc_normal_(weight, std=0.02)
    weight.div_(math.sqrt(2.0 * (layer + 1)))


def lingua(weight, layer):
    std = 2048**-0.5 / (2 * (layer + 1)) ** 0.5
    nn.init.trunc_normal_(weight, mean=0.0, std=std, a=-3 * std, b=3 * std)


def one_branch(weight, layer):
    nn.init.normal_(weight, std=0.1 / math.sqrt(layer + 1))


CASES = [
    (titan, wf.LayerScaled(wf.TruncatedNormal(std=0.02, low=-2, high=2))),
    (olmo, wf.LayerScaled(wf.TruncatedNormal(cutoff=3.0), branches=2 * 768)),
    (timm, wf.LayerScaled(wf.TruncatedNormal(std=0.02, low=-2, high=2))),
    (lingua, wf.LayerScaled(wf.TruncatedNormal(std=2048**-0.5, cutoff=3.0))),
    (one_branch, wf.LayerScaled(wf.Normal(std=0.1), branches=1)),
]


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_one_rule_for_each_weight_says_all_layers(change, expected):
    model, plan = recorded_plan(lambda: Stack(change))
    assert rules_of(plan) == [
        ("*.wo.weight", expected),
        ("*.w2.weight", expected),
        ("embeddings.weight", wf.Normal()),
        ("*", wf.Normal(std=0.02)),
    ]
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    wt.materialize(model, plan)
    assert wt.verify(model, plan)
    laws = {row.name: row.law for row in plan.explain(model)}
    for layer in range(8):
        assert laws[f"layers.{layer}.wo.weight"] == wf.DepthScaled(expected.of, layer + 1, expected.branches).law(())


@pytest.mark.parametrize("change", [change for change, _ in CASES])
def test_values_are_those_of_a_rule_for_each_layer(change):
    plan = recorded_plan(lambda: Stack(change, layers=4))[1]
    for layer in range(4):
        name = f"layers.{layer}.wo.weight"
        single = recorded_plan(lambda: Alone(change, layer))[1].rule("weight").init  # noqa: B023
        for dtype in (np.float32, np.float64):
            ours = wf.create((300, 300), plan.rule(name).init, seed=42, stream=name, dtype=dtype)
            assert_same_bits(ours, wf.create((300, 300), single, seed=42, stream=name, dtype=dtype))


class Alone(nn.Linear):
    """A weight that is initialized as one of a layer, without the layer in its name."""

    def __init__(self, change, layer):
        super().__init__(8, 8, bias=False)
        with torch.no_grad():
            change(self.weight, layer)


def test_torchtitans_llama_has_few_rules():
    class Llama(nn.Module):
        def __init__(self, layers=6, width=64, hidden=96, words=100):
            super().__init__()
            self.tok_embeddings = nn.Embedding(words, width)
            self.layers = nn.ModuleDict()
            for layer in range(layers):
                block = nn.ModuleDict({"attention": nn.Module(), "feed_forward": nn.Module()})
                for name in ("wq", "wk", "wv", "wo"):
                    setattr(block["attention"], name, nn.Linear(width, width, bias=False))
                for name in ("w1", "w3", "w2"):
                    sizes = (hidden, width) if name == "w2" else (width, hidden)
                    setattr(block["feed_forward"], name, nn.Linear(*sizes, bias=False))
                block["attention_norm"], block["ffn_norm"] = nn.RMSNorm(width), nn.RMSNorm(width)
                self.layers[str(layer)] = block
            self.norm, self.output = nn.RMSNorm(width), nn.Linear(width, words, bias=False)
            nn.init.normal_(self.tok_embeddings.weight)
            for layer, block in enumerate(self.layers.values()):
                attention, feed_forward = block["attention"], block["feed_forward"]
                for linear in (attention.wq, attention.wk, attention.wv, feed_forward.w1):
                    nn.init.trunc_normal_(linear.weight, mean=0.0, std=0.02)
                for linear in (attention.wo, feed_forward.w2, feed_forward.w3):
                    titan(linear.weight, layer)
            std = width**-0.5
            nn.init.trunc_normal_(self.output.weight, mean=0.0, std=std, a=-3 * std, b=3 * std)

    model, plan = recorded_plan(Llama)
    scaled, plain = CASES[0][1], wf.TruncatedNormal(std=0.02, low=-2, high=2)
    assert dict(rules_of(plan)) == {
        "*norm*.weight": wf.Ones(),
        "*.wo.weight": scaled,
        "*.w2.weight": scaled,
        "*.w3.weight": scaled,
        "output.weight": wf.TruncatedNormal(std=0.125, low=-0.375, high=0.375),
        "tok_embeddings.weight": wf.Normal(),
        "*": plain,
    }
    wt.materialize(model, plan)
    for layer, block in enumerate(model.layers.values()):
        expected = 0.02 / (2 * (layer + 1)) ** 0.5
        assert block["feed_forward"].w2.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_olmo_as_mitchell_has_one_rule_for_each_kind_of_weight():
    class Olmo(nn.Module):
        def __init__(self, layers=6, width=48, hidden=80, words=100):
            super().__init__()
            self.wte = nn.Embedding(words, width)
            self.blocks = nn.ModuleList()
            for layer in range(layers):
                block = nn.ModuleDict(
                    {
                        "att_proj": nn.Linear(width, 3 * width),
                        "attn_out": nn.Linear(width, width),
                        "ff_proj": nn.Linear(width, hidden),
                        "ff_out": nn.Linear(hidden, width),
                    }
                )
                self.blocks.append(block)
                self.start(block["att_proj"], 1 / math.sqrt(width))
                self.start(block["ff_proj"], 1 / math.sqrt(width))
                self.start(block["attn_out"], 1 / (math.sqrt(2 * width * (layer + 1))))
                self.start(block["ff_out"], 1 / (math.sqrt(2 * hidden * (layer + 1))))
            self.start(self.wte, 1 / math.sqrt(width))

        def start(self, module, std, cutoff=3.0):
            nn.init.trunc_normal_(module.weight, mean=0.0, std=std, a=-cutoff * std, b=cutoff * std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    std = 1 / math.sqrt(48)
    assert dict(rules_of(recorded_plan(Olmo)[1])) == {
        "*.bias": wf.Zeros(),
        "*.attn_out.weight": wf.LayerScaled(wf.TruncatedNormal(cutoff=3.0), branches=96),
        "*.ff_out.weight": wf.LayerScaled(wf.TruncatedNormal(cutoff=3.0), branches=160),
        "*": wf.TruncatedNormal(std=std, low=-3.0 * std, high=3.0 * std),
    }


def differing(weight, layer):
    titan(weight, layer + (layer == 3))


def other_kind(weight, layer):
    nn.init.uniform_(weight, -0.1, 0.1) if layer == 3 else titan(weight, layer)


def by_a_digit(weight, layer):
    nn.init.normal_(weight, std=math.nextafter(0.02 / math.sqrt(2 * (layer + 1)), layer - 3.5))


def near_bounds(weight, layer):
    nn.init.trunc_normal_(weight, std=1 / math.sqrt(2 * (layer + 1)), a=-2, b=2)


def linearly(weight, layer):
    nn.init.normal_(weight, std=0.02 / (layer + 1))


def below_its_mean(weight, layer):
    nn.init.trunc_normal_(weight, mean=1.0, std=0.5 / math.sqrt(2 * (layer + 1)), a=-1, b=0.5)


@pytest.mark.parametrize("change", [differing, other_kind, by_a_digit, near_bounds, linearly, below_its_mean])
def test_what_is_not_exact_in_every_layer_has_rules_of_its_own(change):
    plan = recorded_plan(lambda: Stack(change))[1]
    assert not any(isinstance(rule.init, wf.LayerScaled) for rule in plan.rules)
    for layer in range(8):
        single = recorded_plan(lambda: Alone(change, layer))[1].rule("weight").init  # noqa: B023
        assert plan.rule(f"layers.{layer}.wo.weight").init == single


@pytest.mark.parametrize("layers", [1, 2])
def test_one_or_two_layers_say_nothing_of_others(layers):
    plan = recorded_plan(lambda: Stack(titan, layers=layers))[1]
    for layer in range(layers):
        single = wf.TruncatedNormal(std=0.02 / math.sqrt(2 * (layer + 1)), low=-2, high=2)
        assert plan.rule(f"layers.{layer}.wo.weight").init == single


def test_stds_that_follow_fans_are_not_taken_for_those_of_layers():
    def build():
        model = nn.Sequential(*(nn.Linear(8 * (layer + 1), 8) for layer in range(6)))
        for linear in model:
            nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features))
        return model

    plan = recorded_plan(build)[1]
    for layer in range(6):
        std = 1 / math.sqrt(8 * (layer + 1))
        assert plan.rule(f"{layer}.weight").init == wf.Normal(std=std)
        assert plan.rule(f"{layer}.bias").init == wf.Uniform(-std, std)


class Numbered(nn.Module):
    """Weights by name, each with a number that its std follows."""

    def __init__(self, names):
        super().__init__()
        for name, number in names.items():
            *path, last = name.split(".")
            module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            setattr(module, last, nn.Parameter(torch.empty(3, 4)))
            nn.init.normal_(getattr(module, last), std=0.02 / math.sqrt(2 * number))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({f"0.layers.{i}.w": i + 1 for i in range(5)}, wf.LayerScaled(wf.Normal(std=0.02), "*layers.{i}.*")),
        ({f"0.scales.{i}": i + 1 for i in range(5)}, wf.LayerScaled(wf.Normal(std=0.02), "*scales.{i}")),
        ({f"layers.{i}.w": i for i in range(1, 6)}, wf.LayerScaled(wf.Normal(std=0.02), offset=0)),
        (
            {f"layers.{i}.experts.{k}.w": i + 1 for i in range(3) for k in range(4)},
            wf.LayerScaled(wf.Normal(std=0.02)),
        ),
        (
            {f"layers.{i}.experts.{k}.w": k + 1 for i in range(3) for k in range(4)},
            wf.LayerScaled(wf.Normal(std=0.02), "*experts.{i}.*"),
        ),
        (
            {f"{stack}.{i}.w": i + 1 for i in range(3) for stack in ("encoder", "decoder")},
            wf.LayerScaled(wf.Normal(std=0.02)),
        ),
    ],
)
def test_the_number_may_stand_anywhere_in_the_name(names, expected):
    plan = recorded_plan(lambda: Numbered(names))[1]
    assert [init for _, init in rules_of(plan)] == [expected]


def test_depth_and_number_are_told_apart():
    class Both(Stack):
        def __init__(self):
            super().__init__(lambda weight, layer: nn.init.normal_(weight, std=0.02 / math.sqrt(2 * (layer + 1))))
            for block in self.layers.values():
                nn.init.normal_(block["w2"].weight, std=0.02 / math.sqrt(2 * 8))

    assert rules_of(recorded_plan(Both)[1]) == [
        ("*.wo.weight", wf.LayerScaled(wf.Normal(std=0.02))),
        ("*.w2.weight", wf.DepthScaled(wf.Normal(std=0.02), layers=8)),
        ("embeddings.weight", wf.Normal()),
        ("*", wf.Normal(std=0.02)),
    ]


def test_other_verbs_for_models_take_it():
    init = wf.LayerScaled(wf.Normal(std=0.5))
    model = nn.Sequential(nn.Embedding(9, 16, padding_idx=2), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16))
    plan = wf.Plan({"*.bias": "zeros", "*": init}, seed=42)
    own = {0: wf.Padded(wf.DepthScaled("normal", 1), 2), 1: wf.DepthScaled("normal", 2), 3: wf.DepthScaled("normal", 4)}
    laws = {row.name: row.law for row in wt.explain(model, plan)}
    for number, single in own.items():
        half = wf.Scaled(single, 0.5).law((9, 16))
        assert laws[f"{number}.weight"] == half
    report = wt.propagation(wt.initialize(model, plan), torch.arange(9), plan=plan)
    assert [layer.init for layer in report.layers if layer.init] == [
        wf.DepthScaled(wf.Normal(std=0.5), number + 1) for number in own
    ]
    scaled = wt.lsuv(model[1:], torch.randn(64, 16), wf.Plan({"*.bias": "zeros", "*": init}, seed=42))
    factors = {rule.init.of for rule in scaled.rules if isinstance(rule.init, wf.Scaled)}
    assert factors == {init}
    assert wt.verify(wt.initialize(model[1:], wf.Plan.from_toml(scaled.to_toml())), scaled)
