"""The figures this project sets itself, each with what this machine reaches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np

import weightfill as wf
from benchmarks.cases import ALL_THREADS, DTYPES, SEED, STREAM, UNITS
from benchmarks.ceiling import ceiling, first_touch, rate
from benchmarks.figure import BUDGET, Figure, at_least, run
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched, available
from benchmarks.peers import PEERS, Floats, installed
from benchmarks.timing import ratio, ratio_of_minima
from weightfill import _core
from weightfill.benchmark import Task, many, seconds, take_turns

CONSTANT, UNIFORM, NORMAL = wf.Constant(0.02), wf.Uniform(-0.05, 0.05), wf.Normal(std=0.02)
TRUNCATED = {
    "[-2, 2]": wf.TruncatedNormal(std=0.02),
    "[0, inf)": wf.TruncatedNormal(std=0.02, low=0.0),
    "[0.5, inf)": wf.TruncatedNormal(std=0.02, low=0.01),
    "[5, 6]": wf.TruncatedNormal(std=0.02, low=0.1, high=0.12),
    "[-0.001, 0.001]": wf.TruncatedNormal(std=0.02, low=-0.00002, high=0.00002),
}
CALLS = [2**n for n in range(10, 25, 2)]  # elements


class Figures:
    """The measurements, in groups; `size` is that of the float32 table, from which the other sizes follow."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._memory = Touched()

    def laws(self) -> Iterator[Figure]:
        """Float32 with all threads, as shares of the ceiling."""
        yield self._share("constant, float32", 0.95, CONSTANT)
        yield self._share("uniform, float32", 0.85, UNIFORM)
        yield self._share("normal, float32", 0.60, NORMAL)
        for bounds, init in TRUNCATED.items():
            yield self._share(f"truncated normal, {bounds} sigma, float32", 0.55, init)

    def dtypes(self) -> Iterator[Figure]:
        """The narrow types against as many elements of float32; float64 against the ceiling."""
        whole = self._memory(self._size)
        for law, init in {"uniform": UNIFORM, "normal": NORMAL, "truncated normal": TRUNCATED["[-2, 2]"]}.items():
            for dtype in DTYPES[2:]:
                narrow = whole[: self._size // 4 * np.dtype(dtype).itemsize].view(dtype)
                fills = [checked_fill(out, init, ALL_THREADS) for out in (narrow, whole.view(np.float32))]
                narrow_times, float_times = take_turns(*fills, budget=BUDGET)
                yield at_least(f"{law}, {dtype}", 0.9, narrow_times, float_times, "of float32's elements/s")
        yield self._share("uniform, float64", 0.80, UNIFORM, dtype="float64")
        yield self._share("normal, float64", 0.25, NORMAL, dtype="float64")

    def isas(self) -> Iterator[Figure]:
        """AVX2, forced; the ceiling is that of the widest instruction set."""
        if "avx2" in _core.supported_isas():
            yield self._share("uniform, float32, AVX2 forced", 0.5, UNIFORM, isa="avx2")
            yield self._share("normal, float32, AVX2 forced", 0.3, NORMAL, isa="avx2")

    def threads(self) -> Iterator[Figure]:
        """One thread: 18 GB/s where the ceiling of all threads is 42."""
        yield self._share("uniform, float32, 1 thread; ceiling of all", 18 / 42, UNIFORM, threads=1)

    def calls(self) -> Iterator[Figure]:
        """Little memory: one call, and against other libraries at every size."""
        for law, init in {"uniform": UNIFORM, "normal": NORMAL}.items():
            call = checked_fill(self._floats(CALLS[0]), init)
            (times,) = take_turns(many(call, 1000), budget=BUDGET)
            best, middle, worst = (1e6 * t / 1000 for t in (min(times), median(times), max(times)))
            name, longest = f"one call, {law}, {CALLS[0]} elements", f"up to {worst:.2f} us"
            yield Figure(name, "<= 5 us", f"{middle:.2f} us", f"{best:.2f} us", longest, middle <= 5)
        for law, init in {"uniform": UNIFORM, "normal": NORMAL, "truncated normal": TRUNCATED["[-2, 2]"]}.items():
            if installed("torch.nn.init"):
                yield self._faster(f"{law} / torch.nn.init", init, partial(_task, "torch.nn.init", init))
        yield self._faster("normal / Generator.standard_normal(out=)", wf.Normal(), _standard_normal)

    def create(self) -> Iterator[Figure]:
        """A fresh array against the first touch of fresh huge pages."""
        total = 4 * self._size
        for law, init in {"constant": CONSTANT, "uniform": UNIFORM, "normal": NORMAL}.items():
            kept: list[Floats] = []
            create = partial(_create, kept, total // 4, init)
            ours, touches = list[float](), list[float]()
            for _ in range(6):
                touches.append(first_touch(total, ALL_THREADS))
                ours.append(seconds(create))
                kept.clear()  # gives the pages back outside of the time
            name = f"create {_size_text(total)}, {law}, float32"
            yield at_least(name, 0.8, ours[1:], touches[1:], "of the first-touch rate")

    def growth(self) -> Iterator[Figure]:
        """The time of an element at four sizes."""
        sizes = [size for size in (self._size // 64, self._size // 8, self._size, 8 * self._size) if self._fits(size)]
        for law, init in {"uniform": UNIFORM, "normal": NORMAL}.items():
            fills = [checked_fill(self._floats(size // 4), init, ALL_THREADS) for size in reversed(sizes)]
            times = take_turns(*reversed(fills), budget=2 * BUDGET, at_least=7)
            each, fastest = (
                [of(t) / size * 4e12 for t, size in zip(times, sizes, strict=True)] for of in (median, min)
            )
            reached, best = (max(t) / min(t) for t in (each, fastest))
            text = f"{', '.join(f'{t:.0f}' for t in each)} ps/element"
            name = f"growth, {law}, {_size_text(sizes[0])} to {_size_text(sizes[-1])}"
            yield Figure(name, "<= 1.10 slowest / fastest", f"{reached:.2f}", f"{best:.2f}", text, reached <= 1.10)

    def _share(
        self,
        name: str,
        wanted: float,
        init: wf.Initializer,
        *,
        dtype: str = "float32",
        threads: int = ALL_THREADS,
        isa: str | None = None,
    ) -> Figure:
        whole = self._memory(self._size)
        fill = checked_fill(whole.view(dtype), init, threads, isa)
        bare_times, times = take_turns(ceiling(whole, ALL_THREADS), fill, budget=BUDGET)
        figure = at_least(name, wanted, times, bare_times)
        rates = f"; {rate(whole, median(times)):.1f} of {rate(whole, median(bare_times)):.1f} GB/s"
        return replace(figure, spread=figure.spread + rates)

    def _faster(self, name: str, init: wf.Initializer, peer: Callable[[Floats], Task]) -> Figure:
        factors, best = {}, {}
        for elements in CALLS:
            out = self._floats(elements)
            ours, theirs = checked_fill(out, init), peer(out)
            calls = max(1, round(1e-3 / min(seconds(theirs) for _ in range(3))))
            our_times, their_times = take_turns(many(ours, calls), many(theirs, calls), budget=BUDGET / len(CALLS))
            factors[elements] = ratio(their_times, our_times)
            best[elements] = ratio_of_minima(their_times, our_times)
        worst = min(factors, key=lambda elements: factors[elements])
        text = f"slowest at {worst} of {CALLS[0]} to {CALLS[-1]} elements"
        reached, least = factors[worst], min(best.values())
        return Figure(f"speed, {name}", "> 1 at every size", f"{reached:.1f}", f"{least:.1f}", text, reached > 1)

    def _floats(self, elements: int) -> Floats:
        return self._memory(4 * elements).view(np.float32)

    def _fits(self, size: int) -> bool:
        return size <= self._size or size < 0.75 * available()


def _task(library: str, init: wf.Initializer, out: Floats) -> Task:
    task = PEERS[library](out, init)
    assert task is not None
    return task


def _create(kept: list[Floats], elements: int, init: wf.Initializer) -> None:
    kept.append(wf.create(elements, init, seed=SEED, stream=STREAM))


def _standard_normal(out: Floats) -> Task:
    rng = np.random.default_rng(SEED)
    return lambda: rng.standard_normal(dtype=np.float32, out=out)


def _size_text(size: int) -> str:
    unit = max((unit for unit in UNITS if size % UNITS[unit] == 0), key=UNITS.__getitem__)
    return f"{size // UNITS[unit]}{unit}"


GROUPS = ("laws", "dtypes", "isas", "threads", "calls", "create", "growth")


if __name__ == "__main__":
    sys.exit(run("figures", __doc__, Figures, GROUPS))
