"""JAX: weightfill's initializers as JAX's, and arrays that are filled shard by shard.

The JAX key is the seed. JAX's default keys have two 32-bit words. Together they are a 64-bit number, the first word
being the high half: `key(42)` is seed 42. For a key of any other size the seed is the first 8 bytes, little-endian, of
BLAKE2b(words in little-endian order, digest_size=8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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
from weightfill._arguments.windows import ShapeLike
from weightfill._initializers.base import Initializer, InitializerLike, as_initializer
from weightfill._run.threads import checked_threads
from weightfill.jax import _arrays, _keys, _programs, _shardings
from weightfill.jax._keyed import keyed
from weightfill.jax._keys import seed_of
from weightfill.jax._materialize import materialize, parameters
from weightfill.jax._recording import recorded_plan

__all__ = ["KeyedInitializer", "create", "initializer", "materialize", "parameters", "recorded_plan", "seed_of"]


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
        words = _keys.words_of(key) if self.init.random else _keys.NO_WORDS
        tensor, _ = keyed(shape, self.init, 0, self.stream, dtype, self.threads)
        # An operation has read the words of a typed key: that one tells as much as another would.
        by_hand = words is key or words is _keys.NO_WORDS
        if isinstance(words, jax.core.Tracer) or (by_hand and _programs.traced()):
            return _programs.staged(tensor, words, _shardings.named(out_sharding))
        sharding = _shardings.default(words) if out_sharding is None else _shardings.named(out_sharding)
        return _arrays.created(tensor, seed_of(np.asarray(words)), _shardings.filled_up(sharding, len(tensor.shape)))


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
        dtype: float32, float64 (needs jax_enable_x64), float16, bfloat16, float8_e4m3fn or float8_e5m2. None is JAX's
            default dtype: float32 unless jax_enable_x64 is set.
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
    tensor, number = keyed(shape, init, seed, stream, dtype, threads)
    if sharding is not None and not isinstance(sharding, jax.sharding.Sharding):
        raise TypeError(f"sharding must be a jax.sharding.Sharding or None, got {shown(sharding)}")
    if _programs.traced():
        return _programs.staged(tensor, np.array([number >> 32, number & 0xFFFFFFFF], np.uint32), sharding)
    if sharding is None:
        sharding = _shardings.filled_up(_shardings.default(), len(tensor.shape))
    return _arrays.created(tensor, number, sharding)
