"""Write layers_v1.txt, once: initializers scaled by the layer's number, and the bits of small tensors of them.

Each is compared with the plain distribution whose numbers are computed as the code of torchtitan and OLMo has them.
"""

import math
import sys
from pathlib import Path

TARGET = Path(__file__).parent / "layers_v1.txt"
sys.path.insert(0, str(TARGET.parents[2]))

from tests.bits import DTYPES, assert_same_bits, bits  # noqa: E402  # on the path that is set above

import weightfill as wf  # noqa: E402  # after it

SHAPE = (3, 4)
NAMES = {0: "layers.0.attention.wo.weight", 2: "layers.2.experts.7.w2", 31: "model/31/kernel"}
HEAD = """# Golden file: initializers scaled by the number of the layer, a tensor of 3 x 4 elements a line.
#
#     initializer | dtype 42 name -> bits of every element
"""


def torchtitan(layer):
    std = 0.02 / (2 * (layer + 1)) ** 0.5
    return wf.LayerScaled(wf.Normal(std=0.02)), wf.Normal(std=std)


def olmo(layer):
    std = 1 / math.sqrt(2 * 768 * (layer + 1))
    return wf.LayerScaled(wf.TruncatedNormal(cutoff=3.0), branches=2 * 768), wf.TruncatedNormal(std=std, cutoff=3.0)


def numbered_from_one(layer):
    if layer == 0:
        return None
    divisor = math.sqrt(3 * layer)
    init = wf.LayerScaled(wf.Uniform(-0.1, 0.3), index="*{i}*", branches=3, offset=0)
    return init, wf.Uniform(-0.1 / divisor, 0.3 / divisor)


def main():
    if TARGET.exists():
        sys.exit(f"{TARGET} must not exist: it is never written again")
    lines = []
    for case in (torchtitan, olmo, numbered_from_one):
        for layer, name in NAMES.items():
            if (inits := case(layer)) is None:
                continue
            init, same = inits
            for dtype in DTYPES:
                made = wf.create(SHAPE, init, seed=42, stream=name, dtype=dtype)
                assert_same_bits(made, wf.create(SHAPE, same, seed=42, stream=name, dtype=dtype), init)
                values = " ".join(f"{code:0{2 * dtype.itemsize}x}" for code in bits(made).reshape(-1).tolist())
                lines.append(f"{init} | {dtype} 42 {name} -> {values}")
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
