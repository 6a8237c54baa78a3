"""Watches a training by TRL while it goes on: every rollout is graded by an environment, logged and written down.

    from openwindow.integrations.trl import Watch

    watch = Watch("my_env.py:MyEnv", out="runs/mine/rollouts")
    trainer = GRPOTrainer(
        model=model,
        args=args,
        train_dataset=dataset,
        reward_funcs=watch.rewards([my_reward]),
        callbacks=[watch],
    )
    trainer.train()

`hack`, `truth` and `open_hack` appear beside the reward wherever TRL logs to, and `openwindow watch runs/mine/rollouts --follow`
shows the rollouts. Nothing about the training changes: the reward functions return what they would have returned.

It uses what `GRPOTrainer` (TRL 1.16) passes to reward functions: `prompts`, `completions`, `completion_ids`, `trainer_state`,
`log_metric`, and the columns of the data set, of which `problem` may name the environment's problem. Reward models, which TRL calls
by itself, are left as they are, so the reward that is written down lacks their part. Each process writes a file of its own.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from transformers import TrainerCallback

from openwindow.errors import ConfigError
from openwindow.files.run_files import finite
from openwindow.files.writing import storing
from openwindow.watch.grading import PASS_MARK, Graded, Grader, environment_of
from openwindow.watch.problems import SEEDS
from openwindow.watch.rows import Seen, prompt_of, reply_of
from openwindow.watch.run import line_of, record

Reward = Callable[..., Any]
LOGGED = ("truth", "hack", "open_hack")


class Watch(TrainerCallback):  # type: ignore[misc]
    """A callback that grades, logs and writes down what is rewarded."""

    def __init__(
        self,
        env: str,
        out: str | Path,
        *,
        options: Mapping[str, Any] | None = None,
        loopholes: Sequence[str] | None = None,
        mark: float = PASS_MARK,
        seeds: Sequence[int] = SEEDS,
    ) -> None:
        """`env` and the others are as in `openwindow watch`; rollouts go to `out`, a folder. Raises UserError."""
        self._entered, grades = environment_of(env, options, loopholes)
        self._grader = Grader(grades, mark, seeds)
        self._out = Path(out)
        self._weights: list[float] = []
        self._names: list[str] = []
        self._batches: dict[int, dict[int, Sequence[float | None]]] = {}
        self._opened = ExitStack()
        self._file: IO[str] | None = None
        self._model: Any = None
        self._ends: frozenset[int] = frozenset()

    def rewards(self, functions: Sequence[Any], weights: Sequence[float] | None = None) -> list[Any]:
        """The reward functions as TRL is to be given them, with their names; `weights` as in `GRPOConfig.reward_weights`."""
        if weights is not None and len(weights) != len(functions):
            raise ConfigError(f"{len(weights)} weights for {len(functions)} reward functions; expected one each; give as many")
        given: list[Any] = []
        for function, weight in zip(functions, weights or [1.0] * len(functions), strict=True):
            given.append(self._watched(function, weight) if inspect.isroutine(function) or not _is_model(function) else function)
        if not self._names:
            raise ConfigError("no reward function was given that can be called here; expected at least one; add it")
        return given

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the environment, and opens the file: a new one, or that of the training that is resumed."""
        self._model = kwargs.get("model")
        tokenizer = kwargs.get("processing_class")
        if tokenizer is not None:
            self._ends = frozenset(i for i in (tokenizer.eos_token_id, tokenizer.pad_token_id) if i is not None)
        self._open(int(state.global_step))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Closes both."""
        self._opened.close()
        self._file = None

    def _open(self, step: int) -> None:
        rank = os.environ.get("RANK", "0")
        path = self._out / ("rollouts.jsonl" if rank == "0" else f"rollouts-{rank}.jsonl")
        self._opened.enter_context(self._entered)
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if step == 0 and path.exists() and path.stat().st_size:
                raise ConfigError(f"{path} holds rollouts of an earlier training; expected a new folder; give another `out`")
            if step and path.exists():
                _cut_after(path, step)
            self._file = self._opened.enter_context(path.open("a", encoding="utf-8"))

    def _watched(self, function: Reward, weight: float) -> Reward:
        place = len(self._names)
        name = function.__name__ if inspect.isroutine(function) else type(function).__name__
        self._names.append(name)
        self._weights.append(weight)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched_later(**passed: Any) -> Any:
                values = await function(**passed)
                self._noted(place, values, passed)
                return values

            return watched_later

        @functools.wraps(function)
        def watched(**passed: Any) -> Any:
            values = function(**passed)
            self._noted(place, values, passed)
            return values

        watched.__name__ = name
        return watched

    def _noted(self, place: int, values: Sequence[float | None], passed: Mapping[str, Any]) -> None:
        """Takes what a function gave; once all have, the batch is graded. TRL passes one list of completions to all of them."""
        batch = self._batches.setdefault(id(passed["completions"]), {})
        batch[place] = values
        if len(batch) == len(self._names):
            del self._batches[id(passed["completions"])]
            self._finish(batch, passed)

    def _finish(self, given: Mapping[int, Sequence[float | None]], passed: Mapping[str, Any]) -> None:
        rows = [self._seen(i, given, passed) for i in range(len(passed["completions"]))]
        graded = self._grader.grade(rows)
        self._log(graded, passed)
        self._write(graded)

    def _seen(self, i: int, given: Mapping[int, Sequence[float | None]], passed: Mapping[str, Any]) -> Seen:
        prompt = prompt_of(passed["prompts"][i], "prompt")
        before, reply = reply_of(passed["completions"][i], "completion")
        parts = {
            name: weight * number
            for place, (name, weight) in enumerate(zip(self._names, self._weights, strict=True))
            if (number := finite(given[place][i])) is not None
        }
        ids, problems = passed.get("completion_ids"), passed.get("problem")
        return Seen(
            messages=(*prompt, *before),
            reply=reply,
            reward=sum(parts.values()) if parts else None,
            step=int(passed["trainer_state"].global_step) + 1,
            parts=parts if len(parts) > 1 else {},
            problem=str(problems[i]) if problems is not None else "",
            group=zlib.crc32(repr(prompt).encode("utf-8", "backslashreplace")),
            tokens=None if ids is None else len(ids[i]),
            cut=None if ids is None or not self._ends or not len(ids[i]) else int(ids[i][-1]) not in self._ends,
            evaluation=self._model is not None and not self._model.training,
        )

    def _log(self, graded: Sequence[Graded], passed: Mapping[str, Any]) -> None:
        log = passed.get("log_metric")
        for name, values in zip(LOGGED, zip(*[(g.truth, g.hack, g.open_hack) for g in graded], strict=True), strict=True):
            known = [value for value in values if value is not None]
            if log is not None and known:
                log(name, sum(known) / len(known))

    def _write(self, graded: Sequence[Graded]) -> None:
        if self._file is None:  # called outside of a training, as `GRPOTrainer.evaluate` may
            return
        numbers: dict[str | int, int] = {}
        for one in graded:
            number = numbers[one.seen.group] = numbers.get(one.seen.group, -1) + 1
            line = line_of(record(one, int(one.seen.group), number), one.seen)
            if one.seen.evaluation:
                line["context"] = "evaluation"
            self._file.write(json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n")
        self._file.flush()


def _is_model(function: Any) -> bool:
    """Whether it is a reward model, or the name of one."""
    import torch

    return isinstance(function, str | torch.nn.Module)


def _cut_after(path: Path, step: int) -> None:
    """Removes what was written after the step that the training resumes from: those rollouts are drawn again."""
    scratch = path.with_name(f".{path.name}.partial")
    with path.open(encoding="utf-8") as file, scratch.open("w", encoding="utf-8") as kept:
        for line in file:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.write(line)
    scratch.replace(path)
