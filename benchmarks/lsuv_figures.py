"""What LSUV of a deep torch model takes, beside one forward pass, and the package `lsuv` beside that."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import weightfill as wf
from benchmarks.cases import SEED
from benchmarks.figure import Figure
from benchmarks.timing import ratio, ratio_of_minima, spread
from weightfill.benchmark import seconds, take_turns

LAYERS = 50
TOLERANCE = 0.02
INITS = {"normal": wf.KaimingNormal(), "orthogonal": wf.Orthogonal()}


def lsuv_figures(width: int) -> Iterator[Figure]:
    """Measure a model of 50 layers of `width` units, on 4 times as many samples."""
    if find_spec("torch") is None:
        print("torch is not installed: figures of lsuv are left out", file=sys.stderr)
        return
    import torch  # here, as torch is optional

    import weightfill.torch  # after it

    parts = [part for _ in range(LAYERS) for part in (torch.nn.Linear(width, width), torch.nn.ReLU())]
    model = torch.nn.Sequential(*parts)
    batch = torch.from_numpy(wf.create((4 * width, width), wf.Normal(), seed=SEED, stream="batch"))
    forward = partial(_forward, model, batch)
    what = f"{LAYERS} layers of {width}, {4 * width} samples"
    for name, init in INITS.items():
        plan = wf.Plan({"*.bias": wf.Zeros(), "*": init}, seed=SEED)
        ours = partial(weightfill.torch.lsuv, model, batch, plan, tolerance=TOLERANCE)
        text = f"lsuv, torch, {name}, {what}: forward passes' time"
        yield _at_most(text, 12, *take_turns(ours, forward, budget=10, at_least=5))
    if find_spec("lsuv") is None:
        print("lsuv is not installed: pip install lsuv==0.3.0 to compare with it", file=sys.stderr)
        return
    calls: list[None] = []
    handle = model.register_forward_pre_hook(lambda _module, _given: calls.append(None))
    other = [seconds(partial(_peer, model, batch))]  # once, as it takes long
    handle.remove()
    yield _at_most(
        f"lsuv, torch, orthogonal, {what}: share of the time of lsuv 0.3, which makes {len(calls)} forward passes",
        1,
        [seconds(ours)],
        other,
    )


def _at_most(name: str, wanted: float, ours: list[float], theirs: list[float]) -> Figure:
    reached, best, (low, high) = ratio(ours, theirs), ratio_of_minima(ours, theirs), spread(ours, theirs)
    return Figure(
        name, f"<= {wanted:g}", f"{reached:.3g}", f"{best:.3g}", f"{low:.3g} to {high:.3g}", reached <= wanted
    )


def _forward(model: Any, batch: Any) -> None:
    import torch  # as above

    with torch.no_grad():
        model(batch)


def _peer(model: Any, batch: Any) -> None:
    """Run the package with the tolerance that weightfill has; it makes orthogonal weights itself."""
    from lsuv import lsuv_with_singlebatch  # here, as few have it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lsuv_with_singlebatch(model, batch, std_tol=TOLERANCE, verbose=False)
