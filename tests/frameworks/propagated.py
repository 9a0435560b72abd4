"""Models that tests of propagation measure, and what must not change of them."""

from itertools import pairwise

import torch
from torch import nn

import weightfill as wf

HE = wf.Plan({"*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=1)


def batch_of(*shape, dtype=torch.float32):
    return torch.from_numpy(wf.create(shape, wf.Normal(), seed=3, stream="batch")).to(dtype)


def mlp(*sizes, activation=nn.ReLU):
    return nn.Sequential(*(part for pair in pairwise(sizes) for part in (nn.Linear(*pair), activation())))


class Net(nn.Module):
    """A model of parts, whose forward pass is a function."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._run = forward

    def forward(self, *args, **kwargs):
        return self._run(self, *args, **kwargs)


def hooks_in(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs")
    return [hook for part in model.modules() for kind in kinds for hook in getattr(part, kind)]


def state_of(model):
    """What must not change: values, gradients, flags, modes, random generators, hooks, and who is whose."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return (
        {name: (id(t), t.detach().clone().reshape(-1).view(torch.uint8).tolist()) for name, t in tensors.items()},
        {
            name: (t.requires_grad, None if t.grad is None else (id(t.grad), t.grad.tolist()))
            for name, t in tensors.items()
        },
        [part.training for part in model.modules()],
        torch.get_rng_state().tolist(),
        hooks_in(model),
        {name: len(t._backward_hooks or ()) for name, t in tensors.items()},
    )
