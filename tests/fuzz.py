"""Random fills against the definition of the stream and against one another.

    python -m tests.fuzz --seconds 20 [--seed 1]
    python -m tests.fuzz --case 1234

A case is a number: initializer, dtype, instruction set, threads, window or rows, and where the elements lie in memory
all follow from it. Every element must have the bits that one thread on the narrowest instruction set writes into a
contiguous vector; some are compared with tests/definition.py, which knows nothing of the package; nothing beside them
may be written; `verify` must find them equal, and one flipped bit unequal. The first case that fails ends the run with
exit code 1 and the line that repeats it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import secrets
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import weightfill as wf
from tests.bits import DTYPES, bits
from tests.definition import connections
from tests.golden import Range, contradictions
from tests.philox import number_of
from weightfill import _core

COUNTS = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 100, 127, 129]
MOST = 20_000  # elements of most cases
LARGEST = 16 * MOST  # of the few cases that may have more
LOOKED_AT = 4  # elements of a case that are derived from the definition, whose quantiles take a millisecond each


@dataclass(frozen=True)
class Case:
    """One call. `axes` are the indices along each axis of the full tensor; `rows` says that the first are ids."""

    number: int
    init: wf.Initializer
    dtype: np.dtype[Any]
    seed: int
    stream: str
    shape: tuple[int, ...]
    axes: tuple[Any, ...]
    rows: bool
    threads: int
    isa: str
    order: tuple[int, ...]  # of the axes in memory
    steps: tuple[int, ...]  # between elements along each axis in memory, negative for reversed ones
    offset: int  # bytes before the first element

    def __str__(self) -> str:
        where = [list(axis) if isinstance(axis, list) else (axis.start, axis.stop) for axis in self.axes]
        verb = "fill_rows" if self.rows else "fill"
        return (
            f"{verb}({self.init}, {self.dtype}, seed={self.seed}, stream={self.stream!r}, shape={self.shape}, "
            f"elements={str(where)[:300]}, threads={self.threads}) on {self.isa}, order={self.order}, "
            f"steps={self.steps}, offset={self.offset}"
        )


def case_of(number: int) -> Case:
    draw = random.Random(number)
    init, shape = _initializer_and_shape(draw)
    rows = len(shape) > 0 and 0 not in shape and not isinstance(init, wf.WholeTensor) and draw.random() < 0.3
    axes: list[Any] = [_part(draw, count, isinstance(init, wf.WholeTensor)) for count in shape]
    while (size := math.prod(map(len, axes))) > LARGEST or (size > MOST and draw.random() < 0.98):
        longest = max(range(len(axes)), key=lambda axis: len(axes[axis]))
        axes[longest] = axes[longest][: max(1, len(axes[longest]) // 3)]
        if isinstance(init, wf.WholeTensor):
            shape = tuple(map(len, axes))
    if rows:
        axes = [
            [draw.randrange(shape[0]) for _ in range(draw.randrange(20))],
            *(range(count) for count in shape[1:]),
        ]
        rows = math.prod(shape[1:]) < MOST
        axes = axes if rows else [range(min(count, 3)) for count in shape]
    return Case(
        number=number,
        init=init,
        dtype=draw.choice(DTYPES),
        seed=draw.choice([0, 1, 42, 2**32, 2**64 - 1, draw.getrandbits(64)]),
        stream=draw.choice(["", "w", "Größe/0", str(draw.getrandbits(20))]),
        shape=shape,
        axes=tuple(axes),
        rows=rows,
        threads=draw.choice([1, 1, 2, 3, 4, 7]),
        isa=draw.choice(_core.supported_isas()),
        order=tuple(draw.sample(range(len(shape)), len(shape)) if draw.random() < 0.3 else range(len(shape))),
        steps=tuple(draw.choice([1, 1, 1, 1, -1, 2, -3]) for _ in shape),
        offset=draw.choice([0, 0, *range(64)]),
    )


def _part(draw: random.Random, count: int, whole: bool) -> range:
    if whole or count == 0 or (count < 1000 and draw.random() < 0.4):
        return range(count)
    start = draw.choice([0, draw.randrange(count), max(0, count - draw.randrange(1, 200))])
    return range(start, min(count, start + draw.choice([*COUNTS, 1000, draw.randrange(30_000)])))


def _initializer_and_shape(draw: random.Random) -> tuple[wf.Initializer, tuple[int, ...]]:
    """An initializer that has a law for the shape."""
    kind = draw.randrange(12)
    if kind < 6:
        return _plain(draw), _shape(draw, draw.choice([0, 1, 1, 2, 2, 3, 4]))
    if kind == 6:
        scheme = draw.choice([wf.KaimingNormal, wf.XavierUniform, wf.LecunNormal, wf.ScaledNormal, wf.StandardUniform])
        shape = tuple(draw.choice(COUNTS) for _ in range(draw.randrange(2, 5)))
        return scheme(), shape
    if kind == 7:
        shape = _shape(draw, draw.choice([1, 2, 3]))
        rows = [row for row in (0, shape[0] - 1, shape[0] // 2) if draw.random() < 0.7 and row >= 0]
        return wf.Padded(_plain(draw), rows), shape
    if kind == 8:
        shape = tuple(draw.choice(COUNTS) for _ in range(draw.randrange(1, 4)))
        axis = draw.randrange(-len(shape), len(shape))
        return wf.Sparse(draw.randrange(1, shape[axis] + 1), std=0.5, axis=axis), shape
    if kind == 9:
        return wf.Identity(draw.uniform(-2, 2)), _shape(draw, 2)
    if kind == 10:
        groups = draw.choice([1, 2, 3])
        outputs, kernel = groups * draw.randrange(1, 9), [draw.randrange(1, 6) for _ in range(draw.randrange(1, 3))]
        return wf.Dirac(groups), (outputs, draw.randrange(1, 9), *kernel)
    return wf.Orthogonal(draw.uniform(0.5, 2)), (draw.randrange(1, 40), draw.randrange(1, 40))


def _plain(draw: random.Random) -> wf.Initializer:
    scale = draw.choice([1e-3, 0.02, 1.0, 30.0])
    mean = draw.choice([0.0, 0.0, draw.uniform(-1, 1) * scale])
    low = mean - scale * draw.uniform(0.1, 3)
    kind = draw.randrange(7)
    if kind == 0:
        return wf.Constant(mean)
    if kind == 1:
        return wf.Uniform(low, low + scale * draw.uniform(0.2, 5))
    if kind == 2:
        return wf.Normal(mean, scale)
    if kind == 3:
        return wf.TruncatedNormal(mean, scale, draw.uniform(0.3, 4))
    if kind == 4:
        return wf.Laplace(mean, scale / 4)
    if kind == 5:
        factor = draw.choice([1.5, 100.0, 1e6])
        return wf.LogUniform(scale / factor, scale, then=draw.choice([None, "inverse_softplus"]))
    return wf.TruncatedNormal(mean, scale, low=low, high=draw.choice([math.inf, mean + scale * draw.uniform(0.1, 3)]))


def _shape(draw: random.Random, dimensions: int) -> tuple[int, ...]:
    if dimensions and draw.random() < 0.25:  # beyond 32 bits
        exponents = sorted(draw.sample(range(1, 64), dimensions - 1))
        return tuple(2 ** (end - begin) for begin, end in itertools.pairwise([0, *exponents, 64]))
    if dimensions == 1 and draw.random() < 0.1:
        return (draw.randrange(2**17, 2**21),)
    return tuple(draw.choice(COUNTS) if draw.random() < 0.97 else 0 for _ in range(dimensions))


def fault(case: Case) -> str | None:
    """What is wrong with this case, or None; ValueError if the package refuses its initializer for its dtype."""
    before = _core.active_isa()
    try:
        _core.set_active_isa(_core.supported_isas()[0])
        expected = _expected(case)
        _core.set_active_isa(case.isa)
        return _fault(case, expected)
    finally:
        _core.set_active_isa(before)


def _fault(case: Case, expected: np.ndarray[Any, Any]) -> str | None:
    memory, out = _laid_out(case)
    how: dict[str, Any] = {"seed": case.seed, "stream": case.stream, "threads": case.threads}
    if case.rows:
        wf.fill_rows(out, case.init, np.array(case.axes[0], np.uint64), shape=case.shape, **how)
    else:
        if not isinstance(case.init, wf.WholeTensor):
            how |= {"shape": case.shape, "start": tuple(axis.start for axis in case.axes)}
        wf.fill(out, case.init, **how)
    wrong = (bits(out) != bits(expected)).reshape(out.shape)
    if wrong.any():
        where = tuple(map(int, np.argwhere(wrong)[0]))
        return (
            f"{wrong.sum()} of {out.size} elements differ, the first at {where}: {out[where]} is not {expected[where]}"
        )
    told = _contradictions(case, out) or ([] if case.rows else _misjudged(case, out, how))
    if told:
        return told[0]
    out.view(f"u{out.itemsize}")[...] = _PATTERN[out.itemsize]
    return None if (memory == 0xA5).all() else "memory beside the elements was written"


def _misjudged(case: Case, out: np.ndarray[Any, Any], how: dict[str, Any]) -> list[str]:
    """What `verify` says wrongly of these elements, as they are and with one bit flipped."""
    if not wf.verify(out, case.init, **how):
        return ["verify finds a difference where there is none"]
    if not out.size:
        return []
    draw = random.Random(case.number)
    where = tuple(map(draw.randrange, out.shape))
    out.view(f"u{out.itemsize}")[where] ^= 1 << draw.randrange(8 * out.itemsize)
    told = wf.verify(out, case.init, **how)
    return [] if (told.differing, told.index) == (1, where) else [f"verify says {told} of one flipped bit at {where}"]


_PATTERN = {size: int.from_bytes(b"\xa5" * size, "little") for size in (1, 2, 4, 8)}


def _laid_out(case: Case) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Memory full of a pattern, and the array in it that is filled."""
    counts = [len(case.axes[axis]) for axis in case.order]
    steps = [case.steps[axis] for axis in case.order]
    spans = [count * abs(step) for count, step in zip(counts, steps, strict=True)]
    nbytes = math.prod(spans) * case.dtype.itemsize
    memory = np.full(64 + case.offset + nbytes + 64, 0xA5, np.uint8)
    block = memory[64 + case.offset :][:nbytes].view(case.dtype).reshape(spans)
    block = block[(..., *(slice(None, None, step) for step in steps))]  # without ... one of no axes becomes a scalar
    return memory, block.transpose(np.argsort(case.order)) if case.order else block


def _expected(case: Case) -> np.ndarray[Any, Any]:
    """The elements by one thread: runs of a contiguous vector, and zeros where the definition says so."""
    how = {"seed": case.seed, "stream": case.stream, "threads": 1}
    if isinstance(case.init, wf.WholeTensor):
        return wf.create(case.shape, case.init, dtype=case.dtype, **how)
    law, result = _law(case), np.zeros([len(axis) for axis in case.axes], case.dtype)
    if result.size == 0:
        return result
    *outer, last = case.axes or (range(1),)
    runs = result.reshape(-1, len(last))
    for run, (_, index) in zip(runs, _indices(case.shape, outer), strict=True):
        first = index * (case.shape[-1] if case.shape else 1) + last[0]
        if isinstance(last, range):
            wf.fill(run, law, shape=2**64, start=first, **how)
        else:  # ids of a vector
            for position, id_ in enumerate(last):
                wf.fill(run[position : position + 1], law, shape=2**64, start=id_, **how)
    result[~_is_drawn(case)] = 0
    return result


def _indices(shape: tuple[int, ...], axes: list[Any]) -> Any:
    """Each index along these first axes, with its number in C order."""
    for index in itertools.product(*axes):
        number = 0
        for along, count in zip(index, shape, strict=False):
            number = number * count + along
        yield index, number


def _law(case: Case) -> wf.Initializer:
    law: Any = case.init.law(case.shape)
    return getattr(law, "law", law) if not isinstance(law, wf.Initializer) else law


def _is_drawn(case: Case) -> np.ndarray[Any, Any]:
    """Where an element is drawn: everywhere but in the zeros of a mask."""
    index = np.meshgrid(*(np.array(axis, np.uint64) for axis in case.axes), indexing="ij", sparse=True)
    everywhere = np.ones([len(axis) for axis in case.axes], bool)
    match case.init:
        case wf.Padded(padding_idx=rows):
            return everywhere & ~np.isin(index[0], np.array(rows, np.uint64))
        case wf.Identity():
            return index[0] == index[1]
        case wf.Dirac(groups=groups):
            drawn = everywhere & (index[1] == index[0] % np.uint64(case.shape[0] // groups))
            for along, taps in zip(index[2:], case.shape[2:], strict=True):
                drawn &= along == taps // 2
            return drawn
        case wf.Sparse(connections=kept, axis=axis):
            axis %= len(case.shape)
            others, inputs = [count for at, count in enumerate(case.shape) if at != axis], case.shape[axis]
            units = np.moveaxis(everywhere, axis, -1)
            along = [axes for at, axes in enumerate(case.axes) if at != axis]
            for place, (_, unit) in zip(np.ndindex(units.shape[:-1]), _indices(tuple(others), along), strict=True):
                chosen = connections(case.seed, case.stream, unit, inputs, kept)
                units[place] = [position in chosen for position in case.axes[axis]]
            return everywhere
    return everywhere


def _contradictions(case: Case, out: np.ndarray[Any, Any]) -> list[str]:
    """Some drawn elements that are not what the definition makes of their words."""
    if isinstance(case.init, wf.WholeTensor) or not out.size:
        return []
    law, draw = _law(case), random.Random(case.number)
    text = f"{law.core_name}({','.join(map(repr, law.parameters()))})"
    drawn, wrong = np.argwhere(_is_drawn(case)), []
    for place in map(tuple, drawn[[draw.randrange(len(drawn)) for _ in range(LOOKED_AT)]] if len(drawn) else ()):
        index = [axis[at] for axis, at in zip(case.axes, place, strict=True)]
        (number,) = [number for _, number in _indices(case.shape, [[along] for along in index])]
        code = bits(out[place]).item()
        name = number_of(case.stream)
        wrong += contradictions(Range(text, case.dtype, case.seed, case.stream, name, number, 1, (code,)))
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long to look [20]")
    parser.add_argument("--seed", type=int, default=None, help="of the cases [a random one, which is printed]")
    parser.add_argument("--case", type=int, default=None, help="run this case only")
    options = parser.parse_args(arguments)
    if options.case is not None:
        print(case_of(options.case))
        return 1 if _failed(options.case) else 0
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    draw, end, count = random.Random(seed), time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        if _failed(draw.getrandbits(48)):
            return 1
        count += 1
    print(f"{count} cases")
    return 0


def _failed(number: int) -> bool:
    """Whether a case fails; says so in one line that repeats it."""
    case = case_of(number)
    try:
        wrong = fault(case)
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("init must"):
            return False  # no value of this dtype, and said so
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        print(f"python -m tests.fuzz --case {number}  # {wrong}; {case}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
