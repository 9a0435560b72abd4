"""The picture of a comparison: a panel of bars for each law, and the ceiling as a line."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from benchmarks.cases import LAWS
from benchmarks.peers import ONE_THREAD
from benchmarks.speeds import Comparison

OURS, PEER, CEILING, TEXT = "#1f6feb", "#b8bfc8", "#cf222e", "#24292f"
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # keeps a number readable on the line
TITLES = {
    "constant": "Constant",
    "uniform": "Uniform",
    "normal": "Normal",
    "truncated": "Truncated normal, [-2, 2] sigma",
    "one-sided": "Truncated normal, [0.5, \N{INFINITY}) sigma",
    "laplace": "Laplace",
    "log-uniform": "Log-uniform",
}


def draw(comparison: Comparison, path: Path) -> None:
    """Write a PNG of the GB/s of every library and law, on a logarithmic axis; folders on the way are made."""
    matplotlib = import_module("matplotlib")
    matplotlib.use("Agg")
    plt = import_module("matplotlib.pyplot")
    speeds, top = comparison.speeds, comparison.ceiling_gb_per_s
    bars = {law: names for law in LAWS if (names := [name for name in speeds if law in speeds[name]])}
    heights = [len(names) + 1.2 for names in bars.values()]
    figure, panels = plt.subplots(
        len(bars), 1, sharex=True, figsize=(9, 0.27 * sum(heights) + 0.8), height_ratios=heights, layout="constrained"
    )
    for panel, (law, names) in zip(panels, bars.items(), strict=True):
        values = [speeds[name][law].gb_per_s for name in names]
        panel.axvline(top, color=CEILING, linewidth=1.2, linestyle="--", zorder=0)
        drawn = panel.barh(names, values, height=0.72, color=[OURS if n == "weightfill" else PEER for n in names])
        panel.bar_label(drawn, [f"{value:.3g}" for value in values], padding=4, color=TEXT, fontsize=9, bbox=PLATE)
        panel.set_title(TITLES[law], loc="left", fontsize=10, fontweight="bold", color=TEXT)
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.tick_params(which="both", length=0, labelsize=9, colors=TEXT)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
    panels[0].annotate(
        f"ceiling {top:.1f}",
        (top, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=CEILING,
    )
    shown = [speed.gb_per_s for laws in speeds.values() for speed in laws.values()]
    panels[0].set_xscale("log")
    panels[0].set_xlim(min(shown) / 2, 2 * max(top, *shown))
    panels[0].xaxis.set_major_formatter("{x:g}")
    said = f"GB/s of float32, {comparison.size} already allocated; each step of the axis is ten times as fast."
    panels[-1].set_xlabel(f"{said}\n{ONE_THREAD}", fontsize=9, color=TEXT)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    plt.close(figure)
