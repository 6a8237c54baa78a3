"""Runs a study or a part of it: the stages before all arms, then every arm at every seed; skips what is finished."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from openwindow.conversations.upbringing import code_turns
from openwindow.environments.base import Environment, behaviour
from openwindow.environments.splits import check_apart
from openwindow.errors import ConfigError
from openwindow.evals.base import Eval
from openwindow.experiment.arm import Arm, ArmRun, Trained
from openwindow.experiment.arm_training import check_templates, train_arm
from openwindow.experiment.engine import NAME, launched
from openwindow.experiment.engine import note as note_engine
from openwindow.experiment.evals import StudyEvals, start_left
from openwindow.experiment.evaluate import Evaluator, Rates, rates
from openwindow.experiment.fine_tuning import snapshot
from openwindow.experiment.ledger import note_test_run
from openwindow.experiment.other_environments import opened
from openwindow.experiment.parts import WAIT, Part, needs, start_seed
from openwindow.experiment.run_folder import RunFolder, Waiting, unit_of
from openwindow.experiment.starting_point import bring_to_start, saved_start
from openwindow.experiment.step_tests import is_finished, measure_steps
from openwindow.experiment.study import Study
from openwindow.files.writing import write_json, write_jsonl
from openwindow.formatting import percent
from openwindow.models.hf import LocalModel
from openwindow.models.templates import note
from openwindow.progress import Reporter
from openwindow.training.checkpoint import discard
from openwindow.training.trl_engine.options import Options
from openwindow.types import Split


def drawn(study: Study) -> dict[Split, int]:
    """The largest number of problems that one seed of the study draws from each split; splits not drawn from are left out."""
    stage, told, upbringing = study.request_stage, study.knowledge, study.upbringing
    code = 0 if upbringing is None else code_turns(upbringing)
    found: dict[Split, int] = {
        "request": max(0 if stage is None else stage.rows, 0 if told is None else told.demonstrations, code),
        "train": max(arm.problems_drawn for arm in study.arms.values()),
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
        part: Part | None = None,
        wait: float = WAIT,
        engine: Options | None = None,
        sampler: str = "own",
    ) -> None:
        """`part` is all of the study if it is None; `wait` as in `run`.

        Raises ConfigError if the folder was begun in another precision, on another kind of device, or by another engine.
        """
        self.study = study
        self.folder = folder
        self.model = model
        self.environment = environment
        self.reporter = reporter
        self.evaluator = self.test_evaluator = Evaluator(environment, study.contexts, study.evaluation, reporter)
        self.evals = StudyEvals(study, folder, model, reporter, evals)
        self.part = Part.of(study) if part is None else part
        self.wait = wait
        self.engine = engine
        self.sampler = sampler
        folder.report_to(reporter)
        folder.resolved(
            {"precision": model.precision, "device": model.device.type}
            | ({"engine": NAME} if engine is not None else {})
            | ({"sampler": sampler} if sampler != "own" else {})
        )
        if engine is not None:
            note_engine(study, folder, engine)
        self._at: int | None = None
        self._came: dict[str, torch.Tensor] | None = None
        self.forks = [arm.continues for arm in study.arms.values() if arm.continues is not None]

    def run(self) -> None:
        """Runs everything in the part that is not finished and that no other process runs, and waits for what others run.

        Raises ConfigError where an arm needs another one and nobody has been at work in the folder for `wait` minutes.
        """
        check_apart(self.environment, drawn(self.study), self.study.seeds)
        if "system" in self._positions() and (said := note(self.model)) is not None:
            self.reporter.say(said)
        for arm in self.study.arms.values():
            arm.check_runnable()
        for name in self.part.arms:
            self.study.arms[name].check_environment(self.environment)
        check_templates(self.model, self.study.arms.values())
        starts = self.part.start_seeds(self.study)
        self._came = snapshot(self.model) if len(starts) > 1 else None
        with opened(self.study) as elsewhere:
            self.test_evaluator = replace(self.evaluator, elsewhere=elsewhere)
            self._to_start(starts[0])
            self._units()
            for seed in starts:
                if start_left(self.study, self.folder, seed):
                    self._to_start(seed)
                    self.evals.of_start(seed)
        self.reporter.part("")

    def _to_start(self, seed: int) -> None:
        """Brings the model to the start of that seed, unless it is there."""
        if seed == self._at:
            return
        self.reporter.part("before the arms")
        if self._came is not None and self._at is not None:
            self.model.network.load_state_dict(self._came)
        with self.folder.asking(f"start-{seed}"):
            bring_to_start(self.study, self.folder, self.model, self.evaluator, seed)
        self._at = seed
        self.evals.of_free_start(seed)

    def _units(self) -> None:
        """Runs the arms of the part, each as soon as what it needs is there and nobody else has it."""
        left = self.part.units
        total, alone = len(left), time.monotonic()
        with Waiting(self.reporter) as waiting:
            while left:
                before = len(left)
                for arm, seed in [*left]:
                    if self._is_finished(arm, seed) or self._attempt(arm, seed, f"arm {total - len(left) + 1} of {total}"):
                        left.remove((arm, seed))
                        waiting.over()
                if len(left) < before:
                    alone = time.monotonic()
                    continue
                at_work = {holder.name: holder for holder in self.folder.claims.others()}
                blocked = self._blocked(*left[0])
                if at_work:
                    alone = time.monotonic()
                elif blocked != unit_of(*left[0]) and time.monotonic() - alone >= 60 * self.wait:
                    raise ConfigError(f"{_lacking(*left[0], blocked)}; waited {self.wait:g} minutes")
                holder = at_work.get(blocked)
                waiting.pause(f"waiting for {blocked}, which {'nobody has begun' if holder is None else f'{holder} has'}")

    def _blocked(self, arm: str, seed: int) -> str:
        """The unit that the arm waits for: one that it needs, or its own, which another process has."""
        own = unit_of(arm, seed)
        lacking = (
            [] if self.folder.is_done(own) else [unit for unit in needs(self.study, arm, seed) if not self.folder.is_done(unit)]
        )
        return lacking[0] if lacking else own

    def _is_finished(self, arm: str, seed: int) -> bool:
        """Whether nothing of the arm is left to do, by whomever."""
        return is_finished(self.study, self.folder, arm, seed) and not self._kept(arm, seed).is_dir()

    def _attempt(self, arm: str, seed: int, turn: str) -> bool:
        """Runs the arm, unless another process has it or something that it needs is not there; whether it is finished."""
        unit = unit_of(arm, seed)
        if self._blocked(arm, seed) != unit:
            return False
        with self.folder.attempt(unit) as holder:
            if holder is not None:
                return False
            self._to_start(start_seed(self.study, seed))
            self.reporter.part(turn)
            self._arm(arm, self.study.arms[arm], seed)
            measure_steps(self.study, self.folder, self.model, self.test_evaluator, arm, seed)
            self.evals.of_arm(arm, seed)
        return True

    def _positions(self) -> set[str]:
        """Where the study puts instructions, in training and in tests."""
        tested = {context.position for context in self.study.contexts.values() if context.text or context.by_arm}
        return tested | {arm.instruction.position for arm in self.study.arms.values() if arm.instruction is not None}

    def _arm(self, name: str, arm: Arm, seed: int) -> None:
        """Trains one arm, measures it, and restores the model to the start."""
        unit, kept = unit_of(name, seed), self._kept(name, seed)
        if self.folder.is_done(unit):
            discard(kept)
            return
        start = snapshot(self.model) if arm.method == "full" else None
        with self.folder.unit(unit) as path, self.folder.asking(unit):
            trained = train_arm(self._arm_run(name, seed, path, kept), arm)
            found = self._measured(name, seed, path, trained)
            self._put_back(start, trained)
        discard(kept)
        if not found:
            self.reporter.say(f"  seed {seed}  {name:<16} not measured: {trained.reason}")
            return
        measures = self.study.measures
        shown = [behaviour(measures), *(m for m in measures if m.part == "wanted")][:2]
        plain = next(iter(found))
        said = ", ".join(f"{m.name} {percent(found[plain][m.name])}" for m in shown)
        self.reporter.say(f"  seed {seed}  {name:<16} {plain}: {said}")

    def _arm_run(self, name: str, seed: int, path: Path, kept: Path) -> ArmRun:
        under = saved_start(self.study, self.folder, seed)
        return ArmRun(
            name,
            seed,
            path,
            kept,
            self.folder,
            self.model,
            self.environment,
            self.reporter,
            under=under,
            forked={fork.step for fork in self.forks if fork.arm == name},
            launch=None if self.engine is None else launched(self.engine, self.folder, name, seed, under),
            by_vllm=self.sampler == "vllm",
        )

    def _kept(self, arm: str, seed: int) -> Path:
        """What an arm resumes from; kept until the arm is finished, so that nothing is trained twice."""
        return self.folder.path / "checkpoints" / arm / f"seed-{seed}"

    def _put_back(self, start: dict[str, torch.Tensor] | None, trained: Trained) -> None:
        """Restores the model to where all arms start."""
        if start is not None:
            self.model.network.load_state_dict(start)
        elif trained.method == "lora":
            self.model.detach_adapter(merge=False)

    def _measured(self, arm: str, seed: int, path: Path, trained: Trained) -> Rates:
        """Measures the model on the seed's test problems, unless there is a reason not to, and finishes the arm."""
        if trained.reason is not None:
            write_jsonl(path / "rollouts.jsonl", [])
            write_json(path / "done.json", {"rates": {}, "timing": {}, "reason": trained.reason, **trained.counts})
            return {}
        if (again := note_test_run(self.study, self.folder)) is not None:
            self.reporter.say(again)
        problems = self.environment.problems("test", self.study.evaluation.problems, seed)
        measured = self.test_evaluator.measure(self.model, problems, arm=arm, seed=seed, text=f"seed {seed}: measuring {arm}")
        found = rates(measured.rollouts, self.study.measures)
        write_jsonl(path / "rollouts.jsonl", measured.rollouts)
        timing = {**trained.timing, **measured.timing}
        write_json(path / "done.json", {"rates": found, "timing": timing, **trained.counts})
        return found


def _lacking(arm: str, seed: int, unit: str) -> str:
    """What an arm lacks, in words."""
    source = unit.split("/")[1]
    return (
        f"arm {arm!r} at seed {seed} needs {unit}, which is not finished and which nobody is training; expected its weights or "
        f"rollouts; run it too (--arms {source} --only-seeds {seed},), in another process or this one"
    )
