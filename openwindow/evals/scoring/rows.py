"""One row per reply and per probe: what a measure is computed from, stored as JSON lines. Imports no Inspect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from openwindow.errors import DataError
from openwindow.evals.base import Eval
from openwindow.files.bounded import read_regular
from openwindow.types import Message


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: the fields of `Item` that measures are grouped by, and the context."""

    eval: str
    context: str
    id: str
    scenario: str
    paraphrase: int
    role: str
    cue: str


@dataclass(frozen=True, slots=True)
class Row(Asked):
    """One reply and what it means: fields of `Outcome`, epoch (from 1), and whether monitor and judge flag it.

    `coherent` is None where there is no reply.
    """

    form: str
    group: str
    epoch: int
    value: float | None
    reason: str | None
    covert: bool | None
    coherent: bool | None
    by: str
    flagged: bool | None = None
    judge_flagged: bool | None = None
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What is behind a row: the prompt, and everything the model said and did after it, as text."""

    prompt: tuple[Message, ...]
    reply: str


Key = tuple[str, str, str, int]
"""eval, context, item and epoch of a row"""


def key_of(row: Row) -> Key:
    """The key of a row among those of one model."""
    return row.eval, row.context, row.id, row.epoch


@dataclass(frozen=True, slots=True)
class ProbeRow(Asked):
    """Log-probabilities, in nats, of an item's two continuations from the first token in which they differ, and these tokens."""

    aligned: float
    aligned_tokens: int
    misaligned: float
    misaligned_tokens: int
    by_token: bool = False

    @property
    def epoch(self) -> int:
        """Always 1: equal prompts have equal log-probabilities."""
        return 1

    @property
    def margin(self) -> float:
        """How much more probable the misaligned continuation is, in nats; with `by_token`, of the means over their tokens."""
        if self.by_token:
            return self.misaligned / self.misaligned_tokens - self.aligned / self.aligned_tokens
        return self.misaligned - self.aligned

    @property
    def per_token(self) -> float:
        """The same with each continuation divided by its tokens: nats per token, which evals with other words can share."""
        return self.misaligned / max(1, self.misaligned_tokens) - self.aligned / max(1, self.aligned_tokens)


def read_probes(path: Path) -> list[ProbeRow]:
    """The rows of a `probes.jsonl`. Raises DataError."""
    found = []
    for number, line in enumerate(read_regular(path).decode("utf-8", "replace").splitlines(), 1):
        try:
            found.append(ProbeRow(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: {' '.join(str(error).split())[:120]}; expected a probe as `openwindow eval` writes it; "
                "run the eval again or take the file away"
            ) from error
    return found


def with_missing(rows: Sequence[Row], specs: Sequence[Eval]) -> list[Row]:
    """The rows, plus one without a value for every item of the evals that they lack, as after `inspect eval --limit`.

    An item is expected in every context and epoch in which the rows have another item of its eval.
    """
    found = list(rows)
    for spec in specs:
        own, items = [r for r in rows if r.eval == spec.name], spec.items()
        there = {(r.context, r.epoch, r.id) for r in own}
        for context, epoch in dict.fromkeys((r.context, r.epoch) for r in own):
            lost = [item for item in items if (context, epoch, item.id) not in there]
            why = f"not in the log, which holds {len(items) - len(lost)} of {len(items)} items"
            found += [
                Row(
                    spec.name, context, i.id, i.scenario, i.paraphrase, i.role, i.cue, form=i.form, group=i.group, epoch=epoch,
                    value=None, reason=why, covert=None, coherent=None, by="",
                )
                for i in lost
            ]  # fmt: skip
    return found


def write_jsonl(path: Path, rows: Iterable[Row | ProbeRow]) -> None:
    """One JSON object per line. Raises OSError."""
    path.write_text("".join(json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows), encoding="utf-8")


def contexts_of(rows: Sequence[Row] | Sequence[ProbeRow]) -> list[str]:
    """The contexts, in order of first appearance."""
    return list(dict.fromkeys(row.context for row in rows))
