"""What a test's tasks do in the processes of a cluster."""

import os
import signal
from pathlib import Path

import numpy as np


def kill_the_worker_once(chunk: np.ndarray, marker: Path) -> np.ndarray:
    """Kill this process, unless one died here before; return the chunk."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return chunk
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
