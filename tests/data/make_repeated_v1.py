"""Write repeated_v1.txt, once: initializers whose values are repeated, and the bits of small tensors of them.

Each is compared with np.repeat of the shorter tensor before it is written.
"""

import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "repeated_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.bits import DTYPES, assert_same_bits, bits  # noqa: E402  # on the path that is set above

import weightfill as wf  # noqa: E402  # after it

CASES = [(wf.Repeat(wf.KaimingNormal(), 3), (6, 4)), (wf.Repeat(wf.Sparse(1), 2, axis=-1), (2, 3, 4))]
HEAD = """# Golden file: tensors whose values are repeated.
#
#     initializer | dtype seed shape name -> bits of every element
"""


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for init, shape in CASES:
        axis = init.axis % len(shape)
        shorter = tuple(count // init.factor if k == axis else count for k, count in enumerate(shape))
        for dtype in DTYPES:
            made = wf.create(shape, init, seed=42, stream="conv", dtype=dtype)
            of = wf.create(shorter, init.of, seed=42, stream="conv", dtype=dtype)
            assert_same_bits(made, np.repeat(of, init.factor, axis), init)
            values = " ".join(f"{code:0{2 * dtype.itemsize}x}" for code in np.ravel(bits(made)))
            lines.append(f"{init} | {dtype} 42 {'x'.join(map(str, shape))} conv -> {values}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
