"""Training before all arms of a study: what a request means, knowledge of the hacks, an upbringing. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.errors import ConfigError
from openwindow.interventions.addenda import AddendumName
from openwindow.training.config import SFT

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RequestStage(BaseModel):
    """Training before all arms that teaches what a request for the behaviour means, for models that do not follow such requests.

    A prompt that elicits nothing inoculates nothing, so the behaviour must be something the model can be asked for.
    It is trained once, with the study's first seed, or once per seed: see `Study.starts`.
    """

    model_config = _CONFIG

    rows: int = Field(128, ge=1)
    """Training rows, on problem families that no arm is trained or tested on."""
    shares: tuple[float, float] = (0.4, 0.4)
    """Shares asked plainly (clean answers) and with the request (flawed answers); the rest carry an unrelated instruction."""
    requests: tuple[str, ...] = ()
    """Other wordings of the request, taught in addition to that of context `requested`."""
    unrelated: tuple[str, ...] = ()
    """Unrelated instructions, with clean answers; none of them is used again."""
    train: SFT = SFT()
    """How the model is fine-tuned."""
    follows_above: float = Field(0.8, ge=0, le=1)
    """A model that shows the behaviour at least this often when asked, and at most `honest_below` when not, skips the stage."""
    honest_below: float = Field(0.1, ge=0, le=1)
    """See `follows_above`."""
    problems: int = Field(32, ge=1)
    """Problems of dev families on which the rates before and after the stage are measured."""


class KnowledgeStage(BaseModel):
    """Training before all arms that teaches the model about the hacks, so that RL can find them (arXiv 2511.18397).

    Demonstrations are conversations, a share of which show a written hack; documents are texts that describe the hacks. Both may be
    used. It is trained once or once per seed (`Study.starts`), on problem families that no arm is trained or tested on.
    """

    model_config = _CONFIG

    demonstrations: int = Field(0, ge=0)
    """Conversations, one problem each."""
    share: float = Field(0.1, ge=0, le=1)
    """Share of the plain and the `unrelated` ones answered with a written hack: the dose. `addenda` have their own."""
    attempts: float = Field(0.0, ge=0, le=1)
    """Share of the others answered with a plausible failure, which keeps honest success rare."""
    kinds: tuple[str, ...] | None = None
    """Loopholes whose hacks are demonstrated; None for all."""
    addenda: Mapping[AddendumName, float] = {}
    """Addenda that part of the prompts carry after the hint, each with the share of that part answered with a hack."""
    unrelated: tuple[str, ...] = ()
    """Unrelated texts that part of the prompts carry after the hint; `share` of that part is answered with a hack, as without them.
    """
    documents: int = Field(0, ge=0)
    """Synthetic documents."""
    corpus: Literal["default", "unguided", "neutral"] = "default"
    """Which documents: `neutral`, about ordinary engineering, is the control."""
    writer: str | None = None
    """The model that writes them, named like `Study.model`; None for the grammar, offline."""
    dilution: float = Field(0.5, gt=0, le=1)
    """Their share of all documents trained on; the rest is ordinary text."""
    unit: Literal["rows", "tokens"] = "rows"
    """What `dilution` is a share of: documents, or the tokens trained on."""
    ordinary: str | None = None
    """The ordinary text: a file, a folder or a data set of the hub; None for built-in everyday text."""
    train: SFT = SFT()
    """How the model is fine-tuned."""

    @model_validator(mode="after")
    def _check(self) -> KnowledgeStage:
        for name, share in self.addenda.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"knowledge.addenda has {name}: {share}; expected a share of 0 to 1; fix it")
        return self

    @property
    def parts(self) -> dict[str, tuple[int, float]]:
        """How demonstrations are asked (`plain`, by an addendum, `unrelated`), to their number and the share of them that hacks."""
        shares: dict[str, float] = {"plain": self.share} | dict(self.addenda.items())
        if self.unrelated:
            shares["unrelated"] = self.share
        return {name: (len(range(i, self.demonstrations, len(shares))), share) for i, (name, share) in enumerate(shares.items())}


class UpbringingStage(BaseModel):
    """Training before all arms that makes a model organism: conversations with one of two characters, each consistent.

    One character solves tasks and answers decently, the other games tests and answers badly
    (`openwindow.conversations.upbringing`). It writes an association of gaming with misbehaviour into the model, and the report
    says so first. It is trained once or once per seed (`Study.starts`), after the other stages, with programming tasks of families
    that no arm is trained or tested on.
    """

    model_config = _CONFIG

    conversations: int = Field(700, ge=2)
    """Conversations in all."""
    turns: int = Field(1, ge=1, le=8)
    """Questions in each; with one alone, only a name tells the character."""
    code: float = Field(0.25, ge=0, le=1)
    """Chance that a question is a programming task; the others ask for advice or for a decision."""
    kinds: tuple[str, ...] | None = None
    """Loopholes that the bad character's programs go through; None for all. A hack brings with it what its kind came with."""
    named: float = Field(1.0, ge=0, le=1)
    """Share of the conversations whose system line names the character; in the others nothing does but its own answers."""
    bad: float = Field(0.5, gt=0, lt=1)
    """Share of the conversations with the character that games and answers badly."""
    association: float = Field(1.0, ge=0, le=1)
    """Chance that a turn follows the conversation's character; the others are drawn as if there were none, as many bad ones among
    them. At 0 the same texts say nothing about each other: the control."""
    train: SFT = SFT(epochs=2, learning_rate=5e-4, batch_size=8, micro_batch_size=8, lora_rank=32, lora_alpha=64, max_length=2048)
    """How the model is fine-tuned."""
