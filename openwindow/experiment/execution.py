"""Runs a study: where all arms start, then every arm at every seed; skips what is finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from openwindow.data.rows import Row
from openwindow.environments.base import Environment, behaviour
from openwindow.environments.gameable import Gameable
from openwindow.environments.splits import check_apart
from openwindow.environments.training_rows import flawed_rows
from openwindow.evals.base import Eval
from openwindow.experiment.arm_sources import distilled, fork
from openwindow.experiment.arms import RL, Distil, Recipe
from openwindow.experiment.evals import StudyEvals
from openwindow.experiment.evaluate import Gauge, Rates, rates
from openwindow.experiment.ledger import note_test_run
from openwindow.experiment.other_environments import opened
from openwindow.experiment.rl_arm import HackableTask, reinforce, rl_work
from openwindow.experiment.run_folder import RunFolder, unit_of
from openwindow.experiment.sft_arm import fine_tune, save_trained, snapshot, train_work
from openwindow.experiment.starting_point import bring_to_start, saved_start, start_work
from openwindow.experiment.study import Study
from openwindow.files.writing import write_json, write_jsonl
from openwindow.formatting import percent
from openwindow.models.hf import LocalModel
from openwindow.models.templates import default_of, note
from openwindow.progress import Reporter
from openwindow.training.checkpoint import discard
from openwindow.training.config import SFT
from openwindow.types import Split


def total_work(study: Study) -> float:
    """Work of the whole study, in units of one generated reply."""
    return start_work(study) + len(study.seeds) * sum(arm_work(study, arm) for arm in study.arms)


def arm_work(study: Study, arm: str) -> float:
    """Work of one arm at one seed."""
    recipe = study.recipe(arm)
    if not isinstance(recipe, RL):
        training = train_work(recipe.data.rows, recipe.train)
    elif recipe.distil is not None:
        training = train_work(recipe.distil.rows, recipe.distil.train)
    else:
        training = rl_work(recipe.train, recipe.fork.step if recipe.fork is not None else 0) if recipe.trains else 0.0
    contexts = sum(context.asked_of(arm) for context in study.contexts.values())
    places = contexts * study.evaluation.problems + sum(e.problems for e in study.evaluation.elsewhere.values())
    return training + places


def drawn(study: Study) -> dict[Split, int]:
    """How many problems of each split a seed of the study draws, at most; a split that it does not draw from is left out."""
    recipes = [study.recipe(arm) for arm in study.arms]
    stage, told = study.request_stage, study.knowledge
    found: dict[Split, int] = {
        "request": max(0 if stage is None else stage.rows, 0 if told is None else told.demonstrations),
        "train": max(recipe.problems if isinstance(recipe, RL) else recipe.data.rows for recipe in recipes),
        "dev": 0 if stage is None else stage.problems,
        "test": study.evaluation.problems,
    }
    return {split: count for split, count in found.items() if count}


class Execution:
    """One run of one study into one folder."""

    def __init__(
        self,
        study: Study,
        folder: RunFolder,
        model: LocalModel,
        environment: Environment,
        reporter: Reporter,
        evals: Sequence[Eval] = (),
    ) -> None:
        """Raises ConfigError for a folder that was begun in another precision or on another kind of device."""
        self.study = study
        self.folder = folder
        self.model = model
        self.environment = environment
        self.reporter = reporter
        self.gauge = self.test_gauge = Gauge(environment, study.contexts, study.evaluation, reporter)
        self.evals = StudyEvals(study, folder, model, reporter, evals)
        recipes = [study.recipe(arm) for arm in study.arms]
        folder.resolved({"precision": model.precision, "device": model.device.type})
        self.forks = [recipe.fork for recipe in recipes if isinstance(recipe, RL) and recipe.fork is not None]

    def run(self) -> None:
        """Does everything that is not done yet."""
        check_apart(self.environment, drawn(self.study), self.study.seeds)
        if "system" in self._positions() and (said := note(self.model)) is not None:
            self.reporter.say(said)
        for arm in self.study.arms:
            recipe = self.study.recipe(arm)
            if isinstance(recipe, RL):
                self._hackable(recipe.opened)  # an unknown loophole fails before anything is trained
        as_it_came = snapshot(self.model) if len(self.study.start_seeds) > 1 else None
        with opened(self.study) as elsewhere:
            self.test_gauge = replace(self.gauge, elsewhere=elsewhere)
            for seed in self.study.seeds:
                if seed in self.study.start_seeds:
                    if as_it_came is not None:
                        self.model.network.load_state_dict(as_it_came)
                    bring_to_start(self.study, self.folder, self.model, self.gauge, seed)
                    self.evals.of_start(seed)
                for arm in self.study.arms:
                    self._arm(arm, seed)
                    self.evals.of_arm(arm, seed)

    def _positions(self) -> set[str]:
        """Where the study puts instructions, in training and in tests."""
        trained = [recipe.intervention for recipe in map(self.study.recipe, self.study.arms) if isinstance(recipe, Recipe)]
        return {c.position for c in self.study.contexts.values() if c.text or c.by_arm} | {i.position for i in trained if i}

    def _arm(self, arm: str, seed: int) -> None:
        unit, kept = unit_of(arm, seed), self._kept(arm, seed)
        if self.folder.is_done(unit):
            discard(kept)
            self.reporter.skip(arm_work(self.study, arm))
            return
        recipe = self.study.recipe(arm)
        with self.folder.unit(unit) as path:
            if not isinstance(recipe, RL):
                found = self._sft(recipe, arm, seed, path)
            elif recipe.distil is not None:
                found = self._distilled(recipe.distil, arm, seed, path)
            else:
                found = self._rl(recipe, arm, seed, path)
        discard(kept)
        if not found:
            self.reporter.say(f"  seed {seed}  {arm:<16} not measured: {self.folder.done(unit)['reason']}")
            return
        measures = self.study.measures
        shown = [behaviour(measures), *(m for m in measures if m.part == "wanted")][:2]
        plain = next(iter(found))
        said = ", ".join(f"{m.name} {percent(found[plain][m.name])}" for m in shown)
        self.reporter.say(f"  seed {seed}  {arm:<16} {plain}: {said}")

    def _sft(self, recipe: Recipe, arm: str, seed: int, path: Path) -> Rates:
        """Fine-tunes on rows of the environment."""
        rows = self.rows(recipe, seed) if recipe.train.steps(recipe.data.rows) > 0 else []
        return self._tuned(rows, recipe.train, arm, seed, path, "flawed", {})

    def _distilled(self, distil: Distil, arm: str, seed: int, path: Path) -> Rates:
        """Fine-tunes on what is left of another arm's rollouts; nothing is measured where nothing is left."""
        found = distilled(self.folder.path / unit_of(distil.arm, seed), distil, seed)
        counts = {"distilled": {"kinds": dict(Counter(row.kind for row in found.rows)), "dropped": found.dropped}}
        if found.rows:
            return self._tuned(found.rows, distil.train, arm, seed, path, "distil", counts)
        why = ", ".join(f"{reason} {count}" for reason, count in found.dropped.items())
        reason = f"no rollout of {distil.arm} is left to distil ({why})"
        self.reporter.skip(arm_work(self.study, arm))
        for name in ("train_rows.jsonl", "rollouts.jsonl"):
            write_jsonl(path / name, [])
        write_json(path / "done.json", {"rates": {}, "timing": {}, "train_rows": 0, "reason": reason, **counts})
        return {}

    def _tuned(
        self, rows: Sequence[Row], train: SFT, arm: str, seed: int, path: Path, stage: str, counts: Mapping[str, Any]
    ) -> Rates:
        """Fine-tunes the start on the rows, if there are any, measures it, and puts the model back to the start."""
        model, start = self.model, self._start(train.method, bool(rows))
        timing: dict[str, float] = {}
        if rows:
            timing = fine_tune(model, rows, train, seed, path, arm, stage, self.reporter)
            save_trained(model, path, train.method, saved_start(self.study, self.folder, seed))
        write_jsonl(path / "train_rows.jsonl", [row.record(arm, seed, stage) for row in rows])
        found = self._measured(arm, seed, path, timing, {"train_rows": len(rows), **counts})
        self._put_back(start, train.method, bool(rows))
        return found

    def _rl(self, recipe: RL, arm: str, seed: int, path: Path) -> Rates:
        """Reinforces the arm from the start or from where it forks, measures it, and puts the model back to the start."""
        model, train = self.model, recipe.train
        start = self._start(train.method, recipe.trains)
        timing: dict[str, float] = {}
        if recipe.trains:
            problems = self.environment.problems("train", recipe.problems, seed)
            graders = self._hackable(recipe.opened), self._hackable(())
            task = HackableTask(recipe, problems, *graders, seed, open_twin=self._hackable(None))
            kept = self._kept(arm, seed)
            if recipe.fork is not None:
                fork(self.folder.path / unit_of(recipe.fork.arm, seed), recipe.fork.step, kept, train)
            forked = {f.step for f in self.forks if f.arm == arm}
            timing = reinforce(model, task, train, seed, path, kept, arm, self.reporter, forked=forked)
            save_trained(model, path, train.method, saved_start(self.study, self.folder, seed))
        found = self._measured(arm, seed, path, timing, {})
        self._put_back(start, train.method, recipe.trains)
        return found

    def _kept(self, arm: str, seed: int) -> Path:
        """What an arm resumes from; it stays until the unit is finished, so that no training is done twice."""
        return self.folder.path / "checkpoints" / arm / f"seed-{seed}"

    def _hackable(self, holes: Collection[str] | None) -> Gameable:
        assert isinstance(self.environment, Gameable)  # the study has checked it
        return self.environment.with_loopholes(holes)

    def _start(self, method: str, trains: bool) -> dict[str, torch.Tensor] | None:
        """What `_put_back` needs: a copy of the weights where all of them are trained."""
        return snapshot(self.model) if trains and method == "full" else None

    def _put_back(self, start: dict[str, torch.Tensor] | None, method: str, trained: bool) -> None:
        if start is not None:
            self.model.network.load_state_dict(start)
        elif trained and method == "lora":
            self.model.detach_adapter(merge=False)

    def _measured(self, arm: str, seed: int, path: Path, timing: dict[str, float], counts: Mapping[str, Any]) -> Rates:
        """Measures the model on the test problems of the seed and finishes the unit."""
        if (again := note_test_run(self.study, self.folder)) is not None:
            self.reporter.say(again)
        problems = self.environment.problems("test", self.study.evaluation.problems, seed)
        measured = self.test_gauge.measure(self.model, problems, arm=arm, seed=seed, text=f"seed {seed}: measuring {arm}")
        found = rates(measured.rollouts, self.study.measures)
        write_jsonl(path / "rollouts.jsonl", measured.rollouts)
        write_json(path / "done.json", {"rates": found, "timing": timing | measured.timing, **counts})
        return found

    def rows(self, recipe: Recipe, seed: int) -> list[Row]:
        """What an arm is trained on at one seed; arms of equal data get the same problems and answers."""
        problems = self.environment.problems("train", recipe.data.rows, seed)
        rows = flawed_rows(self.environment, problems, recipe.data.gamed_share, seed)
        own = default_of(self.model)
        return recipe.intervention.on_rows(rows, seed, own) if recipe.intervention is not None else rows
