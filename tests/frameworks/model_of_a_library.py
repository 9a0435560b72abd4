"""A model as libraries write them: weights drawn by methods of tensors, and by a copy of an older trunc_normal_."""

import math
import warnings

import torch
from torch import nn


def _by_quantiles(tensor, mean, std, a, b):
    def below(x):
        return (1 + math.erf((x - mean) / (std * math.sqrt(2)))) / 2

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("mean is more than 2 std from [a, b]", stacklevel=2)
    tensor.uniform_(2 * below(a) - 1, 2 * below(b) - 1)
    tensor.erfinv_()
    tensor.mul_(std * math.sqrt(2))
    tensor.add_(mean)
    return tensor.clamp_(a, b)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
    """Has its bounds as values."""
    with torch.no_grad():
        return _by_quantiles(tensor, mean, std, a, b)


def trunc_normal_tf_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
    """Has its bounds in standard deviations."""
    with torch.no_grad():
        _by_quantiles(tensor, 0, 1.0, a, b)
        return tensor.mul_(std).add_(mean)


class Model(nn.Module):
    """Every parameter is drawn in another way."""

    def __init__(self, size=64):
        super().__init__()
        for name in ("data_uniform", "data_normal", "normal", "truncated", "scaled", "linear"):
            self.register_parameter(name, nn.Parameter(torch.empty(size, size)))
        self.data_uniform.data.uniform_(-0.1, 0.1)
        self.data_normal.data.normal_(mean=0.0, std=0.02)
        with torch.no_grad():
            self.normal.normal_(std=0.02)
        trunc_normal_(self.truncated, std=0.02)
        trunc_normal_tf_(self.scaled, std=0.02)
        nn.init.xavier_uniform_(self.linear)
