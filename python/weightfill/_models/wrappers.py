"""What wrappers of a whole module or of parts of it put into the names of parameters, which is no part of a stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from weightfill._arguments.messages import shown

# The names under which torch's wrappers and Lightning's keep the module that they wrap, and the classes of these.
WRAPPERS = {
    "_orig_mod": {"OptimizedModule"},
    "_checkpoint_wrapped_module": {"ActivationWrapper"},
    "_forward_module": {"_FabricModule"},
    "module": {"DataParallel", "DistributedDataParallel"},
}
_HEAD = "module."  # also an ordinary name; a wrapper's where every name begins with it
_OWN = tuple(f"{name}." for name in (*WRAPPERS, "_fsdp_wrapped_module") if name.startswith("_"))


def streams_of(names: Iterable[str]) -> list[str]:
    """Return the streams of all parameters of a model: their names, as those of the module without its wrappers.

    `_orig_mod.` (torch.compile), `_forward_module.` (Lightning Fabric) and the like are left out wherever they stand;
    `module.` (DataParallel, DistributedDataParallel) where every name begins with it.

    >>> streams_of(["module.fc.weight", "module.fc.bias"])
    ['fc.weight', 'fc.bias']
    >>> streams_of(["0._orig_mod.weight", "module.weight"])
    ['0.weight', 'module.weight']

    Raises:
        TypeError: a name is not a string.
        ValueError: two names are the same without the wrappers.
    """
    given = list(names)
    try:
        every = " ".join(given)  # in which one look is enough
    except TypeError:
        wrong = next(name for name in given if not isinstance(name, str))
        raise TypeError(f"params must have strings for names, got {shown(wrong)}") from None
    streams = [_without_own(name) for name in given] if any(own in every for own in _OWN) else given
    if streams and all(name.startswith(_HEAD) for name in streams):
        streams = [name[len(_HEAD) :] for name in streams]
    if streams is not given and len(set(streams)) < len(set(given)):
        (twice, _), *_ = Counter(streams).most_common(1)
        raise ValueError(f"params must have distinct names but for wrappers, got {shown(twice)} twice")
    return streams


def place(module: Any, name: str) -> tuple[str, Any]:
    """Return the stream of a torch module's parameter or buffer, and the module within that has it."""
    *path, last = name.split(".")
    owner, kept = module, list[str]()
    for number, key in enumerate(path):
        if key not in owner._modules:  # a wrapper that leaves itself out of names, maybe around others
            inner = next((part for part in owner.modules() if key in part._modules), None)
            if inner is None:  # a module with names of its own
                return ".".join([*kept, *path[number:], last]), owner
            owner = inner
        if key not in WRAPPERS or WRAPPERS[key].isdisjoint(base.__name__ for base in type(owner).__mro__):
            kept.append(key)
        owner = owner._modules[key]
    return ".".join([*kept, last]), owner


def _without_own(name: str) -> str:
    for own in _OWN:
        name = name.removeprefix(own).replace(f".{own}", ".")
    return name
