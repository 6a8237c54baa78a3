"""Measures that no reply has a score for, as pages and tables say it once. Loads neither studies nor environments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from openwindow.files.records import Cell


def unmeasured_throughout(cells: Iterable[tuple[str, Cell]]) -> dict[str, str]:
    """The measures without an estimate in any of the cells, given with their measures, each with its commonest reason."""
    reasons: dict[str, Counter[str]] = {}
    known: set[str] = set()
    for measure, cell in cells:
        reasons.setdefault(measure, Counter())[cell.reason or "no reason recorded"] += 1 + cell.unscored
        known |= {measure} if cell.estimate is not None else set()
    return {measure: counts.most_common(1)[0][0] for measure, counts in reasons.items() if measure not in known}


def grouped(reasons: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """Each different reason once, with the names of all that have it."""
    return [([name for name, said in reasons.items() if said == reason], reason) for reason in dict.fromkeys(reasons.values())]
