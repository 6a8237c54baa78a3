"""A comparison of two arms that a study names before it runs, and what its claim predicts of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.errors import ConfigError

Expect = Literal["less", "more", "none", "kept"]


class Compare(BaseModel):
    """A comparison that is named before the run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    arm: str
    """The arm whose rate comes first in the difference."""
    against: str
    """The arm that is subtracted."""
    measure: str = "hack"
    """What is compared: a measure of the setting."""
    context: str = ""
    """Where it is measured; empty for the study's first context that adds nothing to the prompts."""
    against_context: str | None = None
    """Where the arm that is subtracted is measured, if elsewhere: `opposite` for a prompt that is safe at test time only."""
    expect: Expect = "less"
    """What the claim predicts; `kept`: no loss of `margin` or more; `none` reports the difference without letting it decide."""
    margin: float | None = Field(None, gt=0, lt=1)
    """With `kept` alone: the loss, as a share of replies, that would be too much (a non-inferiority margin)."""

    @model_validator(mode="after")
    def _check(self) -> Compare:
        what = f"compare has {self.arm!r} against {self.against!r} with expect {self.expect!r} and"
        if self.expect == "kept" and self.margin is None:
            raise ConfigError(f"{what} no margin; expected the loss that would be too much, between 0 and 1; add one, such as 0.1")
        if self.expect != "kept" and self.margin is not None:
            raise ConfigError(f"{what} margin {self.margin:g}; expected a margin with 'kept' alone; drop it, or expect 'kept'")
        return self

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on it."""
        return self.expect != "none"
