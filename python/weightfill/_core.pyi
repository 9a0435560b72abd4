from collections.abc import Callable
from typing import Any, final

import numpy as np
import numpy.typing as npt

STREAM_VERSION: int

@final
class Law:
    @staticmethod
    def constant(value: float) -> Law: ...
    @staticmethod
    def uniform(low: float, high: float) -> Law: ...
    @staticmethod
    def normal(mean: float, std: float) -> Law: ...
    @staticmethod
    def truncated_normal(mean: float, std: float, low: float, high: float) -> Law: ...

def fill(
    out: npt.NDArray[Any],
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
def verify(
    found: npt.NDArray[Any],
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
) -> tuple[int, int, int, float, float, float, float]: ...
def words(seed: int, stream: int, first: int, n: int) -> npt.NDArray[np.uint32]: ...
def streaming_ceiling(out: npt.NDArray[Any], threads: int) -> None: ...
def built_targets() -> tuple[str, ...]: ...
def supported_targets() -> tuple[str, ...]: ...
def active_target() -> str: ...
def set_active_target(name: str) -> None: ...
