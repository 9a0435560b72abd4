"""Draws docs/images/laws.png: histograms of real fills beside the densities they are drawn from."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

import weightfill as wf

N = 10_000_000
std = 0.02
tail = norm.sf(8)
LAWS = [
    ("Uniform(-0.05, 0.05)", wf.Uniform(-0.05, 0.05), "float32", lambda x: np.full_like(x, 10)),
    ("Normal(std=0.02)", wf.Normal(std=std), "float32", lambda x: norm.pdf(x, scale=std)),
    ("TruncatedNormal(std=0.02)", wf.TruncatedNormal(std=std), "float32", lambda x: norm.pdf(x, scale=std) / 0.9545),
    ("TruncatedNormal(std=1, low=0.5)", wf.TruncatedNormal(low=0.5), "float32", lambda x: norm.pdf(x) / norm.sf(0.5)),
    ("TruncatedNormal(std=1, low=8)", wf.TruncatedNormal(low=8), "float32", lambda x: norm.pdf(x) / tail),
    ("Normal(std=1) in float8_e4m3fn", wf.Normal(), "float8_e4m3fn", None),
]


def main() -> None:
    """Draw the picture beside this file."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained")
    for axis, (title, init, dtype, density) in zip(axes.flat, LAWS, strict=True):
        values = wf.create(N, init, seed=42, stream=title, dtype=dtype).astype(np.float64)
        if density is None:
            codes, counts = np.unique(values, return_counts=True)
            axis.vlines(codes, 0, counts / N, color="tab:blue", linewidth=1)
            axis.set_ylabel("share of the values")
        else:
            heights, edges, _ = axis.hist(values, bins=200, density=True, color="tab:blue", alpha=0.5)
            middle = (edges[1:] + edges[:-1]) / 2
            axis.plot(middle, density(middle), color="tab:red", linewidth=1)
            axis.set_ylim(0, 1.15 * heights.max())
        axis.set_title(title, fontsize=10)
    figure.suptitle(f"{N:,} values each; red: the exact density", fontsize=11)
    figure.savefig(Path(__file__).with_name("laws.png"), dpi=110)


if __name__ == "__main__":
    main()
