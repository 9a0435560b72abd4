"""Fills existing buffers with the initial weights of neural networks, at the speed of memory.

The value of an element depends on (initializer, seed, stream, index of the element in the whole tensor) and on nothing
else: not on threads, instruction set, strides or alignment of the target, nor on the part of a tensor that is filled.
"""

from importlib.metadata import version

from weightfill import targets as _targets
from weightfill._bit_generator import PhiloxBitGenerator
from weightfill.fill import create, fill, fill_rows
from weightfill.initializers import Constant, Initializer, Normal, Ones, TruncatedNormal, Uniform, Zeros
from weightfill.threads import get_threads, set_threads
from weightfill.verify import Verification, verify

__version__ = version("weightfill")
__all__ = [
    "Constant",
    "Initializer",
    "Normal",
    "Ones",
    "PhiloxBitGenerator",
    "TruncatedNormal",
    "Uniform",
    "Verification",
    "Zeros",
    "create",
    "fill",
    "fill_rows",
    "get_threads",
    "set_threads",
    "verify",
]

_targets.activate_from_environment()
