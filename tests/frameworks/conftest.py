import os
import sys
from importlib.util import find_spec

import pytest

import weightfill as wf

# Keras takes TensorFlow unless told otherwise.
os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")


@pytest.fixture(autouse=True)
def _numbers_of_torch_are_the_same_in_every_run():
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(1)


@pytest.fixture
def filled(monkeypatch):
    """The addresses of what tensors have filled."""
    addresses = []
    fill = wf.Tensor.fill

    def noted(tensor, out, **keywords):
        addresses.append(out.ctypes.data)
        return fill(tensor, out, **keywords)

    monkeypatch.setattr(wf.Tensor, "fill", noted)
    return addresses
