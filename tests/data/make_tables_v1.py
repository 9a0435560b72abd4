"""Write tables_v1.txt, once: initializers that compute values from indices, and the bits of small tensors of them.

Each is compared with its formula, by mpmath, before it is written.
"""

import sys
from pathlib import Path

TARGET = Path(__file__).parent / "tables_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.bits import DTYPES, bits  # noqa: E402  # on the path that is set above
from tests.initializers.table_formulas import FORMULAS, assert_as_formula  # noqa: E402

import weightfill as wf  # noqa: E402  # after it

HEAD = """# Golden file: tables, whose values are computed from indices.
#
#     initializer | dtype shape -> bits of every element
"""


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for init, shape, formula in FORMULAS:
        for dtype in DTYPES:
            made = wf.create(shape, init, dtype=dtype)
            assert_as_formula(made, init, formula)
            values = " ".join(f"{code:0{2 * dtype.itemsize}x}" for code in bits(made).reshape(-1).tolist())
            lines.append(f"{init} | {dtype} {'x'.join(map(str, shape))} -> {values}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
