"""What else the arms of a study learned: the key `evals` of results.json, from the cells that `experiment.evals` left.

It only reads files: neither torch, Inspect nor a user's file of evals is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from openwindow.evals.contexts import BUILT_IN, NEUTRAL
from openwindow.evals.scoring.families import LEVEL, Record, adjusted, findable
from openwindow.evals.scoring.rows import ProbeRow, Row
from openwindow.evals.scoring.seeds import Asked, by_arm, compared, measured, shifted
from openwindow.evals.scoring.summary import summary
from openwindow.experiment.evals import arm_unit, start_unit
from openwindow.experiment.run_folder import PROBES, ROWS
from openwindow.experiment.study import Study
from openwindow.files.run_files import Json, read_json, rows_in
from openwindow.formatting import signed

START = "start"
"""the name of the untouched starting model as a comparison base"""
SAID = 4
"""number of differences from one base that are described in words"""
_ROW, _PROBE = (tuple(field.name for field in fields(kind)) for kind in (Row, ProbeRow))


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one unit left; `done` is empty where it is not finished."""

    done: Json
    rows: list[Row]
    probes: list[ProbeRow]


def eval_results(run: Path, study: Study) -> dict[str, Any]:
    """Measures of the start and of every arm, and their paired differences; empty if the study names no evals."""
    if not study.evals:
        return {}
    start = [_read(run, start_unit(study, seed)) for seed in study.seeds]
    arms = {arm: [_read(run, arm_unit(arm, seed)) for seed in study.seeds] for arm in study.arms}
    evals: dict[str, Any] = next((unit.done["evals"] for units in (start, *arms.values()) for unit in units if unit.done), {})
    right = [name for name, about in evals.items() if about["measures"] == "right"]
    same = {arm for arm, units in arms.items() if any(unit.done.get("same_as") for unit in units)}
    control = _control(study)
    records: list[Record] = []
    for base in dict.fromkeys((START, *([control] if control and control not in same else []))):
        others = start if base == START else arms[base]
        pairs = [(arm, units) for arm, units in arms.items() if arm not in (base, *same)]
        records += [row for arm, units in pairs for row in compared(*_paired(units, others), (arm, base), right)]
    comparisons = [row | {"suite": row["suite"].rpartition(": ")[2]} for row in adjusted(by_arm(records))]
    first = start if study.starts == "per_seed" else start[:1]
    return {
        "names": list(study.evals),
        "evals": evals,
        "plan": study.eval_plan.model_dump(mode="json"),
        "contexts": {name: BUILT_IN[name].model_dump(mode="json") for name in (NEUTRAL, *study.eval_plan.contexts)},
        "seeds": list(study.seeds),
        "control": control,
        "start": _one(first, evals),
        "arms": {arm: _one(units, evals) | {"same_as": START if arm in same else None} for arm, units in arms.items()},
        "steps": _steps(run, study, evals),
        "comparisons": comparisons,
        "in_words": in_words(comparisons, evals, {START: _one(first, evals)} | {a: _one(u, evals) for a, u in arms.items()}),
        "intervals": _intervals(len(study.seeds)),
        "missing": _missing(study, start, arms),
    }


def _control(study: Study) -> str | None:
    """The arm that the others are compared with, in addition to the start."""
    named = study.eval_plan.against
    return named or (study.compare[0].against if study.compare else None)


def _read(run: Path, unit: str) -> _Unit:
    done = read_json(run / unit / "done.json") if (run / unit / "done.json").is_file() else {}
    if "evals" not in done:
        return _Unit({}, [], [])
    rows = [Row(**{name: row[name] for name in _ROW}) for row in _lines(run / unit / ROWS)]
    return _Unit(done, rows, [ProbeRow(**{name: row[name] for name in _PROBE}) for row in _lines(run / unit / PROBES)])


def _lines(path: Path) -> list[Json]:
    return rows_in(path) if path.is_file() else []


def _asked(units: Sequence[_Unit]) -> Asked:
    return Asked([unit.rows for unit in units], [unit.probes for unit in units])


def _paired(ours: Sequence[_Unit], theirs: Sequence[_Unit]) -> tuple[Asked, Asked]:
    """The seeds at which both were asked."""
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.done and b.done]
    return _asked([a for a, _ in both]), _asked([b for _, b in both])


def _one(units: Sequence[_Unit], evals: Mapping[str, Any]) -> dict[str, Any]:
    """One model at all its seeds."""
    finished = [unit for unit in units if unit.done]
    cells = measured(_asked(finished), evals) if finished else {}
    right = [name for name, about in evals.items() if about["measures"] == "right"]
    return {"measures": cells, "summary": summary(cells, evals) if cells else [], "shifts": shifted(_asked(finished), right)}


def _steps(run: Path, study: Study, evals: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Arm to step to its measures, for the arms that were asked during their training."""
    found: dict[str, dict[str, Any]] = {}
    for arm in study.arms:
        for step in study.eval_plan.steps:
            units = [_read(run, arm_unit(arm, seed, step)) for seed in study.seeds]
            if any(unit.done for unit in units):
                found.setdefault(arm, {})[str(step)] = _one(units, evals)["measures"]
    return found


def _missing(study: Study, start: Sequence[_Unit], arms: Mapping[str, Sequence[_Unit]]) -> list[dict[str, str]]:
    rows = {"the start": start, **arms}
    lost = [(who, seed) for who, units in rows.items() for seed, u in zip(study.seeds, units, strict=True) if not u.done]
    return [{"what": f"evals of {who}, seed {seed}", "reason": "not asked yet, or not readable"} for who, seed in lost]


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
