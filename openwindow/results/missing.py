"""The arms and seeds of a study that its folder does not hold, because they are not finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.study import Study


def missing(run: Path, study: Study) -> list[dict[str, Any]]:
    """The arms and seeds of the study that are not there, as in a run of a part of it."""
    units = [(arm, seed) for arm in study.arms for seed in study.seeds if not (run / unit_of(arm, seed)).is_dir()]
    return [{"arm": arm, "seed": seed, "reason": "not finished"} for arm, seed in units]


def unmeasured(units: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is missing, as what could not be measured."""
    return [{"what": f"{unit['arm']}, seed {unit['seed']}", "reason": str(unit["reason"])} for unit in units]


def of_parts(absent: Sequence[Mapping[str, Any]], study: Study) -> str:
    """How much of the study the results are of, in words."""
    total = len(study.arms) * len(study.seeds)
    return f"{len(absent)} of {total} arms and seeds are not finished, so this is of a part of the study"
