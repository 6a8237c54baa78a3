"""A run folder as pandas frames; docs/python.md says what each column means.

Every column has a nullable type, also without a single value: `<NA>` is what could not be measured, or does not apply. Texts are
kept as Python's own strings, since a reply may hold half of a surrogate pair. pandas is imported when a frame is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.errors import ConfigError
from openwindow.experiment.run_folder import ROWS
from openwindow.files.records import Cell, Rollout, messages_of, object_of
from openwindow.files.run_files import Json, Note, Reader
from openwindow.files.run_results import RunResults
from openwindow.results.eval_units import START
from openwindow.results.load import items, mapping, note_sample, read_metrics, read_rollouts, read_training
from openwindow.types import Message

if TYPE_CHECKING:
    from pandas import DataFrame

Columns = Mapping[str, str]
TEXT, NUMBER, WHOLE, FLAG, OTHER = "text", "Float64", "Int64", "boolean", "object"
_ESTIMATE: Columns = {"estimate": NUMBER, "low": NUMBER, "high": NUMBER, "n": WHOLE, "unscored": WHOLE}
_BOUNDS: Columns = {"at_least": NUMBER, "at_most": NUMBER, "reason": TEXT}
RATES: Columns = {"arm": TEXT, "role": TEXT, "measure": TEXT, "context": TEXT, **_ESTIMATE, "families": WHOLE, **_BOUNDS}
RATES_BY_SEED: Columns = {"arm": TEXT, "role": TEXT, "measure": TEXT, "context": TEXT, "seed": WHOLE, "estimate": NUMBER}
COMPARISONS: Columns = {
    **dict.fromkeys(("arm", "against", "measure", "context", "against_context", "score", "readout", "unit", "expect"), TEXT),
    **dict.fromkeys(("margin", "difference", "low", "high", "p", "p_holm"), NUMBER),
    **dict.fromkeys(("n_pairs", "families", "scenarios"), WHOLE),
    **dict.fromkeys(("detectable", "smallest"), NUMBER),
    "ceiling": TEXT,
    "left_out": OTHER,
    "reason": TEXT,
}
_REPLY: Columns = {"arm": TEXT, "seed": WHOLE, "context": TEXT, "problem": TEXT, "family": TEXT}
_TRAINED: Columns = {"step": WHOLE, "group": WHOLE, "number": WHOLE, "hackable": FLAG, "reward": NUMBER}
_JUDGED: Columns = {"unscored": OTHER, "kinds": OTHER, "reason": TEXT, "failed_on": TEXT}
_SAID: Columns = {"messages": OTHER, "reply": TEXT, "code": TEXT, "stop": TEXT, "tokens": WHOLE, "visible": OTHER}
_DETECTED: Columns = {"parts": OTHER, "dropped": TEXT, "open_hack": FLAG, "flagged": FLAG, "screened": FLAG, "trained_under": OTHER}
METRICS: Columns = {"arm": TEXT, "seed": WHOLE, "stage": TEXT, "step": NUMBER}
_MODEL: Columns = {"model": TEXT, "step": WHOLE}
EVALS: Columns = {**_MODEL, "measure": TEXT, "context": TEXT, **_ESTIMATE, **_BOUNDS, "because": OTHER}
SCORES: Columns = {
    **dict.fromkeys(("model", "step", "context", "score", "readout", "unit"), TEXT),
    "step": WHOLE,
    **_ESTIMATE,
    "scenarios": WHOLE,
    "evals": OTHER,
    "left_out": OTHER,
    "reason": TEXT,
}
EVAL_REPLIES: Columns = {
    "model": TEXT,
    "seed": WHOLE,
    "step": WHOLE,
    **dict.fromkeys(("eval", "context", "id", "scenario"), TEXT),
    "paraphrase": WHOLE,
    **dict.fromkeys(("role", "cue", "form", "group"), TEXT),
    "epoch": WHOLE,
    **dict.fromkeys(("value", "number"), NUMBER),
    **dict.fromkeys(("covert", "coherent", "flagged", "judge_flagged"), FLAG),
    **dict.fromkeys(("by", "reason"), TEXT),
    "messages": OTHER,
    "reply": TEXT,
}


def rates(results: RunResults) -> DataFrame:
    """One row per arm, measure and context."""
    rows = [
        {**vars(cell), **_bounds(cell.bounds), "arm": arm, "role": role, "measure": measure, "context": context}
        for arm, role, measure, context, cell in _cells(results)
    ]
    return _frame(rows, RATES)


def rates_by_seed(results: RunResults) -> DataFrame:
    """One row per arm, measure, context and seed."""
    rows = [
        {"arm": arm, "role": role, "measure": measure, "context": context, "seed": seed, "estimate": estimate}
        for arm, role, measure, context, cell in _cells(results)
        for seed, estimate in zip(results.seeds, cell.by_seed, strict=False)
    ]
    return _frame(rows, RATES_BY_SEED)


def comparisons(results: RunResults) -> DataFrame:
    """One row per comparison that the study named before it ran."""
    return _frame([vars(c) | {"left_out": dict(c.left_out)} for c in results.comparisons], COMPARISONS)


def rollouts(run: Path, notes: list[Note]) -> DataFrame:
    """One row per reply to a test problem; a column for each measure."""
    found = read_rollouts(run, notes)
    named = dict.fromkeys(_measured(found), FLAG)
    return _frame(_replies(found), {**_REPLY, **named, **_JUDGED, **_SAID})


def training(run: Path, notes: list[Note]) -> DataFrame:
    """One row per rollout of RL training; a column for each measure, and one for each part of the reward."""
    found = read_training(run, notes)
    named = dict.fromkeys(_measured(found), FLAG)
    said = {name: kind for name, kind in _SAID.items() if name not in ("code", "visible")}
    return _frame(_replies(found), {**_REPLY, **_TRAINED, **named, **_JUDGED, **_DETECTED, **said})


def metrics(run: Path, notes: list[Note]) -> DataFrame:
    """One row per optimiser step; a column for each metric that any step has."""
    found = read_metrics(run, notes)
    named = dict.fromkeys((name for metric in found for name in metric.values), NUMBER)
    rows = ({"arm": m.arm, "seed": m.seed, "stage": m.stage, "step": m.step, **m.values} for m in found)
    return _frame(rows, {**METRICS, **named})


def evals(results: RunResults) -> DataFrame:
    """One row per model, step, measure of the evals and context; none where the study names no evals."""
    rows = [
        {**cell, **_bounds(items(cell.get("bounds"))), "model": model, "step": step, "measure": measure, "context": context}
        for model, step, measures in _models(results.evals)
        for measure, by_context in _each(measures)
        for context, cell in _each(by_context)
    ]
    return _frame(rows, EVALS)


def scores(results: RunResults) -> DataFrame:
    """One row per model, step, context, score and readout of the evals; none where the study names no evals."""
    found, neutral = results.evals, next(iter(mapping(results.evals, "contexts")), "neutral")
    at: list[tuple[str, int | None, str, Json]] = [(model, None, neutral, of) for model, of in _each(found.get("scores"))]
    at += [(m, _number(step), neutral, of) for m, steps in _each(found.get("step_scores")) for step, of in _each(steps)]
    at += [(m, None, context, of) for context, models in _each(found.get("context_scores")) for m, of in _each(models)]
    rows = [
        {**cell, "model": model, "step": step, "context": context, "score": score, "readout": readout}
        for model, step, context, of in at
        for score, readouts in _each(of)
        for readout, cell in _each(readouts)
    ]
    return _frame(rows, SCORES)


def eval_replies(run: Path, notes: list[Note]) -> DataFrame:
    """One row per reply to an eval, of the start and of every arm at the steps that were asked."""
    reader = Reader(run, notes)
    note_sample(reader)
    start = [*sorted(run.glob(f"start/evals/{ROWS}")), *sorted(run.glob(f"start/evals/seed-*/{ROWS}"))]
    places: list[tuple[Path, str, str, int | None]] = [(path, START, path.parent.name, None) for path in start]
    for path in sorted(run.glob(f"arms/*/seed-*/evals*/{ROWS}")):
        step = _number(path.parent.name.removeprefix("evals-step-"))
        places.append((path, path.parents[2].name, path.parents[1].name, step))
    rows = (
        {
            **row,
            "model": model,
            "seed": _number(seed.removeprefix("seed-")),
            "step": step,
            "messages": _turns(messages_of(row.get("messages"))),
        }
        for path, model, seed, step in places
        for row in reader.rows(path)
    )
    return _frame(rows, EVAL_REPLIES)


def _frame(rows: Iterable[Mapping[str, Any]], columns: Columns) -> DataFrame:
    """The columns of the rows, in order. Raises ConfigError without pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ConfigError("frames need pandas, which is not installed; pip install 'openwindow[notebook]'") from error
    kept = [[row.get(name) for name in columns] for row in rows]
    made = {}
    for (name, kind), values in zip(columns.items(), zip(*kept, strict=True) if kept else [()] * len(columns), strict=True):
        dtype = pd.StringDtype("python") if kind == TEXT else kind
        made[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(made, columns=list(columns))


def _cells(results: RunResults) -> Iterator[tuple[str, str | None, str, str, Cell]]:
    for arm, of_arm in results.arms.items():
        for measure, by_context in of_arm.measures.items():
            for context, cell in by_context.items():
                yield arm, of_arm.role, measure, context, cell


def _bounds(found: Sequence[float | None] | None) -> dict[str, float | None]:
    return dict(zip(("at_least", "at_most"), found or (), strict=False))


def _measured(found: Sequence[Rollout]) -> dict[str, None]:
    """Names of the measures that any of the rollouts has, in order."""
    return dict.fromkeys(name for rollout in found for name in rollout.scores)


def _replies(found: Sequence[Rollout]) -> Iterator[Json]:
    """The rollouts as rows; the equal prompts of a run are one object, and share one list."""
    shared: dict[int, list[dict[str, str]]] = {}
    for r in found:
        if id(r.messages) not in shared:
            shared[id(r.messages)] = _turns(r.messages)
        unscored = [name for name, score in r.scores.items() if score is None]
        yield r.line() | {"unscored": unscored, "messages": shared[id(r.messages)]}


def _models(found: Mapping[str, Any]) -> Iterator[tuple[str, int | None, Mapping[str, Any]]]:
    """Model, step (None at the end) and measures of the start and of every arm."""
    if "start" in found:
        yield START, None, mapping(mapping(found, "start"), "measures")
    for arm, of_arm in _each(found.get("arms")):
        yield arm, None, mapping(of_arm, "measures")
    for arm, steps in _each(found.get("steps")):
        for step, measures in _each(steps):
            yield arm, _number(step), measures


def _each(found: object) -> Iterator[tuple[str, Json]]:
    """The objects of an object by name; what is of another form is passed over."""
    yield from ((str(name), inner) for name, inner in object_of(found).items() if isinstance(inner, dict))


def _number(text: str) -> int | None:
    """A seed or step that a name ends in; None for any other text, such as the start's that all seeds share."""
    return int(text) if text.isascii() and text.isdecimal() else None


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]
