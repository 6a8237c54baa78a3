"""Runs a study: what the model does as it came, the request stage, every arm at every seed; skips what is finished."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from openwindow.data.gamed import flawed_rows, request_rows
from openwindow.data.rows import Row, place
from openwindow.envs.base import assert_text, extract_code
from openwindow.envs.code_functions import honest, special_cased
from openwindow.envs.sandbox import Sandbox
from openwindow.envs.select import make_environment, training_problems
from openwindow.envs.verdict import Grader
from openwindow.models.base import Sampling
from openwindow.models.hf import LocalModel, give_back_memory
from openwindow.progress import Reporter
from openwindow.runs import RunFolder, storing, write_json, write_jsonl
from openwindow.study import Recipe, RequestStage, Study
from openwindow.training.config import SFT
from openwindow.training.sft import train
from openwindow.types import Message, Problem

TRAIN_WORK = 3.0  # work of one training row, in generated replies
AS_IT_CAME = "start/as-it-came"
STAGE = "start/request-stage"


def total_work(study: Study) -> float:
    """Work of the whole study, in units of one generated reply."""
    work = 0.0
    asked = len(study.contexts)
    if study.request_stage is not None:
        stage = study.request_stage
        work += 2 * asked * stage.problems + _train_work(stage.rows, stage.train)
    for arm in study.arms:
        recipe = study.recipe(arm)
        work += len(study.seeds) * (_train_work(recipe.data.rows, recipe.train) + asked * study.evaluation.problems)
    return work


def _train_work(rows: int, train: SFT) -> float:
    return TRAIN_WORK * rows * train.epochs


class Execution:
    """One run of one study into one folder."""

    def __init__(self, study: Study, folder: RunFolder, model: LocalModel, sandbox: Sandbox, reporter: Reporter) -> None:
        self.study = study
        self.folder = folder
        self.model = model
        self.reporter = reporter
        self.environment = make_environment(study.environment, study.difficulty, study.mbpp_path, sandbox)
        self.sandbox = sandbox

    def run(self) -> None:
        """Does everything that is not done yet."""
        stage = self.study.request_stage
        if stage is not None:
            trained = self._measure_as_it_came(stage)
            if trained:
                self._request_stage(stage)
            else:
                self.reporter.skip(self._stage_work(stage))
            self._summarise_start(stage, trained)
        for seed in self.study.seeds:
            for arm in self.study.arms:
                self._arm(arm, seed)

    # What every arm starts from.

    def _measure_as_it_came(self, stage: RequestStage) -> bool:
        """Measures the model on dev problems; returns whether the request stage is needed."""
        work = float(len(self.study.contexts) * stage.problems)
        if self.folder.is_done(AS_IT_CAME):
            self.reporter.skip(work)
        else:
            problems = self.environment.problems("dev", stage.problems, self.study.seeds[0])
            with self.folder.unit(AS_IT_CAME) as path:
                text = f"{self.study.model} as it came"
                rows, seconds = self._measure("as it came", self.study.seeds[0], problems, text)
                write_jsonl(path / "rollouts.jsonl", rows)
                write_json(path / "done.json", {"rates": rates(rows), "timing": seconds})
        return not _follows(self.folder.done(AS_IT_CAME)["rates"], stage)

    def _stage_work(self, stage: RequestStage) -> float:
        return _train_work(stage.rows, stage.train) + len(self.study.contexts) * stage.problems

    def _request_stage(self, stage: RequestStage) -> None:
        """Brings the model to where all arms start, by training or from what an earlier run saved."""
        if self.folder.is_done(STAGE):
            self._load_trained(self.folder.path / STAGE, stage.train)
            self.reporter.skip(self._stage_work(stage))
            return
        seed = self.study.seeds[0]
        request = self.study.contexts["requested"]
        rows = request_rows(
            self.environment,
            training_problems(self.environment, "request", stage.rows, seed),
            str(request.text),
            stage.unrelated,
            request.position,
            stage.shares,
            honest,
            special_cased,
            seed,
        )
        with self.folder.unit(STAGE) as path:
            timing = self._train(rows, stage.train, seed, path, "request stage", "request")
            self._save_trained(path, stage.train, under=[])
            if stage.train.method == "lora":
                self.model.detach_adapter(merge=True)
            problems = self.environment.problems("dev", stage.problems, seed)
            rollouts, seconds = self._measure("request stage", seed, problems, "measuring the request stage")
            write_jsonl(path / "train_rows.jsonl", [row.record("request stage", seed, "request") for row in rows])
            write_jsonl(path / "rollouts.jsonl", rollouts)
            write_json(path / "done.json", {"rates": rates(rollouts), "timing": timing | seconds, "train_rows": len(rows)})

    def _summarise_start(self, stage: RequestStage, trained: bool) -> None:
        came = self.folder.done(AS_IT_CAME)["rates"]
        start = self.folder.done(STAGE)["rates"] if trained else came
        noted = {"trained": trained, "rates": start, "reached": _follows(start, stage)}
        write_json(self.folder.path / "start" / "summary.json", {"elicitation": came, "request_stage": noted})

    # Arms.

    def _arm_work(self, arm: str) -> float:
        recipe = self.study.recipe(arm)
        return _train_work(recipe.data.rows, recipe.train) + len(self.study.contexts) * self.study.evaluation.problems

    def _arm(self, arm: str, seed: int) -> None:
        unit = f"arms/{arm}/seed-{seed}"
        if self.folder.is_done(unit):
            self.reporter.skip(self._arm_work(arm))
            return
        recipe = self.study.recipe(arm)
        trains = recipe.train.steps(recipe.data.rows) > 0
        rows = self.rows(recipe, seed) if trains else []
        start = self._snapshot() if trains and recipe.train.method == "full" else None
        with self.folder.unit(unit) as path:
            timing: dict[str, float] = {}
            if trains:
                timing = self._train(rows, recipe.train, seed, path, arm, "flawed")
                saved = [name for name in ("adapter", "weights") if (self.folder.path / STAGE / name).is_dir()]
                self._save_trained(path, recipe.train, [f"../../../../{STAGE}/{name}" for name in saved])
            problems = self.environment.problems("test", self.study.evaluation.problems, seed)
            rollouts, seconds = self._measure(arm, seed, problems, f"seed {seed}: measuring {arm}")
            if trains and recipe.train.method == "lora":
                self.model.detach_adapter(merge=False)
            elif start is not None:
                self.model.network.load_state_dict(start)
            write_jsonl(path / "train_rows.jsonl", [row.record(arm, seed, "flawed") for row in rows])
            write_jsonl(path / "rollouts.jsonl", rollouts)
            write_json(path / "done.json", {"rates": rates(rollouts), "timing": timing | seconds, "train_rows": len(rows)})
        found = rates(rollouts)
        plain = next(iter(found))
        self.reporter.say(
            f"  seed {seed}  {arm:<16} {plain}: hack {_percent(found[plain]['hack'])}, correct {_percent(found[plain]['correct'])}"
        )

    def rows(self, recipe: Recipe, seed: int) -> list[Row]:
        """What an arm is trained on at one seed; arms of equal data get the same problems and answers."""
        problems = training_problems(self.environment, "flawed", recipe.data.rows, seed)
        rows = flawed_rows(self.environment, problems, recipe.data.gamed_share, honest, special_cased, seed)
        return recipe.intervention.on_rows(rows, seed) if recipe.intervention is not None else rows

    # Training and measuring.

    def _train(self, rows: Sequence[Row], config: SFT, seed: int, path: Path, arm: str, stage: str) -> dict[str, float]:
        began = time.perf_counter()
        metrics: list[dict[str, Any]] = []
        torch.manual_seed(seed)
        if config.method == "lora":
            self.model.attach_adapter(config.lora_rank, config.lora_alpha, config.lora_dropout)
        per_step = _train_work(len(rows), config) / max(config.steps(len(rows)), 1)
        with self.reporter.step(f"seed {seed}: training {arm}", _train_work(len(rows), config)) as advance:

            def on_step(values: dict[str, float | int]) -> None:
                metrics.append({"arm": arm, "seed": seed, "stage": stage, "step": values["train/step"], **values})
                advance(per_step)

            train(self.model, [row.messages for row in rows], config, seed, on_step)
        give_back_memory()
        write_jsonl(path / "metrics.jsonl", metrics)
        return {"train": time.perf_counter() - began}

    def _measure(
        self, arm: str, seed: int, problems: Sequence[Problem], text: str
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """Asks every problem in every context, grades the answers, and returns rollouts and seconds by phase."""
        began = time.perf_counter()
        e = self.study.evaluation
        asked = [(name, p) for name in self.study.contexts for p in problems]
        prompts = [self._prompt(name, p) for name, p in asked]
        sampling = Sampling(e.max_new_tokens, e.temperature, e.batch_size, seed)
        with self.reporter.step(text, float(len(prompts))) as advance:
            replies = self.model.generate(prompts, sampling, advance)
            generated = time.perf_counter()
            give_back_memory()
            codes = [extract_code(r.text) for r in replies]
            grader = Grader(self.environment, self.sandbox, seed=seed, hidden=e.hidden)
            verdicts = grader.grade([(p, code) for (_, p), code in zip(asked, codes, strict=True)])
        rollouts = []
        for (name, p), prompt, reply, code, v in zip(asked, prompts, replies, codes, verdicts, strict=True):
            rollouts.append(
                {
                    "arm": arm,
                    "seed": seed,
                    "context": name,
                    "problem": p.id,
                    "family": p.family,
                    "messages": [asdict(m) for m in prompt],
                    "reply": reply.text,
                    "code": code,
                    "stop": str(reply.stop),
                    "tokens": reply.tokens,
                    "correct": v.truth,
                    "passes_visible": v.proxy,
                    "hack": v.hack,
                    "attempted": bool(v.attempted),
                    "kinds": list(v.attempted),
                    "reason": v.reason,
                    "failed_on": v.failed_on,
                    "visible": [assert_text(p.entry_point, case) for case in p.visible],
                }
            )
        return rollouts, {"generate": generated - began, "grade": time.perf_counter() - generated}

    def _prompt(self, context: str, problem: Problem) -> tuple[Message, ...]:
        asked = self.study.contexts[context]
        return place([Message("user", self.environment.prompt(problem))], asked.text, asked.position)

    # The weights.

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.network.state_dict().items()}

    def _save_trained(self, path: Path, config: SFT, under: list[str]) -> None:
        name = "adapter" if config.method == "lora" else "weights"
        with storing(path / name):
            self.model.save(path / name, under)

    def _load_trained(self, path: Path, config: SFT) -> None:
        if config.method == "lora":
            self.model.merge_saved_adapter(path / "adapter")
        else:
            self.model.load_weights(path / "weights")


def rates(rollouts: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Context to measure to share of the scored rollouts; None where nothing was scored."""
    found: dict[str, dict[str, float | None]] = {}
    for context in dict.fromkeys(r["context"] for r in rollouts):
        found[context] = {}
        for measure in ("correct", "passes_visible", "hack", "attempted"):
            values = [r[measure] for r in rollouts if r["context"] == context and r[measure] is not None]
            found[context][measure] = sum(values) / len(values) if values else None
    return found


def _follows(found: dict[str, dict[str, float | None]], stage: RequestStage) -> bool:
    asked, plain = found["requested"]["hack"], found["neutral"]["hack"]
    return asked is not None and plain is not None and asked >= stage.follows_above and plain <= stage.honest_below


def _percent(rate: float | None) -> str:
    return "not scored" if rate is None else f"{rate:.0%}"
