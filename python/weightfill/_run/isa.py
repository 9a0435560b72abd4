"""Which instruction set the kernels use. It changes the speed and no value."""

from __future__ import annotations

import os

from weightfill import _core
from weightfill._arguments.messages import shown

VARIABLE = "WEIGHTFILL_TARGET"


def activate_from_environment() -> None:
    """Make the target that WEIGHTFILL_TARGET names, if it is set, the active one.

    Raises:
        ValueError: this CPU or this build has no such target.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return
    supported = _core.supported_targets()
    if name not in supported:
        choices = ", ".join(map(repr, supported))
        raise ValueError(f"{VARIABLE} must be one of {choices} (what this CPU can run), got {shown(name)}")
    _core.set_active_target(name)
