"""The safetensors format: checkpoints read as memory maps, and the header of a new file.

A file is 8 bytes with the header's length, a header in JSON that names dtype, shape and place of every tensor, and the
data. Whether a file is whole is for the `safetensors` library to say; it does not tell where in the file a tensor lies,
so the header that it has accepted is then read here.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._arguments.utf8 import check_utf8
from weightfill._arguments.windows import MOST_DIMENSIONS
from weightfill._files.json_documents import parsed
from weightfill._files.npy import checked_path, regular_file
from weightfill._files.stored import OpenFile, StoredArray

Array = npt.NDArray[Any]
PathLike = str | os.PathLike[str]

INDEX_SUFFIX = ".index.json"
_DATA_ALIGNMENT = 64
_MAX_HEADER_BYTES = 100_000_000  # what the safetensors library reads
MAX_INDEX_BYTES = 1 << 30
_METADATA = "__metadata__"
_NOT_REGULAR = "it is not a regular file"
_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "BOOL": "bool",
    "C64": "complex64",
    **{f"{kind[0].upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}


class Entry(NamedTuple):
    """Where a tensor of a checkpoint lies: `nbytes` bytes from byte `offset` of `file`, of the format's dtype name."""

    file: str
    dtype_name: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The NumPy dtype, None where NumPy and ml_dtypes have none."""
        name = _NAMES.get(self.dtype_name, "")
        return np.dtype(getattr(ml_dtypes, name, name)) if name and _known(name) else None


def _known(name: str) -> bool:
    return hasattr(ml_dtypes, name) or hasattr(np, name)


def is_index(path: PathLike) -> bool:
    """Whether a path is that of the index of a sharded checkpoint.

    >>> is_index("model.safetensors.index.json"), is_index("model.safetensors.index.fp16.json"), is_index("index.json")
    (True, True, False)
    """
    return re.search(r"\.index(\.[^./]+)?\.json$", os.fspath(path)) is not None


def entries(path: PathLike) -> dict[str, Entry]:
    """Return where every tensor of a checkpoint lies; only headers are read.

    Args:
        path: of a .safetensors file, or of the .index.json of a sharded checkpoint, whose shards lie beside it.

    Raises:
        OSError: the file or a shard cannot be read.
        ValueError: the file or a shard is not whole, or the index and the shards do not agree.
    """
    name = os.fspath(path)
    if not name.endswith(".json"):
        return _entries_of_file(name)
    shard_of = _shards(name)
    folder = os.path.dirname(name)
    found: dict[str, Entry] = {}
    for shard in dict.fromkeys(shard_of.values()):
        file = os.path.join(folder, shard)
        if not os.path.lexists(file):
            raise ValueError(f"file must have all its shards beside it, got {name} without {shard}")
        inside = _entries_of_file(file)
        named = {tensor for tensor, of in shard_of.items() if of == shard}
        if wrong := sorted(named ^ inside.keys()):
            what = "lacks" if wrong[0] in named else "has more than"
            raise ValueError(
                f"file must name the tensors of its shards, got {name}: {shard} {what} it: {shown(wrong[0])}"
            )
        found |= inside
    return {tensor: found[tensor] for tensor in shard_of}


def ties(path: PathLike) -> dict[str, str]:
    """Return the other names of a checkpoint's tensors and those under which it has them, as its metadata say.

    `safetensors.torch.save_model` keeps one name of tied parameters, the alphabetically first.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is not whole.
    """
    found = entries(path)
    return {
        name: kept
        for file in dict.fromkeys(entry.file for entry in found.values())
        for name, kept in _described(file)[0].get(_METADATA, {}).items()
        if name != "format" and name not in found and kept in found
    }


def open_checkpoint(path: PathLike) -> dict[str, Array]:
    """Return the tensors of a checkpoint, mapped into memory, read-only.

    Args:
        path: of a .safetensors file, or of the .index.json of a sharded checkpoint, whose shards lie beside it.

    Returns:
        Arrays by name. A tensor of a dtype that neither NumPy nor ml_dtypes has is the uint8 array of its bytes.

    >>> import tempfile, weightfill as wf
    >>> from weightfill._checkpoints.writing import write_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_checkpoint(wf.Plan({"*": wf.Ones()}), f"{folder}/model.safetensors", {"scale": 3}, "bfloat16")
    ...     open_checkpoint(files[0])["scale"]
    array([1, 1, 1], dtype=bfloat16)

    Raises:
        TypeError: `path` is no path.
        OSError: a file cannot be read.
        ValueError: a file is not whole, or `path` is one that no file can have.
    """
    mappings: dict[str, mmap.mmap] = {}
    arrays = {}
    for name, entry in entries(checked_path(path)).items():
        if entry.file not in mappings:
            with open(entry.file, "rb") as file:
                mappings[entry.file] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        shape, dtype = (entry.shape, entry.dtype) if entry.dtype else ((entry.nbytes,), np.dtype(np.uint8))
        arrays[name] = np.ndarray(shape, dtype, buffer=mappings[entry.file], offset=entry.offset)
    return arrays


def stored_arrays(places: Mapping[str, Entry]) -> dict[str, StoredArray]:
    """Return the tensors at these places, to be read in blocks; those of an unknown dtype as `open_checkpoint`.

    Raises:
        OSError: a file cannot be opened.
    """
    files: dict[str, OpenFile] = {}
    arrays = {}
    for name, entry in places.items():
        if entry.file not in files:
            files[entry.file] = OpenFile(entry.file)
        shape, dtype = (entry.shape, entry.dtype) if entry.dtype else ((entry.nbytes,), np.dtype(np.uint8))
        arrays[name] = StoredArray(files[entry.file], dtype, shape, entry.offset)
    return arrays


def header(
    tensors: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], ties: Mapping[str, str] | None = None
) -> tuple[bytes, dict[str, int]]:
    """Return what stands before the data of a new file, and the offset in the file of every tensor.

    Tensors of larger items come first, so that each is aligned to its items; otherwise their order is kept. The data
    begin at a multiple of 64 bytes.

    Args:
        tensors: shapes and dtypes by name.
        ties: other names of these tensors; they stand in the metadata, as `safetensors.torch.save_model` has them.

    Raises:
        ValueError: the header would have more than 100 MB, which the safetensors library does not read.
    """
    # Hugging Face's loaders ask for the name of the framework whose layout the tensors have.
    described: dict[str, Any] = {_METADATA: {**(ties or {}), "format": "pt"}}
    offsets, end = {}, 0
    for name, (shape, dtype) in sorted(tensors.items(), key=lambda item: -item[1][1].itemsize):
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        described[name] = {"dtype": _FORMAT_NAMES[dtype], "shape": shape, "data_offsets": (begin, end)}
        offsets[name] = begin
    text = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _DATA_ALIGNMENT)
    if len(text) > _MAX_HEADER_BYTES:
        raise ValueError(
            f"shapes must need a header of at most {_MAX_HEADER_BYTES:,} bytes in a file, got {len(text):,}; "
            "write shards (shard_bytes)"
        )
    data = 8 + len(text)
    return len(text).to_bytes(8, "little") + text, {name: data + begin for name, begin in offsets.items()}


_FORMAT_NAMES = {np.dtype(getattr(ml_dtypes, name, name)): short for short, name in _NAMES.items() if _known(name)}


def check_name(name: object, argument: str) -> None:
    """Raise unless `name` can be that of a tensor of a safetensors file: a string of UTF-8, not '__metadata__'."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} must have strings for names, got {shown(name)}")
    check_utf8(name, argument, "have names that can be written in UTF-8")
    if name == _METADATA:
        raise ValueError(
            f"{argument} must not have {_METADATA!r} for a name, which safetensors files keep to themselves"
        )


def _described(file: str) -> tuple[dict[str, Any], int]:
    """Return the header of a whole file, and its bytes."""
    from safetensors import safe_open  # here, as only reading needs it

    with regular_file(file, str(_not_whole(file, _NOT_REGULAR))) as opened:
        try:
            with safe_open(file, "numpy"):
                pass
            length = int.from_bytes(opened.read(8), "little")
            described = parsed(opened.read(length))
        except Exception as error:  # the library has an error class of its own, which some versions do not stick to
            raise _not_whole(file, error) from error
    return described, length


def _entries_of_file(file: str) -> dict[str, Entry]:
    described, length = _described(file)
    described.pop(_METADATA, None)
    result = {}
    for name, tensor in described.items():
        begin, end = tensor["data_offsets"]
        if len(tensor["shape"]) > MOST_DIMENSIONS or math.prod(max(count, 1) for count in tensor["shape"]) >= 2**60:
            raise _not_whole(file, f"{shown(name)} has a shape that NumPy cannot have")
        result[name] = Entry(file, tensor["dtype"], tuple(tensor["shape"]), 8 + length + begin, end - begin)
    return result


def _shards(index: str) -> dict[str, str]:
    """Return the name of the file of every tensor, as an index has it."""
    kind = "index of a checkpoint"
    with regular_file(index, str(_not_whole(index, _NOT_REGULAR, kind))) as opened:
        content = opened.read(MAX_INDEX_BYTES + 1)
    if len(content) > MAX_INDEX_BYTES:
        raise _not_whole(index, f"it has more than {MAX_INDEX_BYTES:,} bytes", kind)
    try:
        document = parsed(content)
        shards = document["weight_map"]
        names = list(shards.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "it has no weight_map"
        raise _not_whole(index, reason, kind) from error
    for name in names:
        # Anything but a plain name could lead to files elsewhere; on Windows also "D:name".
        if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0") or os.path.split(name)[0]:
            raise _not_whole(index, f"{shown(name)} is not the name of a file beside it", kind)
    return dict(shards)


def _not_whole(file: str, reason: object, kind: str = "safetensors file") -> ValueError:
    line = " ".join(str(reason).split()) or type(reason).__name__
    return ValueError(f"file must be a whole {kind}, got {file}: {line}")
