"""The page of the history and its picture, out of the records."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.cases import DTYPES, LAWS, Case
from benchmarks.history.machine import Machine
from benchmarks.history.records import Record
from benchmarks.picture import TITLES
from benchmarks.tables import markdown_table

PAGE, PICTURE = Path("performance/history.md"), Path("images/history.png")
SIZE = "256MB"
LATEST = 6  # releases in the table
OTHERS = 0.5  # load average that others make, at which a record says so
# Okabe and Ito's colours, which people who see few colours can tell apart, darkened where white needs it.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a56a00", "#2f8fc4")
TEXT, LINES = "#24292f", "#d0d7de"

ABOUT = f"""# History of speed

What each release reached, by machine, as a share of the *ceiling*: the rate at which the same threads can write the
same memory, measured in turns with the fill. 1 is as fast as the machine can write. A share can be compared between
days and, with care, between machines; gigabytes per second cannot. All fills write {SIZE} with all threads.

The records are small JSON files ([records](../../benchmarks/history/records/README.md)). The check of
a change compares it with the last of them: the old wheel and the new one take turns on the same machine, and only what
falls there is a failure. [For developers](../developers/benchmarks.md#history) says how to add a record. To watch the
speed of your own project, see [Watch speed in your own CI](../howto/performance-regression.md).

`python -m benchmarks.history draw` wrote this page.

![{{alt}}](../{PICTURE.as_posix()})
"""


def draw(records: Sequence[Record], docs: Path) -> list[Path]:
    """Write the page and its picture into the folder of the documents; return their paths.

    Raises:
        ValueError: there are no records.
    """
    if not records:
        raise ValueError("records must have at least 1, got none; python -m benchmarks.history record makes one")
    paths = [docs / PAGE, docs / PICTURE]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(page(records), encoding="utf-8")
    _picture(_by_machine(records), paths[1])
    return paths


def page(records: Sequence[Record]) -> str:
    """Return the text of the page."""
    parts = [ABOUT.format(alt=alternative(records))]
    for machine, of_machine in _by_machine(records).items():
        latest = of_machine[-LATEST:]
        body = [
            [title, *(_cell(record, name) for record in latest)]
            for name, title in _shown(machine).items()
            if any(name in record.cases for record in latest)
        ]
        header = ["share of the ceiling", *(record.release for record in latest)]
        parts.append(f"## {machine}\n\n{markdown_table(header, body)}\n\n{_measured(latest)}\n")
    return "\n".join(parts)


def alternative(records: Sequence[Record]) -> str:
    """Return in words what the picture shows."""
    said = []
    for machine, of_machine in _by_machine(records).items():
        last = of_machine[-1]
        shares = [f"{law} {last.cases[name].share:.2f}" for law, name in _of_laws(machine) if name in last.cases]
        said.append(f"on {machine}, {last.release} reaches {', '.join(shares)}")
    return f"Share of the ceiling by release, float32: {'; '.join(said)}."


def _by_machine(records: Sequence[Record]) -> dict[Machine, list[Record]]:
    machines: dict[Machine, list[Record]] = {}
    for record in records:
        machines.setdefault(record.machine, []).append(record)
    return machines


def _of_laws(machine: Machine) -> list[tuple[str, str]]:
    """Return the laws and the names of their cases in float32."""
    return list(zip(LAWS, _shown(machine), strict=False))


def _shown(machine: Machine) -> dict[str, str]:
    """Return the titles of the cases that are shown, by their names: all laws in float32, other dtypes of normal."""
    chosen = [(law, "float32") for law in LAWS] + [("normal", dtype) for dtype in DTYPES[1:]]
    return {
        f"test_fill[{Case(law, dtype, SIZE, machine.threads)}]": f"{TITLES[law].lower()}, {dtype}"
        for law, dtype in chosen
    }


def _cell(record: Record, name: str) -> str:
    case = record.cases.get(name)
    if case is None:
        return ""
    span = f" ({case.low:.2f} to {case.high:.2f})" if record.runs > 1 else ""
    return f"{case.share:.2f}{span}"


def _measured(records: Sequence[Record]) -> str:
    lines = [
        "In parentheses: the lowest and the highest of the runs. Load: how many processes wanted a CPU meanwhile.",
        "",
    ]
    for record in records:
        loads = " and ".join(f"{load[0]:g}" for load in record.load.values() if load) or "not known"
        busy = "; **others used the machine, so these shares are rough**" if _was_busy(record) else ""
        runs = f"{record.runs} run{'s'[: record.runs > 1]} of {len(record.cases)} cases of `pytest benchmarks`"
        lines.append(
            f"- {record.release}: commit {record.commit[:12]}, {record.date[:10]}, {runs}, Python {record.python}, "
            f"NumPy {record.numpy}; load before and after: {loads}{busy}"
        )
    return "\n".join(lines)


def _was_busy(record: Record) -> bool:
    own = {"before": 0, "after": record.machine.threads}  # what the benchmarks themselves add
    return any(load[0] > own[when] + OTHERS for when, load in record.load.items() if load)


def _picture(machines: dict[Machine, list[Record]], path: Path) -> None:
    """Draw a panel for each machine, on white, which can be read on pages of any colour."""
    matplotlib = import_module("matplotlib")
    matplotlib.use("Agg")
    plt = import_module("matplotlib.pyplot")
    height = 4.2 * len(machines)
    figure, panels = plt.subplots(len(machines), 1, figsize=(9, height), layout="constrained", squeeze=False)
    for panel, (machine, records) in zip(panels[:, 0], machines.items(), strict=True):
        _panel(panel, machine, records)
    figure.savefig(path, dpi=130, facecolor="white", metadata={"Software": None})
    plt.close(figure)


def _panel(panel: Any, machine: Machine, records: Sequence[Record]) -> None:
    names = _of_laws(machine)
    panel.axhline(1, color=LINES, linewidth=1.2, linestyle="--", zorder=0)
    for place, ((law, name), colour) in enumerate(zip(names, COLOURS, strict=True)):
        points = [(x, record.cases[name]) for x, record in enumerate(records) if name in record.cases]
        if not points:
            continue
        # Side by side, so that equal shares do not hide each other.
        places = [x + 0.06 * (place - len(names) // 2) for x, _ in points]
        shares = [case.share for _, case in points]
        spans = [[case.share - case.low for _, case in points], [case.high - case.share for _, case in points]]
        label = f"{TITLES[law].lower()}: {shares[-1]:.2f}"
        panel.errorbar(places, shares, yerr=spans, color=colour, marker="o", markersize=5, capsize=3, label=label)
    panel.set_title(str(machine), loc="left", fontsize=10, fontweight="bold", color=TEXT)
    panel.set_xticks(range(len(records)), [record.release for record in records])
    panel.set_xlim(-0.5, len(records) - 0.5)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("share of the ceiling", fontsize=9, color=TEXT)
    panel.tick_params(labelsize=9, colors=TEXT)
    panel.grid(axis="y", color=LINES, linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(
        loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9, frameon=False, labelcolor=TEXT, title="the last release"
    )
