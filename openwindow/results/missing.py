"""The arms and seeds of a study that its folder does not hold, because they are not finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openwindow.experiment.curves import own_steps
from openwindow.experiment.evals import arm_unit
from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.step_tests import step_unit
from openwindow.experiment.study import Study
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
