"""The manifest of a torch module, for whoever has its plan and not the module; written without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from weightfill._arguments.messages import listed
from weightfill._models.assignment import drawn_by
from weightfill._models.buffers import held_by
from weightfill._models.manifest import Specs
from weightfill._models.manifest_json import Array, Entry, json_of, manifest_text
from weightfill._models.module_state import ModuleState
from weightfill._models.rules import COUNTER, STATISTICS, Rule
from weightfill._models.seeded_rules import SeededRules
from weightfill._models.wrappers import streams_of

_AT_FIRST = {**STATISTICS, COUNTER: 0}  # of norms, before the first batch


def manifest_of(tensors: Specs, plan: SeededRules) -> str:
    """Return the manifest, in JSON, with which a plan writes the checkpoint that it writes of a module.

    Args:
        tensors: of the module.
        plan: which says what buffers are drawn; the others need values that are known.

    Raises:
        ValueError: a buffer has neither a rule of its own nor known values, or too many of these; or the plan does not
            fit the module.
    """
    state = tensors.state
    assert state is not None
    tensors.known.update(_statistics_seen(state))
    kept, _ = drawn_by(plan, tensors)
    if kept.left:
        raise ValueError(
            f"module must have buffers whose values are known, got {listed(kept.left)}; give them rules of their own, "
            "or register them with persistent=False, which no checkpoint has"
        )
    given = dict(zip(kept, streams_of(kept), strict=True))
    entries = {}
    for name, (shape, dtype) in kept.items():
        known, stream = kept.known.get(name), state.streams[name]
        rows = {row for one in (name, *kept.others(name)) for row in state.zero_rows.get(one, ())}
        entries[name] = Entry(
            list(shape),
            dtype.name,
            name in state.buffers,
            None if known is None else json_of(known, f"buffer {name}"),
            tuple(sorted(rows)),
            stream if stream != given[name] else None,
        )
    return manifest_text(entries, kept.ties)


def _statistics_seen(state: ModuleState) -> dict[str, Array]:
    """Return the statistics of norms, and counters, that hold something else than before the first batch."""
    names = [name for name in state.buffers if name.rpartition(".")[2] in _AT_FIRST]
    held = {name: held_by(state.tensors[name], np.dtype(_dtype_name(state.tensors[name]))) for name in names}
    seen = {
        name.rpartition(".")[0]
        for name, array in held.items()
        if array is not None and (array != _AT_FIRST[name.rpartition(".")[2]]).any()
    }
    return {name: array for name, array in held.items() if array is not None and name.rpartition(".")[0] in seen}


def _dtype_name(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def with_optional(plan: SeededRules, tensors: Specs) -> list[Rule]:
    """Return the rules of a plan; optional are those that match no tensor here, such as of non-persistent buffers."""
    assert tensors.state is not None
    used = {plan._list.find(stream) for stream in tensors.state.streams.values()}
    return [rule if number in used else rule._replace(optional=True) for number, rule in enumerate(plan.rules)]
