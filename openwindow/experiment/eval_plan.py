"""How the evals that a study names are asked. Imports neither torch nor Inspect."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.errors import ConfigError
from openwindow.evals.contexts import BUILT_IN, NEUTRAL
from openwindow.evals.select import check_evals
from openwindow.experiment.overrides import known


class EvalPlan(BaseModel):
    """How every eval in `Study.evals` is asked, before the arms and after each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scenarios: int | None = Field(None, ge=1)
    """Scenarios of each eval to ask, complete with their controls and the same for every arm; None for all."""
    repeats: int = Field(1, ge=1, le=1000)
    """How often every item is asked; above 1 needs a temperature."""
    temperature: float = Field(0.0, ge=0, le=100)
    """0 is greedy."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest reply in tokens; None for what each eval says."""
    contexts: tuple[str, ...] = ()
    """Contexts of `openwindow eval --contexts` in which items are asked, in addition to the neutral one."""
    replies: bool = True
    """Whether replies are sampled; if not, only the log-probabilities of given answers are computed, which is fast."""
    judge: str | None = None
    """An Inspect model that reads what rules cannot; None leaves those replies unscored."""
    steps: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """RL steps whose saved adapters are asked too, once the arm's training is over."""
    against: str | None = None
    """The arm that the others are compared with, in addition to the start; None for the one that the first comparison uses."""

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
