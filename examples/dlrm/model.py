"""The parameters of DLRM as facebookresearch/dlrm initializes them, which draws with NumPy, so no recording sees it.

Naumov et al., "Deep learning recommendation model for personalization and recommendation systems", 2019.
"""

import math
from collections.abc import Sequence

from torch import nn


class DLRM(nn.Module):
    """Tables of embeddings and two stacks of linear layers, without what a forward pass needs.

    Args:
        rows: distinct values of each categorical feature.
        width: size of an embedding.
        dense: number of dense features.
        bottom: outputs of the layers that dense features pass.
        top: outputs of the layers that products of embeddings pass.
    """

    def __init__(self, rows: Sequence[int], width: int, dense: int, bottom: Sequence[int], top: Sequence[int]) -> None:
        super().__init__()
        self.emb_l = nn.ModuleList(_table(count, width) for count in rows)
        self.bot_l = _layers(dense, bottom, nn.ReLU)
        pairs = math.comb(len(rows) + 1, 2)  # of the tables' rows and the bottom's output
        self.top_l = _layers(width + pairs, top, nn.ReLU)


def _table(rows: int, width: int) -> nn.EmbeddingBag:
    """As create_emb of dlrm_s_pytorch.py."""
    table = nn.EmbeddingBag(rows, width, mode="sum")
    bound = math.sqrt(1 / rows)
    nn.init.uniform_(table.weight, -bound, bound)
    return table


def _layers(inputs: int, sizes: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """As create_mlp of dlrm_s_pytorch.py."""
    layers = []
    for outputs in sizes:
        linear = nn.Linear(inputs, outputs)
        nn.init.xavier_normal_(linear.weight)  # std sqrt(2 / (outputs + inputs))
        nn.init.normal_(linear.bias, std=math.sqrt(1 / outputs))
        layers += [linear, activation()]
        inputs = outputs
    return nn.Sequential(*layers)
