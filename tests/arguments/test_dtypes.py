"""Names of dtypes that libraries and formats use."""

from typing import get_args

import ml_dtypes
import numpy as np
import pytest

import weightfill as wf
from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES, NAMES, DtypeName, as_dtype

ALIASES = {
    "float32": [
        "fp32",
        "f32",
        "F32",
        "FLOAT32",
        "Float-32",
        "single",
        "f4",
        "torch.float32",
        "torch.float",
        "np.float32",
    ],
    "float64": ["fp64", "F64", "double", "float", "torch.double", "numpy.float64"],
    "float16": ["fp16", "F16", "half", "torch.half", "jnp.float16"],
    "bfloat16": ["bf16", "BF16", "BFloat16", "torch.bfloat16", "jax.numpy.bfloat16", "ml_dtypes.bfloat16"],
    "float8_e4m3fn": ["F8_E4M3", "fp8_e4m3", "float8-e4m3fn", "e4m3fn", "torch.float8_e4m3fn"],
    "float8_e5m2": ["F8_E5M2", "fp8_e5m2", "E5M2", "torch.float8_e5m2"],
}


def test_the_core_knows_of_every_dtype_what_numpy_knows():
    for name, item_size, word_bits, largest in _core.DTYPES:
        dtype = np.dtype(name)
        assert (dtype.name, dtype.itemsize, float(ml_dtypes.finfo(dtype).max)) == (name, item_size, largest)
        assert word_bits == max(32, 8 * item_size)


def test_the_type_of_names_has_those_of_the_core():
    assert get_args(DtypeName) == tuple(name for name, *_ in _core.DTYPES)


@pytest.mark.parametrize(("name", "alias"), [(name, alias) for name, others in ALIASES.items() for alias in others])
def test_names_of_libraries_and_formats_are_taken(name, alias):
    assert as_dtype(alias) == np.dtype(name)


def test_every_dtype_is_known_by_its_own_name_in_any_case():
    for dtype in CORE_DTYPES:
        assert as_dtype(dtype.name.upper()) == as_dtype(dtype.name) == as_dtype(dtype) == dtype


def test_dtypes_of_torch_are_taken_without_torch():
    kind = type("dtype", (), {"__module__": "torch", "__repr__": lambda self: "torch.bfloat16"})
    assert wf.create(2, wf.Zeros(), dtype=kind()).dtype == ml_dtypes.bfloat16


ERRORS = {
    "fp8": "; did you mean float8_e4m3fn or float8_e5m2?",
    "bfloat61": "; did you mean bfloat16?",
    "float8_e4m3": "; did you mean float8_e4m3fn?",
    "flaot32": "; did you mean float32?",
    "torch.int64": "",
    "int8": "",
    "os.float32": "; did you mean float32?",
    "complex64": "; complex numbers are not drawn: array.view(real dtype) has their real and imaginary parts in turns",
    "(,)f4": "",
    "f4,f4": "",
}


@pytest.mark.parametrize("given", ERRORS)
def test_what_is_no_dtype_is_named_with_the_nearest(given):
    with pytest.raises(TypeError) as caught:
        wf.create(3, wf.Zeros(), dtype=given)
    assert str(caught.value) == f"dtype must be one of {NAMES}, got {given!r}{ERRORS[given]}"


def test_complex_arrays_are_refused_with_a_way_out():
    with pytest.raises(TypeError, match=r"got complex64; complex numbers are not drawn: array\.view"):
        wf.fill(np.empty(3, np.complex64), wf.Zeros())
