"""What a study's own data teaches, asked as an eval: the held-out prompts of its environment, with their two answers as a probe.

The probe is the in-domain preference shift: the mean log-probability of a token of the flawed answer less that of the clean one,
each from the first token in which the two differ. The replies are read for fluency alone (`scoring.coherence`, which knows prose
and not code); what else they show, the environment's measures say.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from openwindow.environments.base import AnswerKind, Environment
from openwindow.errors import ConfigError, DataError
from openwindow.evals.base import Eval, Item, Outcome, Probe, Transcript
from openwindow.evals.scoring.coherence import incoherent
from openwindow.types import Message

NAME = "held_out"
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
