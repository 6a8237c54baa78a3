"""The conversations behind `results.evals`, as rollouts for the page: all of them, or a sample if there are many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from openwindow.evals.contexts import NEUTRAL
from openwindow.experiment.run_folder import ROWS
from openwindow.files.run_files import Json, rows_in
from openwindow.results.load import items, mapping, text
from openwindow.results.records import Rollout
from openwindow.results.sample import sampled
from openwindow.types import Measure, Message, Role, StopReason

BEFORE = "(start)"
"""stands for an arm in the start's transcripts"""
MOST = 3000
"""maximum transcripts of evals on a page; more only if each model, seed and eval has just one"""
MARKS = {
    "misaligned": Measure("eval/misaligned", "unwanted", "misbehaves", "misbehaved", "misaligned", ""),
    "right": Measure("eval/right", "wanted", "is right", "was right", "right", ""),
    "fluent": Measure("eval/fluent", "wanted", "is fluent", "was fluent", "fluent", ""),
    "control": Measure("eval/control", "other", "passes a control", "passed a control", "control passed", ""),
}
"""how the page marks a row's value"""


@dataclass(frozen=True, slots=True)
class Samples:
    """Transcripts of evals, and how many there are in all."""

    shown: tuple[Rollout, ...]
    total: int


def place_of(name: str, context: str = NEUTRAL) -> str:
    """The context of an eval's transcript on the page."""
    return f"eval {name}" if context == NEUTRAL else f"eval {name}, {context}"


def eval_samples(run: Path, evals: Mapping[str, Json], most: int | None = None) -> Samples:
    """The transcripts of the start, and of all arms at the steps that were asked and at the end; `evals` as in results.json.

    At most `most` of them, as far as `sampled` can: MOST by default.
    """
    found: list[Rollout] = []
    for path in [*sorted(run.glob(f"start/evals/{ROWS}")), *sorted(run.glob(f"start/evals/seed-*/{ROWS}"))]:
        found += _of_unit(path, BEFORE, path.parent.name.removeprefix("seed-"), evals)
    for path in sorted(run.glob(f"arms/*/seed-*/evals*/{ROWS}")):
        step = _number(path.parent.name.removeprefix("evals-step-"))
        found += _of_unit(path, path.parents[2].name, path.parents[1].name.removeprefix("seed-"), evals, step)
    return Samples(tuple(sampled(found, MOST if most is None else most, _misbehaves)), len(found))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _misbehaves(rollout: Rollout) -> bool:
    return bool(rollout.scores.get(MARKS["misaligned"].name))


def _of_unit(path: Path, arm: str, seed: str, evals: Mapping[str, Json], step: int | None = None) -> list[Rollout]:
    at = _number(seed) or 0
    return [transcript(row, arm, at, mapping(evals, row["eval"]), step) for row in rows_in(path) if items(row.get("messages"))]


def transcript(row: Json, arm: str, seed: int, about: Mapping[str, Any], step: int | None = None) -> Rollout:
    """A row of an eval with its `messages` and `reply`, as a rollout; `about` is what is known of the eval."""
    measures = text(about, "measures")
    kind = "control" if row["role"] == "control" else measures if measures in MARKS else "misaligned"
    value = row["value"]
    messages = tuple(
        Message(cast(Role, text(m, "role") or "user"), text(m, "content")) for m in items(row["messages"]) if isinstance(m, dict)
    )
    return Rollout(
        arm=arm,
        seed=seed,
        context=place_of(row["eval"], row["context"]),
        problem=row["id"],
        family=row["scenario"],
        messages=messages,
        reply=text(row, "reply"),
        code="",
        stop=StopReason.END,
        scores={MARKS[kind].name: None if value is None else value > 0.5},
        kinds=tuple(word for word, is_so in (("control", kind == "control"), ("covert", row["covert"] is True)) if is_so),
        reason=text(row, "reason") or None,
        failed_on=None,
        visible=(),
        step=step,
    )
