import copy
import math
import re
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
stats = pytest.importorskip("scipy.stats")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import inits, recorded_plan, refusal  # noqa: E402

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


def test_a_recorded_model_is_materialized():
    model, plan = recorded_plan(lambda: nn.Transformer(16, 2, 1, 1, 32, batch_first=True))
    wt.materialize(model, plan)
    assert model(torch.ones(1, 3, 16), torch.ones(1, 2, 16)).isfinite().all()
    assert wt.verify(model, plan)


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


def drawn_again(draw):
    """Return a table whose padding rows are drawn with the others, as ModernBERT of transformers does."""
    table = nn.Embedding(9, 4, padding_idx=2)
    draw(table.weight)
    return table


def test_padding_rows_that_were_drawn_are_drawn():
    table, plan = recorded_plan(lambda: drawn_again(nn.init.xavier_uniform_))
    assert plan.rule("weight").init == wf.Padded(wf.XavierUniform(), ())
    expected = wf.create((9, 4), wf.XavierUniform(), seed=42, stream="weight")
    assert wt.materialize(table, plan).weight.detach().numpy().tobytes() == expected.tobytes()
    assert inits(lambda: drawn_again(nn.init.zeros_)) == {"weight": wf.Zeros()}
    assert "'weight', whose padding rows are drawn like the others;" in refusal(
        lambda: drawn_again(nn.init.orthogonal_)
    )


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


def test_code_that_looks_at_drawn_values_is_refused_and_known_ones_it_sees():
    message = "recording() must not have code that looks at values that are drawn, got {}; parameters take no memory"
    with pytest.raises(RuntimeError, match=re.escape(message.format("item"))), wt.recording():
        nn.Linear(4, 4).weight.max().item()
    with pytest.raises(RuntimeError, match=re.escape(message.format("allclose"))), wt.recording():
        nn.utils.parametrizations.orthogonal(nn.Linear(4, 4))  # which asks whether the weight is orthogonal
    with wt.recording():
        assert nn.LayerNorm(4).weight[2].item() == 1
        assert [value.item() for value in nn.Parameter(torch.arange(3.0))] == [0, 1, 2]


def test_the_old_weight_norm_is_refused_by_name():
    with pytest.warns(FutureWarning, match="weight_norm"):
        assert "got 'weight_g', which norm computed from a draw" in refusal(
            lambda: nn.utils.weight_norm(nn.Linear(4, 5))
        )


def test_a_parametrization_that_computes_nothing_of_its_own_is_said():
    class Symmetric(nn.Module):
        def forward(self, w):
            return w.triu() + w.triu(1).transpose(-1, -2)

    def build():
        layer = nn.Linear(4, 4)
        nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
        return layer

    assert inits(build)["parametrizations.weight.original"] == wf.StandardUniform()


def test_wrappers_are_no_part_of_names():
    for wrap in (
        nn.DataParallel,
        lambda layer: torch.compile(layer, backend="eager"),
        lambda layer: torch.compile(nn.DataParallel(layer), backend="eager"),
    ):
        plan = recorded_plan(lambda w=wrap: w(nn.Linear(8, 4)))[1]
        assert [rule.pattern for rule in plan.rules] == ["bias", "weight"]


class Tied(nn.Module):
    """A head that is tied to the embedding before or after both are drawn, and a module in two places."""

    def __init__(self, late):
        super().__init__()
        self.embed, self.head = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False)
        if not late:
            self.head.weight = self.embed.weight
        nn.init.normal_(self.embed.weight, std=0.5)
        if late:
            self.head.weight = self.embed.weight
        self.layers = nn.ModuleList([shared := nn.Linear(4, 4), nn.ReLU(), shared])


@pytest.mark.parametrize("late", [False, True])
def test_ties_and_shared_modules_are_said_once(late):
    model, plan = recorded_plan(lambda: Tied(late))
    assert set(dict(model.named_parameters())) == {"embed.weight", "layers.0.weight", "layers.0.bias"}
    assert plan.rule("embed.weight").init == wf.Normal(std=0.5)
    wt.materialize(model, plan)
    assert model.head.weight is model.embed.weight
    assert model.layers[2].weight is model.layers[0].weight
    assert wt.verify(model, plan)


def test_buffers_keep_what_was_computed_whether_they_are_persistent_or_not():
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3))
            self.register_buffer("ids", torch.arange(5))
            self.register_buffer("frequencies", 1 / 10 ** (torch.arange(4.0) / 4), persistent=False)
            self.register_buffer("phases", torch.view_as_complex(torch.ones(3, 2).cumsum(0)), persistent=False)
            self.phases.copy_(self.phases.clone())

    model, plan = recorded_plan(Buffers)
    assert [rule.pattern for rule in plan.rules] == ["weight"]
    wt.materialize(model, plan)
    expected = Buffers()
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, expected.get_buffer(name))


def test_skip_init_and_explicit_meta_devices_are_recorded():
    def build():
        model = nn.Sequential(nn.utils.skip_init(nn.Linear, 4, 5), nn.Linear(4, 5, device="meta"))
        nn.init.normal_(model[0].weight)
        nn.init.zeros_(model[0].bias)
        return model

    assert inits(build)["0.weight"] == wf.Normal()
    assert inits(build)["1.weight"] == wf.StandardUniform()


class LooksFirst(nn.Module):
    """Initialized as TorchRec's tables are, unless they are on meta."""

    def __init__(self, rows, change=lambda module: None):
        super().__init__()
        self.table = nn.Embedding(rows, 4)
        if self.table.weight.device.type != "meta":
            nn.init.uniform_(self.table.weight, -0.5, 0.5)
        change(self)


@pytest.mark.parametrize("rows", [9, 10**8])
def test_modules_that_leave_out_their_initialization_on_meta_are_recorded_with_it(rows):
    model, plan = recorded_plan(lambda: LooksFirst(rows))
    assert plan.rule("table.weight").init == wf.Uniform(-0.5, 0.5)
    assert model.table.weight.device.type == "meta"
    assert "device" not in vars(torch.Tensor)


@pytest.mark.parametrize(
    "change",
    [
        lambda module: module.to(module.table.weight.device),
        lambda module: module.to("cpu", torch.float64),
        lambda module: module.cpu(),
        lambda module: setattr(module.table, "weight", nn.Parameter(module.table.weight.detach().cpu())),
    ],
)
def test_parameters_may_be_moved_to_the_device_on_which_they_are_said_to_be(change):
    assert inits(lambda: LooksFirst(9, change))["table.weight"] == wf.Uniform(-0.5, 0.5)


def test_only_the_recorded_tensors_are_said_to_be_on_the_cpu():
    outside = torch.empty(3, device="meta")
    with wt.recording():
        weight = nn.Linear(4, 5).weight
        assert weight.device.type == weight.data[1:].device.type == "cpu"
        assert weight.is_meta
        assert outside.device.type == "meta"
        seen = []
        thread = threading.Thread(target=lambda: seen.append(weight.device.type))
        thread.start()
        thread.join()
    assert seen == [weight.device.type] == ["meta"]


def test_dtypes_may_change_after_draws():
    assert inits(lambda: nn.Linear(8, 4).bfloat16())["weight"] == wf.StandardUniform()
    model, _ = recorded_plan(lambda: nn.Linear(8, 4).to(torch.float64))
    assert model.weight.dtype == torch.float64


def test_parameters_without_dimensions_keep_their_shape():
    def build():
        return nn.ParameterDict({"a": nn.Parameter(torch.tensor(2.5)), "b": nn.Parameter(torch.randn(()))})

    module, _ = recorded_plan(build)
    assert [tuple(param.shape) for param in module.parameters()] == [(), ()]
    assert inits(build) == {"a": wf.Constant(2.5), "b": wf.Normal()}
