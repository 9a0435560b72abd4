"""Write connections_v1.txt, once: a change of any position in it is a new version of the stream, in a new file.

Positions come from the definition and from the package, which must agree.
"""

import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "connections_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.definition import connections  # noqa: E402  # on the path that is set above

import weightfill as wf  # noqa: E402  # after it

CASES = [
    (0, "", 0, 10, 3),
    (0, "", 1, 10, 3),
    (2**64 - 1, "layers.0.weight", 7, 8192, 10),
    (42, "item_table", 10**6, 10**6, 10),
    (42, "item_table", 12345, 2**40, 10),
    (42, "mlp.0.weight", 3, 20, 15),
    (42, "mlp.0.weight", 2**33, 20, 20),
    (2024, "Größe/0", 99, 300, 150),
    (2024, "Größe/0", 99, 301, 290),
    (2**32, "w", 5, 100_000, 80),
]
HEAD = """# Golden file: the positions that are drawn of a unit of a sparse tensor, one unit a line.
#
#     seed name unit inputs kept -> positions in ascending order
#
# `-` is the empty name.
"""


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for seed, name, unit, inputs, kept in CASES:
        positions = sorted(connections(seed, name, unit, inputs, kept))
        element = np.empty((1, 1), np.float32)
        for position in positions:
            wf.fill(element, wf.Sparse(kept), seed=seed, stream=name, shape=(unit + 1, inputs), start=(unit, position))
            assert element[0, 0] != 0
        lines.append(f"{seed} {name or '-'} {unit} {inputs} {kept} -> {' '.join(map(str, positions))}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
