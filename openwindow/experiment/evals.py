"""Asks the model of a run what else it has learned: the evals that a study names, at the start and after every arm.

DIR/start/evals/                       for the start of the arms; with a start per seed, one folder `seed-S` each
DIR/arms/ARM/seed-S/evals/             for the trained arm
DIR/arms/ARM/seed-S/evals-step-N/      for its adapter as it was after RL step N
DIR/checkpoints/evals/UNIT/            until they are all asked: the logs of what was

Each folder has `evals.jsonl` (a row per reply, with the conversation), `probes.jsonl`, `done.json` and Inspect's `logs/`. The
loaded model is asked, with an arm's saved adapter attached and removed again, so an arm is never retrained for its evals, and
nothing here runs inside training. Random states are left unchanged.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openwindow.errors import ConfigError, LimitReached
from openwindow.evals.base import Eval
from openwindow.evals.contexts import BUILT_IN, NEUTRAL, Context
from openwindow.evals.held_out import NAME as HELD_OUT
from openwindow.evals.held_out import held_out
from openwindow.evals.scoring.cells import described
from openwindow.evals.scoring.rows import key_of, with_missing
from openwindow.evals.select import check_judged, chosen, limited, too_few
from openwindow.experiment.eval_plan import check_scores
from openwindow.experiment.parts import start_seed
from openwindow.experiment.run_folder import PROBES, ROWS, RunFolder, unit_of
from openwindow.experiment.study import Study
from openwindow.files.writing import storing, write_json, write_jsonl
from openwindow.models.memory import give_back_memory
from openwindow.progress import Reporter

if TYPE_CHECKING:
    from inspect_ai.model import Model

    from openwindow.evals.run import Found
    from openwindow.models.hf import LocalModel

START, NAME = "start/evals", "evals"


def evals_of(study: Study) -> list[Eval]:
    """The evals that a study names, limited as it says; `held_out` has the study's number of test problems.

    Raises ConfigError, also for an eval that cannot be scored without a judge and if the packages for evals are not installed.
    """
    if not study.evals:
        return []
    plan = study.eval_plan
    whole, own = _named(study), []
    if HELD_OUT in study.evals:
        asked = study.evaluation
        own = [held_out(study.make_environment(), asked.problems, study.seeds[0], asked.max_new_tokens)]
    check_scores(study.compare, [*own, *whole], plan)
    specs = limited(whole, plan.scenarios, plan.split)
    check_judged(specs, plan.judge, "--judge MODEL (eval_plan.judge in a study)")
    check_installed()
    if plan.judge is not None:
        from openwindow.evals.inspect.spending import check_judge

        check_judge(plan.judge)
    return [*own, *specs]


def _named(study: Study) -> list[Eval]:
    """Those that the study does not make from its data, with all their scenarios."""
    return chosen([name for name in study.evals if name != HELD_OUT])


def check_installed() -> None:
    """Raises ConfigError where the package that runs evals is not installed."""
    if importlib.util.find_spec("inspect_ai") is None:
        raise ConfigError(
            "evals are named, and inspect_ai, which runs them, is not installed; expected the packages of the extra `evals`: "
            "pip install 'openwindow[evals,train]', or name no evals"
        )


def start_unit(study: Study, seed: int) -> str:
    """The unit with the evals of the start that arms of the seed have."""
    return f"{START}/seed-{seed}" if study.starts == "per_seed" else START


def arm_unit(arm: str, seed: int, step: int | None = None) -> str:
    """The unit with the evals of an arm at one seed, when it is trained or as it was after a step."""
    return f"{unit_of(arm, seed)}/{NAME}" + ("" if step is None else f"-step-{step}")


def contexts_of(study: Study) -> dict[str, Context]:
    """The contexts that items are asked in, the neutral one first."""
    return {name: BUILT_IN[name] for name in (NEUTRAL, *study.eval_plan.contexts)}


def start_left(study: Study, folder: RunFolder, seed: int) -> bool:
    """Whether the start of that seed has evals that are not finished."""
    return bool(study.evals) and not folder.is_done(start_unit(study, seed))


def arm_left(study: Study, folder: RunFolder, arm: str, seed: int) -> bool:
    """Whether a finished arm has evals that are not."""
    if not study.evals or folder.done(unit_of(arm, seed)).get("reason"):
        return False
    units = [arm_unit(arm, seed), *(arm_unit(arm, seed, step) for step in _steps(study, folder, arm, seed))]
    return not all(folder.is_done(unit) for unit in units)


def _steps(study: Study, folder: RunFolder, arm: str, seed: int) -> list[int]:
    """The steps to evaluate for which the arm has saved an adapter."""
    there = folder.path / unit_of(arm, seed) / "checkpoints"
    return [step for step in study.eval_plan.steps if (there / f"step-{step}").is_dir()]


class StudyEvals:
    """The evals of one run; without any named, nothing is done."""

    def __init__(self, study: Study, folder: RunFolder, model: LocalModel, reporter: Reporter, specs: Sequence[Eval]) -> None:
        self.study = study
        self.folder = folder
        self.model = model
        self.reporter = reporter
        self.specs = specs
        self._asked: Model | None = None

    def of_start(self, seed: int) -> None:
        """Asks the model in its current state, the start of the arms of the seed, or waits for the process that does."""
        unit = start_unit(self.study, seed)
        if self.specs:
            with self.folder.turn(unit, lambda: self.folder.is_done(unit)) as mine:
                if mine:
                    self._ask(unit, f"seed {seed}: evals of the start")

    def of_free_start(self, seed: int) -> None:
        """The same unless another process does it."""
        if self.specs:
            with self.folder.attempt(start_unit(self.study, seed)) as holder:
                if holder is None:
                    self._ask(start_unit(self.study, seed), f"seed {seed}: evals of the start")

    def of_arm(self, arm: str, seed: int) -> None:
        """Asks a finished arm, and the steps of it that are named; the model is where the arms start, before and after."""
        left = self.folder.path / unit_of(arm, seed)
        if not self.specs or self.folder.done(unit_of(arm, seed)).get("reason"):
            return
        if not any((left / kind).is_dir() for kind in ("adapter", "weights")):
            self.of_start(start_seed(self.study, seed))
            self._copy(start_unit(self.study, seed), arm_unit(arm, seed))
            return
        for step in _steps(self.study, self.folder, arm, seed):
            unit = arm_unit(arm, seed, step)
            self._ask(unit, f"seed {seed}: evals of {arm}, step {step}", left / "checkpoints" / f"step-{step}")
        trained = left / "adapter" if (left / "adapter").is_dir() else left / "weights"
        self._ask(arm_unit(arm, seed), f"seed {seed}: evals of {arm}", trained)

    def _ask(self, unit: str, text: str, trained: Path | None = None) -> None:
        if self.folder.is_done(unit):
            return
        asking = self.folder.path / "checkpoints" / "evals" / unit  # what was asked is kept where a limit or the user stops it
        with (
            self.reporter.step(text, 1),
            _undisturbed(),
            _put_on(self.model, trained),
            self.folder.unit(unit) as path,
            self.folder.asking(unit),
        ):
            began = time.perf_counter()
            found = self._found(asking)
            if (asking / "logs").is_dir():
                with storing(path):
                    (asking / "logs").rename(path / "logs")
            write_jsonl(path / ROWS, _lines(found))
            write_jsonl(path / PROBES, [asdict(row) for row in found.probes])
            write_json(path / "done.json", self._done(found, time.perf_counter() - began))
        shutil.rmtree(asking, ignore_errors=True)
        give_back_memory()

    def _found(self, path: Path) -> Found:
        """Raises LimitReached."""
        from openwindow.evals.inspect.model_names import in_memory
        from openwindow.evals.inspect.spending import GO_ON
        from openwindow.evals.run import Options, ask_model

        if self._asked is None:
            self._asked = in_memory(self.model)
        plan = self.study.eval_plan
        options = Options(
            contexts=contexts_of(self.study),
            judge=plan.judge,
            seeds=plan.repeats,
            temperature=plan.temperature,
            max_tokens=plan.max_tokens,
            behaviour=plan.replies,
        )
        found = ask_model(self._asked, self.model.name, self.specs, options, path, lambda text: None)
        if found.stopped is not None:
            raise LimitReached(f"{found.stopped}; {GO_ON}")
        return replace(found, rows=with_missing(found.rows, self.specs))

    def _done(self, found: Found, seconds: float) -> dict[str, Any]:
        import inspect_ai

        return {
            "timing": {"evals": seconds},
            "evals": {spec.name: described(spec) for spec in self.specs},
            "left_out": too_few(_named(self.study), self.study.eval_plan.split),
            "prompting": {"own": found.prompting.own, "note": found.prompting.note},
            "inspect_ai": inspect_ai.__version__,
        }

    def _copy(self, start: str, unit: str) -> None:
        """Copies the start's results for an arm that was not trained and so is the same model."""
        if self.folder.is_done(unit):
            return
        source = self.folder.path / start
        with self.folder.unit(unit) as path:
            with storing(path):
                for name in (ROWS, PROBES):
                    shutil.copy(source / name, path / name)
            write_json(path / "done.json", self.folder.done(start) | {"timing": {}, "same_as": start})


def _lines(found: Found) -> Iterator[Mapping[str, Any]]:
    """The rows as stored: each with its prompt and everything the model said and did."""
    for row in found.rows:
        said = found.said.get(key_of(row))
        asked = [] if said is None else [{"role": m.role, "content": m.content} for m in said.prompt]
        yield asdict(row) | {"messages": asked, "reply": "" if said is None else said.reply}


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Restores the random states when the block ends."""
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])


@contextlib.contextmanager
def _put_on(model: LocalModel, trained: Path | None) -> Iterator[None]:
    """While the block runs, the model has the trained adapter or weights; None: it is unchanged."""
    if trained is None:
        yield
    elif trained.name == "weights":
        start = {name: value.clone() for name, value in model.network.state_dict().items()}
        model.load_weights(trained)
        try:
            yield
        finally:
            model.network.load_state_dict(start)
    else:
        model.attach_saved_adapter(trained)
        try:
            yield
        finally:
            model.detach_adapter(merge=False)
