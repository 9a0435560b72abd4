"""Records: what `pytest benchmarks` reached with a release on a machine, a small JSON file each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.history.machine import Machine

FOLDER = Path(__file__).parent / "records"
SCHEMA = 1  # of the files; README.md beside them describes it


class UnusableRecordError(Exception):
    """A file is not a record of this schema."""


@dataclass(frozen=True)
class Case:
    """What a case reached: the median of the runs, and the lowest and highest of them."""

    share: float
    low: float
    high: float
    gb_per_s: float
    ceiling_gb_per_s: float


@dataclass(frozen=True)
class Record:
    """A release on a machine."""

    release: str
    commit: str
    date: str
    machine: Machine
    python: str
    numpy: str
    runs: int
    load: dict[str, list[float]]
    cases: dict[str, Case]

    def to_json(self) -> str:
        """Return the file's text: a line for each case."""
        document = {"schema": SCHEMA, **asdict(self)}
        cases = document.pop("cases")
        head = json.dumps(document, indent=2)[:-2]
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items())
        return f'{head},\n  "cases": {{\n{lines}\n  }}\n}}\n'

    def save(self, folder: Path = FOLDER) -> Path:
        """Write the file, in the folder of its machine; return its path."""
        path = folder / self.machine.folder / f"{self.release}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")
        return path


def load(path: Path) -> Record:
    """Return the record of a file.

    Raises:
        UnusableRecordError: it is not a record of this schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}")
        machine = _made(Machine, document.pop("machine"))
        cases = {str(name): _made(Case, case) for name, case in document.pop("cases").items()}
        record: Record = _made(Record, {**document, "machine": machine, "cases": cases})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableRecordError(f"{path} must be a record of the history: {error}") from None
    return record


def load_all(folder: Path = FOLDER) -> list[Record]:
    """Return all records, the latest last.

    Raises:
        UnusableRecordError: a file is not a record of this schema.
    """
    return sorted(map(load, sorted(folder.glob("*/*.json"))), key=lambda record: record.date)


def _made(kind: type[Any], values: dict[str, Any]) -> Any:
    wanted, found = {field.name for field in fields(kind)}, set(values)
    if wanted != found:
        raise ValueError(f"{kind.__name__} must have {sorted(wanted)}, got {sorted(found)}")
    return kind(**values)
