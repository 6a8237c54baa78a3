"""What is not there: arms and seeds that are not finished, and measures that no reply has a score for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openwindow.experiment.curves import own_steps
from openwindow.experiment.evals import arm_unit
from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.step_tests import step_unit
from openwindow.experiment.study import Study
from openwindow.files.records import Cell
from openwindow.files.run_files import read_json


def missing(run: Path, study: Study) -> list[dict[str, Any]]:
    """The arms and seeds of the study that are not there, as in a run of a part of it, or whose evals or steps are not."""
    found = [(arm, seed, _reason(run, study, arm, seed)) for arm in study.arms for seed in study.seeds]
    return [{"arm": arm, "seed": seed, "reason": reason} for arm, seed, reason in found if reason]


def _reason(run: Path, study: Study, arm: str, seed: int) -> str:
    """Why the arm is missing at the seed; empty if it is not."""
    if not (run / unit_of(arm, seed)).is_dir():
        return "not finished"
    if read_json(run / unit_of(arm, seed) / "done.json").get("reason"):
        return ""
    if study.evals and not (run / arm_unit(arm, seed) / "done.json").is_file():
        return "its evals are not finished"
    left = [step for step in own_steps(study, arm) if not (run / step_unit(arm, seed, step) / "done.json").is_file()]
    return f"it is not measured after step {', '.join(map(str, left))}" if left else ""


def unmeasured(units: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is missing, as what could not be measured."""
    return [{"what": f"{unit['arm']}, seed {unit['seed']}", "reason": str(unit["reason"])} for unit in units]


def of_parts(absent: Sequence[Mapping[str, Any]], study: Study) -> str:
    """How much of the study the results are of, in words."""
    total = len(study.arms) * len(study.seeds)
    return f"{len(absent)} of {total} arms and seeds are not finished, so this is of a part of the study"


def unmeasured_throughout(cells: Iterable[tuple[str, Cell]]) -> dict[str, str]:
    """The measures without an estimate in any of the cells, given with their measures, each with its commonest reason."""
    reasons: dict[str, Counter[str]] = {}
    known: set[str] = set()
    for measure, cell in cells:
        reasons.setdefault(measure, Counter())[cell.reason or "no reason recorded"] += 1 + cell.unscored
        known |= {measure} if cell.estimate is not None else set()
    return {measure: counts.most_common(1)[0][0] for measure, counts in reasons.items() if measure not in known}


def grouped(reasons: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """Each different reason once, with the names of all that have it."""
    return [([name for name, said in reasons.items() if said == reason], reason) for reason in dict.fromkeys(reasons.values())]
