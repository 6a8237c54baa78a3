"""How the evals that a study names are asked. Imports neither torch nor Inspect."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.errors import ConfigError
from openwindow.evals.base import SUITES, Eval
from openwindow.evals.contexts import BUILT_IN, NEUTRAL
from openwindow.evals.score_names import SCORES
from openwindow.evals.select import check_evals, chosen, is_built_in, sampled
from openwindow.experiment.compare import Compare
from openwindow.experiment.overrides import known
from openwindow.types import Scenarios


class EvalPlan(BaseModel):
    """How every eval in `Study.evals` is asked, before the arms and after each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scenarios: int | None = Field(None, ge=1)
    """Scenarios of each eval to ask, complete with their controls and the same for every arm; None for all."""
    split: Scenarios = "all"
    """Which scenarios of each eval: `dev`, a fixed third that settings are picked on; `test`, the others, to report; or `all`."""
    repeats: int = Field(1, ge=1, le=1000)
    """How often every item is asked; above 1 needs a temperature."""
    temperature: float = Field(0.0, ge=0, le=100)
    """0 is greedy."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest reply in tokens; None for what each eval says."""
    contexts: tuple[str, ...] = ()
    """Contexts of `openwindow eval --contexts` in which items are asked, in addition to the neutral one."""
    replies: bool | tuple[str, ...] = True
    """Whether replies are sampled, or of which evals and suites (`("capability",)`). Of the others only the log-probabilities of
    given answers are computed, which is fast."""
    judge: str | None = None
    """An Inspect model that reads what rules cannot; None leaves those replies unscored."""
    steps: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """RL steps whose saved adapters are asked too, once the arm's training is over."""
    against: str | None = None
    """The arm that the others are compared with, in addition to the start; None for the first one with the role `control`, or else
    the one that the first comparison uses."""

    @model_validator(mode="after")
    def _check(self) -> EvalPlan:
        for name in self.contexts:
            if name not in BUILT_IN or name == NEUTRAL:
                near = difflib.get_close_matches(name, [known for known in BUILT_IN if known != NEUTRAL], 1)
                hint = f"did you mean {near[0]!r}?" if near else "the neutral one is always asked"
                raise ConfigError(f"eval_plan.contexts has {name!r}; expected {', '.join(list(BUILT_IN)[1:])}; {hint}")
        if self.repeats > 1 and self.temperature == 0:
            raise ConfigError(
                f"eval_plan.repeats is {self.repeats} at temperature 0, which asks the same thing again; expected a higher one; "
                "set eval_plan.temperature, such as 1"
            )
        if not self.replies and (self.repeats > 1 or self.judge is not None):
            what = "repeats" if self.repeats > 1 else "judge"
            raise ConfigError(
                f"eval_plan.{what} is set and eval_plan.replies is false, so that there is no reply to use it on; expected one "
                f"of the two; drop eval_plan.{what}"
            )
        return self


def check_asked(names: Sequence[str], plan: EvalPlan, saved: Mapping[str, Sequence[int]]) -> None:
    """Raises ConfigError for an unknown eval, or a plan that does not fit; `saved`: arm to steps that leave an adapter."""
    check_evals(names)
    if not names and plan != EvalPlan():
        raise ConfigError(
            "eval_plan is set and evals names none, so it changes nothing; expected names; set evals, or drop eval_plan"
        )
    if plan.against is not None:
        known("arm in eval_plan.against", plan.against, saved)
    there = sorted({step for steps in saved.values() for step in steps})
    for step in plan.steps:
        if step not in there:
            steps = ", ".join(map(str, there)) or "none, as no arm reinforces an adapter in more than one step"
            raise ConfigError(
                f"eval_plan.steps has {step}; expected steps before the last after which an adapter is saved ({steps}); "
                "change it, or train.checkpoint_every"
            )


def check_named(compare: Sequence[Compare], names: Sequence[str], plan: EvalPlan) -> None:
    """Raises ConfigError for a comparison of a score that the evals do not give.

    Those of a user's files, and `held_out`, which is made from the study's problems, are not known yet.
    """
    built_in = [name for name in names if is_built_in(name)]
    specs, others = chosen(built_in), len(built_in) < len(names)
    for name in () if isinstance(plan.replies, bool) or others else plan.replies:
        known("eval_plan.replies", name, dict.fromkeys(part for spec in specs for part in (spec.suite, spec.name)))
    check_scores(compare, specs, plan, others=others)


def check_scores(compare: Sequence[Compare], specs: Sequence[Eval], plan: EvalPlan, *, others: bool = False) -> None:
    """Raises ConfigError for a comparison of a score that these evals do not give; `others`: there are more than these."""
    for named in compare:
        if named.score is None:
            continue
        what = f"compare has score {named.score!r}"
        if not specs and not others:
            raise ConfigError(f"{what} and the study names no evals; expected evals that it is of; set evals, or drop the line")
        known("eval_context in compare", named.eval_context, dict.fromkeys((NEUTRAL, *plan.contexts)))
        if not others:
            known("score", named.score, dict.fromkeys((*SCORES, *(spec.name for spec in specs))))
        for part in SCORES.get(named.score, {named.score: 1}):
            own = [spec for spec in specs if part in spec.parts()]
            if not own and not others:
                kind = "suite" if part in SUITES else "name"
                raise ConfigError(f"{what} and the study names no eval of the {kind} {part}; expected one; add {part!r} to evals")
            possible = any(sampled(spec, plan.replies) for spec in own) or (others and bool(plan.replies))
            if named.readout == "behaviour" and not possible:
                raise ConfigError(
                    f"{what} of behaviour and eval_plan.replies is {_in_words(plan.replies)}; expected replies; set it, or "
                    "readout='probe'"
                )
            if named.readout == "probe" and own and not any(item.probe for spec in own for item in spec.items()):
                raise ConfigError(
                    f"{what} with readout 'probe', and no probe is in {', '.join(spec.name for spec in own)}; expected an eval "
                    "with one; take readout='behaviour', or another score"
                )


def _in_words(replies: bool | Sequence[str]) -> str:
    return str(replies).lower() if isinstance(replies, bool) else ", ".join(replies) or "of none"
