"""The dtypes that the core fills, and the names of each."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.choices import nearest, plain
from weightfill._arguments.messages import shown


class CoreDtype(NamedTuple):
    """What the checks and the core need to know about a dtype."""

    number: int  # the core's
    name: str
    largest: float  # the largest finite value
    word_bits: int  # random bits of one element


def _core_dtypes() -> dict[np.dtype[Any], CoreDtype]:
    return {
        np.dtype(getattr(ml_dtypes, name, name)): CoreDtype(number, name, largest, word_bits)
        for number, (name, _, word_bits, largest) in enumerate(_core.DTYPES)
    }


class _TorchDtype(Protocol):
    """A dtype of torch, which is not imported."""

    @property
    def is_floating_point(self) -> bool: ...


DtypeName: TypeAlias = Literal["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
DTypeLike: TypeAlias = npt.DTypeLike | DtypeName | _TorchDtype

CORE_DTYPES = _core_dtypes()
NAMES = ", ".join(dtype.name for dtype in CORE_DTYPES.values())


# Other names of the dtypes, as `plain` leaves them; NumPy's own need no place here.
_ALIASES = {
    "float32": ("fp32", "f32"),  # safetensors: F32
    "float64": ("fp64", "f64"),
    "float16": ("fp16", "f16"),
    "bfloat16": ("bf16",),
    "float8_e4m3fn": ("f8e4m3", "f8e4m3fn", "fp8e4m3", "fp8e4m3fn", "e4m3fn"),  # safetensors: F8_E4M3
    "float8_e5m2": ("f8e5m2", "fp8e5m2", "e5m2"),
}
_NAMED = {plain(name): name for name in _ALIASES} | {
    alias: name for name, aliases in _ALIASES.items() for alias in aliases
}
_TORCH = {"float": "float32", "double": "float64", "half": "float16"}  # NumPy's float has 64 bits
_MODULES = ("torch", "jnp", "jax.numpy", "np", "numpy", "ml_dtypes")


def as_dtype(dtype: DTypeLike, argument: str = "dtype") -> np.dtype[Any]:
    """Return the NumPy dtype of a dtype-like that the core fills.

    NumPy's and JAX's dtypes are taken, torch's (torch is not imported), and names: these, NumPy's, short ones such as
    "bf16" and "fp32", those of safetensors, "F8_E4M3", and "torch.bfloat16". Case, `_` and `-` do not matter.

    >>> as_dtype("BF16"), as_dtype("torch.float16")
    (dtype(bfloat16), dtype('float16'))

    Raises:
        TypeError: it is none of float32, float64, float16, bfloat16, float8_e4m3fn, float8_e5m2 in native byte order;
            the message has the nearest names.
    """
    result = _parsed(dtype)
    if result in CORE_DTYPES:
        return result
    name = _name_of(dtype)
    if name is not None and (found := _named(name)) is not None:
        return np.dtype(found)
    if result is not None and result.newbyteorder("=") in CORE_DTYPES:
        raise TypeError(
            f"{argument} must be in native byte order, got {shown(result.str)}; "
            f"fill an array of dtype {result.newbyteorder('=')} and convert it"
        )
    given = str(dtype) if isinstance(dtype, np.dtype) else shown(dtype)
    raise TypeError(f"{argument} must be one of {NAMES}, got {given}{_way_out(result, name)}")


def _parsed(dtype: DTypeLike) -> np.dtype[Any] | None:
    """Return what NumPy makes of a dtype-like; None if nothing."""
    if dtype is None:  # NumPy takes it for float64
        return None
    try:
        return np.dtype(dtype)  # type: ignore[arg-type]  # for torch's it raises, as below
    except Exception:  # NumPy's parser of text raises errors of every kind, SyntaxError among them
        return None


def _name_of(dtype: object) -> str | None:
    """Return a text, and the name of a dtype of torch; None for everything else."""
    if isinstance(dtype, str):
        return dtype
    return str(dtype) if type(dtype).__module__ == "torch" and type(dtype).__name__ == "dtype" else None


def _named(name: str) -> str | None:
    module, _, rest = name.strip().rpartition(".")
    if module and module not in _MODULES:
        return None
    key = plain(rest)
    return _TORCH.get(key) if module == "torch" and key in _TORCH else _NAMED.get(key)


def _way_out(result: np.dtype[Any] | None, name: str | None) -> str:
    if result is not None and result.kind == "c":
        return "; complex numbers are not drawn: array.view(real dtype) has their real and imaginary parts in turns"
    if name is None or (result is not None and result.kind not in "fV"):
        return ""
    return nearest(name.rpartition(".")[2], _NAMED)


@lru_cache(maxsize=1024)
def smallest_at_least(bound: float, dtype: np.dtype[Any]) -> float:
    """Return the smallest value of `dtype` that is at least `bound`; infinity if there is none."""
    largest = CORE_DTYPES[dtype].largest
    if not -largest <= bound <= largest:
        return math.inf if bound > 0 else -largest
    value = dtype.type(bound)
    if float(value) < bound:
        value = np.nextafter(value, dtype.type(largest))
    return float(value)
