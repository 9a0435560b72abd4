"""Calls with arguments that a function does not have: errors that name the one that is meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from weightfill._arguments.choices import nearest, plain
from weightfill._arguments.messages import cut, shown

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Kind = TypeVar("Kind")

# What torch, Keras, JAX, NumPy and SciPy call it, and what it may be here: the first that the function has.
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "a": ("low", 'gain=gain("leaky_relu", a)', "out"),
    "activation": ("gain",),
    "arr": ("out", "target"),
    "array": ("out", "target", "tensor"),
    "b": ("high",),
    "batch_axis": ("layout=Layout(..., batch_axis=...)",),
    "c": ("value",),
    "data_format": ("layout",),
    "fan": ("mode",),
    "exist_ok": ("replace",),
    "fill_value": ("value",),
    "force": ("replace",),
    "generator": ("seed",),
    "in_axis": ("layout=Layout(in_axis=..., out_axis=...)",),
    "initializer": ("init",),
    "k": ("connections",),
    "key": ("seed",),
    "limit": ("high",),
    "loc": ("mean",),
    "lower": ("low",),
    "lr": ("rate",),
    "max": ("high",),
    "max_shard_size": ("shard_bytes",),
    "maxval": ("high",),
    "min": ("low",),
    "minval": ("low",),
    "model": ("shapes",),
    "module": ("shapes",),
    "mu": ("mean",),
    "n_iter": ("epochs",),
    "n_jobs": ("threads",),
    "n_layers": ("layers",),
    "name": ("stream",),
    "negative_slope": ('gain=gain("leaky_relu", negative_slope)',),
    "nnz": ("connections",),
    "nonlinearity": ("gain",),
    "num_layers": ("layers",),
    "num_threads": ("threads",),
    "offset": ("start",),
    "out": ("target",),
    "out_axis": ("layout=Layout(in_axis=..., out_axis=...)",),
    "overwrite": ("replace",),
    "p": ("sparsity",),
    "params": ("shapes",),
    "random_state": ("seed",),
    "rng": ("seed",),
    "scale": ("std", "gain"),
    "sd": ("std",),
    "shard_size": ("shard_bytes",),
    "sigma": ("std",),
    "size": ("shape",),
    "slope": ('gain=gain("leaky_relu", slope)',),
    "state_dict": ("shapes", "params"),
    "stddev": ("std",),
    "target": ("out",),
    "tensor": ("out", "target"),
    "upper": ("high",),
    "val": ("value",),
    "workers": ("threads",),
    "x": ("out", "target"),
}


def explained(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return the function, or constructor, with errors of weightfill's own for arguments that it does not have."""

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            return function(*arguments, **options)
        except TypeError:
            signature = inspect.signature(function)
            try:
                signature.bind(*arguments, **options)
            except TypeError:
                message = _message(function, signature, arguments, options)
            else:
                raise
        raise TypeError(message)

    return call


def explained_constructor(kind: type[Kind], *, pair: bool = False) -> type[Kind]:
    """Return the class, whose constructor is now `explained`, and `paired` too if asked for.

    A dataclass writes its constructor itself, so it has to be replaced. A metaclass that wraps calls would hide the
    parameters from `inspect.signature`, which the command line and plans in TOML read.
    """
    constructor = explained(kind.__init__)
    setattr(kind, "__init__", paired(constructor) if pair else constructor)  # noqa: B010, as mypy refuses to assign it
    return kind


def paired(constructor: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return the constructor with an error where the first of its first two parameters is given alone, by position.

    Normal(0.02) has the mean 0.02 in the order of torch and NumPy, and the std 0.02 in JAX's.
    """
    first, second = _names(inspect.signature(constructor))[:2]

    @wraps(constructor)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        if len(arguments) == 2 and second not in options:
            subject, value = _subject(constructor), shown(arguments[1])
            raise TypeError(
                f"{first} and {second} must be named unless both are given, got {subject}({value}); "
                f"write {subject}({second}={value}) or {subject}({first}={value})"
            )
        return constructor(*arguments, **options)

    return call


def _subject(function: Callable[..., Any]) -> str:
    return function.__qualname__.removesuffix(".__init__")


def _names(signature: inspect.Signature) -> list[str]:
    return [name for name in signature.parameters if name not in ("self", "cls")]


def _message(
    function: Callable[..., Any],
    signature: inspect.Signature,
    arguments: tuple[object, ...],
    options: Mapping[str, object],
) -> str:
    """Return what is wrong with a call that the signature does not allow."""
    subject, names = _subject(function), _names(signature)
    for name in options:
        if name not in names:
            takes = f"given only {_listed(names)}" if names else "given nothing"
            return f"{subject} must be {takes}, got {cut(name)}{_meant(name, names)}"
    by_position = [name for name in names if signature.parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY]
    given = len(arguments) - (len(signature.parameters) - len(names))
    if given > len(by_position):
        rest = [name for name in names if name not in by_position]
        most = (
            f"at most {len(by_position)} by position, {_listed(by_position)}" if by_position else "nothing by position"
        )
        way_out = f"; name the others: {_listed(rest)}" if rest else ""
        return f"{subject} must be given {most}, got {given}{way_out}"
    for name in by_position[:given]:
        if name in options:
            return f"{subject} must be given {name} once, got it by position and by name"
    empty = inspect.Parameter.empty
    needed = [name for name in names if signature.parameters[name].default is empty]
    missing = [name for name in needed if name not in options and name not in by_position[:given]]
    return f"{subject} must be given {_listed(needed)}, got no {_listed(missing, 'or')}"


def _meant(name: str, names: Iterable[str]) -> str:
    """Return the end of a message about an unknown name."""
    for way in _ELSEWHERE.get(name, ()):
        if way.partition("=")[0] in names:
            return f"; did you mean {way}?"
    return nearest(name, {plain(known): known for known in names})


def _listed(names: list[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
