import math
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, after, inits, law, own, refusal  # noqa: E402


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


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda w: None, "which was never written"),
        (lambda w: w[0].normal_(), "which was never written"),
        (lambda w: w.normal_().exp_(), "which exp_ computed from a draw"),
        (lambda w: w.normal_().clamp_(-1, 1), "which clamp computed from a draw"),
        (lambda w: w.normal_().mul_(torch.arange(4.0)), "which mul_ computed from a draw"),
        (lambda w: w.copy_(torch.randn(6, 4).abs()), "which abs computed from a draw"),
        (
            lambda w: w.normal_().masked_fill_(torch.eye(6, 4, dtype=torch.bool), 0),
            "which masked_fill_ computed from a draw",
        ),
        (lambda w: w.normal_().index_fill_(0, torch.tensor([1]), 0), "which index_fill_ computed from a draw"),
        (lambda w: (w.normal_(), w.view(-1)[3:9].fill_(0)), "which was written through a view that is no box of it"),
        (lambda w: w.exponential_(), "which exponential_ drew"),
        (lambda w: w.copy_(torch.rand(6, 4).bernoulli()), "which bernoulli drew"),
        (lambda w: w.copy_(torch.distributions.Gamma(torch.ones(6, 4), 1.0).sample()), "computed from a draw"),
        (lambda w: w.copy_(torch.randint(3, (6, 4))), "which randint drew"),
        (lambda w: w.copy_(nn.functional.dropout(torch.ones(6, 4))), "computed from a draw"),
        (lambda w: w.copy_(torch.randn(6, 4).tril()), "which tril computed from a draw"),
        (lambda w: w.bernoulli_(), "which bernoulli_ drew"),
        (lambda w: w.uniform_().log_(), "which log_ computed from a draw"),
        (lambda w: w.copy_(torch.randn(6, 1).expand(6, 4)), "which expand computed from a draw"),
        (lambda w: w.copy_(torch.randn(6, 1)), "which copy_ computed from a draw"),
        (lambda w: (w.normal_(), w[3:].copy_(w[:3])), "part of which is a copy of another part"),
        (lambda w: w.copy_(torch.cat([torch.randn(3, 4)] * 2)), "part of which is a copy of another part"),
        (lambda w: w.fill_(math.inf), "which is infinite"),
        (lambda w: w.fill_(math.nan), "which is NaN"),
        (lambda w: I.sparse_(w.t(), 0.5), "in another order"),
        (lambda w: w.view(torch.int32).fill_(1), "which was written as another dtype"),
    ],
)
def test_what_no_plan_says_is_refused_by_name_and_operation(change, why):
    text = refusal(lambda: nn.Sequential(nn.Linear(3, 3), After(change)))
    assert text.startswith("module must have parameters that initializers describe, got '1.weight', ")
    assert why in text.replace("clamp_ ", "clamp ")
    assert text.endswith("; pass rules={pattern: initializer} for them")


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


def test_data_is_torchs_again_after_the_block_and_for_other_threads():
    found = []

    def elsewhere():
        tensor = torch.zeros(3)
        tensor.data = torch.ones(2)
        found.append(tensor)

    with wt.recording():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert torch.empty(2).data.shape == (2,)
        with pytest.raises(TypeError):
            torch.empty(2).data = "text"
    assert found[0].tolist() == [1, 1]
    assert "data" not in vars(torch.Tensor)
    with pytest.raises(KeyError), wt.recording():
        raise KeyError
    assert "data" not in vars(torch.Tensor)


def test_a_write_to_all_of_a_part_hides_what_was_written_there_before():
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            memory = torch.empty(10, 4)
            self.first, self.second = nn.Parameter(memory[:6]), nn.Parameter(memory[6:])
            memory.normal_()
            memory.view(-1)[3:9].fill_(0)  # no box of the first
            self.second.data.mul_(2)
            nn.init.uniform_(self.first)
            self.first.data.mul_(0.5)

    assert inits(Part) == {"first": wf.Uniform(0, 0.5), "second": wf.Normal(std=2)}


def test_a_constant_over_parts_of_others_is_computed_with():
    def change(weight):
        scale = torch.empty(4, device="meta")
        scale[:2].fill_(3)
        scale[1:].fill_(5)
        scale.fill_(2)
        weight.copy_(torch.sqrt(scale * 2))

    assert after(change) == wf.Constant(2)
