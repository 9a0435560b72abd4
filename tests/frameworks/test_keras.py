"""Keras fixes its backend when it is imported, so the tests of each backend run in a process of their own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.repository import ROOT

if find_spec("keras") is None:
    pytest.skip("keras is not installed", allow_module_level=True)

HERE = Path(__file__).parent

# Prints a digest of the bits of many tensors.
DIGEST = """
import hashlib
from tests.frameworks.keras_cases import EQUIVALENTS, made, values

digest = hashlib.sha256()
for name, arguments, shape, _ in EQUIVALENTS:
    for dtype in ("float32", "bfloat16", "float8_e4m3fn"):
        if (name, shape, dtype) == ("Constant", (), "float8_e4m3fn"):
            continue  # torch 2.5 has no ones((), dtype=torch.float8_e4m3fn)
        digest.update(values(made(name, arguments)(shape, dtype)).tobytes())
print(digest.hexdigest())
"""


def run(backend, *arguments):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "KERAS_TORCH_DEVICE": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_all_tests_of_weightfill_keras_pass_on(backend, pytestconfig):
    warnings = [f"-W{rule}" for rule in pytestconfig.getoption("pythonwarnings") or ()]
    files = [
        str(HERE / f"keras_{which}.py") for which in ("on_any", "models_on_any", "patched_on_any", f"on_{backend}")
    ]
    ran = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", *warnings, *files)
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2_000:]
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout


def test_every_backend_has_the_same_bits():
    digests = {}
    for backend in ("torch", "jax"):
        ran = run(backend, "-c", DIGEST)
        assert ran.returncode == 0, ran.stderr
        digests[backend] = ran.stdout
    assert digests["torch"] == digests["jax"] != ""
