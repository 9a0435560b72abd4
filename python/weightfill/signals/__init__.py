"""Signals: see what an initialization does to a network, before it is trained.

>>> from weightfill import signals
>>> print(signals.propagation("784,500x10,10", "tanh", "xavier_normal", seed=1).verdict)
holds: std 0.656 in the first layer, 0.297 in the last, 0.92x a layer

It needs SciPy; `report.png` needs matplotlib, and training examples need scikit-learn. `pip install
'weightfill[signals]'` brings all three. `import weightfill` does not import it.
"""

from weightfill._arguments.extras import NotInstalledError

try:
    import scipy as _scipy  # noqa: F401  # to see whether it is there
except ModuleNotFoundError as error:
    raise NotInstalledError("weightfill.signals", "scipy", "signals") from error

from weightfill._scaled_plan import LayerScale, ScaledPlan
from weightfill.signals._activations import Activation
from weightfill.signals._comparison import Comparison, compare
from weightfill.signals._layers import LayerSignal
from weightfill.signals._lsuv import lsuv
from weightfill.signals._networks import Conv
from weightfill.signals._pretrained import Pretrained, PretrainedLayer
from weightfill.signals._pretraining import pretrain
from weightfill.signals._propagation import propagation
from weightfill.signals._report import Report
from weightfill.signals._symmetry import Symmetry, symmetry
from weightfill.signals._theory import critical
from weightfill.signals._widths import CoordinateCheck, Parametrization, coordinate_check, mup, standard

__all__ = [
    "Activation",
    "Comparison",
    "Conv",
    "CoordinateCheck",
    "LayerScale",
    "LayerSignal",
    "Parametrization",
    "Pretrained",
    "PretrainedLayer",
    "Report",
    "ScaledPlan",
    "Symmetry",
    "compare",
    "coordinate_check",
    "critical",
    "lsuv",
    "mup",
    "pretrain",
    "propagation",
    "standard",
    "symmetry",
]
