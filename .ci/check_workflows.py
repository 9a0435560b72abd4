"""Checks of workflows that need more than a schema: their commands as shell, and names that lead nowhere.

    python .ci/check_workflows.py .github/workflows/*.yml

Needs ruamel.yaml, which check-jsonschema brings, and shellcheck beside the interpreter.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Node = dict[str, Any]


def faults_of(workflow: Node) -> list[str]:
    """Return a line for each fault, with the job and the step it is in."""
    faults = []
    jobs = workflow["jobs"]
    for name, job in jobs.items():
        needed = job.get("needs", [])
        needed = [needed] if isinstance(needed, str) else list(needed)
        faults += [f"{name}: needs {other}, which is no job" for other in needed if other not in jobs]
        faults += [
            f"{name}: reads needs.{other}, which its needs do not list"
            for other in re.findall(r"needs\.([\w-]+)", str(job))
            if other not in needed
        ]
        outputs = {f"{other}.{key}" for other in needed for key in jobs.get(other, {}).get("outputs", {})}
        faults += [
            f"{name}: reads the output {read}, which that job does not have"
            for read in (".".join(found) for found in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", str(job)))
            if read not in outputs
        ]
        ids = {step["id"] for step in job.get("steps", []) if "id" in step}
        faults += [
            f"{name}: reads steps.{read}, which is the id of no step"
            for read in re.findall(r"steps\.([\w-]+)\.", str(job))
            if read not in ids
        ]
        axes = set(job.get("strategy", {}).get("matrix", {}))
        faults += [
            f"{name}: reads matrix.{read}, which is no axis"
            for read in re.findall(r"matrix\.([\w-]+)", str(job))
            if read not in axes and "include" not in axes
        ]
        faults += [f"{name}: {fault}" for step in job.get("steps", []) for fault in _shell_faults(step)]
    return faults


def _shell_faults(step: Node) -> list[str]:
    if "run" not in step:
        return []
    # As GitHub runs it: bash -e, with the variables of `env` set.
    declared = "".join(f"{name}=''\n" for name in step.get("env", {}))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run(
        [shellcheck, "--shell=bash", "--format=gcc", "--exclude=SC2034", "-"],
        input=f"set -e\n{declared}{step['run']}",
        capture_output=True,
        text=True,
        check=False,
    )
    return [f"{step.get('name')}: {line}" for line in (checked.stdout + checked.stderr).splitlines()]


def versions_of_commits(texts: list[str]) -> dict[str, set[str]]:
    """Return what each pinned commit of an action is called: one version, the same everywhere."""
    versions: dict[str, set[str]] = {}
    for found in re.finditer(r"uses: ([\w./-]+@[0-9a-f]{40}) # (v[\d.]+)\n", "".join(texts)):
        versions.setdefault(found[1], set()).add(found[2])
    return versions


def main(paths: list[str]) -> int:
    """Print the faults of the workflows at these paths, and return how many there are."""
    texts = [Path(path).read_text(encoding="utf-8") for path in paths]
    faults = [
        f"{path}: {fault}"
        for path, text in zip(paths, texts, strict=True)
        for fault in faults_of(YAML(typ="safe").load(text))
    ]
    versions = versions_of_commits(texts)
    used = sum(text.count("uses: ") for text in texts)
    pinned = sum(text.count(commit) for text in texts for commit in versions)
    if used != pinned:
        faults.append(f"{used - pinned} of {used} actions are not written as owner/name@commit # vX.Y.Z")
    faults += [f"{commit} has {len(names)} versions" for commit, names in versions.items() if len(names) > 1]
    actions = [commit.split("@")[0] for commit in versions]
    faults += [f"{action} has several commits" for action in sorted(set(actions)) if actions.count(action) > 1]
    print(*faults, f"{len(paths)} workflows, {used} uses of actions, {len(faults)} faults", sep="\n")
    return len(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
