from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

STREAM_VERSION: int
DTYPES: tuple[tuple[str, int, int, float], ...]  # name, item size, bits of a random word, largest finite value

@final
class Slices: ...

@final
class Law:
    def __init__(self, name: str, parameters: Sequence[float]) -> None: ...
    def under_connections(
        self, *, axis: int, count: int, stride: int, kept: int, number: int, slices: Slices | None
    ) -> Law: ...
    def under_diagonal(
        self,
        *,
        axis: int,
        count: int,
        stride: int,
        outputs: int,
        output_stride: int,
        period: int,
        taps: int,
        tap_stride: int,
        centre: int,
    ) -> Law: ...
    def under_all_but(self, *, rows: list[int], stride: int) -> Law: ...

@final
class Lapack:
    def __init__(
        self,
        floats: tuple[Any, ...],
        doubles: tuple[Any, ...],
        get_threads: int,
        set_threads: int,
        of_each_thread: bool,
    ) -> None: ...
    def orthonormalize(self, matrix: npt.NDArray[Any], gain: float, threads: int) -> None: ...
    def orthonormalize_memory(
        self, address: int, rows: int, columns: int, item_size: int, gain: float, threads: int
    ) -> None: ...

def fill(
    out: npt.NDArray[Any],
    shape: tuple[int, ...],
    dtype: int,
    law: Law,
    seed: int,
    stream: int,
    first: int,
    index_strides: tuple[int, ...] | None,
    rows: npt.NDArray[np.uint64] | None,
    threads: int,
    tick: Callable[[int], object] | None,
) -> None: ...
def filler(law: Law, dtype: int, shape: tuple[int, ...]) -> Callable[[int, int, int], None]: ...
def stream_number(name: bytes, person: bytes) -> int: ...
def plain_arrays(arrays: list[Any], numbers: list[int]) -> tuple[list[int], list[int]]: ...
def fill_all(
    arrays: list[npt.NDArray[Any]],
    shapes: list[tuple[int, ...]],
    dtypes: list[int],
    laws: list[Law],
    names: list[str],
    seed: int,
    threads: int,
    tick: Callable[[int], object] | None,
) -> None: ...
def fill_sparse(
    values: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    dtype: int,
    law: Law,
    seed: int,
    stream: int,
    first_row: int,
    rows: int,
    threads: int,
    tick: Callable[[int], object] | None,
) -> None: ...
def draw_slices(*, count: int, stride: int, kept: int, number: int, seed: int, slices: int, threads: int) -> Slices: ...
def meeting(arrays: list[npt.NDArray[Any]]) -> list[tuple[int, int]]: ...
def verify(
    found: npt.NDArray[Any],
    shape: tuple[int, ...],
    dtype: int,
    law: Law,
    seed: int,
    stream: int,
    first: int,
    index_strides: tuple[int, ...] | None,
    rows: npt.NDArray[np.uint64] | None,
    threads: int,
    tick: Callable[[int], object] | None,
) -> tuple[int, int]: ...
def summarize(
    values: npt.NDArray[Any], dtype: int, threads: int, tick: Callable[[int], object] | None
) -> tuple[int, int, int, int, float, float, float, float]: ...
def histogram(
    values: npt.NDArray[Any],
    dtype: int,
    low: float,
    high: float,
    bins: int,
    threads: int,
    tick: Callable[[int], object] | None,
) -> npt.NDArray[np.uint64]: ...
def in_float_mode(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any: ...
def words(seed: int, stream: int, first: int, n: int) -> npt.NDArray[np.uint32]: ...
def streaming_ceiling(out: npt.NDArray[Any], threads: int) -> None: ...
def built_isas() -> tuple[str, ...]: ...
def supported_isas() -> tuple[str, ...]: ...
def active_isa() -> str: ...
def set_active_isa(name: str) -> bool: ...
