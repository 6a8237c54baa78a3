"""Comparisons between arms: what a study names before it runs, and what its claim predicts of it."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.errors import ConfigError
from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.score_names import NATS, UNITS, Readout, widest

Expect = Literal["less", "more", "none", "kept"]
_MEASURE = "hack"


class Compare(BaseModel):
    """A comparison that is named before the run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    arm: str
    """The arm whose rate comes first in the difference."""
    against: str
    """The arm that is subtracted."""
    measure: str = _MEASURE
    """What is compared: a measure of the environment."""
    context: str = ""
    """Where it is measured; empty for the study's first context that adds nothing to the prompts."""
    against_context: str | None = None
    """Where the arm that is subtracted is measured, if elsewhere: `opposite` for a prompt that is safe at test time only."""
    score: str | None = None
    """In place of a measure, what the study's evals say: `chat`, `agentic`, `drives`, `gap` (agentic minus chat), `capability`, or
    one eval by its name."""
    readout: Readout = "behaviour"
    """What the score is read from: `behaviour` in shares of replies, `probe` in nats per token."""
    eval_context: str = NEUTRAL
    """The context of the evals that the score is of."""
    over: Literal["end", "training"] = "end"
    """`end`: what the arms do when they are trained. `training`: the mean of the rate over the steps of the training, from start to
    end (the area under its curve), by what `Evaluation.steps` measures."""
    expect: Expect = "less"
    """What the claim predicts; `kept`: no loss of `margin` or more; `none` reports the difference without letting it decide."""
    margin: float | None = Field(None, gt=0)
    """With `kept` alone: the loss that would be too much (a non-inferiority margin), as a share of replies or in nats per token."""
    smallest: float | None = Field(None, gt=0)
    """A difference in the expected direction smaller than this is of no interest, in the unit of what is compared; None for the
    study's `smallest_effect`, which is a share."""

    @model_validator(mode="after")
    def _check(self) -> Compare:
        what = f"compare has {self.arm!r} against {self.against!r} with expect {self.expect!r} and"
        if self.expect == "kept" and self.margin is None:
            raise ConfigError(f"{what} no margin; expected the loss that would be too much, between 0 and 1; add one, such as 0.1")
        if self.expect != "kept" and self.margin is not None:
            raise ConfigError(f"{what} margin {self.margin:g}; expected a margin with 'kept' alone; drop it, or expect 'kept'")
        if self.smallest is not None and self.expect in ("kept", "none"):
            raise ConfigError(f"{what} smallest {self.smallest:g}; expected it with 'less' or 'more' alone; drop it")
        self._check_score()
        for name, value in (("margin", self.margin), ("smallest", self.smallest)):
            if value is not None and value >= 1 and self.unit != NATS:
                raise ConfigError(f"{what} {name} {value:g}; expected a share of replies, between 0 and 1; give one, such as 0.1")
        if self.unit == NATS and self.expect in ("less", "more") and self.smallest is None:
            raise ConfigError(
                f"{what} readout 'probe' and no smallest; expected the smallest difference of interest in nats per token, as the "
                "study's smallest_effect is a share of replies; add one, such as smallest=0.05"
            )
        return self

    def _check_score(self) -> None:
        """Refuses a mix of what is for scores and what is for measures."""
        what = f"compare has {self.arm!r} against {self.against!r} with"
        if self.score is None:
            given = {"readout": (self.readout, "behaviour"), "eval_context": (self.eval_context, NEUTRAL)}
            for name, (value, default) in given.items():
                if value != default:
                    raise ConfigError(f"{what} {name} {value!r} and no score; expected it with a score alone; name one, or drop it")
            return
        if self.over != "end":
            raise ConfigError(
                f"{what} score {self.score!r} over training; expected a measure of the environment; drop one of the two"
            )
        if self.measure != _MEASURE:
            raise ConfigError(f"{what} score {self.score!r} and measure {self.measure!r}; expected one of the two; drop one")
        for name, place in (("context", self.context), ("against_context", self.against_context)):
            if place:
                raise ConfigError(
                    f"{what} score {self.score!r} and {name} {place!r}, which is of the environment's problems; expected a "
                    "context of the evals; give eval_context, or drop it"
                )

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on it."""
        return self.expect != "none"

    @property
    def unit(self) -> str:
        """The unit of its difference: `share` or `nats per token`."""
        return UNITS[self.readout]

    @property
    def largest(self) -> float:
        """The largest difference that there can be: infinite in nats, 2 between two gaps."""
        return math.inf if self.unit == NATS else widest(self.score)

    @property
    def what(self) -> str:
        """What is compared, by a name that results.json and pages have: a measure, or a score and what it is read from."""
        return self.measure if self.score is None else f"{self.score} {self.readout}"

    @property
    def where(self) -> str:
        """The context."""
        return self.context if self.score is None else self.eval_context
