"""Random programs that initialize parameters: a plan has what they draw, or is refused."""

import math
from random import Random

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import init  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402

SHAPES = [(4, 4), (6, 4), (3, 5), (6,), (2, 3, 2)]
NUMBERS = [0.0, 0.5, 2.0, -1.5, 3.0]
BUILDS = 40
FAR = 7  # standard errors


def part(tensor, random):
    """Return a random view of a tensor."""
    axis = random.randrange(tensor.ndim)
    match random.randrange(5):
        case 0:
            return tensor.narrow(axis, 1, tensor.shape[axis] - 1)
        case 1:
            return tensor.transpose(0, axis)
        case 2:
            return tensor[(slice(None),) * axis + (slice(0, None, 2),)]
        case 3:
            return tensor.chunk(2, axis)[0]
    return tensor


def drawn(shape, random):
    number = random.choice(NUMBERS)
    match random.randrange(5):
        case 0:
            return torch.randn(shape) * number
        case 1:
            return torch.rand(shape) - number
        case 2:
            return torch.full(shape, number)
        case 3:
            return torch.normal(number, 1.0, shape)
    return torch.linspace(0, 1, math.prod(shape)).reshape(shape)


def initialize(tensor, random):
    if tensor.ndim < 2:
        init.trunc_normal_(tensor, std=random.choice([0.5, 2.0]))
        return
    scheme = random.choice(["xavier_normal_", "kaiming_uniform_", "orthogonal_", "sparse_", "eye_", "normal_"])
    if tensor.ndim == 2 or scheme in ("xavier_normal_", "kaiming_uniform_", "normal_"):
        getattr(init, scheme)(tensor, *([0.5] if scheme == "sparse_" else []))


def change(weights, random):
    weight = random.choice(weights).data
    tensor, number = part(weight, random), random.choice(NUMBERS)
    match random.randrange(16):
        case 0:
            tensor.normal_(number, 0.5)
        case 1:
            tensor.uniform_(-1, abs(number))
        case 2:
            tensor.mul_(number)
        case 3:
            tensor.add_(number, alpha=2)
        case 4:
            tensor.div_(3)
        case 5:
            tensor.clamp_(min=0)
        case 6:
            tensor.copy_(drawn(tuple(tensor.shape), random))
        case 7:
            tensor[random.randrange(tensor.shape[0])] = number
        case 8:
            tensor.bernoulli_(0.5)
        case 9:
            other = part(random.choice(weights).data, random)
            if other.shape == tensor.shape:
                tensor.copy_(other)
        case 10:
            tensor.copy_(torch.empty(tensor.shape, dtype=torch.int64).copy_(tensor))
        case 11:
            torch.mul(tensor, number, out=tensor)
        case 12:
            tensor.masked_fill_(torch.rand(tensor.shape) < 0.5, number)
        case 13:
            tensor.fill_(float(torch.rand(())))
        case _:
            initialize(tensor, random)


def program(seed):
    """Return the module that a program builds: the same writes each time, of other random numbers."""
    random, module = Random(seed), nn.Module()
    with torch.no_grad():
        for i in range(random.randint(1, 2)):
            shape = random.choice(SHAPES)
            weight = torch.empty(shape) if random.random() < 0.5 else drawn(shape, random)
            module.register_parameter(f"weight{i}", nn.Parameter(weight))
            if random.random() < 0.5:
                initialize(getattr(module, f"weight{i}"), random)
        weights = list(module.parameters())
        for _ in range(random.randint(0, 3)):
            change(weights, random)
    return module


def plan_of(seed):
    """Return the plan of a program, and the shapes by name; None where it is refused."""
    try:
        with wt.recording() as recorded:
            module = program(seed)
        plan = recorded.plan(module, seed=0)
    except RuntimeError as error:
        assert "looks at values that are drawn" in str(error)  # noqa: PT017
        return None
    except ValueError as error:
        assert "module must have parameters that initializers describe" in str(error)  # noqa: PT017
        return None
    return plan, {name: tuple(weight.shape) for name, weight in module.named_parameters()}


def built(seed):
    for i in range(BUILDS):
        torch.manual_seed(i)
        yield torch.cat([weight.detach().reshape(-1) for weight in program(seed).parameters()]).double().numpy()


def planned(plan, shapes):
    for i in range(BUILDS):
        yield np.concatenate(
            [wf.create(shape, plan.rule(name).init, seed=i, stream=name).reshape(-1) for name, shape in shapes.items()]
        ).astype(np.float64)


@pytest.mark.parametrize("seeds", [range(first, first + 20) for first in range(0, 60, 20)])
def test_plans_have_what_programs_draw(seeds):
    compared = 0
    for seed in seeds:
        found = plan_of(seed)
        if found is None:
            continue
        with torch.random.fork_rng():
            theirs = np.array(list(built(seed)))
        ours = np.array(list(planned(*found)))
        constant = np.ptp(theirs, axis=0) == 0
        np.testing.assert_array_equal(np.ptp(ours, axis=0) == 0, constant, err_msg=f"program {seed}")
        np.testing.assert_array_equal(ours[0, constant], theirs[0, constant], err_msg=f"program {seed}")
        ours, theirs = ours[:, ~constant], theirs[:, ~constant]
        error = np.sqrt((ours.var(0) + theirs.var(0)) / BUILDS)
        assert (np.abs(ours.mean(0) - theirs.mean(0)) < FAR * error).all(), f"program {seed}"
        assert (np.abs(np.log(ours.std(0) / theirs.std(0))) < FAR / np.sqrt(BUILDS)).all(), f"program {seed}"
        compared += 1
    assert compared > 3
