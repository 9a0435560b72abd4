import math
import re
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, own, recorded_plan, refusal  # noqa: E402


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
    with pytest.raises(
        ValueError, match="got '0.weight', which was not made within the block, or was converted after it"
    ):
        recorded.plan(model, seed=1)


def test_a_rule_of_ones_own_that_matches_nothing_is_refused():
    with wt.recording() as recorded:
        model = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match=r"^rules must all match a parameter, got '\*wieght', which matches none; "):
        recorded.plan(model, seed=1, rules={"*wieght": wf.Ones()})
    with pytest.raises(ValueError, match=r"^rules must all be the first for a parameter, got 'bias': an earlier rule"):
        recorded.plan(model, seed=1, rules={"b*": wf.Ones(), "bias": wf.Ones()})
    own = [wf.Rule("gate", wf.Ones(), optional=True), wf.Rule("running_var", wf.Constant(2.0))]
    assert recorded.plan(model, seed=1, rules=own).rules[:2] == tuple(own)


def test_a_scheme_keeps_its_name_where_it_is_multiplied():
    def build():
        layer = nn.Linear(6, 3, bias=False)
        layer.weight.data = layer.weight.data * 0.5
        return layer

    assert recorded_plan(build)[1].rule("weight").init == wf.Scaled(wf.StandardUniform(), 0.5)


class Version(nn.Module):
    def __init__(self, std=0.02, bias=True, extra=False):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4, bias=bias), nn.Embedding(5, 4)
        nn.init.normal_(self.second.weight, std=std)
        nn.init.normal_(self.first.weight, std=0.02)
        if extra:
            self.gate = nn.Parameter(torch.ones(3))


def test_a_plan_for_another_version_of_a_model_is_told_by_the_first_parameter_that_differs():
    plan = recorded_plan(Version)[1]

    def checked(**options):
        with wt.recording() as recorded:
            model = Version(**options)
        recorded.check(model, plan)

    checked()
    with pytest.raises(ValueError, match="plan must have the module's own") as caught:
        checked(std=0.5)
    assert str(caught.value) == (
        "plan must have the module's own initialization, got Normal(mean=0.0, std=0.02) for 'second.weight', by the "
        "rule '*.weight', and the module has Normal(mean=0.0, std=0.5); record it again for this version of the module"
    )
    with pytest.raises(
        ValueError, match=re.escape("rules must all match a parameter, got 'first.bias', which matches no")
    ):
        checked(bias=False)
    with pytest.raises(ValueError, match=re.escape("params must all match a rule, got 'gate', which matches none of")):
        checked(extra=True)
    with wt.recording() as recorded:
        model = Version()
    with pytest.raises(TypeError, match="plan must be a weightfill.Plan, got dict"):
        recorded.check(model, {})


def test_plans_that_say_the_same_otherwise_are_the_same():
    def kaiming():
        return After(lambda w: nn.init.kaiming_normal_(w))

    with wt.recording() as recorded:
        model = kaiming()
    recorded.check(model, wf.Plan({"*": wf.VarianceScaling(2.0, "fan_in", "normal")}, seed=7))
    recorded.check(model, wf.Plan({"*": wf.KeepValues()}))
    with pytest.raises(ValueError, match=re.escape("got Orthogonal(gain=1.0, axis=0) for 'weight'")):
        recorded.check(model, wf.Plan({"*": wf.Orthogonal()}, seed=7))


def test_kept_numbers_are_compared():
    with wt.recording() as recorded:
        model = After(lambda w: w.copy_(torch.arange(4.0) ** 2))
    recorded.check(model, wf.Plan({"*": wf.Values([[0, 1, 4, 9]])}))
    with pytest.raises(ValueError, match="plan must have the module's own initialization, got Values"):
        recorded.check(model, wf.Plan({"*": wf.Values([[0, 1, 4, 8]])}))


def test_parameters_of_other_dtypes_are_refused_by_name():
    integers = own(lambda: nn.Parameter(torch.zeros(3, dtype=torch.int8), requires_grad=False))
    assert "got 'weight', of torch.int8, which is not drawn" in refusal(integers)
    packed = own(lambda: nn.Parameter(torch.randn(4, 4).view(torch.uint8), requires_grad=False))
    assert "got 'weight', of torch.uint8, which is not drawn" in refusal(packed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions say that they are deprecated
        quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for made in (lambda: quantized, quantized.clone):
        assert "got 'weight', " in refusal(own(lambda m=made: nn.Parameter(m(), requires_grad=False)))
    plan = recorded_plan(lambda: nn.Sequential(nn.Linear(3, 3), integers()), rules={"1.weight": wf.KeepValues()})[1]
    assert plan.rule("0.weight").init == wf.StandardUniform()


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
