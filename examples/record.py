"""Writes examples/<family>/plan.toml and manifest.json as the libraries that are installed initialize their models.

python -m examples.record              # all families
python -m examples.record gpt2 dlrm
"""

import sys
from collections.abc import Mapping
from typing import Any

import weightfill as wf
import weightfill.torch
from examples.families import FAMILIES, FOLDER, published
from weightfill._models.manifest import specs
from weightfill._models.recorded_manifest import manifest_of

SEED = 42


def recorded(name: str, config: Mapping[str, Any]) -> tuple[Any, wf.Plan]:
    """Return the module of a family, whose parameters take no memory, and its plan."""
    family = FAMILIES[name]
    with weightfill.torch.recording() as recording:
        module = family.build(config)
    return module, recording.plan(module, seed=SEED, rules=family.rules or None, computed="keep")


def plan_text(name: str, plan: wf.Plan) -> str:
    """Return a plan in TOML, with what it was recorded from."""
    family = FAMILIES[name]
    return f"# Recorded from {family.function} with config.json, {family.versions}.\n{plan.to_toml()}"


def manifest_text(module: Any, plan: wf.Plan) -> str:
    """Return the manifest of a module, as the command `record` writes it."""
    return manifest_of(specs(module), plan)


def main(names: list[str]) -> None:
    """Record the families named, or all."""
    if unknown := [name for name in names if name not in FAMILIES]:
        raise SystemExit(f"examples.record: families are {', '.join(FAMILIES)}, got {unknown[0]!r}")
    for name in names or FAMILIES:
        module, plan = recorded(name, published(name))
        (FOLDER / name / "plan.toml").write_text(plan_text(name, plan), encoding="utf-8")
        (FOLDER / name / "manifest.json").write_text(manifest_text(module, plan), encoding="utf-8")
        print(f"{name}: {len(plan.rules)} rules", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
