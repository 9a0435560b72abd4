"""Which instruction set the kernels use. It changes the speed and no value."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from weightfill import _core
from weightfill._arguments.messages import shown

# The second is the first's former name.
VARIABLES = ("WEIGHTFILL_ISA", "WEIGHTFILL_TARGET")


def activate_from_environment() -> None:
    """Make the instruction set that WEIGHTFILL_ISA, or else WEIGHTFILL_TARGET, names the active one, if one is set.

    Raises:
        ValueError: this CPU or this build has no such instruction set.
    """
    for variable in VARIABLES:
        if name := os.environ.get(variable):
            activate(name, variable)
            return


def activate(name: str, argument: str = "isa") -> None:
    """Make an instruction set the active one.

    Raises:
        ValueError: this CPU or this build has no such instruction set.
    """
    if _core.set_active_isa(name):
        return
    choices = ", ".join(map(repr, _core.supported_isas()))
    raise ValueError(f"{argument} must be one of {choices} (what this CPU can run), got {shown(name)}")


@contextmanager
def forced(name: str) -> Iterator[None]:
    """Make an instruction set of this CPU the active one for a while."""
    before = _core.active_isa()
    _core.set_active_isa(name)
    try:
        yield
    finally:
        _core.set_active_isa(before)
