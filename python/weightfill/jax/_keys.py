"""Keys of JAX and their seeds."""

from __future__ import annotations

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown

NO_WORDS = np.zeros(2, np.uint32)  # instead of the key of what is not random


def seed_of(words: npt.NDArray[Any]) -> int:
    """Return the seed of a key's words, an array of uint32.

    >>> seed_of(np.array([1, 42], np.uint32)) == 2**32 + 42
    True
    """
    if words.size == 2:
        return int(words[0]) << 32 | int(words[1])
    return int.from_bytes(hashlib.blake2b(words.astype("<u4").tobytes(), digest_size=8).digest(), "little")


def words_of(key: Any) -> Any:
    """Return the words of a key, an array or a tracer of uint32."""
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and (not isinstance(key, jax.Array | np.ndarray) or key.dtype != np.uint32):
        raise TypeError(f"key must be a JAX key such as jax.random.key(42), got {shown(key)}")
    if key.ndim != (0 if typed else 1) or not key.size:
        raise ValueError(f"key must be one key, got an array of shape {key.shape}; take jax.vmap for several")
    return jax.random.key_data(key) if typed else key
