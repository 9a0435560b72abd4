"""Stores a table with dask in a process that may have no more memory than a quarter of it, and reads it back.

    python dask_in_little_memory.py zarr|npy FOLDER

FOLDER must not exist. Fails if a value is wrong, if memory is short, or if the limit would have let the whole table in.
"""

import re
import resource
import sys
import threading
from pathlib import Path

import dask
import dask.array as da
import numpy as np

import weightfill.dask

MB = 2**20
ARGUMENTS = {"shape": (2**20, 128), "init": weightfill.Normal(std=0.02), "seed": 42, "stream": "item_table"}
BYTES = 512 * MB
CHUNK = (4 * MB // 512, -1)


def limit_memory(more: int) -> None:
    """Let this process have `more` bytes of memory beyond what it has."""
    status = Path("/proc/self/status").read_text()
    present = int(re.search(r"VmData:\s+(\d+) kB", status)[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (present + more, resource.RLIM_INFINITY))


def main(form: str, folder: str) -> None:
    """Store and read back."""
    if form == "zarr":
        import zarr  # noqa: F401 - before memory is short

    threading.stack_size(MB)  # the limit counts stacks as a whole, and a pool may have 32 threads
    table = weightfill.dask.create(**ARGUMENTS, chunks=CHUNK)
    assert table.nbytes == BYTES
    with dask.config.set(scheduler="threads", num_workers=2):
        limit_memory(BYTES // 4)
        if form == "zarr":
            da.to_zarr(table, folder, compressors=None)
            stored = da.from_zarr(folder)
        else:
            da.to_npy_stack(folder, table)
            stored = da.from_npy_stack(folder, mmap_mode=None)
        assert stored.chunks == table.chunks
        assert (stored.view(np.uint32) == table.view(np.uint32)).all().compute()
    try:
        weightfill.create(**ARGUMENTS)
    except MemoryError:
        return
    raise AssertionError("the limit is not felt")


if __name__ == "__main__":
    main(*sys.argv[1:])
