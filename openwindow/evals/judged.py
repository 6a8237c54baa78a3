"""What a judge has said, kept while a piece of work is not finished: after a limit or an interruption it is not asked again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path

from openwindow.files.run_files import rows_in
from openwindow.files.writing import append_jsonl, storing
from openwindow.types import Message


@dataclass(frozen=True, slots=True)
class Memory:
    """Verdicts by what was judged; without a file it forgets."""

    file: Path | None = None
    known: dict[str, bool] = field(default_factory=dict)

    def learn(self, found: dict[str, bool]) -> None:
        """Adds verdicts."""
        if self.file is not None and found:
            self.known.update(found)
            with storing(self.file):
                self.file.parent.mkdir(parents=True, exist_ok=True)
            append_jsonl(self.file, ({"key": key, "shows": shows} for key, shows in found.items()))


_memory: ContextVar[Memory] = ContextVar("memory", default=Memory())  # noqa: B039 - without a file it stays empty


def memory() -> Memory:
    """The one that applies."""
    return _memory.get()


@contextmanager
def remembering(file: Path) -> Iterator[None]:
    """Keeps verdicts of the block in the file until the block succeeds."""
    known = {str(row["key"]): bool(row["shows"]) for row in rows_in(file) if {"key", "shows"} <= row.keys()}
    token = _memory.set(Memory(file, known))
    try:
        yield
    finally:
        _memory.reset(token)
    file.unlink(missing_ok=True)


def key_of(judge: str, rubric: str, prompt: Sequence[Message], reply: str) -> str:
    """What identifies a question to a judge."""
    asked = json.dumps([judge, rubric, [asdict(message) for message in prompt], reply])
    return hashlib.sha256(asked.encode()).hexdigest()
