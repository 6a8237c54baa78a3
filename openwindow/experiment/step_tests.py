"""Measures arms on their test problems as they were in the middle of their training, once it is over: the points of their curves.

DIR/arms/ARM/seed-S/test-step-N/    rollouts.jsonl, done.json: the arm with the adapter that it had after step N

The loaded model is asked, with a saved adapter attached and removed again; nothing here runs inside training, and random states are
left unchanged, so that a study finds the same with and without it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openwindow.experiment.curves import own_steps, places
from openwindow.experiment.evals import arm_left, put_on, undisturbed
from openwindow.experiment.run_folder import RunFolder, unit_of
from openwindow.experiment.study import Study
from openwindow.files.writing import write_json, write_jsonl

if TYPE_CHECKING:
    from openwindow.experiment.evaluate import Evaluator
    from openwindow.models.hf import LocalModel


def step_unit(arm: str, seed: int, step: int) -> str:
    """The unit with what an arm did on test problems as it was after a step."""
    return f"{unit_of(arm, seed)}/test-step-{step}"


def steps_left(study: Study, folder: RunFolder, arm: str, seed: int) -> list[int]:
    """The steps at which a finished arm is still to be measured, and for which it has saved an adapter."""
    if folder.done(unit_of(arm, seed)).get("reason"):
        return []
    left = [step for step in own_steps(study, arm) if not folder.is_done(step_unit(arm, seed, step))]
    return [step for step in left if _adapter(folder, arm, seed, step).is_dir()]


def is_finished(study: Study, folder: RunFolder, arm: str, seed: int) -> bool:
    """Whether the arm is trained and measured, at its end, at its steps and by its evals."""
    done = folder.is_done(unit_of(arm, seed))
    return done and not arm_left(study, folder, arm, seed) and not steps_left(study, folder, arm, seed)


def _adapter(folder: RunFolder, arm: str, seed: int, step: int) -> Path:
    return folder.path / unit_of(arm, seed) / "checkpoints" / f"step-{step}"


def measure_steps(study: Study, folder: RunFolder, model: LocalModel, evaluator: Evaluator, arm: str, seed: int) -> None:
    """Measures a finished arm at the steps that are left; the model is where the arms start, before and after."""
    from openwindow.experiment.evaluate import rates

    asked, here = study.evaluation, places(study)
    at_steps = replace(
        evaluator,
        contexts={name: context for name, context in evaluator.contexts.items() if name in here},
        elsewhere={name: place for name, place in evaluator.elsewhere.items() if name in here},
    )
    for step in steps_left(study, folder, arm, seed):
        problems = evaluator.environment.problems("test", asked.problems, seed)[: asked.step_problems]
        said = f"seed {seed}: measuring {arm} after step {step}"
        with undisturbed(), put_on(model, _adapter(folder, arm, seed, step)), folder.unit(step_unit(arm, seed, step)) as path:
            found = at_steps.measure(model, problems, arm=arm, seed=seed, text=said, step=step)
            write_jsonl(path / "rollouts.jsonl", found.rollouts)
            write_json(path / "done.json", {"rates": rates(found.rollouts, study.measures), "timing": found.timing})
