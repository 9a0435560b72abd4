"""A torch module of the shape of GPT-2, with the initialization that it is published with."""

from __future__ import annotations

import math

import torch
from torch import nn

STD = 0.02


class Block(nn.Module):
    """Attention and a multilayer perceptron, each after a norm and beside a residual stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})


class GPT2(nn.Module):
    """The parameters of GPT-2: torch's layers initialize themselves, then everything is drawn as the paper has it."""

    def __init__(self, layers: int = 12, width: int = 768, vocabulary: int = 50257, context: int = 1024) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.h = nn.ModuleList(Block(width) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.apply(_draw)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=STD / math.sqrt(2 * layers))


def _draw(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def elements(module: nn.Module) -> int:
    """Return the number of elements of all parameters."""
    return sum(torch.numel(parameter) for parameter in module.parameters())
