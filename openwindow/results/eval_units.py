"""What the evals of a study left in its run folder, read into memory: the start, the arms, and the steps of their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from openwindow.evals.scoring.rows import ProbeRow, Row
from openwindow.evals.scoring.seeds import Asked
from openwindow.experiment.evals import arm_unit, start_unit
from openwindow.experiment.run_folder import PROBES, ROWS, unit_of
from openwindow.experiment.study import Study
from openwindow.files.run_files import Json, read_json, rows_in

START = "start"
"""the name of the untouched starting model"""
_ROW, _PROBE = (tuple(field.name for field in fields(kind)) for kind in (Row, ProbeRow))


@dataclass(frozen=True, slots=True)
class Unit:
    """What one unit left; `done` is empty where it is not finished."""

    done: Json
    rows: list[Row]
    probes: list[ProbeRow]


@dataclass(frozen=True, slots=True)
class EvalUnits:
    """All units of a run, each list in the order of the study's seeds."""

    study: Study
    start: Sequence[Unit]
    """the start of each seed's arms: the same one for all seeds, or one each"""
    arms: Mapping[str, Sequence[Unit]]
    steps: Mapping[str, Mapping[int, Sequence[Unit]]]
    """arm to step; only where a step was asked at some seed"""
    about: Mapping[str, Any]
    """eval to what is known of it"""
    empty: Mapping[str, Mapping[int, str]]
    """arm to the seeds at which it could not be trained, and why"""

    @property
    def same(self) -> set[str]:
        """The arms that trained nothing, and are the start."""
        return {arm for arm, units in self.arms.items() if any(unit.done.get("same_as") for unit in units)}

    @property
    def starts(self) -> Sequence[Unit]:
        """The starts, each once."""
        return self.start if self.study.starts == "per_seed" else self.start[:1]

    @property
    def control(self) -> str | None:
        """The arm that the others are compared with besides the start: as named, by its role, or that of the first comparison."""
        study = self.study
        by_role = next(iter(study.with_role("control")), None)
        return study.eval_plan.against or by_role or (study.compare[0].against if study.compare else None)


def read_units(run: Path, study: Study) -> EvalUnits | None:
    """What is there; None if the study names no evals."""
    if not study.evals:
        return None
    start = [read_unit(run, start_unit(study, seed)) for seed in study.seeds]
    arms = {arm: [read_unit(run, arm_unit(arm, seed)) for seed in study.seeds] for arm in study.arms}
    steps: dict[str, dict[int, list[Unit]]] = {}
    for arm in study.arms:
        for step in study.eval_plan.steps:
            units = [read_unit(run, arm_unit(arm, seed, step)) for seed in study.seeds]
            if any(unit.done for unit in units):
                steps.setdefault(arm, {})[step] = units
    about: dict[str, Any] = next((unit.done["evals"] for units in (start, *arms.values()) for unit in units if unit.done), {})
    reasons = {
        arm: {seed: str(why) for seed in study.seeds if (why := read_json(run / unit_of(arm, seed) / "done.json").get("reason"))}
        for arm in study.arms
    }
    return EvalUnits(study, start, arms, steps, about, reasons)


def read_unit(run: Path, unit: str) -> Unit:
    """What the folder `unit` of a run holds; nothing where it is not finished."""
    done = read_json(run / unit / "done.json") if (run / unit / "done.json").is_file() else {}
    if "evals" not in done:
        return Unit({}, [], [])
    return replace(made_of(_lines(run / unit / ROWS), _lines(run / unit / PROBES)), done=done)


def made_of(rows: Sequence[Json], probes: Sequence[Json]) -> Unit:
    """A unit from the lines of its files, of which other keys are left alone."""
    return Unit(
        {},
        [Row(**{name: row[name] for name in _ROW}) for row in rows],
        [ProbeRow(**{name: row[name] for name in _PROBE if name in row}) for row in probes],
    )


def _lines(path: Path) -> list[Json]:
    return rows_in(path) if path.is_file() else []


def replies(units: Sequence[Unit]) -> Asked:
    """What the units hold, seed by seed; empty at one that is not finished."""
    return Asked([unit.rows for unit in units], [unit.probes for unit in units])


def paired(ours: Sequence[Unit], theirs: Sequence[Unit]) -> tuple[Asked, Asked]:
    """The seeds at which both were asked."""
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.done and b.done]
    return replies([a for a, _ in both]), replies([b for _, b in both])
