"""A Keras model of the shape of BERT base, with the initializers that keras-hub gives it."""

from __future__ import annotations

import keras

STD = 0.02


def bert(
    layers: int = 12, width: int = 768, heads: int = 12, vocabulary: int = 30522, length: int = 512
) -> keras.Model:
    """Return embeddings and encoder layers: attention and a multilayer perceptron, each added and normalized."""
    tokens = keras.Input((length,), dtype="int32")
    x = keras.layers.Embedding(vocabulary, width, embeddings_initializer=_normal())(tokens)
    for _ in range(layers):
        attention = keras.layers.MultiHeadAttention(heads, width // heads, kernel_initializer=_normal())
        x = keras.layers.LayerNormalization()(x + attention(x, x))
        hidden = keras.layers.Dense(4 * width, "gelu", kernel_initializer=_normal())(x)
        x = keras.layers.LayerNormalization()(x + keras.layers.Dense(width, kernel_initializer=_normal())(hidden))
    return keras.Model(tokens, x)


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=STD)
