"""Draws docs/images/rule.png: one tensor, made as a whole, by two ranks, row by row, and under another name."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import weightfill as wf

ROWS, COLUMNS = 12, 8
INIT = wf.Normal(std=0.02)
TABLE = wf.Tensor((ROWS, COLUMNS), INIT, seed=42, stream="items")


def only(*rows: int) -> np.ndarray:
    """These rows of the table, each made alone, in an array that holds nothing else."""
    shown = np.full((ROWS, COLUMNS), np.nan)
    for row in rows:
        shown[row] = TABLE[row]
    return shown


PANELS = [
    ('the whole tensor,\nstream "items"', TABLE[:]),
    ("rank 0 fills\nrows 0 to 5", only(*range(6))),
    ("rank 1 fills\nrows 6 to 11", only(*range(6, ROWS))),
    ("rows 9, 2 and 4,\nwhen they are needed", only(9, 2, 4)),
    ('another stream,\n"users"', wf.create((ROWS, COLUMNS), INIT, seed=42, stream="users")),
]


def main() -> None:
    """Draw the picture beside this file."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.6), layout="constrained")
    for axis, (title, values) in zip(axes, PANELS, strict=True):
        axis.set_facecolor("#eeeeee")
        axis.imshow(values, cmap="RdBu_r", vmin=-0.05, vmax=0.05)
        axis.set_title(title, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel("rows")
    figure.suptitle("seed 42, Normal(std=0.02): the same colour is the same value, bit for bit", fontsize=11)
    figure.savefig(Path(__file__).with_name("rule.png"), dpi=110)


if __name__ == "__main__":
    main()
