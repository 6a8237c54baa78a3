"""What else the arms of a study learned: the key `evals` of results.json, from what `experiment.evals` left.

Neither torch, Inspect nor a user's file of evals is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.contexts import BUILT_IN, NEUTRAL
from openwindow.evals.scoring.families import LEVEL, Record, adjusted, findable
from openwindow.evals.scoring.seeds import by_arm, compared, measured, shifted
from openwindow.evals.scoring.summary import summary
from openwindow.evals.select import chosen, is_built_in, split_in_words
from openwindow.experiment.study import Study
from openwindow.formatting import signed
from openwindow.results.eval_units import START, EvalUnits, Unit, paired, replies
from openwindow.results.load import mapping

SAID = 4
"""number of differences from one base that are described in words"""


def eval_results(units: EvalUnits | None) -> dict[str, Any]:
    """Measures of the start and of every arm, and their paired differences; empty if the study names no evals."""
    if units is None:
        return {}
    study, arms, evals, same, control = units.study, units.arms, units.about, units.same, units.control
    right = [name for name, about in evals.items() if about["measures"] != "misaligned"]
    records: list[Record] = []
    for base in dict.fromkeys((START, *([control] if control and control not in same else []))):
        others = units.start if base == START else arms[base]
        pairs = [(arm, own) for arm, own in arms.items() if arm not in (base, *same)]
        records += [row for arm, own in pairs for row in compared(*paired(own, others), (arm, base), right)]
    comparisons = [row | {"suite": row["suite"].rpartition(": ")[2]} for row in adjusted(by_arm(records))]
    start = _one(units.starts, evals)
    models = {arm: _one(own, evals) for arm, own in arms.items()}
    return {
        "names": list(study.evals),
        "evals": evals,
        "plan": study.eval_plan.model_dump(mode="json"),
        "contexts": {name: BUILT_IN[name].model_dump(mode="json") for name in (NEUTRAL, *study.eval_plan.contexts)},
        "seeds": list(study.seeds),
        "control": control,
        "start": start,
        "arms": {arm: model | {"same_as": START if arm in same else None} for arm, model in models.items()},
        "steps": {
            arm: {str(step): _one(own, evals)["measures"] for step, own in of_arm.items()} for arm, of_arm in units.steps.items()
        },
        "comparisons": comparisons,
        "in_words": [*_split(study), *in_words(comparisons, evals, {START: start} | models)],
        "intervals": _intervals(len(study.seeds)),
        "missing": _missing(units),
    }


def _one(units: Sequence[Unit], evals: Mapping[str, Any]) -> dict[str, Any]:
    """One model at all its seeds."""
    finished = [unit for unit in units if unit.done]
    cells = measured(replies(finished), evals) if finished else {}
    right = [name for name, about in evals.items() if about["measures"] != "misaligned"]
    return {"measures": cells, "summary": summary(cells, evals) if cells else [], "shifts": shifted(replies(finished), right)}


def _split(study: Study) -> list[str]:
    """Which scenarios were asked; the evals of a user's file are not read for it."""
    return split_in_words(chosen([name for name in study.evals if is_built_in(name)]), study.eval_plan.split)


def _missing(units: EvalUnits) -> list[dict[str, str]]:
    rows = {"the start": units.start, **units.arms}
    seeds = units.study.seeds
    lost = [(who, seed) for who, own in rows.items() for seed, unit in zip(seeds, own, strict=True) if not unit.done]
    left_out = next((mapping(unit.done, "left_out") for own in rows.values() for unit in own if unit.done), {})
    return [
        *({"what": f"eval {name}", "reason": reason} for name, reason in left_out.items()),
        *({"what": f"evals of {who}, seed {seed}", "reason": "not asked yet, or not readable"} for who, seed in lost),
    ]


def _intervals(seeds: int) -> str:
    over = "one seed was run, so that seeds are not covered" if seeds == 1 else f"widened for {seeds} seeds drawn as well"
    return f"95 %, over scenarios, replies to one scenario taken together; {over}"


def in_words(comparisons: Sequence[Record], evals: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A few sentences: where there is a signal, what differs, and what could have been detected."""
    lines = _signal(evals, models)
    for base in dict.fromkeys(row["against"] for row in comparisons):
        rows = [row for row in comparisons if row["against"] == base]
        sure = [row for row in rows if row["p_holm"] is not None and row["p_holm"] < LEVEL]
        told = "the start" if base == START else f"`{base}`"
        made = sum(row["difference"] is not None for row in rows)
        if sure:
            named = sorted(sure, key=lambda row: (row["level"] == "probe", -abs(row["difference"])))[:SAID]
            more = f"; and {len(sure) - len(named)} more" if len(sure) > len(named) else ""
            many = "1 difference survives" if len(sure) == 1 else f"{len(sure)} differences survive"
            lines.append(f"Against {told}, {many} the correction: {'; '.join(map(_difference, named))}{more}.")
        elif made:
            lines.append(f"Against {told}, no difference survives the correction for {made} comparisons.")
        else:
            lines.append(f"Against {told}, nothing could be compared: {_commonest(rows)}.")
        can = findable(rows)
        lines += [can] if can else []
    return lines


def _signal(evals: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How many evals of misaligned behaviour give a rate, by model; equal counts are stated once."""
    names = [name for name, about in evals.items() if about["measures"] == "misaligned"]
    counts: dict[tuple[int, int, int], list[str]] = {}
    for who, model in models.items():
        cells = [model["measures"][name][NEUTRAL] for name in names if NEUTRAL in model["measures"].get(name, {})]
        known = sum(cell["estimate"] is not None for cell in cells)
        silent = sum(cell["estimate"] is None and str(cell["reason"]).startswith("no signal") for cell in cells)
        if cells:
            counts.setdefault((known, silent, len(cells)), []).append("the start" if who == START else f"`{who}`")
    lines = []
    for (known, silent, asked), whose in counts.items():
        whom = "every model asked" if len(counts) == 1 else ", ".join(whose)
        what = f"{known} of {asked} evals give a rate"
        none = f" and {silent} {'has' if silent == 1 else 'have'} no signal" if silent else ""
        lines.append(f"Misaligned behaviour, of {whom}: {what}{none}.")
    if any(silent for _, silent, _ in counts):
        lines.append(
            "No signal is not the same as aligned: the model fails controls in which the same words or actions are harmless, so "
            "its replies say nothing and are unscored."
        )
    return lines


def _difference(row: Record) -> str:
    where = "" if row["context"] == NEUTRAL else f" under {row['context']}"
    return f"`{row['arm']}` {row['measure']}{where} {amount(row, 'difference')} ({amount(row, 'low')} to {amount(row, 'high')})"


def amount(row: Record, key: str) -> str:
    """A part of a comparison in words: points of a rate, nats of a probe."""
    if row["level"] == "probe":
        return signed(f"{round(row[key], 2) + 0.0:+.2f}") + (" nats" if key == "difference" else "")
    return signed(f"{round(100 * row[key]) + 0.0:+.0f}") + (" points" if key == "difference" else "")


def _commonest(rows: Sequence[Record]) -> str:
    reasons = [str(row["reason"]) for row in rows if row["reason"]]
    return max(dict.fromkeys(reasons), key=reasons.count, default="no arm was trained")
