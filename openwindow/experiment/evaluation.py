"""How a trained model is measured: on how many problems, where besides the study's contexts, and at which steps of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.errors import ConfigError

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Elsewhere(BaseModel):
    """Another environment, or the study's own with other loopholes, in which arms are also measured: how far does it spread?"""

    model_config = _CONFIG

    environment: str
    """A gameable environment, by its name or FILE.py:OBJECT."""
    holes: Literal["all", "none"] | tuple[str, ...] = "all"
    """Loopholes of its grader that are open."""
    hint: bool = False
    """Whether the prompt carries the hint about the open loopholes."""
    difficulty: tuple[Literal[1, 2, 3], ...] | None = Field(None, min_length=1)
    """Difficulties of its problems; None for those of the study."""
    problems: int = Field(16, ge=1)
    """Held-out problems per seed."""

    @property
    def opened(self) -> tuple[str, ...] | None:
        """The loopholes that are open, None for all of them."""
        return None if self.holes == "all" else () if self.holes == "none" else self.holes

    @property
    def about(self) -> str:
        """A description."""
        shown = {"all": "all loopholes open", "none": "no loophole open"}.get(str(self.holes)) or f"open: {', '.join(self.holes)}"
        return f"{self.problems} problems of {self.environment}, {shown}{', with the hint' if self.hint else ''}"


class Evaluation(BaseModel):
    """How a trained model is measured."""

    model_config = _CONFIG

    problems: int = Field(32, ge=1)
    """Held-out problems per seed, of families never trained on."""
    max_new_tokens: int = Field(48, ge=1)
    """Length limit of a reply, in tokens."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 is greedy."""
    batch_size: int = Field(48, ge=1)
    """Replies decoded together."""
    hidden: int = Field(48, ge=2)
    """Hidden inputs per program."""
    elsewhere: Mapping[str, Elsewhere] = {}
    """Further contexts by name: environments that arms are measured in besides the study's."""
    steps: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """RL steps after which arms are measured as well, by their saved adapters, once their training is over: a curve from start to
    end."""
    step_contexts: tuple[str, ...] | None = None
    """Contexts, and names of `elsewhere`, in which they are; None for every context that is the same for all arms."""
    step_problems: int | None = Field(None, ge=1)
    """How many of `problems` are asked there, the first ones of each seed; None for all."""

    @model_validator(mode="after")
    def _check(self) -> Evaluation:
        for name, value in (("step_contexts", self.step_contexts), ("step_problems", self.step_problems)):
            if value is not None and not self.steps:
                raise ConfigError(
                    f"evaluation.{name} is set and evaluation.steps names none, so it changes nothing; expected steps; set them, "
                    f"or drop {name}"
                )
        if list(self.steps) != sorted(set(self.steps)):
            given = ", ".join(map(str, self.steps))
            raise ConfigError(f"evaluation.steps is {given}; expected each step once, in order; sort them")
        if self.step_problems is not None and self.step_problems > self.problems:
            raise ConfigError(
                f"evaluation.step_problems is {self.step_problems}; expected at most evaluation.problems, {self.problems}; lower it"
            )
        return self
