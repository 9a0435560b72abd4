"""Numbers that modules compute: said as tables that have a name, kept as Values, or refused by name."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, after, inits, own, recorded_plan, refusal  # noqa: E402

STEPS = torch.arange(1.0, 6.0)


def sinusoids(length, channels):
    """Interleaved, in float64."""
    frequencies = 10000 ** -(torch.arange(0, channels, 2, dtype=torch.float64) / channels)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1).float()


TABLES = [
    (lambda: torch.arange(5.0), wf.Arange()),
    (lambda: torch.linspace(-2, 2, 5).expand(3, 5).contiguous(), wf.Arange(-2.0)),
    (lambda: torch.arange(4.0)[:, None].repeat(1, 3) * 0.25 + 1, wf.Arange(1.0, 0.25, axis=-2)),
    (lambda: torch.log(torch.arange(1.0, 5.0)).repeat(3, 1), wf.LogRange()),
    (lambda: 2.0 ** -torch.arange(1.0, 9.0), wf.AlibiSlopes(-1)),
    (lambda: torch.eye(4), wf.Identity()),
    (lambda: torch.eye(5, 3) * 0.5, wf.Identity(0.5)),
    (lambda: sinusoids(6, 8), wf.Sinusoid()),
]


@pytest.mark.parametrize(("make", "expected"), TABLES)
def test_tables_are_said_by_name_where_every_bit_is_equal(make, expected):
    for found in (inits(own(make))["weight"], after(lambda w: w.copy_(make()), make().shape)):
        assert found == expected
    assert (wf.create(tuple(make().shape), expected) == make().numpy()).all()


KEPT = [
    (lambda w: w.copy_(torch.arange(24.0).view(6, 4) ** 2), None),
    (lambda w: w.t().copy_(torch.arange(24.0).view(4, 6).sqrt()), None),
    (lambda w: w.copy_(torch.tensor([0.0, 3.0, 1.0, 2.0])), (1, 4)),
    (lambda w: w.copy_(STEPS[:4]).mul_(0.1).add_(1e-3).exp_().clamp_(min=1.2), (1, 4)),
    (lambda w: w.zero_().copy_(torch.tensor([3.0, 0.0, 1.0, 2.0]).sort().values ** 2), (1, 4)),
    (lambda w: [row.fill_(i * i) for i, row in enumerate(w.view(-1))], None),
    (lambda w: (w.fill_(1), w.mul_(torch.arange(6.0)[:, None] ** 2)), (6, 1)),
    (lambda w: (w[:3].copy_(torch.arange(12.0).view(3, 4) ** 2), w[3:].copy_(w[:3])), None),
]


@pytest.mark.parametrize(("change", "shape"), KEPT)
def test_computed_numbers_are_kept_bit_by_bit(change, shape):
    found = inits(lambda: After(change), computed="keep")["weight"]
    assert isinstance(found, wf.Values)
    assert found.array.shape == (shape or (6, 4))
    theirs = After(change).weight.detach().numpy()
    assert (wf.create((6, 4), found) == theirs).all()
    assert (wf.create((6, 4), wf.Plan.from_toml(wf.Plan({"*": found}).to_toml()).rules[0].init) == theirs).all()


def test_computed_numbers_are_refused_unless_they_are_to_be_kept():
    squares = own(lambda: torch.arange(6.0) ** 2)
    assert refusal(squares) == (
        "module must have parameters that initializers describe, got 'weight', which got values that the module "
        "computes; "
        'keep the numbers by computed="keep", or pass rules={pattern: initializer} for them'
    )
    several = lambda: nn.Sequential(squares(), After(lambda w: w.copy_(torch.randn(6, 4).exp())))  # noqa: E731
    assert "'1.weight', which exp computed from a draw" in refusal(several)
    assert "got '1.weight', which exp computed from a draw; pass rules" in refusal(several, computed="keep")
    with pytest.raises(ValueError, match="computed must be one of 'refuse', 'keep', got 'all'"):
        recorded_plan(squares, computed="all")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: w.copy_(torch.full((6, 4), 1.0).index_fill(0, torch.tensor([2]), float("inf"))), "not all finite"),
        (lambda w: w.copy_(torch.tensor([1.0, 2.0, float("nan"), 0.0])), "not all finite"),
        (lambda w: w.copy_(torch.rand(6, 4).sort().values), "which sort computed from a draw"),
        (lambda w: w.copy_(torch.randperm(24).view(6, 4)), "which randperm drew"),
        (lambda w: (w.copy_(torch.arange(4.0) ** 2), w.mul_(torch.rand(6, 4))), "which mul_ computed from a draw"),
        (lambda w: w.copy_(torch.arange(4.0)).add_(torch.randn(4)), "which add_ computed from a draw"),
        (lambda w: w.bernoulli_().mul_(2), "which bernoulli_ drew"),
    ],
)
def test_what_depends_on_draws_has_no_numbers_to_keep(change, why):
    assert why in refusal(lambda: After(change), computed="keep")


def test_numbers_that_float32_rounds_are_named_but_never_taken_for_the_table():
    angles = torch.arange(64.0)[:, None] * torch.exp(-torch.arange(4.0) * (torch.log(torch.tensor(1e4)) / 3))
    whisper = own(lambda: torch.cat([angles.sin(), angles.cos()], 1))
    table = "Sinusoid(base=10000.0, form='timescales')"
    assert f"which got values that the module computes, those of {table} but for what float32 loses" in refusal(whisper)
    found = inits(whisper, computed="keep")["weight"]
    assert isinstance(found, wf.Values)
    assert (wf.create((64, 8), found) == torch.cat([angles.sin(), angles.cos()], 1).numpy()).all()
    rules = {"weight": wf.Sinusoid(form="timescales")}
    assert recorded_plan(whisper, rules=rules)[1].rules[0].init == rules["weight"]


def test_equal_tables_of_all_layers_are_one_rule():
    build = lambda: nn.Sequential(*(own(lambda: torch.arange(6.0) ** 2)() for _ in range(4)))  # noqa: E731
    model, plan = recorded_plan(build, computed="keep")
    assert [rule.pattern for rule in plan.rules] == ["*.weight"]
    assert wt.verify(wt.materialize(model, plan), plan)


def test_kept_numbers_are_copies():
    """Of memory that is written again after it was copied from."""

    def change(w):
        numbers = torch.arange(4.0) ** 2
        w.copy_(numbers)
        numbers.fill_(7)

    assert (wf.create((6, 4), inits(lambda: After(change), computed="keep")["weight"])[0] == [0, 1, 4, 9]).all()


def test_the_inverse_softplus_of_time_steps_is_said():
    """As in Mamba, of a tensor that becomes the bias, and as in Kimi, of the bias itself."""
    low, high = torch.log(torch.tensor(1e-3)).item(), torch.log(torch.tensor(1e-1)).item()

    def mamba(w):
        dt = torch.exp(torch.rand(6) * (high - low) + low).clamp(min=1e-4)
        w.copy_(dt + torch.log(-torch.expm1(-dt)))

    def kimi(w):
        nn.init.uniform_(w, low, high)
        dt = w.exp().clamp_min(1e-4)
        w.copy_(dt + torch.log(-torch.expm1(-dt)))

    for change in (mamba, kimi):
        found = after(change, (6,))
        assert found.then == "inverse_softplus"
        assert (found.low, found.high) == pytest.approx((1e-3, 1e-1), rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda dt, w: w.copy_(dt + torch.log(-torch.expm1(dt))),
        lambda dt, w: w.copy_(dt + torch.log(-torch.expm1(-torch.rand(6).exp()))),
        lambda dt, w: w.copy_(dt + torch.log(-torch.expm1(-dt * 2))),
        lambda dt, w: w.copy_(dt.flip(0) + torch.log(-torch.expm1(-dt))),
        lambda dt, w: w.copy_(dt.clamp(min=1.5) + torch.log(-torch.expm1(-dt))),
        lambda dt, w: w.copy_(torch.log(-torch.expm1(-dt))),
    ],
)
def test_other_formulas_are_not_taken_for_it(change):
    assert "computed from a draw" in refusal(lambda: After(lambda w: change(torch.rand(6).exp(), w), (6,)))


def test_clamps_beyond_the_ends_of_a_draw_change_nothing():
    assert after(lambda w: w.uniform_(-1, 1).clamp_(-1, 2)) == wf.Uniform(-1.0, 1.0)
    assert after(lambda w: w.uniform_(-1, 1).exp_().clamp_(max=3)).high == pytest.approx(2.718281828459045)
    assert "which clamp" in refusal(lambda: After(lambda w: w.uniform_(-1, 1).clamp_(-0.5, 2)))
    assert "which clamp" in refusal(lambda: After(lambda w: w.normal_().clamp_(-9, 9)))


def test_empty_parameters_are_zeros():
    assert inits(own(lambda: torch.randn(1, 0, 4)))["weight"] == wf.Zeros()
    assert after(nn.init.trunc_normal_, (1, 0, 4)) == wf.Zeros()
