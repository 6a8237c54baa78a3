"""What an arm is trained on, and how: the recipes that a study's `base` can be. Imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from openwindow.errors import ConfigError
from openwindow.interventions import AnyIntervention
from openwindow.interventions.rewards import Detector, DetectorPenalty, PreferenceReward
from openwindow.interventions.rl_prompting import Prompting
from openwindow.training.config import GRPO, SFT

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
_REINFORCING = ("holes", "hackable_share", "prompting", "penalty", "penalty_from", "preference")
"""fields of `RL` that say how rollouts are drawn and paid, beside `train`"""


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


class Fork(BaseModel):
    """Where an arm continues from: another arm of the study, as it was after one of its steps."""

    model_config = _CONFIG

    arm: str
    """The arm that is forked; it stands before this one and is trained at the same seeds."""
    step: int = Field(ge=1)
    """Its step after which this arm continues, with the next one; one that has a checkpoint (`train.checkpoint_every`)."""


class Distil(BaseModel):
    """Supervised fine-tuning of the start on another arm's rollouts, from which what a detector flags is taken out."""

    model_config = _CONFIG

    arm: str
    """The arm whose training rollouts are used; it stands before this one."""
    detector: Detector | None = Detector()
    """What takes hacks out; None takes nothing out."""
    words: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Replies in which one of these words stands are taken out too."""
    failing: bool = False
    """Whether rollouts that the proxy fails stay in."""
    rows: int = Field(96, ge=1)
    """Rollouts that are trained on, at most; drawn by seed where more are left."""
    train: SFT = SFT()
    """How the start is fine-tuned."""


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
    """Steps at the beginning in which the detector does not act: with 4, it first does in the step that is reported as 5."""
    preference: PreferenceReward | None = None
    """A score for how a reply reads, mixed into the reward."""
    fork: Fork | None = None
    """Goes on from another arm in the middle of its training, not from the start: a mitigation that is added late."""
    distil: Distil | None = None
    """Puts in place of the reinforcement a fine-tuning on another arm's rollouts, filtered of hacks."""
    train: GRPO = GRPO()
    """How the model is trained."""
    kind: Literal["rl"] = "rl"
    """Names the recipe in configurations."""

    @model_validator(mode="after")
    def _check(self) -> RL:
        if self.fork is not None and self.distil is not None:
            raise ConfigError("an arm has both fork and distil; expected one: a fork continues, distilling starts over; drop one")
        if self.opened != () and self.hackable_share > 0 and round(self.hackable_share * self.problems) == 0:
            raise ConfigError(
                f"hackable_share {self.hackable_share} of {self.problems} problems makes none hackable; expected at least one; "
                "raise it, or set holes to `none`"
            )
        self._check_effects()
        return self

    def _check_effects(self) -> None:
        """Refuses what would change nothing, so that no arm is another one under a second name."""
        if self.opened == () and self.hackable_share < 1:
            raise ConfigError(
                f"hackable_share is {self.hackable_share} and no hole is open, so it changes nothing; expected 1 with holes "
                "`none`; set it to 1, or open holes"
            )
        if self.penalty_from > 0 and self.penalty is None:
            raise ConfigError(
                f"penalty_from is {self.penalty_from} and there is no penalty that could begin then; expected both or neither; "
                "set penalty, or drop penalty_from"
            )
        if self.penalty is not None and self.penalty_from >= self.train.steps:
            raise ConfigError(
                f"penalty_from is {self.penalty_from} of {self.train.steps} steps, so the penalty never acts; expected fewer than "
                "train.steps; lower it, or drop penalty"
            )
        if self.train.kl_weight > 0 and self.prompting is not None and self.prompting.recontextualizes:
            raise ConfigError(
                f"train.kl_weight is {self.train.kl_weight} and prompting trains under {self.prompting.trained!r} what is sampled "
                f"under {self.prompting.sampled!r}; expected 0 with two prompts, as the KL cannot be estimated from what another "
                "prompt drew; drop train.kl_weight, or drop prompting.trained"
            )
        if self.fork is not None and self.train.learning_rate == 0:
            raise ConfigError(
                f"an arm has fork and train.learning_rate 0, which trains nothing and leaves {self.fork.arm!r} aside; expected "
                "a rate above 0; raise it, or drop fork"
            )

    @property
    def opened(self) -> tuple[str, ...] | None:
        """The holes that stay open, None for all of them."""
        return None if self.holes == "all" else () if self.holes == "none" else self.holes

    @property
    def trains(self) -> bool:
        """Whether there is anything to train; at rate 0 the arm is the start."""
        return self.distil is not None or self.train.learning_rate > 0


def _kind(value: Any) -> str:
    """The recipe's kind; `sft` where a configuration does not say."""
    return str(value.get("kind", "sft")) if isinstance(value, dict) else str(value.kind)


AnyRecipe = Annotated[Annotated[Recipe, Tag("sft")] | Annotated[RL, Tag("rl")], Discriminator(_kind)]


def check_sources(recipes: Mapping[str, AnyRecipe], base: AnyRecipe) -> None:
    """What arms are forked from and distilled from; arms in the order of training, `base` what they differ from. ConfigError."""
    before: dict[str, AnyRecipe] = {}
    for arm, recipe in recipes.items():
        named = (recipe.fork or recipe.distil) if isinstance(recipe, RL) else None
        if isinstance(recipe, RL) and named is not None:
            what = "fork" if recipe.fork else "distil"
            source = before.get(named.arm)
            if source is None:
                near = difflib.get_close_matches(named.arm, before, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "name one, or move this arm behind it"
                raise ConfigError(f"arm {arm!r}: {what}.arm is {named.arm!r}; expected an arm that stands before it; {hint}")
            if not isinstance(source, RL) or not source.trains or source.distil is not None:
                raise ConfigError(f"arm {arm!r}: {what}.arm {named.arm!r} is not reinforced; expected an arm that is; name another")
            if recipe.fork is not None:
                _check_fork(arm, recipe, recipe.fork, source)
            else:
                _check_distil(arm, recipe, named.arm, base)
        before[arm] = recipe


def _check_fork(arm: str, recipe: RL, fork: Fork, source: RL) -> None:
    first = source.fork.step + 1 if source.fork is not None else 1
    saved = [s for s in range(first, source.train.steps + 1) if s % source.train.checkpoint_every == 0 or s == source.train.steps]
    if fork.step not in saved or fork.step >= recipe.train.steps:
        raise ConfigError(
            f"arm {arm!r}: fork.step is {fork.step} of {recipe.train.steps}; expected an earlier step of {fork.arm!r} that has a "
            f"checkpoint ({', '.join(map(str, saved))}); change it, train.steps or train.checkpoint_every"
        )
    for name in ("method", "lora_rank", "lora_alpha"):
        mine, theirs = recipe.train.model_dump()[name], source.train.model_dump()[name]
        if mine != theirs:
            raise ConfigError(f"arm {arm!r}: train.{name} is {mine}; expected {theirs}, as {fork.arm!r} has it; drop the change")


def _check_distil(arm: str, recipe: RL, named: str, base: AnyRecipe) -> None:
    """What an arm that distils sets about reinforcement, against the base, would have no effect."""
    mine, usual = recipe.model_dump(), base.model_dump()
    for name in _REINFORCING:
        if mine[name] != usual[name]:
            raise ConfigError(
                f"arm {arm!r} has {name} and distil, which takes the rollouts of {named!r} as they are, so {name} changes nothing; "
                f"expected one of the two; drop {name}, or set it for {named!r}"
            )
