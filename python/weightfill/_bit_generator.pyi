from collections.abc import Mapping
from typing import Any, SupportsIndex, TypedDict

from numpy.random import BitGenerator
from numpy.random.bit_generator import ISeedSequence
from typing_extensions import Self

class _Place(TypedDict):
    seed: int
    stream: str
    spawned: tuple[tuple[int, int], ...]
    jumps: int
    position: int

class _State(TypedDict):
    bit_generator: str
    state: _Place

class PhiloxBitGenerator(BitGenerator):
    def __init__(self, seed: SupportsIndex | ISeedSequence, stream: str = "") -> None: ...
    @property
    def seed(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def seed_seq(self) -> ISeedSequence: ...
    @property
    def state(self) -> _State: ...
    @state.setter
    def state(self, value: Mapping[str, Any]) -> None: ...
    def advance(self, delta: SupportsIndex) -> Self: ...
    def jumped(self, jumps: SupportsIndex = 1) -> Self: ...
    def spawn(self, n_children: SupportsIndex) -> list[Self]: ...
