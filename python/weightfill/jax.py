"""JAX: weightfill's initializers as JAX's, and arrays that are filled shard by shard.

The JAX key is the seed. JAX's default keys have two 32-bit words. Together they are a 64-bit number, the first word
being the high half: `key(42)` is seed 42. For a key of any other size the seed is the first 8 bytes, little-endian, of
BLAKE2b(words in little-endian order, digest_size=8).
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

try:
    import jax
    import jax.numpy as jnp
except ModuleNotFoundError as error:
    if error.name not in ("jax", "jaxlib"):
        raise
    raise ImportError("weightfill.jax needs jax: pip install 'weightfill[jax]'") from error

from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import stream_number
from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill._initializers.base import Initializer, InitializerLike, as_initializer
from weightfill._initializers.laws import Constant
from weightfill._run.allocation import empty
from weightfill._run.threads import checked_threads
from weightfill._tensor import Tensor

__all__ = ["KeyedInitializer", "create", "initializer", "seed_of"]

Array: TypeAlias = npt.NDArray[Any]
_ALIGNMENT = 64  # bytes; XLA takes memory over as it is only from such an address
_SLAB = 4 << 20  # bytes that one callback returns
_NO_WORDS = np.zeros(2, np.uint32)  # instead of the key of what is not random


@explained
def initializer(init: InitializerLike, *, stream: str = "", threads: int | None = None) -> KeyedInitializer:
    """Return a function f(key, shape, dtype) to use wherever you would use one of jax.nn.initializers.

    Args:
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
            For JAX's order of axes pass layout="jax" to schemes, and axis=-1 to Orthogonal.
        stream: a name. The same key with different streams gives independent values.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.

    >>> import jax, weightfill.jax
    >>> kernel_init = weightfill.jax.initializer(XavierNormal(truncated=True, layout="jax"))
    >>> kernel_init(jax.random.key(42), (784, 256)).shape
    (784, 256)

    Raises:
        TypeError: `init` is not an initializer, `stream` is not a string, or `threads` is not an integer.
        ValueError: `stream` cannot be encoded in UTF-8, or `threads` is out of range.
    """
    return KeyedInitializer(as_initializer(init), stream, threads)


@dataclass(frozen=True)  # without slots, as jax.jit takes weak references to functions
class KeyedInitializer:
    """A function of (key, shape, dtype); equal ones give equal bits. Made by `initializer`."""

    init: Initializer
    stream: str = ""
    threads: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "init", as_initializer(self.init))
        stream_number(self.stream)
        if self.threads is not None:
            checked_threads(self.threads, "threads")

    def __call__(
        self,
        key: jax.Array | None,
        shape: ShapeLike,
        dtype: Any = None,
        out_sharding: jax.sharding.NamedSharding | jax.sharding.PartitionSpec | None = None,
    ) -> jax.Array:
        """Return the array that `create` returns for the seed of this key.

        Outside of transformations the array is filled in place. Under jit, vmap and the like a callback to the host
        fills it when the computation runs, with the same bits; each key of a vmap gives its own values. Nothing is
        filled under eval_shape. Keys that are sharded over Explicit axes of a mesh give values sharded alike.

        Args:
            key: one key, typed or raw; see the module for its seed. Ignored by what is not random.
            shape: an integer or a tuple of integers.
            dtype: float32, float64 (needs jax_enable_x64), float16, bfloat16, float8_e4m3fn or float8_e5m2. The
                default, None, is JAX's default dtype: float32 unless jax_enable_x64 is set.
            out_sharding: the sharding of the result; a PartitionSpec refers to the mesh of `jax.set_mesh`. With None
                the result is replicated over that mesh; without a mesh it is on the devices of a committed key,
                otherwise on the default device.

        >>> import jax, weightfill.jax
        >>> w = weightfill.jax.initializer(Normal(), stream="w")(jax.random.key(42), (2, 3))
        >>> bool((w == create((2, 3), Normal(), seed=42, stream="w")).all())
        True

        Raises:
            TypeError: `key` is not a JAX key, `shape` is not a shape, or `dtype` or `out_sharding` has a wrong type.
            ValueError: `key` is a batch of keys, the initializer does not fit the shape or dtype, or the sharding does
                not divide the shape.
        """
        words = _words(key) if self.init.random else _NO_WORDS
        tensor, _ = _keyed(shape, self.init, 0, self.stream, dtype, self.threads)
        # An operation has read the words of a typed key: that one tells as much as another would.
        by_hand = words is key or words is _NO_WORDS
        if isinstance(words, jax.core.Tracer) or (by_hand and _traced()):
            return _staged(tensor, words, _named(out_sharding))
        sharding = _default(words) if out_sharding is None else _named(out_sharding)
        return _created(tensor, seed_of(np.asarray(words)), _filled_up(sharding, len(tensor.shape)))


@explained
def create(
    shape: ShapeLike,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    dtype: Any = jnp.float32,
    sharding: jax.sharding.Sharding | None = None,
    threads: int | None = None,
) -> jax.Array:
    """Return a new jax.Array with the same bits as `weightfill.create`; each device fills its own part.

    Every process fills the parts of its own devices. Devices that hold the same part share one fill, and on the CPU its
    memory. On the CPU the filled memory becomes the array's memory; other devices get a copy of their part. Only the
    parts are allocated, except by initializers that must compute a tensor in one piece (Orthogonal, DeltaOrthogonal).

    Args:
        shape: the shape of the full array, an integer or a tuple of integers.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        dtype: float32, float64 (needs jax_enable_x64), float16, bfloat16, float8_e4m3fn or float8_e5m2. The default,
            None, is JAX's default dtype: float32 unless jax_enable_x64 is set.
        sharding: any jax.sharding.Sharding over devices. With None the array is replicated over the mesh of
            `jax.set_mesh`, or on the default device if no mesh is set.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.

    >>> import jax, weightfill.jax
    >>> mesh = jax.make_mesh((1,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    >>> rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    >>> table = weightfill.jax.create((1000, 16), Normal(std=0.02), seed=42, stream="items", sharding=rows)
    >>> bool((table == create((1000, 16), Normal(std=0.02), seed=42, stream="items")).all())
    True

    Raises:
        TypeError: `shape` is not a shape, `init` is not an initializer, `dtype` or `sharding` has a wrong type, or
            `seed` is missing.
        ValueError: `sharding` does not divide the shape, `init` does not fit the shape or dtype, or `seed` or `threads`
            is out of range.
        MemoryError: there is no memory for the array.
    """
    tensor, number = _keyed(shape, init, seed, stream, dtype, threads)
    if sharding is not None and not isinstance(sharding, jax.sharding.Sharding):
        raise TypeError(f"sharding must be a jax.sharding.Sharding or None, got {shown(sharding)}")
    if _traced():
        return _staged(tensor, np.array([number >> 32, number & 0xFFFFFFFF], np.uint32), sharding)
    return _created(tensor, number, _filled_up(_default(), len(tensor.shape)) if sharding is None else sharding)


def seed_of(words: Array) -> int:
    """Return the seed of a key's words, an array of uint32.

    >>> seed_of(np.array([1, 42], np.uint32)) == 2**32 + 42
    True
    """
    if words.size == 2:
        return int(words[0]) << 32 | int(words[1])
    return int.from_bytes(hashlib.blake2b(words.astype("<u4").tobytes(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A tensor whose seed comes with a key, and how many threads fill it."""

    tensor: Tensor  # of seed 0, so that JAX compiles one program for all seeds
    threads: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.tensor.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.tensor.dtype

    def whole(self, seed: int) -> Array:
        return self._filled(seed, empty(self.shape, self.dtype), (0,) * len(self.shape))

    def part(self, seed: int, start: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        try:
            out = _aligned(shape, self.dtype)
        except (MemoryError, ValueError):  # the latter for dimensions that NumPy has no number for
            raise MemoryError(f"no memory for an array of shape {shape} and dtype {self.dtype}") from None
        return self._filled(seed, out, start)

    def _filled(self, seed: int, out: Array, start: tuple[int, ...]) -> Array:
        filled: Array = self.tensor._seeded(seed).fill(out, start=start, threads=self.threads)
        return filled


@dataclass(frozen=True, slots=True)
class _Callback:
    """Fills, on the host, a slab of one of the equal parts of a tensor; equal ones let JAX reuse what it compiled."""

    tensor: _Keyed
    part: tuple[int, ...]
    slab: tuple[int, ...]

    def __call__(self, words: Any, number: Sequence[Any], offset: Sequence[Any]) -> Array:
        # These are a few bytes that are here already; to wait for a device within a callback could be for ever.
        # JAX's integers have 32 bits: the product of a part's number and its size may not fit.
        start = [int(n) * size + int(begin) for n, size, begin in zip(number, self.part, offset, strict=True)]
        return self.tensor.part(seed_of(np.asarray(words)), tuple(start), self.slab)


def _keyed(
    shape: ShapeLike, init: InitializerLike, seed: int | None, stream: str, dtype: Any, threads: int | None
) -> tuple[_Keyed, int]:
    """Return a tensor without its seed, and the seed; errors as of `create`."""
    default = np.dtype(jnp.result_type(float))
    kind = default if dtype is None or dtype is float else dtype
    tensor = Tensor(checked_shape(shape), init, seed=seed, stream=stream, dtype=kind)
    if tensor.dtype.itemsize > default.itemsize:
        raise ValueError(
            f"dtype must be at most 32 bits wide unless jax_enable_x64 is set, got {tensor.dtype}; "
            "call jax.config.update('jax_enable_x64', True) first"
        )
    return _Keyed(tensor._seeded(0), None if threads is None else checked_threads(threads, "threads")), tensor.seed


def _words(key: Any) -> Any:
    """Return the words of a key, an array or a tracer of uint32."""
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and (not isinstance(key, jax.Array | np.ndarray) or key.dtype != np.uint32):
        raise TypeError(f"key must be a JAX key such as jax.random.key(42), got {shown(key)}")
    if key.ndim != (0 if typed else 1) or not key.size:
        raise ValueError(f"key must be one key, got an array of shape {key.shape}; take jax.vmap for several")
    return jax.random.key_data(key) if typed else key


def _traced() -> bool:
    """Whether JAX is tracing: a transformation is running that turns operations into a program."""
    return isinstance(jax.lax.full((), 0), jax.core.Tracer)


def _named(sharding: Any) -> jax.sharding.NamedSharding | None:
    """Return an out_sharding with its mesh."""
    if sharding is None or isinstance(sharding, jax.sharding.NamedSharding):
        return sharding
    if not isinstance(sharding, jax.sharding.PartitionSpec):
        raise TypeError(f"out_sharding must be a NamedSharding, a PartitionSpec or None, got {shown(sharding)}")
    mesh = _set_mesh()
    if mesh.empty:
        raise ValueError(
            f"out_sharding must be a NamedSharding where no mesh is set, got {sharding}; call jax.set_mesh first"
        )
    return jax.sharding.NamedSharding(mesh, sharding)


def _set_mesh() -> Any:
    """Return the mesh of `jax.set_mesh`: of devices, or an abstract one where JAX turns operations into a program."""
    # The result of an operation tells it within vmap, grad and jvp too, where jax.sharding.get_mesh raises.
    probe = jax.lax.full((), 0)
    if not isinstance(probe, jax.core.Tracer) and isinstance(probe.sharding, jax.sharding.NamedSharding):
        return probe.sharding.mesh
    return jax.sharding.get_abstract_mesh()


def _default(words: Any = None) -> jax.sharding.Sharding | None:
    """Return where the result of a JAX operation on these words would be; None is the default device."""
    mesh = _set_mesh()
    if isinstance(mesh, jax.sharding.Mesh) and not mesh.empty:
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    if not isinstance(words, jax.Array) or not words.committed:
        return None
    if isinstance(words.sharding, jax.sharding.NamedSharding):
        return jax.sharding.NamedSharding(words.sharding.mesh, jax.sharding.PartitionSpec())
    return words.sharding if words.sharding.is_fully_replicated else None


def _filled_up(sharding: jax.sharding.Sharding | None, rank: int) -> jax.sharding.Sharding | None:
    """Return the sharding as JAX's operations write it over Explicit axes: its spec has an entry for every axis."""
    if not isinstance(sharding, jax.sharding.NamedSharding) or len(sharding.spec) >= rank:
        return sharding
    if jax.sharding.AxisType.Explicit not in sharding.mesh.axis_types:
        return sharding
    spec = jax.sharding.PartitionSpec(*sharding.spec, *(None,) * (rank - len(sharding.spec)))
    return sharding.update(spec=spec)


def _staged(tensor: _Keyed, words: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """Return the tensor as an operation of the program that is being traced."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty and isinstance(words, jax.Array):
        of_key = jax.typeof(words).sharding.mesh
        mesh = of_key if jax.sharding.AxisType.Explicit in of_key.axis_types else mesh
    if sharding is None and not mesh.empty and jax.sharding.AxisType.Manual not in mesh.axis_types:
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return _program(tensor, words, sharding)


# Compiled once for equal tensors: a vmap outside of jit would compile its loop over the keys at every call.
@functools.partial(jax.jit, static_argnums=(0, 2), inline=True)
def _program(tensor: _Keyed, words: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    if not isinstance(sharding, jax.sharding.NamedSharding):
        array = _staged_part(tensor, words, (0,) * len(tensor.shape), tensor.shape)
        return array if sharding is None else jax.lax.with_sharding_constraint(array, sharding)
    if jax.sharding.AxisType.Explicit not in sharding.mesh.axis_types:
        return _by_device(tensor, words, sharding)
    by_device = jax.custom_batching.custom_vmap(lambda words: _by_device(tensor, words, sharding))

    @by_device.def_vmap
    def of_several_keys(size: int, batched: Any, words: Any) -> tuple[jax.Array, bool]:
        return _program(tensor, words, sharding), True

    return by_device(words)


def _by_device(tensor: _Keyed, words: Any, sharding: jax.sharding.NamedSharding) -> jax.Array:
    """Return the tensors of all keys, every device's part filled alone.

    Args:
        tensor: the tensor of one key.
        words: (..., words of a key); the axes of the keys may be sharded over Explicit axes of the mesh.
        sharding: of one tensor.
    """
    shape = _shard_shape(sharding, tensor.shape)
    axes = (*sharding.spec, *(None,) * (len(shape) - len(sharding.spec)))
    keys = tuple(jax.typeof(words).sharding.spec)[:-1] if words.ndim > 1 else ()

    def part(words: Any) -> jax.Array:
        number = tuple(0 if axis is None else jax.lax.axis_index(axis) for axis in axes)
        filled = functools.partial(_staged_part, tensor, number=number, shape=shape)
        for _ in keys:
            filled = jax.vmap(filled)
        return filled(words)

    # Left to itself, XLA would make the whole on one device and copy it to all others before it cuts the parts.
    in_specs, out_specs = jax.sharding.PartitionSpec(*keys), jax.sharding.PartitionSpec(*keys, *sharding.spec)
    by_device = jax.shard_map(part, mesh=sharding.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    return by_device(words)


def _staged_part(tensor: _Keyed, words: Any, number: tuple[Any, ...], shape: tuple[int, ...]) -> jax.Array:
    """Return one of the equal parts of a tensor as an operation: a callback, or one for each slab of a large part.

    XLA copies what a callback returns, so a large part would be in memory twice.
    """

    def filled(offset: tuple[Any, ...], slab: tuple[int, ...]) -> jax.Array:
        result = jax.ShapeDtypeStruct(slab, tensor.dtype)
        callback = _Callback(tensor, shape, slab)
        return jax.pure_callback(callback, result, words, number, offset, vmap_method="sequential")

    law = tensor.tensor.law
    if isinstance(law, Constant):
        return jnp.full(shape, Tensor((), law, dtype=tensor.dtype)[()])
    size = math.prod(shape) * tensor.dtype.itemsize
    # In a vmap over sharded keys JAX first takes the type for one key, without the keys' axis: a loop has none there.
    in_vmap = jax.sharding.AxisType.Explicit in jax.sharding.get_abstract_mesh().axis_types
    if tensor.tensor.only_whole or in_vmap or size <= _SLAB or max(shape) >= 2**31:
        return filled((0,) * len(shape), shape)
    axis = shape.index(max(shape))
    count = max(1, _SLAB * shape[axis] // size)

    def step(step_number: Any, array: jax.Array) -> jax.Array:
        first = jnp.minimum(step_number * count, shape[axis] - count)  # the last may repeat some of the one before
        offset = tuple(first if k == axis else 0 for k in range(len(shape)))
        return jax.lax.dynamic_update_slice(array, filled(offset, (*shape[:axis], count, *shape[axis + 1 :])), offset)

    return jax.lax.fori_loop(0, -(-shape[axis] // count), step, jnp.zeros(shape, tensor.dtype))


def _created(tensor: _Keyed, seed: int, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """Return the tensor, every device's part filled alone."""
    if sharding is None:
        part = tensor.part(seed, (0,) * len(tensor.shape), tensor.shape)
        return jax.device_put(_sealed(part), may_alias=True)
    shape = _shard_shape(sharding, tensor.shape)
    places = sharding.addressable_devices_indices_map(tensor.shape)
    holders: dict[tuple[int, ...], list[jax.Device]] = {}
    for device, index in places.items():
        holders.setdefault(tuple(axis.start or 0 for axis in index), []).append(device)
    whole = tensor.whole(seed) if tensor.tensor.only_whole and len(holders) > 1 else None
    arrays = {}
    for start, devices in holders.items():
        if whole is None:
            part = tensor.part(seed, start, shape)
        else:
            part = _aligned(shape, tensor.dtype)
            part[...] = whole[tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))]
        _sealed(part)
        for device in devices:
            place = jax.sharding.SingleDeviceSharding(device, memory_kind=sharding.memory_kind)
            arrays[device] = jax.device_put(part, place, may_alias=True)
        jax.block_until_ready([arrays[device] for device in devices])  # else parts queue up on the host
    return jax.make_array_from_single_device_arrays(tensor.shape, sharding, [arrays[device] for device in places])


def _shard_shape(sharding: jax.sharding.Sharding, shape: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(sharding, jax.sharding.NamedSharding) and len(sharding.spec) > len(shape):
        raise ValueError(f"sharding must name at most the {len(shape)} axes of shape {shape}, got {sharding.spec}")
    try:
        part: tuple[int, ...] = sharding.shard_shape(shape)
    except ValueError as error:
        raise ValueError(f"sharding must divide shape {shape} into equal parts, got {sharding}") from error
    return part


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return fresh memory that XLA can take over; a large one is in huge pages."""
    size = math.prod(shape) * dtype.itemsize
    raw = empty((size + _ALIGNMENT - 1,), np.dtype(np.uint8))
    begin = -raw.ctypes.data % _ALIGNMENT
    array: Array = raw[begin : begin + size].view(dtype).reshape(shape)
    return array


def _sealed(array: Array) -> Array:
    """Make an array read-only, as JAX takes its memory to be, and return it."""
    array.flags.writeable = False
    return array
