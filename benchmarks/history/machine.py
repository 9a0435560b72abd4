"""The machine that something was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass

import weightfill as wf
from weightfill import _core

LSCPU = {"Model name": "", "CPU family": "family ", "Model": "model "}


@dataclass(frozen=True)
class Machine:
    """What the share of the ceiling depends on; records of equal machines can be compared."""

    cpu: str
    threads: int  # that a large fill uses
    isa: str
    system: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.threads} thread{'s'[: self.threads > 1]}, {self.isa}, {self.system}"

    @property
    def folder(self) -> str:
        """The machine as the name of a folder."""
        text = "".join(c if c.isalnum() else "-" for c in f"{self.cpu} {self.threads} {self.isa} {self.system}".lower())
        return "-".join(filter(None, text.split("-")))


def this_machine() -> Machine:
    """Return what this process runs on."""
    return Machine(cpu_name(), wf.get_threads(), _core.supported_isas()[-1], platform.system())


def cpu_name() -> str:
    """Return the model of the CPU as lscpu says it, with its family and model, as models of clouds hide their numbers.

    Elsewhere, what the system calls it.
    """
    commands = {"Darwin": ["sysctl", "-n", "machdep.cpu.brand_string"], "Linux": ["lscpu"]}
    try:
        printed = _output(commands[platform.system()])
    except (KeyError, OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    return name_of_lscpu(printed) if platform.system() == "Linux" else printed.strip()


def name_of_lscpu(printed: str) -> str:
    """Return the name of a CPU out of what lscpu prints."""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in printed.splitlines())}
    found = [f"{title}{fields[key]}" for key, title in LSCPU.items() if fields.get(key, "-") != "-"]
    return f"{found[0]} ({', '.join(found[1:])})" if found[1:] else found[0] if found else platform.machine()


def load_average() -> list[float]:
    """Return how many processes wanted a CPU in the last 1, 5 and 15 minutes; nothing where the system has no such."""
    return [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else []


def _output(command: list[str]) -> str:
    english = os.environ | {"LC_ALL": "C"}
    return subprocess.run(command, env=english, capture_output=True, text=True, check=True).stdout
