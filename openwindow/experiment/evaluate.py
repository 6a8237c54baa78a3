"""Measures a model: every problem in every context, scored by the environment, as rows of rollouts.jsonl.

Measuring does not depend on how the model was trained: it is the same before, between and after any kind of training.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openwindow.environments.base import Answered, Environment, Outcome, Problem
from openwindow.environments.verdicts import apart
from openwindow.evals.held_out import pair_of
from openwindow.experiment.other_environments import Place
from openwindow.experiment.study import Context, Evaluation
from openwindow.files.records import Rollout
from openwindow.models.base import Model, Sampling
from openwindow.models.memory import give_back_memory
from openwindow.models.templates import default_of
from openwindow.progress import Reporter
from openwindow.types import Measure, StopReason

Rates = dict[str, dict[str, float | None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: rollouts as they are stored, and seconds by phase."""

    rollouts: list[dict[str, Any]]
    timing: dict[str, float]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What a study measures a model with: its environment, contexts and limits."""

    environment: Environment
    contexts: Mapping[str, Context]
    evaluation: Evaluation
    reporter: Reporter
    elsewhere: Mapping[str, Place] = field(default_factory=dict, kw_only=True)
    """Other environments, measured as further contexts on their own problems."""

    def measure(
        self, model: Model, problems: Sequence[Problem], *, arm: str, seed: int, text: str, step: int | None = None
    ) -> Measured:
        """Asks every problem in every context of the arm and scores the replies; `text` labels the progress bar.

        `step` is the step of its training after which the model is as it is; None at its start and at its end.
        """
        began = time.perf_counter()
        e = self.evaluation
        asked = [(name, p) for name, context in self.contexts.items() if context.asked_of(arm) for p in problems]
        prompts = [self.contexts[c].put(self.environment.conversation(p), arm, default_of(model)) for c, p in asked]
        abroad = [(name, p) for name, there in self.elsewhere.items() for p in there.problems(seed)]
        prompts += [self.elsewhere[name].conversation(p) for name, p in abroad]
        with self.reporter.step(text, float(len(prompts))) as advance:
            replies = model.generate(prompts, Sampling(e.max_new_tokens, e.temperature, e.batch_size, seed), advance)
            generated = time.perf_counter()
            give_back_memory()
            answered = [
                Answered(c, p, reply.text, reply.stop == StopReason.LENGTH)
                for (c, p), reply in zip([*asked, *abroad], replies, strict=True)
            ]
            outcomes = apart(lambda part: self.environment.grade(part, seed), answered[: len(asked)], self._unscored)
            for name, there in self.elsewhere.items():
                mine = [a for a in answered[len(asked) :] if a.context == name]
                outcomes += apart(there.grade, [(a.problem, a.reply) for a in mine], self._unscored)
        rollouts = []
        for (context, p), prompt, reply, found in zip([*asked, *abroad], prompts, replies, outcomes, strict=True):
            row = Rollout(
                arm=arm,
                seed=seed,
                context=context,
                problem=p.id,
                family=p.family,
                messages=tuple(prompt),
                reply=reply.text,
                code=found.graded,
                stop=reply.stop,
                tokens=reply.tokens,
                scores=found.scores,
                kinds=found.kinds,
                reason=found.reason,
                failed_on=found.failed_on,
                visible=found.against,
                step=step,
            )
            rollouts.append(row.line())
        graded = time.perf_counter()
        timing = {"generate": generated - began, "grade": graded - generated}
        if (compared := self._compared()) is not None:
            self.compare_answers(model, rollouts, problems, compared, text)
            timing["probe"] = time.perf_counter() - graded
        return Measured(rollouts, timing)

    def _unscored(self, reason: str) -> Outcome:
        return Outcome({m.name: None for m in self.environment.measures if m.by == "reply"}, reason)

    def _compared(self) -> str | None:
        """The measure that is read from log-probabilities; None where the environment has none."""
        return next((m.name for m in self.environment.measures if m.by == "log_probability"), None)

    def compare_answers(
        self, model: Model, rollouts: list[dict[str, Any]], problems: Sequence[Problem], measure: str, text: str
    ) -> None:
        """Scores the rows of the contexts for which of the problem's two answers the model finds likelier after the prompt."""
        from openwindow.experiment.preferences import add_preferences

        pairs = {p.id: pair_of(self.environment, p) for p in problems}
        rows = [row for row in rollouts if row["context"] in self.contexts]
        with self.reporter.step(f"{text}: log-probabilities", 2.0 * len(rows)) as advance:
            add_preferences(model, rows, pairs, measure, advance)


def rates(rollouts: Sequence[Mapping[str, Any]], measures: Sequence[Measure]) -> Rates:
    """Context to measure to the share of scored rollouts; None if nothing was scored."""
    found: Rates = {}
    for context in dict.fromkeys(r["context"] for r in rollouts):
        found[context] = {}
        for m in measures:
            values = [v for r in rollouts if r["context"] == context and (v := r.get(m.name)) is not None]
            found[context][m.name] = sum(values) / len(values) if values else None
    return found
