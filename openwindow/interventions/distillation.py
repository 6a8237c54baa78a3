"""Fine-tuning on another arm's rollouts, from which hacks are filtered, instead of RL (arXiv 2511.18397)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from openwindow.data.rows import Row
from openwindow.interventions.base import Intervention
from openwindow.interventions.hack_penalty import Detector
from openwindow.interventions.rewards import Record
from openwindow.training.config import SFT
from openwindow.types import Message


class Distillation(Intervention):
    """Fine-tunes the start on another arm's rollouts, without those that a detector flags."""

    kind: Literal["distillation"] = "distillation"
    """Names the intervention in configurations."""
    arm: str
    """The arm whose training rollouts are used; it comes before this one."""
    detector: Detector | None = Detector()
    """What removes hacks; None removes nothing."""
    words: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Replies with one of these words are removed too."""
    failing: bool = False
    """Whether rollouts that the proxy fails are kept."""
    rows: int = Field(96, ge=1)
    """Maximum rollouts to train on; drawn by seed if more are left."""
    train: SFT = SFT()
    """How the start is fine-tuned."""


@dataclass(frozen=True, slots=True)
class Distilled:
    """Rollouts that a fresh model may be fine-tuned on, and why the others were removed."""

    rows: tuple[Row, ...]
    dropped: dict[str, int]
    """By reason."""


def filter_and_distil(
    records: Sequence[Record], detector: Detector | None, seed: int, *, words: Sequence[str] = (), failing: bool = False
) -> Distilled:
    """The rollouts that the proxy passes and the detector does not flag, as rows for supervised fine-tuning.

    With `words`, replies that contain one of them (whole word, in any case) are removed too: the stricter filter. With `failing`,
    those that the proxy fails are kept. No detector: nothing is flagged. A row's `kind` is what execution said, `gamed` or `honest`
    (`attempt` for neither), so that what slipped through can be counted; the filter does not see it.
    """
    rows, dropped = [], Counter[str]()
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE) if words else None
    for record in records:
        flagged = False if detector is None else detector.flags(record, seed)
        if record.proxy is None:
            dropped[record.reason or "the proxy gave no verdict"] += 1
        elif not record.proxy and not failing:
            dropped["the proxy fails it"] += 1
        elif flagged is None and detector is not None:
            dropped[detector.blind(record)] += 1
        elif flagged:
            dropped["the detector flags it"] += 1
        elif pattern is not None and pattern.search(record.reply):
            dropped["a filtered word"] += 1
        elif not record.reply.strip():
            dropped["an empty reply"] += 1
        else:
            turns = (Message("user", record.prompt), Message("assistant", record.reply))
            kind = "unknown" if record.hack is None else "gamed" if record.hack else "honest" if record.truth else "attempt"
            rows.append(Row(turns, kind, record.problem, record.family))
    return Distilled(tuple(rows), dict(dropped))
