import inspect
import re
from typing import get_args

import pytest

import weightfill as wf
from tests.public import PUBLIC
from weightfill import typing as types
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._initializers.gains import GAINS
from weightfill._initializers.scaling import DISTRIBUTIONS, MODES

INITIALIZERS = {
    name: kind
    for name, kind in PUBLIC.items()
    if isinstance(kind, type) and issubclass(kind, wf.Initializer) and kind not in (wf.Initializer, wf.WholeTensor)
}


@pytest.mark.parametrize(
    ("alias", "names"),
    [
        (types.LayoutName, wf.LAYOUTS),
        (types.Nonlinearity, GAINS),
        (types.Mode, MODES),
        (types.Distribution, DISTRIBUTIONS),
        (types.DtypeName, [dtype.name for dtype in CORE_DTYPES.values()]),
        (types.InitializerName, INITIALIZERS),
    ],
)
def test_the_names_of_a_type_are_those_that_are_taken(alias, names):
    assert sorted(get_args(alias)) == sorted(names)


@pytest.mark.parametrize(
    ("function", "argument", "alias"),
    [
        (wf.fill, "init", "InitializerLike"),
        (wf.create, "dtype", "DTypeLike"),
        (wf.create_csr, "dtype", "DTypeLike"),
        (wf.fans, "layout", "LayoutLike | None"),
        (wf.gain, "nonlinearity", "Nonlinearity | Callable[[Floats], Any]"),
        (wf.VarianceScaling, "mode", "Mode"),
        (wf.VarianceScaling, "distribution", "Distribution"),
        (wf.KaimingNormal, "mode", "Mode"),
        (wf.XavierUniform, "gain", "float | Nonlinearity"),
        (wf.LecunNormal, "layout", "LayoutLike"),
        (wf.DeltaOrthogonal, "layout", "LayoutLike"),
        (wf.Dirac, "layout", "LayoutLike"),
    ],
)
def test_arguments_of_a_few_names_are_typed_by_these(function, argument, alias):
    assert inspect.signature(function).parameters[argument].annotation == alias


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_the_docstring_of_an_initializer_describes_every_argument(name):
    text = inspect.getdoc(INITIALIZERS[name])
    section = text.partition("Args:")[2].partition(">>>")[0]
    described = re.findall(r"^ {4}(\w+): ", section, re.MULTILINE)
    assert described == list(inspect.signature(INITIALIZERS[name]).parameters)
    assert ">>> " in text
    assert not described or "Raises:" in text
