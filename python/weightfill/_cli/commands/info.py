"""`weightfill info`: say what this machine can do."""

from __future__ import annotations

import json
import os
import platform

import numpy as np

import weightfill as wf
from weightfill import _core
from weightfill._cli.options import Json
from weightfill._run.allocation import empty
from weightfill.benchmark import ceiling

_CEILING_BYTES = 256 << 20


def info(as_json: Json = False) -> int:
    """Show the version, the instruction sets, the threads and how fast this machine can write memory."""
    threads = wf.get_threads()
    report = {
        "version": wf.__version__,
        "stream_version": _core.STREAM_VERSION,
        "targets_built": _core.built_isas(),
        "targets_supported": _core.supported_isas(),
        "target_active": _core.active_isa(),
        "threads": threads,
        "cpus": os.cpu_count(),
        "ceiling_gb_per_s": round(_ceiling(threads), 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if as_json:
        print(json.dumps(report))
        return 0
    for name, content in report.items():
        text = " ".join(content) if isinstance(content, tuple | list) else content
        print(f"{name.replace('_', ' ').replace('gb per s', '(GB/s)'):<18}{text}")
    return 0


def _ceiling(threads: int) -> float:
    memory = empty((_CEILING_BYTES,), np.dtype(np.uint8))
    memory[:] = 1
    return ceiling(memory, threads=threads, seconds=0.1).gb_per_s
