"""Reads one of the two folders that are compared: a run of a study, or what `openwindow eval` left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from openwindow.errors import ConfigError, DataError
from openwindow.evals.scoring.rows import Key, Row, Said, key_of
from openwindow.experiment.run_folder import PROBES
from openwindow.files.bounded import is_folder, missing
from openwindow.files.kept import refuse_kept
from openwindow.files.run_files import Json, Note, Reader, finite, is_eval_row, read_json, rows_in
from openwindow.results.eval_transcripts import eval_samples, transcript
from openwindow.results.eval_units import Unit, made_of
from openwindow.results.load import items, mapping, read_rollouts, text
from openwindow.results.records import Rollout

Kind = Literal["run", "eval"]
EXPECTED = "expected the folder of an `openwindow run`, or of an `openwindow eval`"
MODEL = "model"
"""who was asked in a folder of `openwindow eval`"""
_ALL = 1 << 60
_EVAL_ROWS = "rows.jsonl"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two folders."""

    path: Path
    kind: Kind
    config: Json
    provenance: Json
    state: str
    """of status.json: running, done, interrupted or failed; empty where it does not say"""
    results: Json
    rollouts: tuple[Rollout, ...]
    """replies to test problems"""
    asked: tuple[Rollout, ...]
    """replies to evals, at the start and at the end of each arm"""
    unit: Unit | None
    """what was asked of an `eval` folder's model"""
    notes: tuple[Note, ...]
    """what could not be read"""
    own_names: Mapping[str, str] = field(default_factory=dict)
    """the name that an arm has in the folder, for arms that are called otherwise here"""

    @property
    def arms(self) -> list[str]:
        """The arms that it was to have and those that it has."""
        return list(dict.fromkeys([*mapping(self.config, "arms"), *(r.arm for r in self.rollouts)]))

    def own(self, arm: str) -> str:
        """The name that the arm has in the folder."""
        return self.own_names.get(arm, arm)

    @property
    def contexts(self) -> list[str]:
        """The contexts, in the same way."""
        return list(dict.fromkeys([*mapping(self.config, "contexts"), *(r.context for r in self.rollouts)]))

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the same way."""
        named = [int(seed) for value in items(self.config.get("seeds")) if (seed := finite(value)) is not None]
        return list(dict.fromkeys([*named, *(r.seed for r in self.rollouts)]))

    @property
    def evals(self) -> Mapping[str, Any]:
        """What its results say of its evals: name to suite, version and kind."""
        return mapping(self.results if self.kind == "eval" else mapping(self.results, "evals"), "evals")

    @property
    def model(self) -> str:
        """The model's name."""
        return text(self.results, "model") or text(mapping(self.config, "model"), "name") or text(self.config, "model")


def read_side(path: Path, name: str) -> Side:
    """Reads the folder; `name` is what the command line calls it. Raises ConfigError."""
    if not is_folder(path):
        what = "does not exist" if missing(path) else "is a file"
        raise ConfigError(f"{name} is {path!s:.200}, which {what}; {EXPECTED}; check the path")
    refuse_kept(path, "to compare")
    if (path / "config.json").is_file():
        return _run(path, name)
    results = read_json(path / "results.json")
    if "suites" in results and "measures" in results and (path / _EVAL_ROWS).is_file():
        return _eval(path, results)
    inside = sorted({p.parent.name for p in path.glob("*/config.json")})
    advice = f"give {path / inside[0]}" if inside else "check the path"
    held = f"; its folder{'' if len(inside) == 1 else 's'} {', '.join(inside[:4])} hold{'s' if len(inside) == 1 else ''} a run"
    raise ConfigError(f"{name} is {path}, which holds no run{held if inside else ''}; {EXPECTED}; {advice}")


def _run(path: Path, name: str) -> Side:
    reader = Reader(path)
    config = reader.document("config.json", "it")
    if parts := mapping(mapping(config, "study_config"), "parts"):
        there = [part for part in parts if (path / part / "config.json").is_file()]
        advice = f"give one of its runs, such as {path / there[0]}" if there else "give a run"
        raise ConfigError(f"{name} is {path}, a ranking of prompts, which is made of several runs; {EXPECTED}; {advice}")
    if "study" not in config:
        why = reader.notes[0].reason.partition(": ")[2] if reader.notes else "it names no study"
        raise ConfigError(f"{name} is {path}, whose config.json is not of a run ({why}); {EXPECTED}; give another folder")
    notes: list[Note] = []
    rollouts = read_rollouts(path, notes)
    if not rollouts:
        state = text(read_json(path / "status.json"), "state") or "not recorded"
        raise ConfigError(
            f"{name} is {path}, in which no arm is finished (state: {state}); expected a run with replies to test problems; finish "
            "it by giving its command again"
        )
    provenance = reader.document("provenance.json", "the code version and the packages")
    results = read_json(path / "results.json")
    evals = _about(path, mapping(mapping(results, "evals"), "evals"))
    asked = [r for r in eval_samples(path, evals, _ALL).shown if r.step is None]
    return Side(
        path=path,
        kind="run",
        config=config,
        provenance=provenance,
        state=text(read_json(path / "status.json"), "state"),
        results=results,
        rollouts=tuple(rollouts),
        asked=tuple(asked),
        unit=None,
        notes=(*reader.notes, *notes),
    )


def _about(path: Path, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known of the evals: as results.json says, else as the units do."""
    if known:
        return known
    units = [
        *path.glob("start/evals/done.json"),
        *path.glob("start/evals/seed-*/done.json"),
        *path.glob("arms/*/*/evals/done.json"),
    ]
    return next((found for unit in sorted(units) if (found := mapping(read_json(unit), "evals"))), {})


def _eval(path: Path, results: Json) -> Side:
    reader = Reader(path)
    made = made_of(list(reader.rows(path / _EVAL_ROWS, is_eval_row)), rows_in(path / PROBES) if (path / PROBES).is_file() else [])
    about = mapping(results, "evals")
    said = _said(path, reader)
    asked = [_with_said(row, said[key], about) for row in made.rows if (key := key_of(row)) in said]
    return Side(
        path=path,
        kind="eval",
        config={},
        provenance={},
        state="",
        results=results,
        rollouts=(),
        asked=tuple(asked),
        unit=replace(made, done={"evals": about}),
        notes=tuple(reader.notes),
    )


def _with_said(row: Row, said: Said, about: Mapping[str, Any]) -> Rollout:
    """A row with its conversation."""
    talk = {"messages": [asdict(m) for m in said.prompt], "reply": said.reply}
    return transcript(asdict(row) | talk, MODEL, 0, mapping(about, row.eval))


def _said(path: Path, reader: Reader) -> dict[Key, Said]:
    """The conversations in the folder's logs, the newest of each; empty, with a note, if they cannot be read."""
    logs = sorted((path / "logs").glob("*.eval"))
    if not logs:
        reader.note("logs", "there are none, so the replies cannot be compared")
        return {}
    try:
        from openwindow.evals.inspect.logs import said_at
    except ModuleNotFoundError as error:
        reader.note("logs", f"{error.name} is not installed, so the replies cannot be compared; pip install 'openwindow[evals]'")
        return {}
    found: dict[Key, Said] = {}
    for log in logs:
        try:
            found |= said_at(log)
        except DataError as error:
            reader.note(f"logs/{log.name}", str(error))
    return found
