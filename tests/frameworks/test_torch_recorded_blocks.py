"""Recorded tensors whose parts were drawn one by one: as blocks of an axis, each with its own fans."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
stats = pytest.importorskip("scipy.stats")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, after, inits, own, recorded_plan, refusal  # noqa: E402

I = nn.init  # noqa: E741
N, N2 = wf.Normal(), wf.Normal(std=2.0)


def mixed(w):
    I.kaiming_normal_(w[:2])
    I.orthogonal_(w[2:5])
    I.constant_(w[5:], 3)


def nested(w):
    w.normal_()
    w[:3, :2].zero_()
    w[:3, 2:].normal_(std=2)


BLOCKS = [
    (lambda w: [I.xavier_uniform_(part) for part in w.chunk(2)], wf.Blocks(wf.XavierUniform(), 2)),
    (lambda w: [I.xavier_normal_(part) for part in w.split([1, 3], dim=1)], wf.Blocks(wf.XavierNormal(), (1, 3), 1)),
    (lambda w: [I.orthogonal_(part) for part in w.chunk(3)], wf.Blocks(wf.Orthogonal(), 3)),
    (lambda w: [I.sparse_(part, 0.5) for part in w.chunk(3)], wf.Blocks(wf.Sparse(1, 0.01, axis=0), 3)),
    (lambda w: (w.normal_(), w[2:].normal_(std=2)), wf.Blocks((N, N2), (2, 4))),
    (lambda w: (w.normal_(), w[2].fill_(1)), wf.Blocks((N, wf.Ones(), N), (2, 1, 3))),
    (lambda w: (w.normal_(), w[:, 2].zero_()), wf.Blocks((N, wf.Zeros(), N), (2, 1, 1), 1)),
    (lambda w: (w.zero_(), w[1].fill_(1)), wf.Blocks((wf.Zeros(), wf.Ones(), wf.Zeros()), (1, 1, 4))),
    (lambda w: (w.zero_(), w[:3].fill_(1)), wf.Blocks((wf.Ones(), wf.Zeros()), 2)),
    (lambda w: [part.normal_(std=2) for part in w.chunk(3)], N2),
    (lambda w: w.copy_(torch.cat([torch.randn(2, 4), torch.ones(4, 4)])), wf.Blocks((N, wf.Ones()), (2, 4))),
    (
        lambda w: w.copy_(torch.cat([I.orthogonal_(torch.empty(6, 2)) for _ in range(2)], 1)),
        wf.Blocks(wf.Orthogonal(), 2, 1),
    ),
    (lambda w: w.copy_(torch.stack([torch.randn(4) for _ in range(6)])), N),
    (mixed, wf.Blocks((wf.KaimingNormal(), wf.Orthogonal(), wf.Constant(3)), (2, 3, 1))),
    (nested, wf.Blocks((wf.Blocks((wf.Zeros(), N2), 2, 1), N), 2)),
    (
        lambda w: (w.uniform_(), w[:2].mul_(2), w[2:].sub_(3)),
        wf.Blocks((wf.Uniform(0.0, 2.0), wf.Uniform(-3.0, -2.0)), (2, 4)),
    ),
    (
        lambda w: (I.xavier_uniform_(w[:2]), I.xavier_uniform_(w[2:]).mul_(0.5)),
        wf.Blocks((wf.XavierUniform(), wf.Scaled(wf.XavierUniform(), 0.5)), (2, 4)),
    ),
]


@pytest.mark.parametrize(("change", "expected"), BLOCKS)
def test_parts_along_an_axis_are_blocks(change, expected):
    assert after(change) == expected


@pytest.mark.parametrize(("change", "expected"), BLOCKS)
def test_blocks_have_the_distributions_of_torch(change, expected):
    """Column by column and row by row, so that no part stands for another."""
    torch.manual_seed(1)
    theirs = np.stack([After(change).weight.detach().numpy() for _ in range(200)])
    ours = np.stack([wf.create((6, 4), expected, seed=seed, stream="weight") for seed in range(200)])
    for row in range(6):
        for column in range(4):
            drawn, made = theirs[:, row, column], ours[:, row, column]
            assert stats.ks_2samp(drawn, made, method="asymp").pvalue > 1e-5, (row, column)
            assert np.ptp(drawn) or (drawn == made).all()


def test_experts_that_are_drawn_one_by_one_have_the_fans_of_a_matrix():
    found = after(lambda w: [I.xavier_uniform_(expert) for expert in w], (5, 6, 4))
    assert found == wf.XavierUniform(layout=wf.Layout(2, 1, 0))
    assert found.law((5, 6, 4)) == wf.XavierUniform().law((6, 4))
    assert "whose parts have different distributions" in refusal(
        lambda: After(lambda w: [I.orthogonal_(expert) for expert in w], (5, 6, 4))
    )


class Gates(nn.LSTM):
    """An LSTM as many initialize it: orthogonal by gate, the bias of the forget gate 1."""

    def reset_parameters(self):
        for name, param in self.named_parameters():
            if "weight_hh" in name:
                for gate in param.chunk(4):
                    I.orthogonal_(gate)
            elif "weight_ih" in name:
                for gate in param.chunk(4):
                    I.xavier_uniform_(gate)
            else:
                I.zeros_(param)
                if "bias_ih" in name:
                    I.ones_(param[self.hidden_size : 2 * self.hidden_size])


def test_gates_of_an_lstm_are_blocks():
    model, plan = recorded_plan(lambda: Gates(16, 32))
    forget = wf.Blocks((wf.Zeros(), wf.Ones(), wf.Zeros()), (32, 32, 64))
    assert {rule.pattern: rule.init for rule in plan.rules} == {
        "weight_hh_l0": wf.Blocks(wf.Orthogonal(), 4),
        "weight_ih_l0": wf.Blocks(wf.XavierUniform(), 4),
        "bias_ih_l0": forget,
        "bias_hh_l0": wf.Zeros(),
    }
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    wt.materialize(model, plan)
    gate = model.weight_hh_l0.detach()[32:64]
    torch.testing.assert_close(gate @ gate.T, torch.eye(32))
    assert wt.verify(model, plan)


def test_few_rows_of_zeros_are_padding_and_many_are_a_block():
    assert after(lambda w: (w.normal_(), w[:8].zero_()), (20, 4)) == wf.Padded(N, tuple(range(8)))
    assert after(lambda w: (w.normal_(), w[:9].zero_()), (20, 4)) == wf.Blocks((wf.Zeros(), N), (9, 11))


def test_structure_of_a_transposed_view_is_not_taken_for_that_of_the_tensor():
    def transposed():
        weight = torch.empty(4, 4)
        I.sparse_(weight, 0.5)
        return weight.t()

    assert "whose parts have different distributions" in refusal(own(transposed))


def test_parts_of_a_structured_draw_are_refused():
    for change in (
        lambda w: (I.orthogonal_(w), w[:3].normal_()),
        lambda w: (I.orthogonal_(w), w[:3].fill_(2)),
        lambda w: (I.sparse_(w, 0.5), w[:, 1:].normal_()),
    ):
        assert "module must have parameters that initializers describe, got 'weight', " in refusal(
            lambda c=change: After(c)
        )


def test_parts_that_are_copies_of_other_parameters_are_still_copies():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Parameter(torch.randn(3, 4))
            self.second = nn.Parameter(torch.empty(6, 4))
            with torch.no_grad():
                self.second[:3].copy_(self.first)
                self.second[3:].normal_(std=2)

    assert "'second', a copy of 'first'" in refusal(Shared)
    assert inits(Shared, copies="draw")["second"] == wf.Blocks((N, N2), 2)
