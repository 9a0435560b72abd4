"""Tensors in blocks, and what they are by definition."""

import numpy as np

import weightfill as wf

CASES = [
    (wf.Blocks(wf.XavierUniform(), 3), (6, 4)),
    (wf.Blocks(wf.LecunNormal(), (1, 3, 2), axis=-1), (2, 6)),
    (wf.Blocks((wf.Zeros(), wf.Ones(), wf.Constant(0.3), wf.Normal()), 4), (8,)),
    (wf.Blocks((wf.Sparse(2, axis=0), wf.Padded(wf.Normal(), 1), wf.Sinusoid()), 3, axis=1), (4, 9)),
    (wf.Blocks(wf.Blocks((wf.Normal(), wf.Uniform()), (1, 2), axis=1), 2), (2, 3, 2)),
]


def made_one_by_one(init, shape, seed, name, dtype):
    """Blocks joined along their axis, each made for itself."""
    axis = init.axis % len(shape)
    sizes = init.sizes if isinstance(init.sizes, tuple) else (shape[axis] // init.sizes,) * init.sizes
    inits = init.of if isinstance(init.of, tuple) else (init.of,) * len(sizes)
    made = [
        wf.create((*shape[:axis], size, *shape[axis + 1 :]), one, seed=seed, stream=f"{name}[{k}]", dtype=dtype)
        for k, (one, size) in enumerate(zip(inits, sizes, strict=True))
    ]
    return np.concatenate(made, axis)
