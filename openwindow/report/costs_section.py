"""What asking models cost, as a table of a page: by role, model and eval, with the prices and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwindow.files.model_costs import Use, dollars
from openwindow.files.records import Record, Some, Text, object_of, objects_of
from openwindow.files.run_files import finite
from openwindow.formatting import compact, duration


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table; `money` is the dollars, or why they are not known."""

    use: Use
    what: str
    money: str
    known: bool

    @property
    def cached(self) -> int:
        """Tokens of prompts that a cache held or took."""
        return self.use.input_tokens_cache_read + self.use.input_tokens_cache_write


@dataclass(frozen=True, slots=True)
class Costs:
    """The section of a page."""

    lines: list[Line]
    totals: list[Line]
    dollars: str | None
    reason: str
    seconds: str
    prices: list[tuple[str, str]]


class _Priced(Record):
    file: Text = ""
    """The user's file."""
    source: Some = None
    """Where the price is stated."""
    date: Some = None
    """When it was."""


def costs_view(costs: Mapping[str, Any]) -> Costs | None:
    """The section from the key `costs` of results.json; None where no model was asked."""
    rows, totals = ([Use.model_validate(row) for row in objects_of(costs.get(name))] for name in ("rows", "totals"))
    if not rows:
        return None
    total, seconds = finite(costs.get("dollars")), finite(costs.get("seconds"))
    prices = [(str(model), _price(object_of(price))) for model, price in object_of(costs.get("prices")).items()]
    return Costs(
        [_line(use) for use in rows],
        [_line(use) for use in totals],
        None if total is None else dollars(total),
        str(costs.get("reason") or "no reason recorded"),
        duration(seconds) if seconds else "",
        prices,
    )


def _line(use: Use) -> Line:
    known = use.dollars is not None
    what = use.eval or "replies to the study's problems"
    return Line(use, what, dollars(use.dollars) if use.dollars is not None else use.reason or "no reason recorded", known)


def _price(price: Mapping[str, Any]) -> str:
    about = _Priced.model_validate(price)
    amounts = ", ".join(f"{name.replace('_', ' ')} {compact(price[name])}" for name in _AMOUNTS if name in price)
    stated = ", ".join(part for part in (about.source or "", about.date or "") if part) or "no source or date is given"
    return f"{amounts} dollars per million tokens; {stated} ({about.file})"


_AMOUNTS = ("input", "output", "input_cache_read", "input_cache_write")
