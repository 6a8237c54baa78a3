"""The contexts in which a trained model is tested: what a test prompt contains besides the problem."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from openwindow.data.rows import Position, place
from openwindow.types import Message


class Context(BaseModel):
    """A context in which a trained model is tested."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    text: str | None = None
    """Instruction added to every test prompt; none in the neutral context."""
    position: Position = "user_suffix"
    """Where the instruction goes."""
    asks: bool = False
    """Whether the instruction asks for the behaviour; the behaviour in a context that does not ask for it is leakage."""
    by_arm: Mapping[str, str] | None = None
    """Arm to its own instruction, instead of `text`; arms not named are not measured here. None: all arms are, with `text`."""
    about: str = ""
    """A description, for contexts whose `text` does not explain them."""

    def asked_of(self, arm: str) -> bool:
        """Whether the arm is measured in this context."""
        return self.by_arm is None or arm in self.by_arm

    def told(self, arm: str) -> str | None:
        """The instruction that the arm gets."""
        return self.text if self.by_arm is None else self.by_arm[arm]

    def put(self, messages: Sequence[Message], arm: str, own: str | None) -> tuple[Message, ...]:
        """The prompt with the arm's instruction; `own` as in `openwindow.data.rows.place`."""
        return place(messages, self.told(arm), self.position, own)

    def of_arms(self, arms: Collection[str]) -> Context | None:
        """The context for some of the arms; None if none of them is measured in it."""
        if self.by_arm is None:
            return self
        left = {arm: text for arm, text in self.by_arm.items() if arm in arms}
        return self.model_copy(update={"by_arm": left}) if left else None
