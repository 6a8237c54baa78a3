"""Applies interventions in order; calls a user's own with care, and checks what they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

from openwindow.data.rows import Row
from openwindow.errors import ForeignError
from openwindow.interventions import INTERVENTIONS
from openwindow.interventions.base import Asking, Intervention, PromptIntervention, Prompts, RewardIntervention, RowIntervention
from openwindow.interventions.rewards import Paid, Record
from openwindow.user_code import called

PROXY = "proxy"
"""the part of a reward that the grader gives"""
P = ParamSpec("P")
T = TypeVar("T")


def changed_rows(interventions: Sequence[Intervention], rows: Sequence[Row], seed: int, own: str | None) -> list[Row]:
    """The rows after every change of rows; `own` as in `openwindow.data.rows.place`. Raises ForeignError."""
    found = list(rows)
    for intervention in interventions:
        if isinstance(intervention, RowIntervention):
            found = _call(intervention, "on_rows", intervention.on_rows, found, seed, own)
            _expect(intervention, "on_rows", isinstance(found, list) and all(isinstance(r, Row) for r in found), "a list of Row")
    return found


def changed_prompts(interventions: Sequence[Intervention], prompts: Prompts, asking: Asking) -> Prompts:
    """A problem's prompts after every change of prompts. Raises ForeignError."""
    for intervention in interventions:
        if isinstance(intervention, PromptIntervention):
            prompts = _call(intervention, "on_prompts", intervention.on_prompts, prompts, asking)
            _expect(intervention, "on_prompts", isinstance(prompts, Prompts), "Prompts")
    return prompts


def changed_rewards(
    interventions: Sequence[Intervention], records: Sequence[Record], given: Sequence[Paid], step: int, seed: int
) -> list[Paid]:
    """What each record earns after every change of rewards, and the parts of it: `proxy`, and what each change added.

    Raises ForeignError.
    """
    found = [paid if paid.reward is None else replace(paid, parts={PROXY: paid.reward}) for paid in given]
    ids = [paid.id for paid in given]
    for intervention in interventions:
        if isinstance(intervention, RewardIntervention):
            before = tuple(found)
            found = _call(intervention, "on_rewards", intervention.on_rewards, records, found, step, seed)
            same = isinstance(found, list) and all(isinstance(p, Paid) for p in found) and [p.id for p in found] == ids
            _expect(intervention, "on_rewards", same, "a list of Paid, one per rollout and in their order")
            found = [_with_part(intervention.kind, *pair) for pair in zip(before, found, strict=True)]
    return found


def _with_part(kind: str, before: Paid, after: Paid) -> Paid:
    """What an intervention made of a reward, with how much it changed as a part of its own; without parts if it is not paid."""
    if before.reward is None or after.reward is None:
        return replace(after, parts={})
    change = after.reward - before.reward
    parts = dict(before.parts)
    if change:
        parts[kind] = parts.get(kind, 0.0) + change
    return replace(after, parts=parts)


def _call(intervention: Intervention, name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    if type(intervention) in INTERVENTIONS.values():
        return function(*args, **kwargs)
    return called(_what(intervention, name), function, *args, **kwargs)


def _expect(intervention: Intervention, name: str, holds: bool, what: str) -> None:
    if not holds:
        raise ForeignError(_what(intervention, name), f"it did not return {what}")


def _what(intervention: Intervention, name: str) -> str:
    return f"{type(intervention).__name__}.{name}"
