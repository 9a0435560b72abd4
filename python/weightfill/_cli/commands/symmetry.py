"""`weightfill symmetry`: train from equal and from random weights, and show which units stay equal."""

from __future__ import annotations

from typing import Annotated

from weightfill._arguments.messages import printable
from weightfill._cli import numbers
from weightfill._cli.options import OUTPUT, VALUES, WHAT, Json, count_option, file_option, named_as_options, option
from weightfill._files.pictures import check_picture

EXAMPLES = """**Examples**

```
weightfill symmetry
weightfill symmetry --activation logistic --hidden 32,16 --steps 1000 --png symmetry.png
```
"""


def symmetry(
    hidden: Annotated[str, option("--hidden", "Hidden units; 32,16 is two layers.", WHAT, str, "<n>", "32")] = "32",
    activation: Annotated[
        str,
        option("--activation", "Activation: tanh, relu, logistic, ...", WHAT, str, "<name>", "tanh"),
    ] = "tanh",
    steps: Annotated[int, count_option("--steps", "Steps of gradient descent.", VALUES, "300")] = 300,
    rate: Annotated[float, option("--rate", "Learning rate.", VALUES, numbers.real, "<x>", "0.5")] = 0.5,
    batch: Annotated[int, count_option("--batch", "Samples of each step.", VALUES, "100")] = 100,
    seed: Annotated[int, option("--seed", "Random seed, 0 to 2^64 - 1.", VALUES, numbers.seed, "<n>", "0")] = 0,
    png: Annotated[
        str | None, file_option("--png", "Draw curves by step, and the weights after training.", OUTPUT, "<file.png>")
    ] = None,
    force: Annotated[bool, option("--force", "Replace an existing picture.", OUTPUT)] = False,
    as_json: Json = False,
) -> int:
    """Show why weights must not begin equal: train a small network from zeros, a constant and random weights.

    The network classifies scikit-learn's handwritten digits. The table shows how many hidden units differ before and
    after training, the rank of the gradient of the first weight, and the accuracy on samples that were held out. Units
    that begin equal stay equal, with a constant bias, too.
    """
    from weightfill.signals import symmetry as train  # here, as other commands need none of it

    with named_as_options(_OPTIONS):
        if png is not None:
            check_picture(png, replace=force, extra="signals")
        found = train(
            hidden=hidden, activation=activation, steps=steps, rate=rate, batch=batch, seed=seed, progress=True
        )
        if png is not None:
            found.png(png, replace=force)
    print(found.to_json() if as_json else found)
    if png is not None and not as_json:
        print(f"{printable(png)}: {len(found.cases)} initializations")
    return 0


_NAMES = ("hidden", "activation", "steps", "rate", "batch")
_OPTIONS = {"sizes": "--hidden", "path": "--png", **{name: f"--{name}" for name in _NAMES}}
