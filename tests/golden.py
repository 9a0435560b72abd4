"""Golden files: what a version of the stream gives, one range of elements a line.

    law dtype seed name number first count -> bits of every element, or sum and the checksum of their bits

Numbers are decimal, but for the stream's number, the bits and the checksum; `-` is the empty name.
"""

from dataclasses import dataclass

import mpmath
import numpy as np

import weightfill as wf
from tests.bits import bits
from tests.definition import element_words, laplace, log_uniform, narrowed, quantile, standard_uniform, uniform

INITIALIZERS = {
    "constant": wf.Constant,
    "uniform": wf.Uniform,
    "normal": wf.Normal,
    "truncated_normal": lambda mean, std, low, high: wf.TruncatedNormal(mean, std, low=low, high=high),
    "laplace": wf.Laplace,
    "log_uniform": lambda low, high, then: wf.LogUniform(low, high, then=[None, "inverse_softplus"][int(then)]),
}
EPSILON = {np.dtype(np.float32): 2.0**-23, np.dtype(np.float64): 2.0**-52}


@dataclass(frozen=True)
class Range:
    """Consecutive elements of a tensor, and the bits they must have."""

    law: str
    dtype: np.dtype
    seed: int
    name: str
    number: int
    first: int
    count: int
    bits: tuple[int, ...] = ()
    checksum: int | None = None

    @property
    def kind(self):
        return self.law.partition("(")[0]

    @property
    def parameters(self):
        return [float(number) for number in self.law.partition("(")[2].rstrip(")").split(",")]

    def fill(self, **options):
        init = INITIALIZERS[self.kind](*self.parameters)
        out = np.empty(self.count, self.dtype)
        return wf.fill(out, init, seed=self.seed, stream=self.name, shape=2**64, start=self.first, **options)

    def line(self):
        values = " ".join(f"{code:0{2 * self.dtype.itemsize}x}" for code in self.bits)
        if self.checksum is not None:
            values = f"sum {self.checksum:016x}"
        name = self.name or "-"
        place = f"{self.seed} {name} {self.number:016x} {self.first} {self.count}"
        return f"{self.law} {self.dtype.name} {place} -> {values}"


def read(path):
    return [_parsed(line) for line in path.read_text().splitlines() if not line.startswith("#")]


def _parsed(line):
    place, _, values = line.partition(" -> ")
    law, dtype, seed, name, number, first, count = place.split()
    found = [int(value, 16) for value in values.removeprefix("sum ").split()]
    is_sum = values.startswith("sum ")
    return Range(
        law,
        np.dtype(dtype),
        int(seed),
        "" if name == "-" else name,
        int(number, 16),
        int(first),
        int(count),
        () if is_sum else tuple(found),
        found[0] if is_sum else None,
    )


def checksum(array):
    """The sum of (2 i + 1) times the bits of element i, modulo 2**64: no single change leaves it as it is."""
    odd = np.arange(array.size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return int((bits(array).astype(np.uint64) * odd).sum(dtype=np.uint64))


def contradictions(part):
    """Elements of a range that are not what the laws promise, as text."""
    if part.checksum is not None:
        if part.law != "uniform(0,1)" or part.dtype not in EPSILON:
            return []
        expected = standard_uniform(part.dtype, part.seed, part.number, part.first, part.count)
        return [] if checksum(expected) == part.checksum else [part.line()]
    values = np.array(part.bits, f"u{part.dtype.itemsize}").view(part.dtype)
    drawn = np.dtype(np.float64 if part.dtype == np.float64 else np.float32)
    wrong = []
    for i, word in enumerate(element_words(drawn, part.seed, part.number, part.first, part.count)):
        least, most = _range(part, word, drawn)
        if not least <= values[i] <= most:
            wrong.append(f"{part.line()}: element {i}, word {word:x}: {values[i]!r} is not in [{least!r}, {most!r}]")
    return wrong


def _range(part, word, drawn):
    """The smallest and the largest value that a word may give."""
    if part.kind == "constant":
        value = drawn.type(part.parameters[0]).astype(part.dtype)
        return value, value
    if part.kind == "uniform":
        low, high = part.parameters
        value = narrowed(uniform(low, high, word, drawn), part.dtype, low, high, below_high=True)
        return value, value
    if part.kind in ("laplace", "log_uniform"):
        return _range_of_closed_form(part, word, drawn)
    mean, std, *bounds = part.parameters
    low, high = bounds or (-np.inf, np.inf)
    with mpmath.workdps(60):
        from_low, from_high = (mpmath.mpf(low) - mean) / std, (mpmath.mpf(high) - mean) / std
        z = quantile(word, 8 * drawn.itemsize, from_low, from_high)
        x, error = mean + std * z, _error(z, mean, std, from_high - from_low if bounds else None, drawn)
        ends = [_nearest(x - error, drawn), _nearest(x + error, drawn)]
    return [narrowed(end, part.dtype, low, high) for end in ends]


def _range_of_closed_form(part, word, drawn):
    with mpmath.workdps(60):
        u = (mpmath.mpf(int(word)) + 0.5) / mpmath.mpf(2) ** (8 * drawn.itemsize)
        if part.kind == "laplace":
            mean, scale = part.parameters
            x, low, high = laplace(u, mean, scale), -np.inf, np.inf
            measure = max(2 * scale, abs(x - mean))
        else:
            x, low, high = (log_uniform(share, *part.parameters) for share in (u, 0, 1))
            measure = max(1, abs(x)) if part.parameters[2] else x
        error = (1e-6 if drawn == np.float32 else 1e-14) * measure + EPSILON[drawn] * abs(x)
        ends = [_nearest(min(max(x + side * error, low), high), drawn) for side in (-1, 1)]
        return [narrowed(end, part.dtype, float(low), float(high)) for end in ends]


def _error(z, mean, std, width, drawn):
    """How far a value may be from mean + std * z; `width` is that of the bounds in stds, None without any."""
    rounding = 2 * EPSILON[drawn] * (abs(mean) + std * abs(z))
    span = std * max(1, abs(z)) if width is None else std * min(width, max(1, abs(z)))
    if drawn == np.float32:
        return 1e-6 * span + (rounding if mean or width is not None else 0)
    if width is None:
        return 1e-14 * (abs(mean) + std * abs(z))
    return rounding + (1e-13 * span if width < np.inf else std * max(1e-13, 1e-14 * abs(z)))


def _nearest(x, dtype):
    with mpmath.workprec(53 if dtype == np.float64 else 24):
        return dtype.type(float(mpmath.mpf(x)))
