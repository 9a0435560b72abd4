import os
from importlib.util import find_spec

# Keras takes TensorFlow unless told otherwise.
os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")
