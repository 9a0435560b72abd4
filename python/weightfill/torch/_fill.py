"""Filling a torch tensor."""

from __future__ import annotations

from torch import Tensor
from torch.autograd.graph import increment_version

from weightfill._arguments.memory import writable_memory
from weightfill._arguments.signatures import explained
from weightfill._initializers.base import InitializerLike
from weightfill._run.progress import Progress, check_progress, following, ticking
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._memory import torch_threads
from weightfill.torch._recorded.interception import interception_of
from weightfill.torch._refusals import stand_in, unfillable
from weightfill.torch._views import View, dtype_of, views_of


@explained
def fill(
    tensor: Tensor,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    threads: int | None = None,
    progress: Progress = None,
) -> Tensor:
    """Fill a tensor on the CPU in place and return it, with the values of `weightfill.fill` for the same arguments.

    The values do not depend on strides or memory format (such as channels_last). Of a DTensor or a ShardedTensor this
    rank fills its own parts, without communication; fans are computed from the full shape. Leaves that require a
    gradient are filled as under `torch.no_grad()`. Tensors that autograd knows to be computed, such as the weight of a
    parametrized module, are an error, because they are copies. Within `recording()` it is recorded what is drawn.

    Args:
        tensor: a tensor on the CPU with any shape and strides, of dtype float32, float64, float16, bfloat16,
            float8_e4m3fn or float8_e5m2; or a DTensor with the placements Shard and Replicate, or a ShardedTensor, of
            such parts.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> import torch
    >>> import weightfill.torch
    >>> weight = torch.nn.Parameter(torch.empty(2, 3, dtype=torch.bfloat16))
    >>> weightfill.torch.fill(weight, KaimingNormal(), seed=42, stream="fc.weight") is weight
    True

    Raises:
        TypeError: `tensor` is not a torch tensor, `init` is not an initializer, another argument
            has a wrong type, or `seed` is missing.
        ValueError: `tensor` has no memory that can be filled (it has another dtype, is on another device or on meta, or
            was computed), `seed` or `threads` is out of range, or `init` does not fit the shape or dtype.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a torch tensor, got {type(tensor).__name__}; weightfill.fill takes arrays")
    refusal = stand_in(tensor)
    views = None if refusal else views_of(tensor)
    dtype = dtype_of(tensor)
    recording = interception_of(tensor)
    if recording is not None and dtype is not None:
        defined = DefinedTensor(tuple(tensor.shape), init, seed=seed, stream=stream, dtype=dtype)
        recording.draw(tensor, defined.init)
        if tensor.is_meta:
            return tensor
    if views is None or dtype is None:
        raise ValueError((refusal or unfillable(tensor)).text("tensor"))
    for view in views:
        writable_memory(view.array, "tensor")
    defined = DefinedTensor(tuple(tensor.shape), init, seed=seed, stream=stream, dtype=dtype)
    threads_for(0, threads)  # now, for a rank may hold no part and fill nothing
    check_progress(progress)
    fill_views(tensor, views, defined, threads=threads, progress=progress)
    return tensor


def fill_views(
    tensor: Tensor,
    views: list[View],
    defined: DefinedTensor,
    *,
    threads: int | None = None,
    progress: Progress = None,
) -> None:
    """Fill the memory of a torch tensor with the values of a defined one; autograd is told, as of any in-place change.

    Args:
        tensor: whose memory it is.
        views: the memory, checked to be writable.
        defined: the full tensor.
        threads: the most threads to use.
        progress: as for `fill`; the total is what this process holds.
    """
    increment_version(tensor)
    if len(views) == 1:  # as most have: what follows takes time beside a small fill
        array, start = views[0]
        defined.fill(array, start=start, threads=torch_threads(array.size, threads), progress=progress)
        return
    with ticking(progress, sum(view.array.size for view in views)) as tick:
        before = 0
        for view in views:
            size = view.array.size
            rest = following(tick, before)
            defined.fill(view.array, start=view.start, threads=torch_threads(size, threads), progress=rest)
            before += size
