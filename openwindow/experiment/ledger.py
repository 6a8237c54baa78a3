"""Counts how often a study was run on its test problems: a result after many runs is no longer a first look at them.

One line per run folder is written to a file of the user's, `$OPENWINDOW_LEDGER` or `test_runs.jsonl` next to the caches, just
before a run asks its first test problem; the run's provenance records what the file held before. It does not include runs by
others, on other machines, or before the file was deleted. A ledger that cannot be read or written is noted in the provenance and
stops nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openwindow.experiment.run_folder import WHOLE, RunFolder
from openwindow.experiment.study import Study
from openwindow.files.run_files import read_json
from openwindow.files.writing import write_json
from openwindow.models.smollm2 import cache_dir


def ledger_path() -> Path:
    """The file that lists the user's test runs."""
    named = os.environ.get("OPENWINDOW_LEDGER")
    return Path(named).expanduser() if named else cache_dir() / "test_runs.jsonl"


def note_test_run(study: Study, folder: RunFolder) -> str | None:
    """Notes, once per run folder, that the study's test problems are asked; returns a line to print if they were asked before.

    Provenance gets `test_runs`: `before` (runs of the study on one of these seeds, in other folders or in this one before it was
    started over), `before_by_seed`, and `same_study` (those of exactly the same study), or `reason` if nothing is known.
    """
    path = folder.path / "provenance.json"
    if "test_runs" in read_json(path):
        return None
    with folder.turn(WHOLE, lambda: "test_runs" in read_json(path)) as mine:
        if not mine:
            return None
        provenance = read_json(path)
        found = _noted(study, folder.path, str(provenance.get("commit", "")))
        write_json(path, {**provenance, "test_runs": found})
    if not found["before"]:
        return None
    times = ", ".join(f"seed {seed} {count} times" for seed, count in found["before_by_seed"].items() if count)
    return f"  test problems of {study.name} were asked before in {found['before']} runs ({times}): {found['ledger']}"


def _noted(study: Study, run: Path, commit: str) -> dict[str, Any]:
    """Adds the run to the ledger and returns what was in it."""
    path = ledger_path()
    config = hashlib.sha256(study.model_dump_json().encode()).hexdigest()[:16]
    line = {
        "study": study.name,
        "environment": study.environment,
        "data": study.mbpp_path or study.data_path,
        "config": config,
        "seeds": list(study.seeds),
        "commit": commit,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": str(run.resolve()),
    }
    try:
        known = [row for row in _lines(path) if all(row.get(key) == line[key] for key in ("study", "environment", "data"))]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        return {"before": None, "ledger": str(path), "reason": f"the ledger cannot be read or written ({error.strerror or error})"}
    by_seed = {str(seed): sum(seed in _seeds(row) for row in known) for seed in study.seeds}
    before = [row for row in known if set(_seeds(row)) & set(study.seeds)]
    same = sum(row.get("config") == config for row in before)
    return {"before": len(before), "same_study": same, "before_by_seed": by_seed, "ledger": str(path)}


def _lines(path: Path) -> list[dict[str, Any]]:
    """The readable lines of the ledger; none if there is no ledger yet. Raises OSError."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


def _seeds(row: dict[str, Any]) -> Sequence[int]:
    seeds = row.get("seeds")
    return [seed for seed in seeds if isinstance(seed, int)] if isinstance(seeds, list) else []
