"""What a rollout earns before any intervention: the proxy's verdict. Pure logic on records.

    given = paid(records)
    given = HackPenalty(accuracy=0.9, penalty=1.0).on_rewards(records, given, step=0, seed=1)

A rollout that could not be measured is left out with its reason; it never counts as 0.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openwindow.errors import DataError


@dataclass(frozen=True, slots=True)
class Record:
    """One graded rollout; only preference scores and distillation read the two texts."""

    id: str
    """Identity, unique in the run: a detector's errors are drawn by it, so that they do not depend on the order."""
    group: str
    """The rollouts of one prompt share it."""
    proxy: bool | None
    """Whether the exploitable grader passes it; None if that was not measured."""
    truth: bool | None
    """Whether it is correct; None if that was not measured."""
    hack: bool | None
    """Whether it passes the proxy and fails the truth; None if either is None."""
    attempted: bool | None
    """Whether the static detector sees a hack in its source; None if it could not read it."""
    kinds: tuple[str, ...] = ()
    """The kinds of hack that its source shows, by the names of the environment (`environments/code/hack_detectors.py` for code)."""
    reason: str | None = None
    """Why something is None, such as a failed generation."""
    prompt: str = ""
    """What it was sampled under, as text."""
    reply: str = ""
    """What the model wrote."""
    problem: str = ""
    """The problem's id."""
    family: str = ""
    """The problem's family."""
    score: float | None = None
    """What the grader pays where it gives a number; None for 1 or 0 by `proxy`."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a rollout earns, and whether it takes part in the update."""

    id: str
    group: str
    reward: float | None
    """None if it could not be measured."""
    keep: bool
    """Whether it is learned from. If not, it is also left out of its group's mean."""
    reason: str | None = None
    """Why it is not kept."""
    screened: bool = False
    """Whether a detector removed it."""
    flagged: bool | None = None
    """What the detector said; None if none was asked or it could not tell."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the reward is the sum of; `interventions.applying` keeps it."""


def paid(records: Sequence[Record]) -> list[Paid]:
    """The plain reward of each record, in order: the grader's score, or else 1 if the proxy passes it and 0 if not. Raises
    DataError.
    """
    if twice := [id for id, count in Counter(record.id for record in records).items() if count > 1]:
        raise DataError(f"{len(twice)} rollouts share their id with another, {twice[0]!r} first; expected one id each; number them")
    return [
        Paid(r.id, r.group, None, False, r.reason or "the proxy gave no verdict")
        if r.proxy is None
        else Paid(r.id, r.group, float(r.proxy) if r.score is None else r.score, True)
        for r in records
    ]


def uniform(name: str) -> float:
    """A number from 0 to below 1 that is a function of the name alone, the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
