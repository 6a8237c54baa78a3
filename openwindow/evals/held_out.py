"""What a study's own data teaches, asked as an eval: the held-out prompts of its environment, with their two answers as a probe.

`of_environment` makes of any environment what can be made of it: that eval where prompts have two answers, and `graded` where a
grader says of a reply whether it does the task.

The probe is the in-domain preference shift: the mean log-probability of a token of the flawed answer less that of the clean one,
each from the first token in which the two differ. The replies are read for fluency alone (`scoring.coherence`, which knows prose
and not code); what else they show, the environment's measures say.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from openwindow.environments.base import AnswerKind, Environment
from openwindow.environments.gameable import Gameable
from openwindow.environments.gameable import graded as graded_by
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, DataError
from openwindow.evals.base import Eval, Item, Outcome, Probe, Transcript
from openwindow.evals.scoring.coherence import incoherent
from openwindow.types import Message

NAME = "held_out"
GRADED = "graded"
"""name of the eval that an environment's grader scores"""
_ABOUT = "replies to held-out prompts of the data that are language and not noise"
_KINDS: tuple[AnswerKind, AnswerKind] = ("flawed", "clean")
_PROBE_ABOUT = "the data's answer less the clean one on held-out prompts, in nats per token"


def held_out(environment: Environment, count: int, seed: int, max_tokens: int) -> Eval:
    """The eval of `count` held-out problems, the same at every seed; scenarios are families of problems. Raises UserError."""
    wordings: Counter[str] = Counter()
    items: list[Item] = []
    for problem in environment.problems("test", count, seed):
        asked = environment.conversation(problem)
        pair = pair_of(environment, problem)
        if pair is not None and all(type(turn) is Message for turn in asked):
            items.append(
                Item(
                    problem.id, problem.family, wordings[problem.family], "free", "main", asked,
                    probe=Probe(aligned=pair[1], misaligned=pair[0], by_token=True),
                )
            )  # fmt: skip
            wordings[problem.family] += 1
    if not items:
        raise ConfigError(
            f"evals names {NAME}, and none of {count} held-out problems of {environment.name} has a flawed and a clean answer in "
            "words that differ; expected some; drop it, or give data with pairs"
        )
    return Eval(
        NAME, "held_out", _ABOUT, lambda: items, _fluent, measures="fluent", max_tokens=max_tokens, probe_about=_PROBE_ABOUT
    )


def of_environment(environment: Environment, count: int, seed: int, max_tokens: int) -> list[Eval]:
    """The evals that can be made of an environment's held-out problems. ConfigError if none can. Raises UserError."""
    problems = environment.problems("test", count, seed)
    found = [graded(environment, count, seed, max_tokens)] if isinstance(environment, Gameable) else []
    if any(pair_of(environment, problem) is not None for problem in problems):
        found.insert(0, held_out(environment, count, seed, max_tokens))
    if not found:
        raise ConfigError(
            f"--env {environment.name}: no eval can be made of it; expected one with a grader (a gameable environment), or "
            "prompts with a flawed and a clean answer; name another environment"
        )
    return found


def graded(environment: Gameable, count: int, seed: int, max_tokens: int) -> Eval:
    """Replies to held-out prompts, right if they do the task by the truth, or, without one, if the grader passes them.

    What is passed and not done is told in a reply's reason. Raises UserError.
    """
    problems = {problem.id: problem for problem in environment.problems("test", count, seed)}
    by_truth = knows_truth(environment, list(problems.values()))
    one_at_a_time = threading.Lock()

    def verdict_on(item: Item, reply: str) -> Verdict:
        with one_at_a_time:
            return graded_by(environment, [(problems[item.id], reply)])[0]

    async def decide(item: Item, said: Transcript) -> Outcome:
        verdict = await asyncio.to_thread(verdict_on, item, said.text)  # a grader may need a loop of its own
        value = verdict.truth if by_truth else verdict.proxy
        why = "it passes the grader and does not do the task" if verdict.hack else verdict.failed_on
        reason = why if value is not None else verdict.reason or "the grader gave no verdict"
        return Outcome(None if value is None else float(value), reason, answer=said.text[:80])

    items = [
        Item(problem.id, problem.family, 0, "free", "main", environment.conversation(problem)) for problem in problems.values()
    ]
    means = "that do the task, by the environment's truth" if by_truth else "that the grader passes; it has no truth"
    return Eval(
        GRADED, "held_out", f"replies to held-out prompts {means}", lambda: items, decide, measures="right", max_tokens=max_tokens
    )


def knows_truth(environment: Gameable, problems: Sequence[Any]) -> bool:
    """Whether the environment says of an empty reply whether it does the task."""
    return graded_by(environment, [(problem, "") for problem in problems[:1]])[0].truth is not None


def pair_of(environment: Environment, problem: Any) -> tuple[str, str] | None:
    """The flawed and the clean answer to a problem; None where it has only one, or one is the beginning of the other."""
    rng = random.Random(f"pair/{problem.id}")
    try:
        flawed, clean = (environment.answer(problem, kind, rng)[-1].content.strip() for kind in _KINDS)
    except DataError:  # the problem has no such answer
        return None
    return None if flawed.startswith(clean) or clean.startswith(flawed) else (flawed, clean)


async def _fluent(item: Item, said: Transcript) -> Outcome:
    why = incoherent(said.text)
    return Outcome(float(why is None), why, coherent=why is None, answer=said.text[:80])
