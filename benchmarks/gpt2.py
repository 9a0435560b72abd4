"""The parameters of GPT-2, as Hugging Face names them."""

from __future__ import annotations

import math

Shapes = dict[str, tuple[int, ...]]


def shapes(layers: int = 48, width: int = 1600, vocabulary: int = 50257, context: int = 1024) -> Shapes:
    """Return the shapes of all parameters; those of GPT-2 XL if left out: 580 tensors, 1.56e9 elements."""
    found: Shapes = {"wte.weight": (vocabulary, width), "wpe.weight": (context, width)}
    inside = {
        "ln_1": (width,),
        "attn.c_attn": (width, 3 * width),
        "attn.c_proj": (width, width),
        "ln_2": (width,),
        "mlp.c_fc": (width, 4 * width),
        "mlp.c_proj": (4 * width, width),
    }
    for layer in range(layers):
        for name, shape in inside.items():
            found[f"h.{layer}.{name}.weight"] = shape
            found[f"h.{layer}.{name}.bias"] = shape[-1:]
    return found | {"ln_f.weight": (width,), "ln_f.bias": (width,)}


def elements(found: Shapes) -> int:
    """Return the number of elements of all parameters."""
    return sum(map(math.prod, found.values()))
