"""Modules and plans that several files of tests fill."""

import torch
from torch import nn

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill.torch._views import array_of

PLAN = wf.Plan({"*norm*weight": wf.Ones(), "*bias*": wf.Zeros(), "*": wf.KaimingNormal()}, seed=42)


def on_meta(build, *args, **kwargs):
    with torch.device("meta"):
        return build(*args, **kwargs)


def compiled(module):
    return torch.compile(module, backend="eager")


def assert_made_by(module, plan):
    """Compare every parameter with what weightfill makes of its shape, dtype and name alone."""
    for name, param in module.named_parameters():
        array = array_of(param)
        init = plan.rule(name).init
        assert_same_bits(array, wf.create(array.shape, init, seed=plan.seed, stream=name, dtype=array.dtype))


class Tied(nn.Module):
    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.embedding = nn.Embedding(11, 6, dtype=dtype)
        self.layers = nn.Sequential(nn.Linear(6, 6, dtype=dtype), nn.LayerNorm(6, dtype=dtype))
        self.norm = nn.LayerNorm(6, dtype=dtype)
        self.head = nn.Linear(6, 11, bias=False, dtype=dtype)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(self.norm(self.layers[0](self.embedding(ids))))


TIED_PLAN = wf.Plan(
    {"*norm.weight": wf.Ones(), "*.1.weight": wf.Ones(), "*.bias": wf.Zeros(), "*": wf.XavierUniform()}, seed=7
)
