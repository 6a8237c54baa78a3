"""Formats numbers and settings for tables and pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MINUS = "\N{MINUS SIGN}"
VERDICT_MARKS = {"supported": "✓", "not supported": "✕", "inconclusive": "?"}


class Grid(NamedTuple):
    """A small table: column names, then rows that start with their name."""

    columns: list[str]
    rows: list[list[str]]


def compact(value: object) -> str:
    """A setting as text: strings unchanged, everything else as JSON."""
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value, ensure_ascii=False)


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first of some names, and how many others there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def signed(number: str) -> str:
    """Replaces the hyphen of a formatted number by a minus sign."""
    return number.replace("-", MINUS)


def rate(value: float | None, percent: bool = True) -> str:
    """A rate as a percentage with one decimal; any other quantity with three significant digits."""
    if value is None:
        return "not measured"
    return f"{value * 100:.1f}%" if percent else signed(f"{value:.3g}")


def percent(rate: float | None, unknown: str = "not scored") -> str:
    """A rate as a whole percentage."""
    return unknown if rate is None else f"{rate:.0%}"


def bracketed(estimate: float, low: float | None, high: float | None, form: str, times: float = 1.0) -> str:
    """A number with its interval, if any; both are multiplied by `times` and formatted: `12 [3, 36]`."""
    text = f"{times * estimate:{form}}"
    return text if low is None or high is None else f"{text} [{times * low:{form}}, {times * high:{form}}]"


def points(value: float | None, percent: bool = True) -> str:
    """A difference with its sign; differences of rates are in percentage points."""
    if value is None:
        return "not measured"
    return signed(f"{value * 100:+.1f}" if percent else f"{value:+.3g}")


def chance(value: float | None) -> str:
    """A p value."""
    return "not measured" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def effect(value: float, nats: bool = False) -> str:
    """The size of a difference: whole points of a share, or two digits of nats per token."""
    return f"{value:.2g}" if nats else f"{100 * value:.0f}"


def claimed(expect: str, margin: float | None, nats: bool = False) -> str:
    """What a claim predicts for a comparison, of shares or of nats per token."""
    lost = "" if margin is None else f", less than {effect(margin, nats)} {'nats per token' if nats else 'points'} lost"
    return {"less": "less", "more": "more", "kept": f"kept{lost}", "none": "described"}.get(expect, "")


def measured(measure: str, over: object) -> str:
    """What a comparison is of: a measure, of the trained arms or on average over the steps of their training (`Compare.over`)."""
    return f"{measure} over training" if over == "training" else measure


def counted(n: int, families: int | None) -> str:
    """The number of scored replies, and the number of families of their problems: `n 96 of 31 families`."""
    return f"n {n:,}" + ("" if not families else f" of {families} famil{'y' if families == 1 else 'ies'}")


def duration(seconds: float) -> str:
    """A duration for people to read."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def rate_grid(rates: Mapping[str, Any]) -> Grid:
    """A nested object of rates as a table: {context: {measure: rate}} or {name: rate}."""
    inner = [v for v in rates.values() if isinstance(v, dict)]
    columns = list(dict.fromkeys(str(k) for v in inner for k in v)) or (["rate"] if rates else [])
    rows = []
    for name, value in rates.items():
        found = value if isinstance(value, dict) else {columns[0]: value}
        rows.append([str(name), *(_shown(found.get(c)) for c in columns)])
    return Grid(columns, rows)


def _shown(value: object) -> str:
    if isinstance(value, float) or (is_number(value) and value in (0, 1)):
        return rate(float(str(value)))
    return "not measured" if value is None else compact(value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
