"""Types of arguments that are one of a few names, for your own annotations; editors complete the names.

>>> from weightfill.typing import Mode
>>> def hidden_layer(mode: Mode = "fan_in") -> Initializer:
...     return KaimingNormal(mode=mode)
>>> hidden_layer("fan_out").law((200, 50))
Normal(mean=0.0, std=0.1)
"""

from weightfill._arguments.dtypes import DTypeLike, DtypeName
from weightfill._initializers.base import InitializerLike, InitializerName
from weightfill._initializers.fans import LayoutLike, LayoutName
from weightfill._initializers.gains import Nonlinearity
from weightfill._initializers.scaling import Distribution, Mode

__all__ = [
    "DTypeLike",
    "Distribution",
    "DtypeName",
    "InitializerLike",
    "InitializerName",
    "LayoutLike",
    "LayoutName",
    "Mode",
    "Nonlinearity",
]
