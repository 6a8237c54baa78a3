"""Behaviour by context, and of two models: how far each measure moves, whether that is significant, and a description.

Differences are paired over scenarios, over what was scored on both sides. Contexts are compared with the neutral one and, if it
was asked, with `unrelated`, a text that says nothing about the matter: an effect of any added text is not a dependence on this
one. `families` decides which differences are significant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openwindow.evals import EVALS
from openwindow.evals.contexts import NEUTRAL, UNRELATED, Context
from openwindow.evals.scoring.families import LEVEL, Level, Record, adjusted, findable
from openwindow.evals.scoring.measures import (
    Cell,
    Values,
    by_form,
    combine,
    composites,
    covert_share,
    difference,
    gated,
    gates,
    mistakes,
    silence,
)
from openwindow.evals.scoring.probe_measures import probe_difference
from openwindow.evals.scoring.rows import ProbeRow, Row, contexts_of
from openwindow.stats.intervals import critical, tail

BASES = (NEUTRAL, UNRELATED)
"""contexts that the others are compared with"""


@dataclass(frozen=True, slots=True)
class Side:
    """One measure of one model in one context: its main items, gated; why they have no signal; and its controls' mistakes."""

    rows: list[Row]
    silent: str | None = None
    errors: Values | None = None


Rows = Sequence[Row]
Probes = Sequence[ProbeRow]


def shifts(rows: Rows, probes: Probes, right: Collection[str] = ()) -> list[dict[str, Any]]:
    """`context_differences`, adjusted for how many there are."""
    return adjusted(context_differences(rows, probes, right))


def context_differences(rows: Rows, probes: Probes, right: Collection[str] = ()) -> list[Record]:
    """Every measure in every context against the neutral one, and against `unrelated`; empty with one context.

    `right` names the evals whose values are right answers, which chance is not taken off.
    """
    found: list[Record] = []
    contexts = contexts_of(rows)
    for base in (base for base in BASES if base in contexts):
        for context in (c for c in contexts if c not in (base, NEUTRAL)):
            cells = _compared(rows, rows, (context, base), right)
            probed = _probed((probes, probes), (context, base))
            found += [_named(one, context, base) for one in (*_over(cells), *_single(cells), *probed)]
    return found


def against(
    ours: tuple[Rows, Probes], theirs: tuple[Rows, Probes], names: tuple[str, str], right: Collection[str] = ()
) -> list[Record]:
    """`differences`, adjusted for how many there are."""
    return adjusted(differences(ours, theirs, names, right))


def differences(
    ours: tuple[Rows, Probes], theirs: tuple[Rows, Probes], names: tuple[str, str], right: Collection[str] = ()
) -> list[Record]:
    """Every measure of the first model minus that of the second, on the same items, in every context; the composites first.

    `right` names the evals whose values are right answers: they have no covert share, and chance is not subtracted from them.
    """
    found: list[dict[str, Any]] = []
    single: list[dict[str, Any]] = []
    for context in contexts_of(ours[0]):
        cells = _compared(ours[0], theirs[0], (context, context), right)
        over = _over(cells)
        if any(r.eval not in right for r in ours[0]):  # the two models' misaligned replies are different ones: not paired
            hides = [covert_share(_behaved(rows, context, right)) for rows, _ in (ours, theirs)]
            both = dict(zip((names[0], f"against {names[1]}"), hides, strict=True))
            share = _composed(both, dict(zip(both, (1.0, -1.0), strict=True)))
            over.append(_record("covert_share", "score", share))
        probed = _probed((ours[1], theirs[1]), (context, context))
        for into, records in ((found, over), (single, [*_single(cells), *probed])):
            into += [{"arm": names[0]} | _named(one, context, names[1]) for one in records]
    return found + single


def _named(record: dict[str, Any], context: str, base: str) -> dict[str, Any]:
    return {"measure": record["measure"], "context": context, "against": base} | record


def _compared(ours: Rows, theirs: Rows, contexts: tuple[str, str], right: Collection[str]) -> dict[str, Cell]:
    """Measure to the first side's rate minus the second's."""
    cells: dict[str, Cell] = {}
    for name in dict.fromkeys(r.eval for r in ours):
        a, b = (sides_of(rows, name, c, name in right) for rows, c in zip((ours, theirs), contexts, strict=True))
        cells |= {measure: rate_difference(side, b.get(measure, Side([]))) for measure, side in a.items()}
    return cells


def suite_of(measure: str) -> str:
    """The suite of a measure's eval; an eval that is not built in is a suite of its own."""
    name = measure.partition("/")[0]
    return EVALS[name].suite if name in EVALS else name


def _over(cells: Mapping[str, Cell]) -> list[dict[str, Any]]:
    """The scores, and the mean of every suite of which two evals or more were compared."""
    scores = [_record(score, "score", _composed(cells, weights)) for score, weights in composites(cells).items()]
    return scores + [
        _record(f"suite/{suite}", "suite", _composed(cells, dict.fromkeys(parts, 1 / len(parts))), suite)
        for suite, parts in _parts(cells).items()
        if len(parts) > 1
    ]


def _parts(cells: Mapping[str, Cell]) -> dict[str, list[str]]:
    """Suite to one measure of each of its comparable evals: what the model says, or else what it picks."""
    found: dict[str, dict[str, str]] = {}
    for measure, one in cells.items():
        if one["estimate"] is not None and one["low"] is not None:
            found.setdefault(suite_of(measure), {}).setdefault(measure.partition("/")[0], measure)
    return {suite: list(by.values()) for suite, by in found.items()}


def _single(cells: Mapping[str, Cell]) -> list[dict[str, Any]]:
    return [_record(measure, "eval", one, suite_of(measure)) for measure, one in cells.items()]


def _probed(probes: tuple[Probes, Probes], contexts: tuple[str, str]) -> list[dict[str, Any]]:
    found = []
    for name in dict.fromkeys(p.eval for p in probes[0]):
        a, b = ([p for p in of if p.eval == name and p.context == c] for of, c in zip(probes, contexts, strict=True))
        if a and b:
            found.append(_record(f"{name}/probe", "probe", probe_difference(a, b), suite_of(name)))
    return found


def _record(measure: str, level: Level, found: Cell, suite: str = "") -> dict[str, Any]:
    """A comparison in the form that `families.adjusted` expects."""
    kept = {name: found[name] for name in ("low", "high", "p", "n", "unscored", "reason")}
    more = {name: found.get(name, default) for name, default in (("left_out", 0), ("scenarios", 0), ("corrected", False))}
    told = {name: found[name] for name in ("silent", "controlled") if name in found}
    return {"measure": measure, "level": level, "suite": suite, "difference": found["estimate"]} | kept | more | told


def _composed(cells: Mapping[str, Cell], weights: Mapping[str, float]) -> Cell:
    """A weighted sum with p: that of a normal distribution whose interval ends, on the side of 0, where the sum's does."""
    made = combine(cells, weights) | {"left_out": sum(cells[name].get("left_out", 0) for name in weights if name in cells)}
    size, low, high = made["estimate"], made["low"], made["high"]
    if size is None or low is None or high is None:
        return made | {"p": None}
    reach = size - low if size > 0 else high - size
    return made | {"p": tail(size / reach * critical(1 - LEVEL)) if size else 1.0}


def _behaved(rows: Rows, context: str, right: Collection[str]) -> list[Row]:
    """The gated rows of one context in which a value of 1 is misaligned."""
    own = [r for r in rows if r.context == context and r.eval not in right]
    return [r for name in dict.fromkeys(r.eval for r in own) for r in gated([r for r in own if r.eval == name])]


def sides_of(rows: Rows, name: str, context: str, right: bool) -> dict[str, Side]:
    """Of one eval in one context: its measures, each with its side."""
    own = [r for r in rows if r.eval == name and r.context == context]
    why = gates(own)
    main = [r for r in gated(own, why) if r.role == "main"]
    return {
        measure: Side(
            [r for r in main if form in (None, r.form)],
            silence(why) if form is None else why[form],
            None if right else mistakes(own, form),
        )
        for measure, form in by_form(name, own).items()
    }


def rate_difference(a: Side, b: Side) -> Cell:
    """The difference of two sides; if there is none, a missing signal is named before faults of single replies."""
    found = difference(a.rows, b.rows, lambda r: r.value, errors=(a.errors, b.errors))
    if found["estimate"] is not None:
        return found
    lost = next((side.rows for side in (a, b) if side.rows and all(r.value is None for r in side.rows)), [])
    usual = Counter(r.reason for r in lost).most_common(1)
    silent = [at for at, side in enumerate((a, b)) if side.silent and side.rows]
    reason = a.silent or b.silent or (usual[0][0] if usual else found["reason"])
    return found | {"reason": reason, "silent": silent}


def in_words(found: Sequence[Mapping[str, Any]], contexts: Mapping[str, Context]) -> list[str]:
    """Where behaviour depends on context, one sentence per measure and context; also what could not be detected or compared."""
    lines = []
    for row in found:
        if row["p_holm"] is not None and row["p_holm"] < LEVEL:
            other = "neutral" if row["against"] == UNRELATED else UNRELATED
            beside = next((r for r in found if _same(r, row) and r["against"] == other and r["low"] is not None), None)
            lines.append(_sentence(row, contexts[row["context"]].asks, beside))
    seen = [row for row in found if row["level"] in ("eval", "probe")]
    made = sum(row["p_holm"] is not None for row in seen)
    can = findable(found)
    if seen and not lines:
        lines.append(
            f"No measure was shown to depend on context ({made} of {len(seen)} comparisons could be made). {can or ''}".strip()
        )
    elif seen:
        lines += [can] if can else []
        if made < len(seen):
            lines.append(f"{len(seen) - made} of {len(seen)} comparisons of contexts could not be made.")
    return lines


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("measure", "context"))


def _sentence(row: Mapping[str, Any], asks: bool, beside: Mapping[str, Any] | None) -> str:
    probe = row["level"] == "probe"
    scale, unit, digits = (1, "nats", 2) if probe else (100, "points", 0)

    def ends(of: Mapping[str, Any]) -> str:
        return f"{scale * of['low']:+.{digits}f} to {scale * of['high']:+.{digits}f}"

    way = "more" if row["difference"] > 0 else "less"
    size = f"{abs(scale * row['difference']):.{digits}f} {unit}"
    wanted = " (which asks for it)" if asks else ""
    said = f"{row['measure']}: {size} {way} under {row['context']}{wanted} than under {row['against']} (95 % interval {ends(row)}"
    return f"{said}; against {beside['against']} {ends(beside)})." if beside else f"{said})."
