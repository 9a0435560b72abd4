"""Write stream_v1.txt, once: a change of any bit in it is a new version of the stream, in a new file.

Every line is compared with the definition of its law before it is written.
"""

import sys
from itertools import cycle
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "stream_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests import golden  # noqa: E402
from tests.bits import DTYPES, bits  # noqa: E402
from tests.golden import Range, checksum, contradictions  # noqa: E402

from weightfill._arguments.streams import stream_number  # noqa: E402

LAWS = [
    "constant(0.1)",
    "uniform(0,1)",
    "uniform(-0.07,0.03)",
    "normal(0,1)",
    "normal(0,0.02)",
    "normal(0.5,0.1)",
    "truncated_normal(0,1,-2,2)",
    "truncated_normal(0,0.02,-0.04,0.04)",
    "truncated_normal(0,1,0,inf)",
    "truncated_normal(0,1,5,6)",
    "truncated_normal(0,1,8,inf)",
    "truncated_normal(0,1,-0.001,0.001)",
    "truncated_normal(0,1,-40,-38)",
    "truncated_normal(1,2,-0.5,4)",
]
STREAMS = [(0, ""), (2**64 - 1, "layers.0.weight"), (2024, "Größe/0"), (2**32, "item_table")]
HIGH = [2**32 - 3, 2**34 - 2, 2**33 - 1, 2**40 + 1, 2**63 - 2, 2**64 - 4]
# Elements of seed 42 and stream item_table with extreme words. Of 32 bits: the first 0, ffffffff, 7fffffff, 80000000.
# Of 64 bits: the smallest, the largest and the one nearest to the middle among 2**32.
EXTREME = {32: [4409036340, 1114085871, 7565976638, 4447105842], 64: [2998461516, 557042935, 4288494217]}


def ranges():
    streams, high, extreme = cycle(STREAMS), cycle(HIGH), {bits: cycle(found) for bits, found in EXTREME.items()}
    for law in LAWS:
        for dtype in DTYPES:
            seed, name = next(streams)
            word_bits = 64 if dtype == np.float64 else 32
            yield law, dtype, seed, name, 0, 6, False
            for _ in range(2 if dtype.itemsize >= 4 else 1):
                yield law, dtype, seed, name, next(high), 4, False
            for _ in EXTREME[word_bits] if dtype.itemsize >= 4 else [0]:
                yield law, dtype, 42, "item_table", next(extreme[word_bits]) - 1, 3, False
            yield law, dtype, 42, "item_table", 2**34 - 500_001, 1_000_000, True
        next(streams)


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = [f"# {line}" if line else "#" for line in golden.__doc__.strip().splitlines()]
    for law, dtype, seed, name, first, count, is_sum in ranges():
        place = (law, dtype, seed, name, stream_number(name), first, count)
        values = Range(*place).fill()
        part = Range(*place, checksum=checksum(values)) if is_sum else Range(*place, tuple(bits(values).tolist()))
        if wrong := contradictions(part):
            sys.exit("\n".join(wrong))
        lines.append(part.line())
    TARGET.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
