"""Write scaled_v1.txt, once: initializers times a factor, and the bits of small tensors of them.

Each is compared with the definition before it is written: the value that a distribution with scaled numbers has.
"""

import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "scaled_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.bits import bits  # noqa: E402  # on the path that is set above

import weightfill as wf  # noqa: E402  # after it

FACTOR = 0.8731
CASES = {  # of, and what the values must be those of
    wf.Normal(0.25, 0.02): wf.Normal(0.25 * FACTOR, 0.02 * FACTOR),
    wf.Uniform(-0.1, 0.3): wf.Uniform(-0.1 * FACTOR, 0.3 * FACTOR),
    wf.TruncatedNormal(std=0.02): wf.TruncatedNormal(std=0.02 * FACTOR),
    wf.TruncatedNormal(std=0.7, low=-0.1, high=0.3): wf.TruncatedNormal(
        std=0.7 * FACTOR, low=-0.1 * FACTOR, high=0.3 * FACTOR
    ),
    wf.Laplace(0.5, 0.1): wf.Laplace(0.5 * FACTOR, 0.1 * FACTOR),
    wf.LogUniform(1e-3, 0.1): wf.LogUniform(1e-3 * FACTOR, 0.1 * FACTOR),
    wf.KaimingNormal(): wf.KaimingNormal(2**0.5 * FACTOR),
    wf.Sparse(2, std=0.1): wf.Sparse(2, std=0.1 * FACTOR),
    wf.Padded(wf.Normal(std=0.02), 1): wf.Padded(wf.Normal(std=0.02 * FACTOR), 1),
    wf.Constant(0.3): wf.Constant(0.3 * FACTOR),
}
DTYPES = ("float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
PLACES = ((42, "item_table"), (2**64 - 1, "layers.0.weight"))
SHAPE = (3, 4)
HEAD = """# Golden file: initializers times a factor, a tensor of 3 x 4 elements a line.
#
#     initializer | dtype seed name -> bits of every element
"""


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for of, same in CASES.items():
        for dtype in DTYPES:
            for seed, name in PLACES:
                init = wf.Scaled(of, FACTOR)
                found = bits(wf.create(SHAPE, init, seed=seed, stream=name, dtype=dtype))
                expected = bits(wf.create(SHAPE, same, seed=seed, stream=name, dtype=dtype))
                if not np.array_equal(found, expected):
                    sys.exit(f"{init} in {dtype} is not {same}")
                values = " ".join(f"{code:0{2 * found.itemsize}x}" for code in found.reshape(-1).tolist())
                lines.append(f"{init} | {dtype} {seed} {name} -> {values}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
