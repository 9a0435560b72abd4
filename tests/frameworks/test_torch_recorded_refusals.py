"""Initializations that a recording must not take for others: what nobody can say is refused, never guessed."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import init  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, after, inits, own, recorded_plan, refusal  # noqa: E402


@pytest.mark.parametrize(
    ("look", "name"),
    [
        (lambda drawn: torch.full((3,), drawn.max().item()), "item"),
        (lambda drawn: torch.full((3,), float(drawn[0])), "item"),
        (lambda drawn: torch.zeros(3) if drawn[0] < 0 else torch.ones(3), "item"),
        (lambda drawn: torch.full((3,), drawn[0]), "item"),
        (lambda drawn: torch.tensor(drawn.tolist()), "tolist"),
        (lambda drawn: torch.tensor(drawn.numpy()), "numpy"),
        (lambda drawn: torch.tensor(np.asarray(drawn)), "numpy"),
        (lambda drawn: torch.zeros(3) if torch.equal(drawn, drawn * 2) else torch.ones(3), "equal"),
    ],
)
def test_code_that_looks_at_small_drawn_tensors_is_an_error(look, name):
    message = f"recording\\(\\) must not have code that looks at values that are drawn, got {name};"
    with pytest.raises(RuntimeError, match=message):
        inits(own(lambda: look(torch.randn(3))))


def test_code_may_look_at_values_that_are_not_drawn():
    def make():
        steps = torch.linspace(0, 1, 3)
        numbers = torch.empty(3).numpy()
        numbers[:] = 2
        return torch.full((3,), float(steps[-1]) + steps.tolist()[1] + float(steps.numpy()[1]) + numbers[0] - 2)

    assert inits(own(make)) == {"weight": wf.Constant(2.0)}
    drawn = lambda: init.trunc_normal_(torch.empty(3), 0.0, 1.0, -1.0, 1.0)  # noqa: E731  # looks whether to go on
    assert inits(own(drawn)) == {"weight": wf.TruncatedNormal(0.0, 1.0, low=-1.0, high=1.0)}


def test_tensors_have_their_methods_again():
    with wt.recording():
        assert "numpy" in vars(torch.Tensor)
    assert not {"numpy", "tolist"} & vars(torch.Tensor).keys()


def test_a_tensor_from_before_the_block_that_is_drawn_within_is_drawn():
    older = torch.zeros(6, 4)
    assert after(lambda weight: weight.copy_(older.normal_(std=0.5))) == wf.Normal(std=0.5)
    older.fill_(2)
    assert after(lambda weight: weight.copy_(older)) == wf.Constant(2.0)
    parameter = nn.Parameter(torch.zeros(3))
    assert "which was not made within the block" in refusal(own(lambda: parameter.detach().uniform_()))
    with wt.recording():
        init.normal_(parameter)
    assert not parameter.is_meta


def test_draws_that_become_integers_are_no_draws():
    def change(weight):
        weight.normal_(std=10)
        weight.copy_(torch.empty(6, 4, dtype=torch.int64).copy_(weight))

    assert "which copy_ computed from a draw" in refusal(lambda: After(change))


def matrix(name, *arguments):
    with torch.no_grad():
        return getattr(init, name)(nn.Parameter(torch.empty(4, 4)), *arguments)


class Copied(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 4))
        change(self.weight.data)


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.t().copy_(matrix("sparse_", 0.5)),
        lambda weight: weight[:2].copy_(matrix("eye_")[2:]),
        lambda weight: weight[2:].copy_(matrix("eye_")[:2]),
    ],
)
def test_whole_draws_in_other_places_are_refused(change):
    assert "'weight', " in refusal(lambda: Copied(change))


def test_whole_draws_in_their_places_are_said():
    assert inits(lambda: Copied(lambda weight: weight.copy_(matrix("eye_")))) == {"weight": wf.Identity()}


def as_bytes(drawn):
    drawn.view(torch.int8)[28:].zero_()
    return drawn


def overlapping(drawn):
    drawn.as_strided((4, 2), (1, 1)).fill_(3)
    return drawn


@pytest.mark.parametrize(
    ("write", "why"),
    [(as_bytes, "written as another dtype"), (overlapping, "through a view that is no box")],
)
def test_writes_through_odd_views_hide_no_draws(write, why):
    assert why in refusal(own(lambda: write(torch.randn(8))), computed="keep")


def test_constants_lose_the_digits_that_another_dtype_has_not():
    def make():
        return nn.Parameter(torch.full((4,), 0.1)).bfloat16().float()

    module, plan = recorded_plan(own(make))
    wt.materialize(module, plan)
    assert torch.equal(module.weight, torch.full((4,), 0.1).bfloat16().float())


@pytest.mark.parametrize("make", [torch.zeros, torch.ones, torch.rand, torch.randn])
def test_out_is_a_parameter_or_a_draw(make):
    expected = {torch.zeros: "zeros", torch.ones: "ones"}
    if make in expected:
        assert f"which {expected[make]} computed" in refusal(lambda: After(lambda weight: make(6, 4, out=weight.data)))
    else:
        assert after(lambda weight: make(6, 4, out=weight.data)) == (
            wf.Uniform() if make is torch.rand else wf.Normal()
        )


def test_operations_whose_result_is_their_own_argument():
    assert "which mul computed" in refusal(lambda: After(lambda weight: torch.mul(weight.normal_(), 2, out=weight)))
    assert after(lambda weight: torch.mul(weight.fill_(1), 2, out=weight)) == wf.Constant(2.0)


def test_swapped_parameters_have_what_is_in_memory():
    class Swapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3))
            self.bias = nn.Parameter(torch.randn(3))
            torch.utils.swap_tensors(self.weight, nn.Parameter(torch.full((3,), 2.0)))
            torch.utils.swap_tensors(self.bias, nn.Parameter(torch.randn(3) * 2))

    assert inits(Swapped) == {"weight": wf.Constant(2.0), "bias": wf.Normal(std=2.0)}


def test_old_empty_tensors_are_joined_along_any_axis():
    assert inits(own(lambda: torch.cat([torch.empty(0), torch.randn(2, 3)], 1))) == {"weight": wf.Normal()}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("orthogonal_", (-1,)), ("orthogonal_", (0,)), ("trunc_normal_", (0, -1)), ("trunc_normal_", (0, 1, 2, -2))],
)
def test_odd_numbers_do_not_leave_what_was_there_before(name, arguments):
    def change(weight):
        init.ones_(weight)
        getattr(init, name)(weight, *arguments)

    why = refusal(lambda: After(change))  # torch 2.5 goes through their operations on meta, too
    ways = f"{name} draws as no initializer does", "mul_ computed from a draw", "erfinv_ computed from a draw"
    assert any(f"got 'weight', which {way}; " in why for way in ways)


@pytest.mark.parametrize(
    ("name", "shape", "arguments"),
    [
        ("orthogonal_", (4,), ()),
        ("xavier_normal_", (4,), ()),
        ("eye_", (2, 2, 2), ()),
        ("kaiming_uniform_", (3, 3), (0, "fan_avg")),
    ],
)
def test_what_torch_refuses_leaves_what_was_there_before(name, shape, arguments):
    def change(weight):
        init.ones_(weight)
        with pytest.raises(ValueError, match="Only tensors with|Fan in and fan out|Mode fan_avg not"):
            getattr(init, name)(weight, *arguments)

    assert after(change, shape) == wf.Ones()
