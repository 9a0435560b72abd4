"""Fills a dataset in a process that may have no more memory than a quarter of it, and verifies it.

    python datasets_in_little_memory.py hdf5|zarr PATH

Fails if a value is wrong, if memory is short, or if the limit would have let the whole table in.
"""

import re
import resource
import sys
import threading
from pathlib import Path

import weightfill

MB = 2**20
ARGUMENTS = {"init": weightfill.Normal(std=0.02), "seed": 42, "stream": "item_table"}
SHAPE = (2**19, 128)
BYTES = 256 * MB


def limit_memory(more: int) -> None:
    """Let this process have `more` bytes of memory beyond what it has."""
    status = Path("/proc/self/status").read_text()
    present = int(re.search(r"VmData:\s+(\d+) kB", status)[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (present + more, resource.RLIM_INFINITY))


def main(form: str, path: str) -> None:
    """Fill and verify."""
    threading.stack_size(MB)  # the limit counts stacks as a whole, and zarr has threads of its own
    if form == "zarr":
        import zarr

        zarr.config.set({"threading.max_workers": 2})  # each thread has an arena of its own
        dataset = zarr.create_array(path, shape=SHAPE, dtype="f4", chunks=(4096, 128), compressors=None)
    else:
        import h5py

        dataset = h5py.File(path, "w").create_dataset("table", SHAPE, "f4")
    limit_memory(BYTES // 4)
    weightfill.fill(dataset, **ARGUMENTS)
    assert weightfill.verify(dataset, **ARGUMENTS)
    try:
        weightfill.create(SHAPE, **ARGUMENTS)
    except MemoryError:
        return
    raise AssertionError("the limit is not felt")


if __name__ == "__main__":
    main(*sys.argv[1:])
