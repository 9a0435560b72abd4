"""The frequencies of rotary embeddings as papers write them, in float64 and without the package's steps."""

import math

import weightfill as wf

STRETCH = tuple(1 + 0.05 * i for i in range(16))


def plain(base, count):
    return [base ** (-i / count) for i in range(count)]


def llama3(count, *, base=500_000.0, factor=8.0, original=8192, low=1.0, high=4.0):
    found = []
    for frequency in plain(base, count):
        turns = original * frequency / (2 * math.pi)
        share = min(max((turns - low) / (high - low), 0), 1)
        found.append((1 - share) * frequency / factor + share * frequency)
    return found


def yarn(count, *, base=10_000.0, factor=40.0, original=4096, fast=32.0, slow=1.0, truncate=True):
    """The index at which a frequency turns so many times in the original context, and a ramp between two of these."""
    ends = [2 * count * math.log(original / (2 * math.pi * beta)) / (2 * math.log(base)) for beta in (fast, slow)]
    low, high = (math.floor(ends[0]), math.ceil(ends[1])) if truncate else ends
    ramp = [min(max((i - max(low, 0)) / (min(high, 2 * count - 1) - max(low, 0)), 0), 1) for i in range(count)]
    return [f * (1 - r) + f / factor * r for f, r in zip(plain(base, count), ramp, strict=True)]


FORMULAS = {
    wf.Rotary(): lambda count: plain(10_000.0, count),
    wf.Rotary(1e6, scaling="linear", factor=4.0): lambda count: [f / 4 for f in plain(1e6, count)],
    wf.Rotary(500_000.0, scaling="llama3", factor=8.0): llama3,
    wf.Rotary(scaling="yarn", factor=40.0, original_max_position_embeddings=4096): yarn,
    wf.Rotary(
        scaling="yarn", factor=2.0, original_max_position_embeddings=8192, beta_fast=16, beta_slow=2, truncate=False
    ): lambda count: yarn(count, factor=2.0, original=8192, fast=16.0, slow=2.0, truncate=False),
    wf.Rotary(scaling="longrope", factors=STRETCH): lambda count: [
        f / stretch for f, stretch in zip(plain(10_000.0, count), STRETCH, strict=True)
    ],
}
