import copy
import math
import resource
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
stats = pytest.importorskip("scipy.stats")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402


def recorded_plan(build, **options):
    with wt.recording() as recorded:
        module = build()
    return module, recorded.plan(module, seed=42, **options)


def inits(build, **options):
    """Return what is said of each parameter."""
    module, plan = recorded_plan(build, **options)
    return {name: plan.rule(name).init for name, _ in module.named_parameters()}


def law(init, shape):
    return init.law(tuple(shape))


def refusal(build, **options):
    with pytest.raises(ValueError, match="module must have parameters") as caught:
        recorded_plan(build, **options)
    return str(caught.value)


def own(make):
    """Return a function that builds a module with one parameter, `weight`."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            made = make()
            self.weight = made if isinstance(made, nn.Parameter) else nn.Parameter(made)

    return Own


class After(nn.Module):
    """A parameter that is initialized after it is registered."""

    def __init__(self, change, shape=(6, 4)):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        with torch.no_grad():
            change(self.weight)


def after(change, shape=(6, 4)):
    return inits(lambda: After(change, shape))["weight"]


S = 1 / math.sqrt(8)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: nn.Linear(8, 4), {"weight": wf.StandardUniform(), "bias": wf.Uniform(-S, S)}),
        (
            lambda: nn.Conv2d(4, 8, 3),
            {"weight": wf.StandardUniform(), "bias": wf.Uniform(-1 / 6, 1 / 6)},
        ),
        (lambda: nn.Embedding(10, 4), {"weight": wf.Normal()}),
        (lambda: nn.Embedding(10, 4, padding_idx=3), {"weight": wf.Padded(wf.Normal(), 3)}),
        (lambda: nn.EmbeddingBag(10, 4), {"weight": wf.Normal()}),
        (lambda: nn.LayerNorm(4), {"weight": wf.Ones(), "bias": wf.Zeros()}),
        (lambda: nn.BatchNorm2d(4), {"weight": wf.Ones(), "bias": wf.Zeros()}),
        (lambda: nn.PReLU(), {"weight": wf.Constant(0.25)}),
        (
            lambda: nn.MultiheadAttention(8, 2),
            {
                "in_proj_weight": wf.XavierUniform(),
                "in_proj_bias": wf.Zeros(),
                "out_proj.weight": wf.StandardUniform(),
                "out_proj.bias": wf.Zeros(),
            },
        ),
        (
            lambda: nn.LSTM(3, 8),
            dict.fromkeys(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), wf.Uniform(-S, S)),
        ),
        (lambda: nn.GRU(3, 8, bias=False), dict.fromkeys(("weight_ih_l0", "weight_hh_l0"), wf.Uniform(-S, S))),
    ],
)
def test_modules_of_torch_are_said(build, expected):
    found = inits(build)
    assert found == expected


LARGE = [
    lambda: nn.TransformerEncoderLayer(16, 2, 32),
    lambda: nn.TransformerDecoderLayer(16, 2, 32),
    lambda: nn.Transformer(16, 2, 1, 1, 32, batch_first=True),
    lambda: nn.LSTM(8, 8, 2, bidirectional=True, proj_size=4),
    lambda: nn.AdaptiveLogSoftmaxWithLoss(32, 20, [5, 10]),
    lambda: nn.Bilinear(4, 5, 6),
    lambda: nn.ConvTranspose2d(4, 6, 3, groups=2),
    lambda: nn.Sequential(nn.Embedding(50, 8, padding_idx=0), nn.LayerNorm(8), nn.Linear(8, 8), nn.PReLU()),
]


@pytest.mark.parametrize("build", LARGE)
def test_plans_have_the_distributions_of_plain_construction(build):
    plain, plan = build(), recorded_plan(build)[1]
    values = {name: [] for name, _ in plain.named_parameters()}
    torch.manual_seed(1)
    for _ in range(20):
        for name, param in build().named_parameters():
            values[name].append(param.detach().clone())
    for name, param in plain.named_parameters():
        init, drawn = plan.rule(name).init, torch.stack(values[name]).numpy().ravel()
        ours = [wf.create(tuple(param.shape), init, seed=seed, stream=name) for seed in range(20)]
        ours = np.stack(ours).ravel()
        if np.ptp(drawn) == 0:
            assert (ours == drawn).all(), name
        else:
            assert stats.ks_2samp(drawn, ours).pvalue > 1e-4, name
            assert (drawn == 0).sum() == (ours == 0).sum(), name


def test_parameters_are_on_meta_and_buffers_in_memory():
    with wt.recording():
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    assert {param.device.type for param in model.parameters()} == {"meta"}
    assert model[1].running_var.tolist() == [1] * 4
    assert all(isinstance(param, nn.Parameter) and param.requires_grad for param in model.parameters())


def test_a_recorded_model_is_materialized():
    model, plan = recorded_plan(lambda: nn.Transformer(16, 2, 1, 1, 32, batch_first=True))
    wt.materialize(model, plan)
    assert model(torch.ones(1, 3, 16), torch.ones(1, 2, 16)).isfinite().all()
    assert wt.verify(model, plan)


def test_large_models_take_no_memory():
    def build(rows=1):
        table = own(lambda: 0.02 * torch.randn(20_000 * rows, 20_000))()
        return nn.Sequential(nn.Linear(rows, 500_000_000), nn.Embedding(400_000_000 * rows, 3), table)

    recorded_plan(build)  # which loads what torch needs for this
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, plan = recorded_plan(lambda: build(5))
    assert plan.rule("2.weight").init == wf.Normal(std=0.02)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KB; the model has 43 GB


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: torch.randn(6, 4), wf.Normal()),
        (lambda: torch.randn(6, 4) * 0.02, wf.Normal(std=0.02)),
        (lambda: 0.02 * torch.randn(6, 4), wf.Normal(std=0.02)),
        (lambda: torch.randn(6, 4) / 5, wf.Normal(std=0.2)),
        (lambda: torch.randn(6, 4).mul_(0.5).add_(1), wf.Normal(1.0, 0.5)),
        (lambda: 1 - torch.rand(6, 4), wf.Uniform(0.0, 1.0)),
        (lambda: torch.rand(6, 4) * 2 - 1, wf.Uniform(-1.0, 1.0)),
        (lambda: -torch.rand(6, 4), wf.Uniform(-1.0, 0.0)),
        (lambda: torch.normal(0.0, 0.1, (6, 4)), wf.Normal(std=0.1)),
        (lambda: torch.randn(6, 4, out=torch.empty(6, 4)), wf.Normal()),
        (lambda: torch.rand(6, 4, out=torch.zeros(6, 4)), wf.Uniform()),
        (lambda: torch.normal(torch.zeros(6, 4), 0.1), None),
        (lambda: torch.empty(6, 4).normal_(0, 0.3), wf.Normal(std=0.3)),
        (lambda: torch.empty(6, 4).uniform_(-2, 2), wf.Uniform(-2.0, 2.0)),
        (lambda: torch.randn(6, 4, generator=torch.Generator()), wf.Normal()),
        (lambda: torch.randn(6, 4).half(), wf.Normal()),
        (lambda: torch.randn(4, 6).t(), wf.Normal()),
        (lambda: torch.randn(24).view(6, 4).clone(), wf.Normal()),
        (lambda: torch.randn_like(torch.zeros(6, 4)), wf.Normal()),
        (lambda: torch.zeros(6, 4), wf.Zeros()),
        (lambda: torch.ones(6, 4), wf.Ones()),
        (lambda: torch.full((6, 4), 0.1), wf.Constant(0.1)),
        (lambda: torch.tensor(2.6592), wf.Constant(2.6592)),
        (lambda: torch.ones(()) * math.log(1 / 0.07), wf.Constant(2.6592600345611572)),
        (lambda: 1e-4 * torch.ones(4), wf.Constant(1e-4)),
        (lambda: nn.init.trunc_normal_(torch.empty(6, 4), std=0.02), wf.TruncatedNormal(std=0.02, low=-2, high=2)),
        (lambda: nn.init.orthogonal_(torch.empty(6, 4)), wf.Orthogonal()),
    ],
)
def test_tensors_that_become_parameters_are_said(make, expected):
    if expected is None:
        assert "which normal drew" in refusal(own(make))
        return
    found = inits(own(make))["weight"]
    if isinstance(expected, wf.Constant):
        assert np.float32(found.value) == np.float32(expected.value)
    elif isinstance(expected, wf.Normal | wf.Uniform):
        assert law(found, (6, 4)) == pytest.approx(expected) or law(found, (6, 4)) == expected
    else:
        assert found == expected


I = nn.init  # noqa: E741


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda w: I.normal_(w, 0, 0.02), wf.Normal(std=0.02)),
        (lambda w: I.uniform_(w, -1, 2), wf.Uniform(-1, 2)),
        (lambda w: I.trunc_normal_(w, std=0.02, a=-0.04, b=0.04), wf.TruncatedNormal(std=0.02, low=-0.04, high=0.04)),
        (lambda w: I.xavier_normal_(w, gain=2), wf.XavierNormal(2.0)),
        (lambda w: I.kaiming_normal_(w), wf.KaimingNormal()),
        (lambda w: I.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"), wf.KaimingUniform(mode="fan_out")),
        (lambda w: I.kaiming_normal_(w, nonlinearity="linear"), wf.VarianceScaling(1.0, "fan_in", "normal")),
        (lambda w: I.orthogonal_(w, gain=0.5), wf.Orthogonal(0.5)),
        (lambda w: I.sparse_(w, 0.5), wf.Sparse(3, 0.01, axis=0)),
        (lambda w: I.eye_(w), wf.Identity()),
        (lambda w: I.constant_(w, 0.3), wf.Constant(0.3)),
        (lambda w: w.data.normal_(std=0.5), wf.Normal(std=0.5)),
        (lambda w: w.normal_().clamp_(-1, 1).normal_(std=2), wf.Normal(std=2)),
        (lambda w: w.fill_(3), wf.Constant(3)),
        (lambda w: w.fill_(3).mul_(2).sub_(1), wf.Constant(5)),
        (lambda w: w.copy_(torch.ones(6, 4)), wf.Ones()),
        (lambda w: w.copy_(torch.zeros(4)), wf.Zeros()),
        (lambda w: w.copy_(torch.randn(6, 4)), wf.Normal()),
        (lambda w: I.orthogonal_(w).mul_(0.5), wf.Scaled(wf.Orthogonal(), 0.5)),
        (lambda w: I.xavier_normal_(w).div_(2), wf.Scaled(wf.XavierNormal(), 0.5)),
        (lambda w: w.normal_()[2].zero_(), wf.Padded(wf.Normal(), 2)),
        (lambda w: (w.normal_(), w[1:3].fill_(0)), wf.Padded(wf.Normal(), (1, 2))),
        (lambda w: [part.normal_(std=2) for part in w.chunk(3)], wf.Normal(std=2)),
        (lambda w: [part.normal_(std=2) for part in w.t().split(1)], wf.Normal(std=2)),
        (lambda w: w.view(-1).uniform_(), wf.Uniform()),
        (lambda w: w.t().normal_(), wf.Normal()),
    ],
)
def test_writes_to_parameters_are_said(change, expected):
    assert after(change) == expected


def test_kaiming_uniform_of_blocks_with_equal_fans_is_their_uniform_distribution():
    found = after(lambda w: [I.xavier_uniform_(part) for part in w.chunk(2)])
    assert law(found, (6, 4)) == law(wf.XavierUniform(), (3, 4))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: None, "which was never written"),
        (lambda w: w[0].normal_(), "which was never written"),
        (lambda w: w.normal_().exp_(), "which exp_ computed from a draw"),
        (lambda w: w.normal_().clamp_(-1, 1), "which clamp computed from a draw"),
        (lambda w: w.normal_().mul_(torch.arange(4.0)), "which mul_ computed from a draw"),
        (lambda w: w.copy_(torch.randn(6, 4).abs()), "which abs computed from a draw"),
        (lambda w: w.copy_(torch.arange(24.0).view(6, 4)), "which got values that the module computes"),
        (
            lambda w: w.normal_().masked_fill_(torch.eye(6, 4, dtype=torch.bool), 0),
            "which masked_fill_ computed from a draw",
        ),
        (lambda w: w.normal_().index_fill_(0, torch.tensor([1]), 0), "which index_fill_ computed from a draw"),
        (lambda w: (w.normal_(), w[2:].normal_(std=3)), "whose parts have different distributions"),
        (lambda w: (w.normal_(), w[2].fill_(1)), "part of which is constant"),
        (lambda w: (w.normal_(), w[:, 2].zero_()), "part of which is constant"),
        (lambda w: (w.zero_(), w[1].fill_(1)), "which has different constants in it"),
        (lambda w: (w.normal_(), w.view(-1)[3:9].fill_(0)), "which was written through a view that is no box of it"),
        (lambda w: w.exponential_(), "which exponential_ drew"),
        (lambda w: w.copy_(torch.rand(6, 4).bernoulli()), "which bernoulli drew"),
        (lambda w: w.copy_(torch.distributions.Gamma(torch.ones(6, 4), 1.0).sample()), "computed from a draw"),
        (lambda w: w.copy_(torch.randint(3, (6, 4))), "which randint drew"),
        (lambda w: w.copy_(nn.functional.dropout(torch.ones(6, 4))), "computed from a draw"),
        (lambda w: w.copy_(torch.cat([torch.randn(3, 4), torch.zeros(3, 4)])), "which cat computed from a draw"),
        (lambda w: w.copy_(torch.randn(6, 4).tril()), "which tril computed from a draw"),
        (lambda w: w.bernoulli_(), "which bernoulli_ drew"),
        (lambda w: w.fill_(math.inf), "which is infinite"),
        (lambda w: I.sparse_(w.t(), 0.5), "in another order"),
        (lambda w: w.view(torch.int32).fill_(1), "which was written as another dtype"),
    ],
)
def test_what_no_plan_says_is_refused_by_name_and_operation(change, why):
    text = refusal(lambda: nn.Sequential(nn.Linear(3, 3), After(change)))
    assert text.startswith("module must have parameters that a plan can say, got '1.weight', ")
    assert why in text.replace("clamp_ ", "clamp ")
    assert text.endswith("; pass rules={pattern: initializer} for them")


def test_rules_of_your_own_stand_for_what_is_refused():
    build = lambda: nn.Sequential(nn.Linear(3, 3), After(lambda w: w.normal_().exp_()))  # noqa: E731
    model, plan = recorded_plan(build, rules={"1.*": wf.LogUniform(0.1, 1.0)})
    assert plan.rules[0] == ("1.*", wf.LogUniform(0.1, 1.0), False)
    assert wt.verify(wt.materialize(model, plan), plan)


def test_the_refusal_names_five_parameters_and_counts_the_others():
    text = refusal(lambda: nn.Sequential(*(After(lambda w: None) for _ in range(7))))
    assert "'4.weight', which was never written, and 2 more; " in text


def test_copies_of_drawn_parameters_are_refused_or_drawn():
    build = lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)  # noqa: E731
    text = refusal(build)
    assert "'layers.1.linear1.weight', a copy of 'layers.0.linear1.weight'" in text
    assert text.endswith('; draw each copy for itself by copies="draw", or pass rules={pattern: initializer} for them')
    plan = recorded_plan(build, copies="draw")[1]
    assert plan.rule("layers.1.linear1.weight").init == wf.StandardUniform()
    with pytest.raises(ValueError, match="copies must be one of"):
        recorded_plan(build, copies="keep")


def test_deep_copies_keep_padding_rows_and_equal_constants_are_no_copies():
    build = lambda: nn.ModuleList(copy.deepcopy(nn.Embedding(9, 4, padding_idx=2)) for _ in range(2))  # noqa: E731
    assert inits(build)["1.weight"] == wf.Padded(wf.Normal(), 2)
    layer = lambda: nn.ModuleList([norm := nn.LayerNorm(4), copy.deepcopy(norm)])  # noqa: E731
    assert inits(layer)["1.weight"] == wf.Ones()


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


def test_a_std_by_the_layers_number_takes_a_rule_for_each_layer():
    class ByLayer(Deep):
        def __init__(self):
            super().__init__(4)
            for layer, block in enumerate(self.h):
                nn.init.normal_(block.c_fc.weight, std=0.02 / math.sqrt(2 * (layer + 1)))

    found = inits(ByLayer)
    for layer in range(4):
        init = found[f"h.{layer}.c_fc.weight"]
        assert law(init, (8, 8)) == wf.Normal(std=0.02 / math.sqrt(2 * (layer + 1)))


def test_drawn_buffers_get_rules_and_others_stay_as_computed():
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4))
            self.register_buffer("basis", torch.randn(3, 4))
            self.register_buffer("ids", torch.arange(5))
            self.register_buffer("table", torch.empty(3, 2), persistent=False)
            self.table[:, 0] = torch.sin(torch.arange(3.0))
            self.table[:, 1] = 1
            self.register_buffer("mask", torch.ones(4, 4).tril())
            index = torch.arange(6).view(2, 3).contiguous()
            index[:, 0] += 1
            self.register_buffer("index", index.sum(-1))
            self.register_buffer("halved", self.table * 0.5)

    model, plan = recorded_plan(Buffers)
    assert [(rule.pattern, rule.init) for rule in plan.rules] == [("basis", wf.Normal()), ("weight", wf.Zeros())]
    wt.materialize(model, plan)
    assert model.ids.tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(model.table, torch.stack([torch.sin(torch.arange(3.0)), torch.ones(3)], 1))
    assert torch.equal(model.mask, torch.ones(4, 4).tril())
    assert model.index.tolist() == [4, 13]
    assert torch.equal(model.halved, model.table * 0.5)
    assert (model.basis.numpy() == wf.create((3, 4), wf.Normal(), seed=42, stream="basis")).all()


def test_a_buffer_computed_from_a_draw_is_refused():
    assert "'parametrizations.weight.0._u'" in refusal(lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 5)))


def test_weight_norm_is_refused_by_name():
    text = refusal(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)))
    assert "'parametrizations.weight.original0', which norm computed from a draw" in text


def test_wrappers_are_no_part_of_names():
    plan = recorded_plan(lambda: nn.DataParallel(nn.Linear(8, 4)))[1]
    assert [rule.pattern for rule in plan.rules] == ["bias", "weight"]


def test_skip_init_and_explicit_meta_devices_are_recorded():
    def build():
        model = nn.Sequential(nn.utils.skip_init(nn.Linear, 4, 5), nn.Linear(4, 5, device="meta"))
        nn.init.normal_(model[0].weight)
        nn.init.zeros_(model[0].bias)
        return model

    assert inits(build)["0.weight"] == wf.Normal()
    assert inits(build)["1.weight"] == wf.StandardUniform()


def test_dtypes_may_change_after_draws():
    assert inits(lambda: nn.Linear(8, 4).bfloat16())["weight"] == wf.StandardUniform()
    model, _ = recorded_plan(lambda: nn.Linear(8, 4).to(torch.float64))
    assert model.weight.dtype == torch.float64


def test_it_works_under_the_meta_device_and_with_other_blocks():
    with torch.device("meta"):
        model, plan = recorded_plan(
            lambda: nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), own(lambda: torch.ones(3))())
        )
    assert plan.rule("0.weight").init == wf.StandardUniform()
    assert plan.rule("2.weight").init == wf.Ones()
    assert model[1].running_var.tolist() == [1] * 4
    with wt.patched():
        assert inits(lambda: After(lambda w: w.normal_(std=3)))["weight"] == wf.Normal(std=3)
        assert inits(lambda: nn.Linear(8, 4))["weight"] == wf.StandardUniform()
    with wt.recording() as recorded, wt.patched():
        layer, other = nn.Linear(8, 4), own(lambda: torch.empty(3, 4).normal_())()
    assert recorded.plan(layer, seed=1).rule("weight").init == wf.StandardUniform()
    assert recorded.plan(other, seed=1).rule("weight").init == wf.Normal()


def test_it_works_while_others_have_replaced_register_parameter(monkeypatch):
    original = nn.Module.register_parameter

    def replacing(self, name, param):  # as accelerate's init_empty_weights does
        original(self, name, param)
        if param is not None:
            self._parameters[name] = nn.Parameter(self._parameters[name].to("meta"))

    monkeypatch.setattr(nn.Module, "register_parameter", replacing)
    assert inits(lambda: nn.Linear(8, 4))["weight"] == wf.StandardUniform()
    with wt.recording() as recorded:
        monkeypatch.undo()
        layer = nn.Linear(8, 4)
    assert recorded.plan(layer, seed=1).rule("weight").init == wf.StandardUniform()


def test_the_meta_device_within_is_refused_as_libraries_leave_their_initialization_out_there():
    with pytest.raises(RuntimeError) as caught, wt.recording(), torch.device("meta"):
        nn.Linear(3, 3)
    assert str(caught.value) == (
        "recording() must not have torch.device('meta') within, got 'weight' of Linear made there; leave it out, as "
        "parameters take no memory anyway, or put it around recording()"
    )
    assert not nn.Linear(3, 3).weight.is_meta


def test_recordings_are_not_nested():
    with wt.recording() as recorded:
        with pytest.raises(RuntimeError, match="must not be within another recording of this thread"), wt.recording():
            pass
        layer = nn.Linear(8, 4)
    assert recorded.plan(layer, seed=1).rule("weight").init == wf.StandardUniform()


def test_an_error_leaves_torch_as_it_was():
    torch.manual_seed(1)
    expected = nn.Linear(3, 3).weight
    codes = {name: getattr(nn.init, name).__code__ for name in ("normal_", "uniform_", "orthogonal_")}
    registering = nn.Module.register_parameter.__code__
    torch.manual_seed(1)

    def build():
        nn.Linear(3, 3)
        own(lambda: torch.randn(3))()
        torch.randperm(4), torch.randint(3, (2,)), torch.bernoulli(torch.ones(3))
        raise KeyError

    with pytest.raises(KeyError):
        recorded_plan(build)
    assert torch.equal(nn.Linear(3, 3).weight, expected)
    assert codes == {name: getattr(nn.init, name).__code__ for name in codes}
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    assert nn.Module.register_parameter.__code__ is registering


def test_errors_of_torch_stay():
    with wt.recording():
        with pytest.raises(ValueError, match="Fan in and fan out can not be computed"):
            nn.init.xavier_uniform_(torch.empty(3))
        with pytest.raises(RuntimeError, match="normal expects std >= 0"):
            torch.empty(3).normal_(std=-1)


def test_other_threads_build_as_ever():
    found = []
    with wt.recording():
        thread = threading.Thread(target=lambda: found.append(nn.Linear(3, 3)))
        thread.start()
        thread.join()
    assert not found[0].weight.is_meta


def test_threads_record_beside_each_other_and_beside_others():
    plans, plain, layers = [], [], lambda: nn.Sequential(*(nn.Linear(8, 8) for _ in range(20)))
    threads = [threading.Thread(target=lambda: plans.append(recorded_plan(layers)[1])) for _ in range(8)]
    threads += [threading.Thread(target=lambda: plain.append(layers())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(plans) == 8
    assert len(set(plans)) == 1
    assert not any(param.is_meta for model in plain for param in model.parameters())


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


def test_views_of_one_storage_are_told_apart():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            memory = torch.empty(10, 4)
            self.first, self.second = nn.Parameter(memory[:6]), nn.Parameter(memory[6:])
            memory[:6].normal_()
            nn.init.zeros_(self.second)

    assert inits(Shared) == {"first": wf.Normal(), "second": wf.Zeros()}


def test_data_may_be_assigned():
    def assigned(value):
        def change(weight):
            weight.data = value()

        return after(change)

    assert assigned(lambda: torch.randn(6, 4) * 0.5) == wf.Normal(std=0.5)
    assert assigned(lambda: torch.ones(6, 4)) == wf.Ones()
    assert assigned(lambda: torch.empty(6, 4).uniform_(-1, 1).t().contiguous().t()) == wf.Uniform(-1, 1)
    before = torch.ones(6, 4)
    with pytest.raises(RuntimeError, match="incompatible tensor type"):
        assigned(lambda: before)


def test_parameters_that_code_holds_are_the_same_objects():
    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            held = nn.Parameter(torch.empty(3, 4), requires_grad=False)
            held.mark = "mine"
            self.weight = held
            nn.init.ones_(held)

    model, plan = recorded_plan(Held)
    assert plan.rule("weight").init == wf.Ones()
    assert model.weight.mark == "mine"
    assert model.weight.requires_grad is False
