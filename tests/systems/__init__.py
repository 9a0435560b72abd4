"""Other operating systems, as far as this one can be like them: `pytest -p tests.systems.windows FILES`.

Each module takes away, from its whole process, what the system of its name lacks, before weightfill is imported.
"""

import importlib
import sys
from types import ModuleType

# They find out at their import what their system has.
LIBRARIES = "asyncio ctypes ml_dtypes multiprocessing.util numpy safetensors.numpy scipy.linalg subprocess typer"


def become(platform, modules, names):
    """Make this process like one of another platform, and import weightfill.

    Args:
        platform: what `sys.platform` is there, while weightfill is imported; other libraries would act on it later.
        modules: those of the standard library that cannot be imported there.
        names: what other modules lack there, by module.
    """
    for library in LIBRARIES.split():
        importlib.import_module(library)
    assert not any(name.partition(".")[0] == "weightfill" for name in sys.modules)
    for name in modules:
        sys.modules[name] = None
    for module, lacking in names.items():
        for name in lacking:
            delattr(importlib.import_module(module), name)
    own, sys.platform = sys.platform, platform
    for name in ("weightfill", "weightfill_command", "weightfill.signals", "weightfill._cli"):
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):  # some are imported when they are asked for
            getattr(module, public)
    sys.platform = own


def module_of(name, **content):
    """Put a module with this content among those that can be imported."""
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module
