"""Initializers that follow the number of layers, or of a layer, found among those of all parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from weightfill._initializers.base import Initializer, Law
from weightfill._initializers.laws import Normal, TruncatedNormal
from weightfill._initializers.layers import LayerScaled
from weightfill._initializers.structured import DepthScaled

_LAYER = re.compile(r"(.*?)\.(\d+)\.")
_NUMBER = re.compile(r"(?<![^.])[0-9]{1,15}(?![^.])")  # a whole part of a name
_FEWEST = 3  # layers, as two may be alike by chance
_FORMS = [(2, 1), (1, 1), (2, 0), (1, 0)]  # branches and offset
_FAR = 40  # std from the mean, beyond which float64 has no probability: all bounds there give the same bits
_NEAR = 4  # float64 numbers on each side that may be the one that was divided
Bell: TypeAlias = Normal | TruncatedNormal


def by_layers(inits: Mapping[str, Initializer], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Initializer]:
    """Return the same with LayerScaled and DepthScaled where the numbers of distributions say so, to the last bit."""
    return _by_depth(_by_index(inits, shapes))


def _by_index(inits: Mapping[str, Initializer], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Initializer]:
    """Return the same with LayerScaled where all layers have one normal distribution, scaled by their own number.

    They must have one shape, as stds of different ones may follow the fans. Uniform values are left alone: the bounds
    of torch's biases follow the fans of their weights.
    """
    found = dict(inits)
    for index, numbers in _kinds(inits):
        laws = {name: init for name in numbers if isinstance(init := found[name], Normal | TruncatedNormal)}
        if len(laws) < len(numbers) or len(set(laws.values())) == 1 or len(set(map(type, laws.values()))) > 1:
            continue
        if len({shapes[name] for name in laws}) > 1:
            continue
        for scaled in _scaled(list(laws.values()), list(numbers.values()), index):
            if all(_same(scaled.for_stream(name).law(()), law) for name, law in laws.items()):
                found.update(dict.fromkeys(laws, scaled))
                break
    return found


def _kinds(inits: Mapping[str, Initializer]) -> Iterator[tuple[str | None, dict[str, int]]]:
    """Yield names that differ in one number alone, with that number, and the `index` by which LayerScaled finds it.

    Those that differ in the first number of a name come first.
    """
    kinds: dict[tuple[int, str], dict[str, int]] = {}
    for name in inits:
        for place, match in enumerate(_NUMBER.finditer(name)):
            kinds.setdefault((place, f"{name[: match.start()]}*{name[match.end() :]}"), {})[name] = int(match[0])
    for (place, kind), numbers in sorted(kinds.items(), key=lambda one: one[0][0]):
        if len(numbers) < _FEWEST:
            continue
        begin, _, end = kind.partition("*")
        before = begin.rstrip(".").rpartition(".")[2]
        if place == 0:
            yield None, numbers
        elif before.isidentifier():
            yield f"*{before}.{{i}}{'.*' if end else ''}", numbers


def _scaled(laws: Sequence[Bell], numbers: Sequence[int], index: str | None) -> Iterator[LayerScaled]:
    """Yield each LayerScaled that may have these laws for layers of these numbers."""
    for branches, offset in [*_FORMS, *_over_one(laws[0], numbers[0])]:
        if min(numbers) + offset > 0:
            of = _undivided(laws, [math.sqrt(branches * (number + offset)) for number in numbers])
            if of is not None:
                yield LayerScaled(of, index, branches, offset)


def _over_one(law: Bell, number: int) -> Iterator[tuple[int, int]]:
    """Yield the branches and offset with which a std is 1 / sqrt(branches * (number + offset)), as OLMo computes it."""
    if 0 < law.std < 1:
        for offset in (1, 0):
            branches = 1 / (law.std * law.std * max(number + offset, 1))
            if 1 < branches < 2**53:
                yield round(branches), offset


def _undivided(laws: Sequence[Bell], divisors: Sequence[float]) -> Bell | None:
    """Return the law that these are, once its numbers are divided; None if there is none."""
    numbers = [_dividend(column, divisors) for column in zip(*(law.parameters() for law in laws), strict=True)]
    mean, std, *bounds = numbers
    if mean is None or std is None:
        return None
    first = laws[0]
    if not isinstance(first, TruncatedNormal):
        return Normal(mean, std)
    low, high = bounds
    cutoff = float(f"{(first.bounds()[1] - first.mean) / first.std:.15g}")
    if 0 < cutoff < _FAR and all(_is_cut_at(law, cutoff) for law in laws):
        return TruncatedNormal(mean, std, cutoff)
    if low is None or high is None:
        low, high = first.bounds()
    return TruncatedNormal(mean, std, low=low, high=high)


def _dividend(quotients: Sequence[float], divisors: Sequence[float]) -> float | None:
    """Return the number, with few digits if it can be, that each divisor divides into its quotient to the last bit."""
    guess = quotients[0] * divisors[0]
    candidates = [float(f"{guess:.{digits}g}") for digits in range(1, 18)]
    if math.isfinite(guess):
        candidates += [guess + steps * float(np.spacing(guess)) for steps in range(-_NEAR, _NEAR + 1)]
    pairs = list(zip(quotients, divisors, strict=True))
    return next((one for one in candidates if all(one / divisor == quotient for quotient, divisor in pairs)), None)


def _is_cut_at(law: Bell, cutoff: float) -> bool:
    return isinstance(law, TruncatedNormal) and law.bounds() == TruncatedNormal(law.mean, law.std, cutoff).bounds()


def _same(law: Law, other: Bell) -> bool:
    """Whether two laws give the same bits."""
    if isinstance(law, TruncatedNormal) and isinstance(other, TruncatedNormal):
        if (law.mean, law.std) != (other.mean, other.std):
            return False
        bounds = [*law.bounds(), *other.bounds()]
        far = all(abs(bound - law.mean) >= _FAR * law.std for bound in bounds)
        return law.bounds() == other.bounds() or (far and law.bounds()[0] < law.mean < law.bounds()[1])
    return law == other


def _by_depth(inits: Mapping[str, Initializer]) -> dict[str, Initializer]:
    """Return the same with DepthScaled for weights of all layers whose std is another one over sqrt(2 * layers)."""
    layers: dict[tuple[str, float], set[str]] = {}  # by what stands before the number, and std
    stacks: dict[str, set[str]] = {}
    places = {name: match for name in inits if (match := _LAYER.match(name))}
    for name, match in places.items():
        init = inits[name]
        stacks.setdefault(match[1], set()).add(match[2])
        if isinstance(init, Normal) and init.mean == 0 and init.std > 0:
            layers.setdefault((match[1], init.std), set()).add(match[2])
    found = dict(inits)
    for name, match in places.items():
        init = inits[name]
        count = len(layers.get((match[1], init.std), ())) if isinstance(init, Normal) and init.mean == 0 else 0
        is_of_all = 1 < count == len(stacks[match[1]])
        for std in {std for stack, std in layers if stack == match[1]} if is_of_all else ():
            scaled = DepthScaled(Normal(std=std), layers=count)
            if scaled.law(()) == init:
                found[name] = scaled
    return found
