"""Decides which of many comparisons are significant: closed testing in families, one per context and comparison base.

First the composites: the scores, and for each suite the mean of its evals' differences, corrected together (Holm 1979). A
suite's single evals are opened if the suite differs: if its mean does, or if one of its evals would alone, both at half the level,
so that neither a small shift of everything nor a large shift of a single eval is lost; the suites are corrected for each other
(Holm). Within the opened suites of a family, single evals are corrected together (Holm), and none has a smaller p than what
opened it. Probes, whose sums have no mean over evals, are a family of their own, without a gate.

`smallest` is the smallest effect that would have survived this as the only one: for a rate, the share of its scenarios
that would have to go from never to always, all else equal; for others, the size at the observed spread. None: no effect would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from openwindow.stats import holm
from openwindow.stats.clusters import cluster_difference
from openwindow.stats.intervals import critical
from openwindow.stats.seeds import over_seeds

Record = dict[str, Any]
Level = Literal["score", "suite", "eval", "probe"]
LEVEL = 0.05


def adjusted(found: Sequence[Record]) -> list[Record]:
    """The comparisons with `p_holm` (of the families above), `opened`, `family` (its comparisons) and `smallest`.

    Each has `level`, `suite`, `context`, `against`, `difference`, `low`, `high`, `p`, `scenarios`, `corrected`; members of a family
    need not be adjacent.
    """
    families: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(found):
        families.setdefault((row["context"], row["against"]), []).append(at)
    made: dict[int, Record] = {}
    for places in families.values():
        made |= dict(zip(places, _family([found[at] for at in places]), strict=True))
    return [made[at] for at in range(len(found))]


def _family(rows: Sequence[Record]) -> list[Record]:
    composites = [r for r in rows if r["level"] in ("score", "suite")]
    probes, evals = ([r for r in rows if r["level"] == level] for level in ("probe", "eval"))
    told = {id(r): _told(r, p, True, len(known(group))) for group in (composites, probes) for r, p in _holm(group)}
    gates = dict(zip(suites := _suites(evals), holm([_gate(s, evals, composites) for s in suites]), strict=True))
    opened = {s for s, p in gates.items() if p is not None and p < LEVEL}
    within = {id(r): p for r, p in _holm([r for r in evals if r["suite"] in opened])}
    for r in evals:
        gate, own = gates[r["suite"]], within.get(id(r), r["p"])
        p = None if own is None or gate is None else max(own, gate)
        alone = len(known([e for e in evals if e["suite"] == r["suite"]]))
        told[id(r)] = _told(r, p, r["suite"] in opened, len(suites) * (2 * alone if alone > 1 else 1))
    return [told[id(r)] for r in rows]


def _told(row: Record, p: float | None, opened: bool, family: int) -> Record:
    return row | {"p_holm": p, "opened": opened, "family": family, "smallest": smallest(row, family)}


def known(rows: Iterable[Record]) -> list[Record]:
    """Those with a p."""
    return [r for r in rows if r["p"] is not None]


def _holm(rows: Sequence[Record]) -> list[tuple[Record, float | None]]:
    return list(zip(rows, holm([r["p"] for r in rows]), strict=True))


def _suites(evals: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(r["suite"] for r in evals))


def _gate(suite: str, evals: Sequence[Record], composites: Sequence[Record]) -> float | None:
    """p of no difference in any eval of a suite: Bonferroni of its mean and of the smallest p of its evals, corrected (Holm)."""
    alone = [p for _, p in _holm([r for r in evals if r["suite"] == suite]) if p is not None]
    mean = [r["p"] for r in composites if r["level"] == "suite" and r["suite"] == suite and r["p"] is not None]
    if len(alone) < 2:
        return alone[0] if alone else None
    return min(1.0, 2 * min(alone + mean)) if mean else min(alone)


def smallest(row: Mapping[str, Any], family: int) -> float | None:
    """The smallest significant effect of a comparison among `family`; None if there is none, or if nothing was compared."""
    if row["p"] is None or row["low"] is None:
        return None
    level = LEVEL / max(1, family)
    seeds = row.get("seeds", 1)
    if row["level"] == "eval":
        return _flips(row["scenarios"], level, row["corrected"], seeds)
    freedom = row["scenarios"] - 1 if row["level"] == "probe" else float("inf")
    freedom = freedom if seeds < 2 else min(freedom, seeds - 1)
    half = max(row["high"] - row["difference"], row["difference"] - row["low"])
    return float(half * critical(1 - level, freedom) / critical(1 - LEVEL, freedom))


@cache
def _flips(count: int, level: float, corrected: bool, seeds: int = 1) -> float | None:
    """The share of scenarios that have to go from never to always, at every seed, for p to be below a level."""
    still = {str(i): [0.0] * seeds for i in range(count)}
    errors = (still, still) if corrected else (None, None)
    for flipped in range(1, count + 1):
        moved = {str(i): [float(i < flipped)] * seeds for i in range(count)}
        c = cluster_difference(moved, still, errors, unit="scenario")
        p = c.p
        if c.difference is not None and c.low is not None and c.high is not None:
            p = over_seeds(c.difference, (c.low, c.high), c.p, [c.difference] * seeds, count).p
        if p is not None and p < level:
            return flipped / count
    return None


def findable(found: Sequence[Mapping[str, Any]]) -> str | None:
    """What single evals and probes could have detected, in words; None if nothing was compared."""
    said = []
    rates = [r for r in found if r["level"] == "eval" and r["p"] is not None]
    if rates:
        sizes = sorted(r["smallest"] for r in rates if r["smallest"] is not None)
        never = sorted({f"{r['measure']} ({r['scenarios']} scenarios)" for r in rates if r["smallest"] is None})
        if sizes:
            ends = f"{100 * sizes[0]:.0f}" if sizes[0] == sizes[-1] else f"{100 * sizes[0]:.0f} to {100 * sizes[-1]:.0f}"
            said.append(f"An effect of {ends} points on one eval alone would have been found")
        if never:
            none = "not even one of 100 points in" if sizes else "Not even an effect of 100 points would have been found in"
            said.append(f"{none} {', '.join(never)}")
    probes = sorted(r["smallest"] for r in found if r["level"] == "probe" and r["smallest"] is not None)
    if probes:
        ends = f"{probes[0]:.2f}" if len(probes) == 1 else f"{probes[0]:.2f} to {probes[-1]:.2f}"
        said.append(f"of a probe {ends} nats" if said else f"An effect of {ends} nats on a probe would have been found")
    return f"{'; '.join(said)} (by measure; after the correction for several comparisons, 5 %)." if said else None
