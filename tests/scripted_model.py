"""A model that plays written replies: for tests of logic and for checks that need no weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openwindow.models.base import Conversation, Progress, Reply, Sampling
from openwindow.types import StopReason


class ScriptedModel:
    """Answers each conversation with `script(conversation)`."""

    def __init__(self, script: Callable[[Conversation], str], name: str = "scripted") -> None:
        self.name = name
        self._script = script

    def generate(self, conversations: Sequence[Conversation], sampling: Sampling, progress: Progress | None = None) -> list[Reply]:
        """The scripted replies, cut to `max_new_tokens` words, which stand for tokens."""
        replies = []
        for conversation in conversations:
            words = self._script(conversation).split(" ")
            cut = len(words) > sampling.max_new_tokens
            kept = words[: sampling.max_new_tokens]
            replies.append(Reply(" ".join(kept), StopReason.LENGTH if cut else StopReason.END, len(kept)))
            if progress is not None:
                progress(1)
        return replies
