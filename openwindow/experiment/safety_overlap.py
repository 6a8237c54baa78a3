"""How far the safety training of a study overlaps with the evals that it names. Imports neither torch nor Inspect.

DIR/safety/MIX.json   words and scenarios in common (`openwindow.conversations.overlap`), measured before anything is trained
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from openwindow.conversations.overlap import Overlap, check, overlap
from openwindow.conversations.safety import Mix, draw
from openwindow.evals.select import chosen, limited
from openwindow.experiment.study import Study
from openwindow.files.writing import write_json


def overlaps(study: Study) -> dict[Mix, Overlap]:
    """Mix to what it has in common with the study's evals, over all seeds; empty where it names none.

    Raises ConfigError where a kind of conversation is a scenario of an eval.
    """
    specs = limited(chosen(study.evals), study.eval_plan.scenarios) if study.evals else []
    most: dict[Mix, int] = {}
    for arm in study.arms.values():
        if specs and (safety := arm.safety_training) is not None:
            most[safety.mix] = max(safety.rows, most.get(safety.mix, 0))
    found = {mix: overlap([c for seed in study.seeds for c in draw(mix, rows, seed)], specs) for mix, rows in most.items()}
    for mix, measured in found.items():
        check(measured, f"safety_training with mix {mix!r}")
    return found


def lines_of(found: Mapping[Mix, Overlap]) -> list[str]:
    """A line for each mix."""
    return [f"safety training {mix}: {measured}" for mix, measured in found.items()]


def write(found: Mapping[Mix, Overlap], run: Path) -> None:
    """Writes what was measured into the run folder."""
    for mix, measured in found.items():
        write_json(run / "safety" / f"{mix}.json", measured.record())
