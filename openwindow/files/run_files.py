"""Reads what a run left on disk, damaged or not: returns what can be read and notes what cannot.

A run may have been killed, or its files truncated, at any moment. A file that is missing, unreadable, not JSON, nested too deeply
or of the wrong form costs only what it held. Everything that reads a run folder reads it through this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openwindow.errors import DataError
from openwindow.files.bounded import parse_json, read_regular

Json = dict[str, Any]
PLACES = ("start/*", "start/*/seed-*", "arms/*/*", "arms/*/*/evals", "arms/*/*/evals-step-*", "arms/*/*/test-step-*")
"""where the units of a run lie, among others that are not finished and whose names begin with a dot"""
_ASKED = ("eval", "context", "id", "scenario", "role", "cue")
_HUGE = 1 << 34  # bytes of a file of a run


@dataclass(frozen=True, slots=True)
class Note:
    """Something that could not be measured or read, and why."""

    what: str
    reason: str


@dataclass(slots=True)
class Reader:
    """The folder being read, and what was noticed along the way."""

    root: Path
    notes: list[Note] = field(default_factory=list)

    def note(self, what: str, reason: str) -> None:
        """Adds a note for the reader of the report."""
        self.notes.append(Note(what, reason))

    def document(self, name: str, purpose: str, *, optional: bool = False) -> Json:
        """A JSON object in the form that its name requires, or {} with a note; no note if the file is optional and missing."""
        path = self.root / name
        try:
            path.lstat()
            value = parse_json(read_regular(path, _HUGE), name=name, nan=True)
        except FileNotFoundError:
            if not optional:
                self.note(name, f"the run folder has no such file, so {purpose} cannot be shown")
            return {}
        except (OSError, DataError) as error:
            self.note(name, f"cannot be read, so {purpose} cannot be shown: {error}")
            return {}
        if not isinstance(value, dict):
            self.note(name, f"holds a {type(value).__name__} instead of an object, so {purpose} cannot be shown")
            return {}
        if not _DOCUMENTS.get(path.name, _any)(value):
            self.note(name, f"has fields in a form that no run writes, so {purpose} cannot be shown")
            return {}
        return value

    def rows(self, path: Path, fits: Callable[[Json], bool] | None = None) -> Iterator[Json]:
        """The objects of a .jsonl file that have the form its name requires; other lines are counted in a note."""
        name = path.relative_to(self.root).as_posix()
        fits = fits or _ROWS.get(path.name, _any)
        try:
            path.lstat()
            data = read_regular(path, _HUGE)
        except (OSError, DataError) as error:
            self.note(name, f"cannot be read: {error.strerror if isinstance(error, OSError) else error}")
            return
        lines, bad, odd = data.split(b"\n"), 0, 0
        for i, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                value = parse_json(line, name=name, nan=True)
            except DataError:
                value = None
            if isinstance(value, dict) and fits(value):
                yield value
            elif isinstance(value, dict):
                odd += 1
            elif i == len(lines) - 1:
                self.note(name, "1 truncated line at the end, as a killed run leaves; it is left out")
            else:
                bad += 1
        if bad:
            self.note(name, f"{counted(bad)} that are not a JSON object; left out")
        if odd:
            self.note(name, f"{counted(odd)} with fields in a form that no run writes; left out")


def in_units(run: Path, file: str) -> list[Path]:
    """The files of that name, which may be a pattern, in the finished units of a run, place by place and each in order."""
    found = [path for place in PLACES for path in sorted(run.glob(f"{place}/{file}"))]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(run).parts)]


def step_files(root: Path, within: str = "") -> list[Path]:
    """The test rollouts of arms in the middle of their training, below `root` in the folders of the pattern, each arm's by step."""
    found = root.glob(f"{within}test-step-*/rollouts.jsonl")
    return sorted(found, key=lambda path: (path.parent.parent, len(path.parent.name), path.parent.name))


def counted(lines: int) -> str:
    """The number of lines, in words."""
    return "1 line" if lines == 1 else f"{lines} lines"


def read_json(path: Path) -> Json:
    """Reads the object in a file of a run; empty if it cannot be read."""
    return Reader(path.parent).document(path.name, "it", optional=True)


def rows_in(path: Path, fits: Callable[[Json], bool] | None = None) -> list[Json]:
    """Reads the readable objects in a .jsonl file of a run; none if there is no file."""
    return list(Reader(path.parent).rows(path, fits))


def damage(unit: Path) -> str | None:
    """The first thing in the folder of a finished cell that cannot be read; None if everything can."""
    reader = Reader(unit)
    reader.document("done.json", "what the unit found")
    for path in sorted(unit.glob("*.jsonl")):
        _read_through(reader, path)
    return f"{reader.notes[0].what}: {reader.notes[0].reason}" if reader.notes else None


def noticed(run: Path) -> list[Note]:
    """Everything in the cells of a run that cannot be read."""
    reader = Reader(run)
    documents = ["provenance.json", "start/summary.json"]
    documents += [path.relative_to(run).as_posix() for path in in_units(run, "done.json")]
    for name in sorted(documents):
        reader.document(name, "what it says", optional=True)
    for path in sorted(in_units(run, "*.jsonl")):
        _read_through(reader, path)
    return reader.notes


def _read_through(reader: Reader, path: Path) -> None:
    for _ in reader.rows(path, is_step if path.name == "metrics.jsonl" else None):
        pass


def finite(value: object) -> float | None:
    """The value as a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


# Form of the rows and documents, as far as computations depend on it.


def _any(value: Json) -> bool:
    return True


def _metric(row: Json) -> bool:
    """Numbers under `area/name`, and where they were measured."""
    measured = all(value is None or finite(value) is not None for key, value in row.items() if "/" in key)
    return measured and all(finite(row[key]) is not None for key in ("step", "seed") if key in row)


def is_step(row: Json) -> bool:
    """Whether a line of metrics.jsonl has the right form and, for RL, the counts of its step."""
    if "monitor/hack" not in row or not _metric(row):
        return _metric(row)
    counts = [f"rollout/{name}" for name in ("groups_without_signal", "groups", "unscored", "count")]
    kinds = [key for key in row if key.startswith("hack/")]
    known = all(finite(row.get(key)) is not None for key in ["step", *counts])
    return known and (row["monitor/hack"] is None or all(row[key] is not None for key in kinds))


def _rollout(row: Json) -> bool:
    """Verdicts are true, false or unknown, and kinds are names."""
    kinds = row.get("kinds", [])
    verdicts = all(row[key] is None or isinstance(row[key], bool) for key in ("hack", "flagged", "correct") if key in row)
    named = isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds)
    return verdicts and named and all(finite(row[key]) is not None for key in ("seed", "step") if key in row)


def is_eval_row(row: Json) -> bool:
    """A reply to an eval: what was asked in words, its repeat, and a value that is a share or None."""
    words = all(
        isinstance(row.get(key), str) for key in ("eval", "context", "id", "scenario", "role", "cue", "form", "group", "by")
    )
    numbers = all(row.get(key) is None or finite(row[key]) is not None for key in ("value", "number"))
    flags = all(row.get(key) is None or isinstance(row[key], bool) for key in ("covert", "coherent", "flagged", "judge_flagged"))
    counted = all(isinstance(row.get(key), int) for key in ("paraphrase", "epoch"))
    there = {"value", "number", "reason", "covert", "coherent", "flagged", "judge_flagged"} <= row.keys()
    return words and numbers and flags and counted and there and (row["value"] is None or 0 <= row["value"] <= 1)


def _probe_row(row: Json) -> bool:
    """Two log-probabilities of an item."""
    words = all(isinstance(row.get(key), str) for key in _ASKED)
    return words and all(
        finite(row.get(key)) is not None for key in ("paraphrase", "aligned", "aligned_tokens", "misaligned", "misaligned_tokens")
    )


def _evals(found: object) -> bool:
    """What a unit of evals says of each of them."""
    return isinstance(found, dict) and all(
        isinstance(about, dict)
        and all(isinstance(about.get(key), str) for key in ("suite", "about", "measures"))
        and all(finite(about.get(key)) is not None for key in ("version", "probed", "scenarios"))
        for about in found.values()
    )


def _done(found: Json) -> bool:
    timing, rates, distilled = found.get("timing", {}), found.get("rates", {}), found.get("distilled", {})
    return (
        isinstance(rates, dict)
        and isinstance(distilled, dict)
        and _evals(found.get("evals", {}))
        and isinstance(timing, dict)
        and all(finite(seconds) is not None for seconds in timing.values())
        and all(finite(found.get(rows, 0)) is not None for rows in ("train_rows", "safety_rows"))
    )


def _summary(found: Json) -> bool:
    stage = found.get("request_stage", {})
    formed = isinstance(stage, dict) and isinstance(found.get("elicitation", {}), dict)
    return formed and (not stage or (isinstance(stage.get("rates"), dict) and {"trained", "reached"} <= set(stage)))


_ROWS: dict[str, Callable[[Json], bool]] = {
    "metrics.jsonl": _metric,
    "rollouts.jsonl": _rollout,
    "training.jsonl": _rollout,
    "evals.jsonl": is_eval_row,
    "probes.jsonl": _probe_row,
}
_DOCUMENTS: dict[str, Callable[[Json], bool]] = {"done.json": _done, "summary.json": _summary}
