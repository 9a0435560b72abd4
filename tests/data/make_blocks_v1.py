"""Write blocks_v1.txt, once: initializers of blocks, and the bits of small tensors of them.

Each is compared with its definition, blocks that are made one by one, before it is written.
"""

import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "blocks_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.bits import DTYPES, assert_same_bits, bits  # noqa: E402  # on the path that is set above
from tests.initializers.block_cases import CASES, made_one_by_one  # noqa: E402

import weightfill as wf  # noqa: E402  # after it

PLACES = ((42, "layers.0.qkv"), (2**64 - 1, ""))
HEAD = """# Golden file: tensors in blocks.
#
#     initializer | dtype seed shape name -> bits of every element
"""


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for init, shape in CASES:
        for dtype in DTYPES:
            for seed, name in PLACES:
                made = wf.create(shape, init, seed=seed, stream=name, dtype=dtype)
                assert_same_bits(made, made_one_by_one(init, shape, seed, name, dtype), init)
                values = " ".join(f"{code:0{2 * dtype.itemsize}x}" for code in np.ravel(bits(made)))
                lines.append(f"{init} | {dtype} {seed} {'x'.join(map(str, shape))} {name} -> {values}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
