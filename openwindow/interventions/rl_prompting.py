"""The prompt that a rollout is sampled under and the prompt that it is trained under: two fields.

The same text in both is plain training, or inoculation where the text asks for or permits the hacks (MacDiarmid et al. 2025,
arXiv 2511.18397). A different one in each is recontextualization: rollouts sampled under a text that forbids the hacks and trained
under one that permits them, or the other way round, which is the harmful direction and a control arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from openwindow.environments.demonstrations import ADDENDA, PLACEBOS, AddendumName, hinted


@dataclass(frozen=True, slots=True)
class Prompts:
    """The two user messages of one problem."""

    sampled: str
    trained: str


class Prompting(BaseModel):
    """What is added to the environment's prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["prompting"] = "prompting"
    """Names the intervention in configurations."""
    hint: bool = True
    """Whether the environment's hint, which tells its open holes, is added."""
    sampled: AddendumName = "neutral"
    """Addendum of the prompt that rollouts are sampled under."""
    trained: AddendumName | None = None
    """Addendum of the prompt that they are trained under; None: the one that they were sampled under."""
    placebo: bool = False
    """Puts in place of each addendum a text of the same length that has nothing to do with it: the control."""

    @property
    def recontextualizes(self) -> bool:
        """Whether rollouts are trained under another prompt than they were sampled under."""
        return self.trained is not None and self.trained != self.sampled

    def prompts(self, prompt: str, hint: str) -> Prompts:
        """The environment's prompt with what is added, as it is sampled and as it is trained under."""
        texts = PLACEBOS if self.placebo else ADDENDA
        told = hint if self.hint else ""
        return Prompts(hinted(prompt, told, texts[self.sampled]), hinted(prompt, told, texts[self.trained or self.sampled]))
