"""A plan with a rule of every kind, and the parameters of a small model for it."""

import weightfill as wf

RULES = {
    "*.bias": wf.Zeros(),
    "*norm*.weight": wf.Ones(),
    "*emb*": wf.Padded(wf.Normal(std=0.02), 0),
    "*.proj.weight": wf.DepthScaled(wf.Normal(std=0.02), layers=12),
    "*.mask": wf.Sparse(3),
    "*.rec": wf.Orthogonal(),
    "*": wf.KaimingNormal(),
}
SHAPES = {
    "emb.weight": (100, 8),
    "h.0.norm.weight": (8,),
    "h.0.attn.weight": (24, 8),
    "h.0.attn.bias": (24,),
    "h.0.proj.weight": (8, 8),
    "h.0.mask": (16, 8),
    "h.0.rec": (8, 8),
    "h.0.rec.bias": (),
    "h.0.none.bias": (0, 3),
}
