"""`weightfill pretrain`: train a stack of sigmoid layers without labels, and write it into a checkpoint."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weightfill._arguments.messages import printable
from weightfill._cli import numbers
from weightfill._cli.options import (
    OUTPUT,
    VALUES,
    WHAT,
    Force,
    Json,
    count_option,
    file_name,
    file_option,
    named_as_options,
    option,
)
from weightfill._cli.outputs import check_suffix
from weightfill._files.hidden_files import check_replaceable
from weightfill._files.npy import open_npy

if TYPE_CHECKING:
    from weightfill.signals import Pretrained

EXAMPLES = """**Examples**

```
weightfill pretrain --digits --layers 64,100x2 --seed 42 --out stack.safetensors
weightfill pretrain images.npy --layers 784,500,250 --seed 42 --epochs 20 --batch 100 --out stack.safetensors
```
"""


def pretrain(
    layers: Annotated[
        str,
        option("--layers", "Units of the data and of each layer; 100x2 is two layers of 100.", WHAT, str, "<64,100x2>"),
    ],
    seed: Annotated[int, option("--seed", "Random seed, 0 to 2^64 - 1.", VALUES, numbers.seed, "<n>")],
    out: Annotated[str, file_option("--out", "The checkpoint to write.", OUTPUT, "<file.safetensors>")],
    data: Annotated[
        str | None,
        typer.Argument(
            help="Samples with values in [0, 1]: an array of shape (samples, units).",
            metavar="<file.npy>",
            parser=file_name,
        ),
    ] = None,
    digits: Annotated[
        bool, option("--digits", "Train on scikit-learn's handwritten digits, 64 units, instead of a file.", WHAT)
    ] = False,
    epochs: Annotated[int, count_option("--epochs", "Passes over the data for each layer.", VALUES, "10")] = 10,
    rate: Annotated[float, option("--rate", "Learning rate.", VALUES, numbers.real, "<x>", "0.06")] = 0.06,
    batch: Annotated[int, count_option("--batch", "Samples for each update.", VALUES, "10")] = 10,
    force: Force = False,
    as_json: Json = False,
) -> int:
    """Train a stack of sigmoid layers without labels, one layer after the other, and write it into a checkpoint.

    Each layer is a restricted Boltzmann machine of scikit-learn, trained by persistent contrastive divergence. The
    tensors are called 0.weight, 0.bias, 2.weight and so on, as in torch's Sequential(Linear, Sigmoid, ...): a start for
    fine-tuning with labels. The same seed gives the same bits on the same machine.

    The table shows, before and after training, the reconstruction error (smaller is better) and the log of the
    pseudo-likelihood (larger is better).
    """
    check_suffix("--out", out, ".safetensors")
    if digits == (data is not None):
        raise ValueError(f"pretrain must be given a file or --digits, got {'both' if digits else 'neither'}")
    check_replaceable(out, force)
    began = time.perf_counter()
    with named_as_options(_OPTIONS):
        found = _trained(layers, data, seed=seed, epochs=epochs, rate=rate, batch=batch)
    seconds = time.perf_counter() - began
    file = str(found.write(out, replace=force))
    if as_json:
        print(json.dumps({"file": file, **json.loads(found.to_json()), "seconds": seconds}))
        return 0
    print(found)
    print(f"{printable(file)}: {len(found)} tensors, {seconds:.1f} s")
    return 0


def _trained(layers: str, path: str | None, **how: Any) -> Pretrained:
    from weightfill.signals import pretrain as train  # here, as other commands need none of it
    from weightfill.signals._digits import digits
    from weightfill.signals._pretraining import check_installed

    check_installed()
    return train(layers, digits()[0] if path is None else open_npy(path), progress=True, **how)


_OPTIONS = {"sizes": "--layers", **{name: f"--{name}" for name in ("epochs", "rate", "batch")}}
