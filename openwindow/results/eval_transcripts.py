"""The conversations behind `results.evals`, as rollouts for the page: all of them, or a sample if there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from openwindow.evals.contexts import NEUTRAL
from openwindow.experiment.run_folder import ROWS
from openwindow.files.run_files import Json, rows_in
from openwindow.results.load import items, mapping, text
from openwindow.results.records import Rollout
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


def eval_samples(run: Path, evals: Mapping[str, Json]) -> Samples:
    """The transcripts of the start and of all arms at the end of training; `evals` as described in results.json."""
    found: list[Rollout] = []
    for path in [*sorted(run.glob(f"start/evals/{ROWS}")), *sorted(run.glob(f"start/evals/seed-*/{ROWS}"))]:
        found += _of_unit(path, BEFORE, path.parent.name.removeprefix("seed-"), evals)
    for path in sorted(run.glob(f"arms/*/seed-*/evals/{ROWS}")):
        found += _of_unit(path, path.parents[2].name, path.parents[1].name.removeprefix("seed-"), evals)
    return Samples(tuple(_sample(found)), len(found))


def _of_unit(path: Path, arm: str, seed: str, evals: Mapping[str, Json]) -> list[Rollout]:
    number = int(seed) if seed.isascii() and seed.isdecimal() else 0
    return [_rollout(row, arm, number, mapping(evals, row["eval"])) for row in rows_in(path) if items(row.get("messages"))]


def _rollout(row: Json, arm: str, seed: int, about: Mapping[str, Any]) -> Rollout:
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
    )


def _sample(found: Sequence[Rollout]) -> list[Rollout]:
    """All of them, or equally many per model, seed and place: misaligned replies first, then evenly spread ones, in order."""
    if len(found) <= MOST:
        return list(found)
    groups: dict[tuple[str, int, str], list[int]] = {}
    for at, rollout in enumerate(found):
        groups.setdefault((rollout.arm, rollout.seed, rollout.context), []).append(at)
    each = max(1, MOST // len(groups))
    kept: list[int] = []
    for places in groups.values():
        bad = [at for at in places if found[at].scores.get(MARKS["misaligned"].name)]
        others = [at for at in places if not found[at].scores.get(MARKS["misaligned"].name)]
        left = max(0, each - len(bad))
        spread = [others[i * len(others) // left] for i in range(min(left, len(others)))] if left else []
        kept += [*bad[:each], *dict.fromkeys(spread)]
    return [found[at] for at in sorted(kept)]
