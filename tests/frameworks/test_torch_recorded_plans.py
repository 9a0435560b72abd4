import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, recorded_plan, refusal  # noqa: E402


def test_rules_of_your_own_stand_for_what_is_refused():
    build = lambda: nn.Sequential(nn.Linear(3, 3), After(lambda w: w.normal_().exp_()))  # noqa: E731
    model, plan = recorded_plan(build, rules={"1.*": wf.LogUniform(0.1, 1.0)})
    assert plan.rules[0] == ("1.*", wf.LogUniform(0.1, 1.0), False)
    assert wt.verify(wt.materialize(model, plan), plan)


def test_the_refusal_names_five_parameters_and_counts_the_others():
    text = refusal(lambda: nn.Sequential(*(After(lambda w: None) for _ in range(7))))
    assert "'4.weight', which was never written, and 2 more; " in text


class Deep(nn.Module):
    def __init__(self, layers=6):
        super().__init__()
        self.wte = nn.Embedding(20, 8)
        self.h = nn.ModuleList(
            nn.ModuleDict({"c_fc": nn.Linear(8, 8), "c_proj": nn.Linear(8, 8)}) for _ in range(layers)
        )
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.wte.weight
        self.apply(self.start)
        for name, param in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(param, mean=0.0, std=0.02 / math.sqrt(2 * layers))

    def start(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.data.zero_()


def test_a_std_over_the_root_of_the_depth_is_depth_scaled():
    model, plan = recorded_plan(Deep)
    assert [(rule.pattern, rule.init) for rule in plan.rules] == [
        ("*.bias", wf.Zeros()),
        ("*.c_proj.weight", wf.DepthScaled(wf.Normal(std=0.02), layers=6)),
        ("*", wf.Normal(std=0.02)),
    ]
    wt.materialize(model, plan)
    assert model.head.weight is model.wte.weight
    assert wf.Plan.from_toml(plan.to_toml()) == plan


def test_a_std_that_some_layers_have_follows_their_sizes_and_not_the_depth():
    def build():
        layers = nn.Sequential(*(nn.Linear(8, outputs) for outputs in (16, 16, 4, 4)))  # 1 / 4 is 1 / 2 / sqrt(2 * 2)
        for layer in layers:
            nn.init.normal_(layer.bias, std=layer.out_features**-0.5)
        return nn.ModuleDict({"top": layers})

    _, plan = recorded_plan(build)
    assert plan.rule("top.0.bias").init == wf.Normal(std=0.25)


def test_parameters_from_elsewhere_stay_and_are_refused():
    before = nn.Linear(3, 3)
    with wt.recording() as recorded:
        model = nn.Sequential(
            before, nn.Linear(3, 3), nn.Embedding.from_pretrained(torch.from_numpy(np.ones((3, 2), np.float32)))
        )
    assert not before.weight.is_meta
    with pytest.raises(ValueError, match="got '0.weight', which was not made within the block"):
        recorded.plan(model, seed=1)


def test_other_bad_input_is_refused():
    assert "got 'weight', of torch.complex64, which is not drawn" in refusal(
        lambda: nn.Linear(3, 3, dtype=torch.complex64)
    )
    assert "of a shape that is not known before a forward pass" in refusal(lambda: nn.LazyLinear(3))
    assert refusal(nn.ReLU) == "module must have parameters, got none"
    with wt.recording() as recorded:
        pass
    with pytest.raises(TypeError, match="module must be a torch.nn.Module, got dict"):
        recorded.plan({}, seed=1)
    with pytest.raises(TypeError, match="seed"):
        recorded_plan(lambda: nn.Linear(3, 3))[0], recorded.plan(nn.Linear(3, 3))
