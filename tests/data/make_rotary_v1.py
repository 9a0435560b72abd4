"""Write rotary_v1.txt, once: frequencies of rotary embeddings, and the bits of small tensors of them.

Each is compared with its formula before it is written.
"""

import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "rotary_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.bits import DTYPES, bits  # noqa: E402  # on the path that is set above
from tests.initializers.rotary_formulas import FORMULAS  # noqa: E402

import weightfill as wf  # noqa: E402  # after it

COUNT = 16
HEAD = f"""# Golden file: frequencies of rotary embeddings, {COUNT} of each.
#
#     initializer | dtype -> bits of every element
"""


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for init, formula in FORMULAS.items():
        np.testing.assert_allclose(wf.create(COUNT, init), formula(COUNT), rtol=1e-6, err_msg=str(init))
        np.testing.assert_allclose(wf.create(COUNT, init, dtype="float64"), formula(COUNT), rtol=1e-14)
        for dtype in DTYPES:
            values = " ".join(f"{code:0{2 * dtype.itemsize}x}" for code in bits(wf.create(COUNT, init, dtype=dtype)))
            lines.append(f"{init} | {dtype} -> {values}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
