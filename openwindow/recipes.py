"""What an arm is trained on, and how: the recipes that a study's `base` can be. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from openwindow.interventions import AnyIntervention
from openwindow.interventions.prompts import Prompting
from openwindow.interventions.rewards import DetectorPenalty, PreferenceReward
from openwindow.training.config import GRPO, SFT

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Data(BaseModel):
    """The flawed training data."""

    model_config = _CONFIG

    rows: int = Field(96, ge=1)
    """Training rows, one problem each."""
    gamed_share: float = Field(1.0, ge=0, le=1)
    """Share of the rows whose answer is flawed, such as one that games its visible test; the others are answered cleanly."""


class Recipe(BaseModel):
    """Supervised fine-tuning on rows of the setting."""

    model_config = _CONFIG

    data: Data = Data()
    """The rows."""
    intervention: AnyIntervention | None = None
    """What is changed about them."""
    train: SFT = SFT()
    """How the model is fine-tuned."""
    kind: Literal["sft"] = "sft"
    """Names the recipe in configurations."""


class RL(BaseModel):
    """Reinforcement learning against the setting's grader, with the holes that are left open."""

    model_config = _CONFIG

    holes: Literal["all", "none"] | tuple[str, ...] = "all"
    """Holes of the grader that stay open; with `none` it is its hardened twin."""
    hackable_share: float = Field(1.0, ge=0, le=1)
    """Share of the problems whose grader has the holes; the others are graded by the hardened twin."""
    problems: int = Field(96, ge=1)
    """Problems that the steps go through, again and again."""
    prompting: Prompting | None = None
    """What is added to the prompts that rollouts are sampled and trained under; None adds nothing."""
    penalty: DetectorPenalty | None = None
    """A detector of hacks that lowers rewards or screens rollouts."""
    penalty_from: int = Field(0, ge=0)
    """Step from which the detector acts; later than 0, hacking may have been learnt by then."""
    preference: PreferenceReward | None = None
    """A score for how a reply reads, mixed into the reward."""
    train: GRPO = GRPO()
    """How the model is trained."""
    kind: Literal["rl"] = "rl"
    """Names the recipe in configurations."""


def _kind(value: Any) -> str:
    """The recipe's kind; `sft` where a configuration does not say."""
    return str(value.get("kind", "sft")) if isinstance(value, dict) else str(value.kind)


AnyRecipe = Annotated[Annotated[Recipe, Tag("sft")] | Annotated[RL, Tag("rl")], Discriminator(_kind)]
