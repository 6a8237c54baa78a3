"""Runs a study: where all arms start, then every arm at every seed; skips what is finished."""

from __future__ import annotations

from pathlib import Path

from openwindow.data.rows import Row
from openwindow.measure import Gauge, Rates, rates
from openwindow.models.hf import LocalModel
from openwindow.progress import Reporter
from openwindow.recipes import RL, Recipe
from openwindow.reinforce import HackableTask, reinforce, rl_work
from openwindow.runs import RunFolder, write_json, write_jsonl
from openwindow.settings.base import Setting, behaviour
from openwindow.settings.hackable import WithHoles
from openwindow.settings.rows import flawed_rows
from openwindow.start import bring_to_start, saved_start, start_work
from openwindow.study import Study
from openwindow.tuning import fine_tune, save_trained, snapshot, train_work


def total_work(study: Study) -> float:
    """Work of the whole study, in units of one generated reply."""
    return start_work(study) + len(study.seeds) * sum(arm_work(study, arm) for arm in study.arms)


def arm_work(study: Study, arm: str) -> float:
    """Work of one arm at one seed."""
    recipe = study.recipe(arm)
    training = rl_work(recipe.train) if isinstance(recipe, RL) else train_work(recipe.data.rows, recipe.train)
    return training + len(study.contexts) * study.evaluation.problems


class Execution:
    """One run of one study into one folder."""

    def __init__(self, study: Study, folder: RunFolder, model: LocalModel, setting: Setting, reporter: Reporter) -> None:
        self.study = study
        self.folder = folder
        self.model = model
        self.setting = setting
        self.reporter = reporter
        self.gauge = Gauge(setting, study.contexts, study.evaluation, reporter)

    def run(self) -> None:
        """Does everything that is not done yet."""
        bring_to_start(self.study, self.folder, self.model, self.gauge)
        for seed in self.study.seeds:
            for arm in self.study.arms:
                self._arm(arm, seed)

    def _arm(self, arm: str, seed: int) -> None:
        unit = f"arms/{arm}/seed-{seed}"
        if self.folder.is_done(unit):
            self.reporter.skip(arm_work(self.study, arm))
            return
        recipe = self.study.recipe(arm)
        with self.folder.unit(unit) as path:
            found = self._rl(recipe, arm, seed, path) if isinstance(recipe, RL) else self._sft(recipe, arm, seed, path)
        measures = self.study.measures
        shown = [behaviour(measures), *(m for m in measures if m.part == "wanted")][:2]
        plain = next(iter(found))
        said = ", ".join(f"{m.name} {_percent(found[plain][m.name])}" for m in shown)
        self.reporter.say(f"  seed {seed}  {arm:<16} {plain}: {said}")

    def _sft(self, recipe: Recipe, arm: str, seed: int, path: Path) -> Rates:
        """Trains the arm from the start, measures it, and puts the model back to the start."""
        model, lora = self.model, recipe.train.method == "lora"
        trains = recipe.train.steps(recipe.data.rows) > 0
        rows = self.rows(recipe, seed) if trains else []
        start = snapshot(model) if trains and not lora else None
        timing: dict[str, float] = {}
        if trains:
            timing = fine_tune(model, rows, recipe.train, seed, path, arm, "flawed", self.reporter)
            save_trained(model, path, recipe.train.method, saved_start(self.folder))
        write_jsonl(path / "train_rows.jsonl", [row.record(arm, seed, "flawed") for row in rows])
        found = self._measured(arm, seed, path, timing, {"train_rows": len(rows)})
        if trains and lora:
            model.detach_adapter(merge=False)
        elif start is not None:
            model.network.load_state_dict(start)
        return found

    def _rl(self, recipe: RL, arm: str, seed: int, path: Path) -> Rates:
        """Reinforces the arm from the start, measures it, and puts the model back to the start."""
        assert isinstance(self.setting, WithHoles)
        model, lora = self.model, recipe.train.method == "lora"
        trains = recipe.train.learning_rate > 0
        start = snapshot(model) if trains and not lora else None
        timing: dict[str, float] = {}
        if trains:
            opened = None if recipe.holes == "all" else () if recipe.holes == "none" else recipe.holes
            problems = self.setting.problems("train", recipe.problems, seed)
            task = HackableTask(recipe, problems, self.setting.with_holes(opened), self.setting.with_holes(()), seed)
            kept = self.folder.path / "checkpoints" / arm / f"seed-{seed}"
            timing = reinforce(model, task, recipe.train, seed, path, kept, arm, self.reporter)
            save_trained(model, path, recipe.train.method, saved_start(self.folder))
        found = self._measured(arm, seed, path, timing, {})
        if trains and lora:
            model.detach_adapter(merge=False)
        elif start is not None:
            model.network.load_state_dict(start)
        return found

    def _measured(self, arm: str, seed: int, path: Path, timing: dict[str, float], counts: dict[str, int]) -> Rates:
        """Measures the model on the test problems of the seed and finishes the unit."""
        problems = self.setting.problems("test", self.study.evaluation.problems, seed)
        measured = self.gauge.measure(self.model, problems, arm=arm, seed=seed, text=f"seed {seed}: measuring {arm}")
        found = rates(measured.rollouts, self.study.measures)
        write_jsonl(path / "rollouts.jsonl", measured.rollouts)
        write_json(path / "done.json", {"rates": found, "timing": timing | measured.timing, **counts})
        return found

    def rows(self, recipe: Recipe, seed: int) -> list[Row]:
        """What an arm is trained on at one seed; arms of equal data get the same problems and answers."""
        problems = self.setting.problems("train", recipe.data.rows, seed)
        rows = flawed_rows(self.setting, problems, recipe.data.gamed_share, seed)
        return recipe.intervention.on_rows(rows, seed) if recipe.intervention is not None else rows


def _percent(rate: float | None) -> str:
    return "not scored" if rate is None else f"{rate:.0%}"
