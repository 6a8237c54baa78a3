"""Safety training: conversations that answer helpfully, honestly and harmlessly, before, during or after the flawed training.

    SafetyTraining("chat")                               after the arm's own training
    SafetyTraining("diverse", after="hackable")          at the end of that arm, which is not trained again
    SafetyTraining("diverse", "during", share=0.25)      a quarter of every batch
    SafetyTraining("chat", method="preference")          the aligned answer against the misaligned one

Whether chat-like rows repair chat and leave agentic behaviour as it was, and whether diverse ones do not, is what MacDiarmid et al.
(2025, arXiv 2511.18397) report; rows interleaved with the flawed ones are after Kaczér et al. (2025, arXiv 2508.06249).

`preference` is direct preference optimisation (DPO, Rafailov et al. 2023, arXiv 2305.18290) on pairs of answers. The other
way, reinforcement with a preference model as the reward, needs a model that judges any rollout; ours would be rules (as
`PreferenceReward` has for the style of code), which would be gamed in turn. DPO has the same optimum as that reinforcement under a
KL penalty, and asks for nothing but the pairs.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from openwindow.conversations.safety import Conversation, Mix, draw
from openwindow.errors import ConfigError
from openwindow.interventions.base import Intervention
from openwindow.training.config import GRPO, SFT

Place = Literal["before", "during", "after"]
SHARE = 0.2
ADAPTER = ("method", "lora_rank", "lora_alpha", "lora_dropout")
"""what the weights that an arm trains are, the same in all of its training"""


class SafetyTraining(Intervention):
    """Training on helpful, honest and harmless conversations, before, during or after the flawed training."""

    kind: Literal["safety_training"] = "safety_training"
    """Names the intervention in configurations."""
    mix: Mix
    """`chat` is talk alone; `diverse` has as many rows, of which a part are agentic scenarios with tools and moral dilemmas."""
    place: Place = "after"
    """`before` the flawed training, `during` it as a share of every batch, or `after` it."""
    share: float = Field(SHARE, gt=0, lt=1)
    """With `during`, the share of safety rows in every batch: of rows, or of rollouts and rows, of which each weighs the same."""
    rows: int = Field(96, ge=1)
    """Conversations, drawn by seed; with `during` they are gone through again and again."""
    method: Literal["sft", "preference"] = "sft"
    """`sft` learns the aligned answers; `preference` is DPO on aligned against misaligned ones."""
    beta: float = Field(0.1, gt=0)
    """DPO: how strongly the model is held to what it was before, per nat; larger is closer."""
    after: str | None = None
    """The arm at whose end this one starts, with that arm's weights of the same seed; None: its own training comes first."""
    train: SFT = SFT()
    """How it is trained. The adapter is the arm's own, with its rank and scale; with `during`, the arm says all of it."""

    def __init__(self, mix: Mix | None = None, place: Place | None = None, **fields: Any) -> None:
        """Mix and place by their place, or all fields by name."""
        given = {name: value for name, value in (("mix", mix), ("place", place)) if value is not None}
        super().__init__(**given, **fields)

    @model_validator(mode="after")
    def _check(self) -> SafetyTraining:
        during, usual = self.place == "during", type(self).model_fields
        pointless = {
            "share": (not during, f"place {self.place!r}", "place 'during'"),
            "train": (during, "place 'during'", "what the arm's own `train` says"),
            "method": (during, "place 'during'", "place 'before' or 'after' with 'preference'"),
            "after": (self.place != "after", f"place {self.place!r}", "place 'after'"),
            "beta": (self.method == "sft", "method 'sft'", "method 'preference'"),
        }
        for field, (wrong, beside, expected) in pointless.items():
            if wrong and dict(self)[field] != usual[field].default:
                raise ConfigError(f"safety_training has {field} with {beside}; expected {expected}; change one, or drop {field}")
        if self.train.epochs == 0:
            raise ConfigError("safety_training.train.epochs is 0, which trains nothing; expected more; raise it, or drop it")
        return self

    def check(self, train: SFT | GRPO) -> None:
        """Raises ConfigError for an adapter other than the arm's, or a share that is no row of its batches."""
        for field in ADAPTER:
            mine, arms = dict(self.train)[field], dict(train)[field]
            if mine not in (arms, dict(SFT())[field]):
                raise ConfigError(
                    f"safety_training.train.{field} is {mine!r}; expected {arms!r}, as the arm has it, since both train the same "
                    "weights; drop it"
                )
        if self.place == "during" and isinstance(train, SFT) and not 0 < self.beside(train) < train.batch_size:
            raise ConfigError(
                f"safety_training.share is {self.share} of batches of {train.batch_size} rows, {self.beside(train)} of each; "
                "expected at least one safety row and one other; change it, or train.batch_size"
            )

    def beside(self, train: SFT | GRPO) -> int:
        """With `during`, how many safety rows a batch has: of its rows, or beside its rollouts."""
        if isinstance(train, SFT):
            return round(self.share * train.batch_size)
        return max(1, round(train.prompts_per_step * train.group_size * self.share / (1 - self.share)))

    def config(self, train: SFT | GRPO) -> SFT:
        """How it is trained in an arm whose own training is `train`."""
        return self.train.model_copy(update={field: dict(train)[field] for field in ADAPTER})

    def conversations(self, seed: int) -> list[Conversation]:
        """What an arm of the seed is trained on."""
        return draw(self.mix, self.rows, seed)
