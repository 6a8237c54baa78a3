"""Trains an arm from its beginning to its end: what it follows, its own training, its safety training, the weights that are saved.

One adapter, or the weights themselves, goes through all of it, so that what is saved is the whole difference from the start of the
arms, and neither an eval nor a user has to know of the parts. (Merging the first part into 16-bit weights would round most of it
away.) What is trained is kept until the arm is finished, so that nothing is trained again for an arm that was stopped later on:

DIR/checkpoints/ARM/seed-S/before/    safety training `before`: adapter or weights, metrics.jsonl, safety_rows.jsonl
DIR/checkpoints/ARM/seed-S/trained/   all that training left, to be measured, and trained.json
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from openwindow.errors import ConfigError
from openwindow.experiment.arm import Arm, ArmRun, Trained
from openwindow.experiment.fine_tuning import fine_tune, prefer, save_trained, write_safety
from openwindow.experiment.run_folder import unit_of
from openwindow.files.run_files import read_json
from openwindow.files.writing import storing, write_json
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.models.hf import LocalModel
from openwindow.models.templates import shows_tool_text
from openwindow.training.config import GRPO, SFT

STAGE = "safety"
"""`stage` of the lines of metrics.jsonl"""
TRAINED, NOTED = "trained", "trained.json"


def train_arm(run: ArmRun, arm: Arm) -> Trained:
    """Trains the model, which is where all arms start, and saves what became of it into `run.path`. Raises UserError.

    Where the arm was trained before and not measured, that is taken over.
    """
    if (before := _trained_before(run)) is not None:
        return before
    found = _train(run, arm)
    if found.method is not None and found.reason is None:
        save_trained(run.model, run.path, found.method, run.under)
        _keep(run, found)
    return found


def _train(run: ArmRun, arm: Arm) -> Trained:
    """All of the training; the weights are not saved."""
    safety, found = arm.safety_training, Trained()
    if arm.follows is not None and not _taken_over(run.model, run.folder.path / unit_of(arm.follows, run.seed)):
        return Trained(reason=f"{arm.follows} was not trained at seed {run.seed}, so there is nothing to follow")
    if safety is not None and safety.place == "before":
        found = _before(run, safety, arm.trained_by)
    if arm.follows is None:
        found = _joined(found, arm.trained(run))
    if safety is not None and safety.place == "after" and found.reason is None:
        found = _joined(found, _trained(run, safety, arm.trained_by))
    return found


def _keep(run: ArmRun, found: Trained) -> None:
    """Keeps what the arm left, complete or not at all, until it is finished."""
    scratch = run.kept / f".{TRAINED}.partial"  # the run folder drops such names
    with storing(scratch):
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(run.path, scratch, copy_function=_linked)
    write_json(scratch / NOTED, asdict(found))
    with storing(scratch):
        scratch.rename(run.kept / TRAINED)


def _trained_before(run: ArmRun) -> Trained | None:
    """Puts what an interrupted run has trained into `run.path` and on the model; None if there is nothing that can be read."""
    kept = run.kept / TRAINED
    noted = read_json(kept / NOTED)
    if not noted:
        return None
    with storing(run.path):
        shutil.copytree(kept, run.path, copy_function=_linked, dirs_exist_ok=True, ignore=shutil.ignore_patterns(NOTED))
    _taken_over(run.model, run.path)
    run.reporter.say(f"  seed {run.seed}  {run.name:<16} was trained before, and is measured now")
    return Trained(**noted)


def _linked(source: str, target: str) -> None:
    """A second name for a file that nobody changes; a copy where the disk has one name per file."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def check_templates(model: LocalModel, arms: Iterable[Arm]) -> None:
    """Raises ConfigError where an arm has safety training with tools and the model's template leaves such turns out."""
    for arm in arms:
        if arm.safety == "diverse" and not shows_tool_text(model.tokenizer):
            raise ConfigError(
                f"safety_training has mix 'diverse', and the chat template of {model.name} leaves out turns of a conversation with "
                "tools; expected one that renders all of them; take mix 'chat', or another model"
            )


def _joined(first: Trained, then: Trained) -> Trained:
    timing = {phase: first.timing.get(phase, 0.0) + then.timing.get(phase, 0.0) for phase in {**first.timing, **then.timing}}
    return Trained(then.method or first.method, timing, {**first.counts, **then.counts}, then.reason)


def _taken_over(model: LocalModel, unit: Path) -> bool:
    """Gives the model, to be trained further, the weights of the finished arm in `unit`; whether it has left any."""
    if (unit / "adapter").is_dir():
        model.attach_saved_adapter(unit / "adapter", trainable=True)
    elif (unit / "weights").is_dir():
        model.load_weights(unit / "weights")
    else:
        return False
    return True


def _before(run: ArmRun, safety: SafetyTraining, own: SFT | GRPO) -> Trained:
    """Safety training before the arm's own, or what an interrupted run left of it."""
    kept = run.kept / "before"
    if not kept.is_dir():
        scratch = run.kept / ".before.partial"  # the run folder drops such names
        shutil.rmtree(scratch, ignore_errors=True)
        with storing(scratch):
            scratch.mkdir(parents=True)
        done = _trained(replace(run, path=scratch), safety, own)
        save_trained(run.model, scratch, safety.config(own).method, [])
        with storing(kept):
            scratch.rename(kept)
    else:
        _taken_over(run.model, kept)
        done = Trained(safety.config(own).method, {}, {"safety_rows": safety.rows})
    with storing(run.path):
        for name in ("metrics.jsonl", "safety_rows.jsonl"):
            shutil.copy(kept / name, run.path / name)
    return done


def _trained(run: ArmRun, safety: SafetyTraining, own: SFT | GRPO) -> Trained:
    """Safety training of the model as it is."""
    conversations, config = safety.conversations(run.seed), safety.config(own)
    if safety.method == "preference":
        spent = prefer(run.model, conversations, config, safety.beta, run.seed, run.path, run.name, STAGE, run.reporter)
    else:
        rows = [c.row() for c in conversations]
        spent = fine_tune(run.model, rows, config, run.seed, run.path, run.name, STAGE, run.reporter, launch=run.launch)
    write_safety(run, conversations, safety)
    return Trained(config.method, spent, {"safety_rows": len(conversations)})
