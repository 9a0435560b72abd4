"""How other libraries fill float32 memory by the same laws, each as its documentation shows it.

A peer takes an array and an initializer and returns a task that does what `weightfill.fill` does with them, or None if
the library has nothing for that law. Those that cannot write into an array allocate their result.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import weightfill as wf
from benchmarks.cases import SEED, STREAM
from weightfill.benchmark import Task

Floats: TypeAlias = npt.NDArray[np.float32]
Peer: TypeAlias = Callable[[Floats, wf.Initializer], Task | None]


def weightfill(out: Floats, init: wf.Initializer) -> Task:
    """All threads."""
    return lambda: wf.fill(out, init, seed=SEED, stream=STREAM)


def torch_init(out: Floats, init: wf.Initializer) -> Task | None:
    """In place; the generator runs on one thread, whatever the number of threads."""
    nn_init, tensor = import_module("torch.nn.init"), import_module("torch").from_numpy(out)
    match init:
        case wf.Constant():
            return partial(nn_init.constant_, tensor, init.value)
        case wf.Uniform():
            return partial(nn_init.uniform_, tensor, init.low, init.high)
        case wf.Normal():
            return partial(nn_init.normal_, tensor, init.mean, init.std)
        case wf.TruncatedNormal():
            return partial(nn_init.trunc_normal_, tensor, init.mean, init.std, *init.bounds())
    return None


def numpy_generator(bit_generator: str, out: Floats, init: wf.Initializer) -> Task | None:
    """In place, then scaled in place; one thread."""
    rng = np.random.Generator(getattr(np.random, bit_generator)(SEED))

    def scaled(draw: Callable[..., object], scale: float, shift: float) -> None:
        draw(dtype=np.float32, out=out)
        np.multiply(out, np.float32(scale), out=out)
        if shift:
            np.add(out, np.float32(shift), out=out)

    match init:
        case wf.Constant():
            return lambda: out.fill(init.value)
        case wf.Uniform():
            return lambda: scaled(rng.random, init.high - init.low, init.low)
        case wf.Normal():
            return lambda: scaled(rng.standard_normal, init.std, init.mean)
    return None


def jax_random(out: Floats, init: wf.Initializer) -> Task:
    """A new array, by the default generator under jit; XLA's threads."""
    jax, jnp = import_module("jax"), import_module("jax.numpy")

    def draw(key: Any) -> Any:
        match init:
            case wf.Constant():
                return jnp.full(out.shape, init.value, jnp.float32)
            case wf.Uniform():
                return jax.random.uniform(key, out.shape, jnp.float32, init.low, init.high)
            case wf.Normal():
                return jax.random.normal(key, out.shape, jnp.float32) * init.std + init.mean
            case wf.TruncatedNormal():
                low, high = ((bound - init.mean) / init.std for bound in init.bounds())
                return jax.random.truncated_normal(key, low, high, out.shape, jnp.float32) * init.std + init.mean
            case wf.Laplace():
                return jax.random.laplace(key, out.shape, jnp.float32) * init.scale + init.mean
            case wf.LogUniform():
                low, high = jnp.log(init.low), jnp.log(init.high)
                return jnp.exp(jax.random.uniform(key, out.shape, jnp.float32, low, high))
        raise TypeError(f"init must be one of the timed laws, got {init!r}")

    compiled, key = jax.jit(draw), jax.random.key(SEED)
    return lambda: compiled(key).block_until_ready()


_GENERATORS = {"ARS5": 15 << 20, "PHILOX4X32X10": 16 << 20}  # VSL_BRNG_... of mkl_vsl_defines.h
_GAUSSIAN_ICDF = 2
_SEQUENTIAL = 1  # threading layer; the generators use one thread anyway


def mkl_vsl(generator: str, out: Floats, init: wf.Initializer) -> Task | None:
    """In place, by the vector statistics library; one thread."""
    mkl = ctypes.CDLL(_mkl_library())
    mkl.MKL_Set_Threading_Layer(_SEQUENTIAL)
    stream = ctypes.c_void_p()
    if mkl.vslNewStream(ctypes.byref(stream), _GENERATORS[generator], ctypes.c_uint(SEED)):
        return None

    def call(function: str, method: int, first: float, second: float) -> None:
        data = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        status = getattr(mkl, function)(
            method, stream, ctypes.c_int(out.size), data, ctypes.c_float(first), ctypes.c_float(second)
        )
        assert status == 0, f"{function} returned {status}"

    match init:
        case wf.Uniform():
            return lambda: call("vsRngUniform", 0, init.low, init.high)
        case wf.Normal():
            return lambda: call("vsRngGaussian", _GAUSSIAN_ICDF, init.mean, init.std)
    return None


def _mkl_library() -> str | None:
    try:
        found = [file for file in files("mkl") or () if file.name.startswith("libmkl_rt.so")]
    except PackageNotFoundError:
        return None
    return str(found[0].locate()) if found else None


PEERS: dict[str, Peer] = {
    "weightfill": weightfill,
    "torch.nn.init": torch_init,
    "NumPy SFC64": partial(numpy_generator, "SFC64"),
    "NumPy Philox": partial(numpy_generator, "Philox"),
    "JAX": jax_random,
    "MKL ARS5": partial(mkl_vsl, "ARS5"),
    "MKL Philox": partial(mkl_vsl, "PHILOX4X32X10"),
}

ONE_THREAD = "torch, NumPy and MKL draw on one thread, whatever the machine has."


def installed(name: str) -> bool:
    """Return whether a peer's library is installed; imports nothing."""
    library = name.split()[0].partition(".")[0].lower()
    return _mkl_library() is not None if library == "mkl" else find_spec(library) is not None
