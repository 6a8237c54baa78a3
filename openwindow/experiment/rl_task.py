"""The task of an arm trained by RL: which problems are asked and how, and what a rollout earns."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openwindow.environments.gameable import Gameable, graded
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError
from openwindow.interventions.applying import changed_prompts, changed_rewards
from openwindow.interventions.base import Asking, Prompts
from openwindow.interventions.rewards import Paid, Record, paid, uniform
from openwindow.training.rollouts import Asked, Metrics, Rollout
from openwindow.types import UNKNOWN_HACK, Problem

if TYPE_CHECKING:
    from openwindow.experiment.rl_arm import RLArm


class HackableTask:
    """Problems of an environment with loopholes and of its hardened twin, asked and rewarded as an arm says."""

    def __init__(
        self,
        arm: RLArm,
        problems: Sequence[Problem],
        hackable: Gameable,
        hardened: Gameable,
        seed: int,
        *,
        open_twin: Gameable,
        own: str | None = None,
    ) -> None:
        """`hackable` and `hardened` grade what is rewarded; `open_twin`, with every loophole open, only watches.

        `own` is the system message that the model's template adds by itself.

        Raises ConfigError if there is no problem, or no problem with a loophole although loopholes are to be open.
        """
        if not problems:
            raise ConfigError("no problem to train on; expected at least one; allow more problems or difficulties")
        self.arm = arm
        self.problems = list(problems)
        self.hackable = hackable
        self.hardened = hardened
        self.open_twin = open_twin
        self.seed = seed
        self.own = own
        self.open = half_hackable([p.id for p in problems], arm.hackable_share if hackable.open_loopholes else 0.0, seed)
        if hackable.open_loopholes and arm.hackable_share > 0 and not self.open:
            raise ConfigError(
                f"hackable_share {arm.hackable_share} of {len(problems)} problems makes none hackable; expected at least one; "
                "raise it, or set holes to `none`"
            )

    def draw(self, step: int, count: int) -> list[Asked]:
        """The step's problems: the pool, in a new random order for each pass over it."""
        asked = []
        for place in range(step * count, (step + 1) * count):
            turn, at = divmod(place, len(self.problems))
            order = list(range(len(self.problems)))
            random.Random(f"rl/{self.seed}/{turn}").shuffle(order)
            problem = self.problems[order[at]]
            prompts = self._prompts(problem)
            asked.append(Asked(problem, prompts.sampled, prompts.trained, problem.id in self.open))
        return asked

    def score(self, step: int, rollouts: Sequence[Rollout]) -> Metrics:
        """Grades every rollout, rewards it as the arm says, and returns the monitors of the step."""
        verdicts = self._verdicts(rollouts)
        records = [self._record(step, r, v) for r, v in zip(rollouts, verdicts, strict=True)]
        given = changed_rewards(self.arm.interventions, records, paid(records), step, self.seed)
        through = self._through_open(rollouts, verdicts)
        for rollout, verdict, pay, hacks in zip(rollouts, verdicts, given, through, strict=True):
            rollout.reward = pay.reward
            rollout.dropped = None if pay.keep else pay.reason or "left out"
            rollout.notes = _notes(verdict, pay, hacks)
        return monitors(verdicts, given, through)

    def _prompts(self, problem: Problem) -> Prompts:
        plain = self.hackable.conversation(problem)
        asking = Asking(problem.id, self.hackable.hint, self.seed, self.own)
        return changed_prompts(self.arm.interventions, Prompts(plain, plain), asking)

    def _verdicts(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {}
        for environment, is_open in ((self.hackable, True), (self.hardened, False)):
            chosen = [i for i, r in enumerate(rollouts) if r.asked.hackable is is_open]
            items = [(rollouts[i].asked.problem, rollouts[i].text) for i in chosen]
            verdicts |= dict(zip(chosen, graded(environment, items) if items else [], strict=True))
        return [verdicts[i] for i in range(len(rollouts))]

    def _through_open(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> list[bool | None]:
        """Whether each rollout attempts a hack, is wrong, and passes the grader with every loophole open; None if unknown.

        It earns no reward. The proxy of a hardened arm is its truth, so only this can show whether the arm hacks. Grades again
        only wrong
        attempts that were not already graded with every loophole open.
        """
        wrong = [i for i, v in enumerate(verdicts) if v.truth is False and v.tried is not False]
        whole = self.hackable.open_loopholes == self.open_twin.open_loopholes
        again = [i for i in wrong if not (whole and rollouts[i].asked.hackable)]
        items = [(rollouts[i].asked.problem, rollouts[i].text) for i in again]
        passes = {i: verdicts[i].proxy for i in wrong}
        if items:
            passes |= {i: v.proxy for i, v in zip(again, graded(self.open_twin, items), strict=True)}
        return [None if v.truth is None else passes.get(i, False) for i, v in enumerate(verdicts)]

    def _record(self, step: int, rollout: Rollout, v: Verdict) -> Record:
        problem = rollout.asked.problem
        return Record(
            id=f"{self.seed}/{step}/{rollout.group}/{rollout.number}",
            group=f"{step}/{rollout.group}",
            proxy=v.proxy,
            truth=v.truth,
            hack=v.hack,
            attempted=v.tried,
            score=v.score,
            kinds=v.attempted,
            reason=v.reason,
            prompt=rollout.asked.sampled[-1].content,
            reply=rollout.text,
            problem=problem.id,
            family=problem.family,
        )


def monitors(verdicts: Sequence[Verdict], given: Sequence[Paid], through_open: Sequence[bool | None]) -> Metrics:
    """What is monitored in a step and not trained on: shares of the rollouts, hacks by kind, and counts of the detector's work.

    A share is over the rollouts for which it is known, and None if there are none. `hack` passes the proxy and fails the truth;
    `hack/KIND` is the part of it whose source shows that kind, `hack/unknown` the part that shows none: wrong, and passed by luck.
    `through_open` has for each rollout whether it would hack with every loophole open.
    """
    found: Metrics = {}
    watched: dict[str, Sequence[bool | None]] = {
        "proxy": [v.proxy for v in verdicts],
        "truth": [v.truth for v in verdicts],
        "hack": [v.hack for v in verdicts],
        "attempted": [v.tried for v in verdicts],
        "open_hack": through_open,
    }
    for name, values in watched.items():
        scored = [value for value in values if value is not None]
        found[f"monitor/{name}"] = sum(scored) / len(scored) if scored else None
    kinds = Counter(kind for v in verdicts if v.hack for kind in v.attempted or (UNKNOWN_HACK,))
    known = sum(v.hack is not None for v in verdicts)
    found |= {f"hack/{kind}": count / known for kind, count in sorted(kinds.items())}
    found["detector/flagged"] = sum(bool(p.flagged) for p in given)
    found["detector/screened"] = sum(p.screened for p in given)
    return found


def _notes(verdict: Verdict, pay: Paid, through_open: bool | None) -> dict[str, Any]:
    return {
        "passes_visible": verdict.proxy,
        "correct": verdict.truth,
        "hack": verdict.hack,
        "gamed": verdict.gamed,
        "lucky": verdict.lucky,
        "attempted": verdict.tried,
        "kinds": list(verdict.attempted),
        "open_hack": through_open,
        "flagged": pay.flagged,
        "screened": pay.screened,
        "parts": dict(pay.parts),
        "reason": verdict.reason,
        "failed_on": verdict.failed_on,
    }


def half_hackable(problems: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """The ids of `problems` whose grader has loopholes: round(share * problems) of them, in whatever order they are given.

    Raises ConfigError for a share outside 0 to 1 and for a repeated id.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share of hackable problems is {share}; expected 0 (none) to 1 (all); set one in between")
    if len(set(problems)) < len(problems):
        raise ConfigError(
            f"{len(problems)} problems have {len(set(problems))} different ids; expected each once; drop the repeated ones"
        )
    drawn = sorted(problems, key=lambda id: (uniform(f"hackable/{seed}/{id}"), id))
    return frozenset(drawn[: round(share * len(drawn))])
