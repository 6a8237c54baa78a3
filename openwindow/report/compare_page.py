"""The page of two runs compared: what differs, every difference with its interval, and the replies that differ, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from openwindow.formatting import compact
from openwindow.report import charts, html
from openwindow.report.readings import nats
from openwindow.report.transcripts import Names, payload
from openwindow.results.eval_transcripts import BEFORE
from openwindow.results.eval_units import START
from openwindow.results.two_runs.build import Compared

Rows = Sequence[Mapping[str, Any]]
SHOWN = 40
"""differences of evals that are unfolded; the others are on the page as well"""


def write_page(compared: Compared, folder: Path, most: int | None = None) -> Path:
    """Writes report.html into the folder and returns its path. Raises StorageError.

    The page holds the first `most` pairs of replies that differ, those whose verdicts differ first; None: all of them.
    """
    return html.write_page(render(compared, most), folder)


def render(compared: Compared, most: int | None = None) -> str:
    """The page as text."""
    found = compared.results
    pairs = compared.pairs[:most]
    arms = {arm: arm for pair in pairs for arm in (pair.a.arm,)} | {BEFORE: "the start"}
    rollouts = [*(pair.a for pair in pairs), *(pair.b for pair in pairs)]
    values = {
        "r": found,
        "version": found["openwindow"],
        "facts": _facts(found),
        "badge": _badge(found),
        "groups": _grouped(found["differs"]),
        "same": [row for row in found["same"] if row["group"] not in ("machine",)],
        "rates": _by_measure(found["rates"]),
        "contrasts": _drawn(found["contrasts"]),
        "scores": _drawn([row for row in found["scores"] if row["difference"] is not None]),
        "unscored": _reasons([row for row in found["scores"] if row["difference"] is None]),
        "evals": _drawn(sorted((row for row in found["evals"] if row["difference"] is not None), key=_by_p)),
        "silent": _reasons([row for row in found["evals"] if row["difference"] is None]),
        "most": SHOWN,
        "who": {START: "the start"},
        "marks": [(m.name, m.mark) for m in compared.measures.values()],
        "shown": len(pairs),
        "total": len(compared.pairs),
        "transcripts": Markup(payload(rollouts, Names(labels=arms, measures=compared.measures))),
    }
    script = f"{html.script_of('rows.js', 'pairs.js')}\n{html.THEME}"
    return html.filled("compare.html.jinja", script, values, filters={"nats": nats, "plain": compact})


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    shared, replies, asked = found["shared"], found["replies"], found["eval_replies"]
    facts = [("Arms that both have", str(len(shared["arms"])))] if found["arms"] is not None else []
    facts += [("Seeds", ", ".join(map(str, shared["seeds"])))] if shared["seeds"] else []
    facts += [
        (f"Pairs of {what}", f"{of['paired']:,}")
        for of, what in ((replies, "replies"), (asked, "replies to evals"))
        if of["paired"]
    ]
    facts += [("of them equal", f"{replies['equal'] + asked['equal']:,}")]
    return facts


def _badge(found: Mapping[str, Any]) -> tuple[str, str]:
    """A word for the whole, and its class."""
    if found["equal"]:
        return "equal", "supported"
    rows = [row for name in ("rates", "contrasts", "scores", "evals") for row in found[name]]
    sure = any(row["p_holm"] is not None and row["p_holm"] < 0.05 for row in rows)
    return ("different", "not-supported") if sure else ("no difference shown", "open")


def _grouped(rows: Rows) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The fields by group, in the order of the groups' first appearance."""
    order = list(dict.fromkeys(row["group"] for row in rows))
    ordered = sorted(rows, key=lambda row: order.index(row["group"]))
    return [(group, list(of)) for group, of in groupby(ordered, key=lambda row: str(row["group"]))]


def _by_measure(rows: Rows) -> list[tuple[str, str, list[tuple[Mapping[str, Any], Markup]]]]:
    """The rates by measure, wanted and unwanted ones first: the measure, its part, and each row with its difference drawn."""
    order = list(dict.fromkeys(row["measure"] for row in sorted(rows, key=lambda row: row["part"] == "other")))
    drawn = _drawn(rows)
    found = []
    for measure in order:
        own = [(row, bar) for row, bar in drawn if row["measure"] == measure]
        found.append((measure, str(own[0][0]["part"]), own))
    return found


def _drawn(rows: Rows) -> list[tuple[Mapping[str, Any], Markup]]:
    """Each difference with its bar; those in one unit share an axis."""
    reach: dict[bool, float] = {}
    for row in rows:
        ends = [abs(row[end]) for end in ("difference", "low", "high") if row[end] is not None]
        reach[in_nats(row)] = max(reach.get(in_nats(row), 0.0), *ends, 0.0)
    return [
        (
            dict(row) | {"nats": in_nats(row)},
            Markup(charts.difference_bar(row["difference"], row["low"], row["high"], reach[in_nats(row)] or 1.0)),
        )
        for row in rows
    ]


def in_nats(row: Mapping[str, Any]) -> bool:
    """Whether a difference is in nats per token, or of a probe in nats, and not of shares."""
    return str(row.get("unit", "")).startswith("nats") or row.get("level") == "probe"


def _by_p(row: Mapping[str, Any]) -> float:
    return 2.0 if row["p_holm"] is None else float(row["p_holm"])


def _reasons(rows: Rows) -> list[tuple[str, int]]:
    """Why differences could not be made, and how many each."""
    reasons = [str(row["reason"]) for row in rows]
    return [(reason, reasons.count(reason)) for reason in sorted(set(reasons), key=lambda why: -reasons.count(why))]
