"""What a comparison of two runs found, in a few sentences: are they equal, what differs, and what could have been found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.scoring.families import LEVEL, findable
from openwindow.formatting import count, effect, signed
from openwindow.results.two_runs import matching

Record = Mapping[str, Any]
SAID = 3
"""differences that are named"""


def in_words(found: Record) -> list[str]:
    """The sentences; the first is the answer."""
    lines = [_equal(found)] if found["equal"] else [_rates(found["rates"])] if found["rates"] else []
    if not found["equal"]:
        lines += _replies(found["replies"])
        lines += _of_evals(found["evals"], found["scores"])
        lines += _contrasts(found["contrasts"])
        lines += _unexplained(found)
    lines += _detectable(found)
    lines += _grader(found["replies"], "replies") + _grader(found["eval_replies"], "replies to evals")
    lines += matching.in_words(found["arms"]) if found["arms"] is not None else []
    if found["copied"]:
        lines.append("Both were started by one command at one time: one folder is a copy of the other, and no repeat.")
    for name in ("a", "b"):
        if found[name]["unfinished"]:
            lines.append(f"{name.upper()} is not finished ({found[name]['unfinished']}); what it has so far is compared.")
    return lines


def _equal(found: Record) -> str:
    parts = []
    if found["replies"]["paired"]:
        parts.append(f"all {found['replies']['paired']:,} replies that both have, with their verdicts")
    if found["eval_rows"]["paired"]:
        parts.append(f"{found['eval_rows']['paired']:,} rows of evals")
    if found["training"] and found["training"]["steps"]:
        parts.append(f"what {count(found['training']['steps'], 'step')} of training recorded")
    return f"The two runs are equal in what they share: {'; '.join(parts)}."


def _unexplained(found: Record) -> list[str]:
    """Runs of the same study, seeds, model and code are repeats, which are equal unless something is not deterministic."""
    if any(row["group"] in ("study", "model", "seeds", "code", "grader", "evals") for row in found["differs"]):
        return []
    return [
        "Neither study nor model, seeds or code differ, and yet the replies or the training do: something is not deterministic, "
        "such as another machine or number of threads."
    ]


def _rates(rows: Sequence[Record]) -> str:
    weighed = [row for row in rows if row["part"] != "other"] or rows
    known = [row for row in weighed if row["p_holm"] is not None]
    sure = sorted((row for row in known if row["p_holm"] < LEVEL), key=lambda row: -abs(row["difference"]))
    if not known:
        return "No rate could be compared."
    if not sure:
        return f"No rate differs significantly: none of {len(known)} differences survives the correction."
    named = "; ".join(_rate(row) for row in sure[:SAID])
    more = f"; and {len(sure) - SAID} more" if len(sure) > SAID else ""
    verb = "differs" if len(sure) == 1 else "differ"
    return f"{len(sure)} of {len(known)} rates {verb} after the correction, B minus A: {named}{more}."


def _rate(row: Record) -> str:
    ends = f"{points(row['low'])} to {points(row['high'])}"
    return f"{row['measure']} of `{row['arm']}` under {row['context']} {points(row['difference'])} points ({ends})"


def points(value: float) -> str:
    """A difference of shares in whole points, with its sign."""
    return signed(f"{round(100 * value) + 0.0:+.0f}")


def nats(value: float) -> str:
    """A difference of log-probabilities, with its sign."""
    return signed(f"{round(value, 2) + 0.0:+.2f}")


def _replies(found: Record) -> list[str]:
    if not found["paired"]:
        return []
    verdicts = found["other_verdict"] + found["same_reply_other_verdict"]
    return [
        f"Of {found['paired']:,} pairs of replies {found['equal']:,} are equal, {found['other_reply']:,} differ in wording alone, "
        f"and {verdicts:,} in a verdict."
    ]


def _grader(found: Record, what: str) -> list[str]:
    if not found["same_reply_other_verdict"]:
        return []
    return [f"{found['same_reply_other_verdict']:,} of the {what} are the same and judged otherwise: the graders differ."]


def _of_evals(evals: Sequence[Record], scores: Sequence[Record]) -> list[str]:
    lines = []
    for rows, what, name in ((scores, "scores of evals", _score), (evals, "measures of evals", _measure)):
        known = [row for row in rows if row["p_holm"] is not None]
        sure = sorted((row for row in known if row["p_holm"] < LEVEL), key=lambda row: row["p_holm"])
        if known:
            said = ", ".join(name(row) for row in sure[:SAID]) + (f", and {len(sure) - SAID} more" if len(sure) > SAID else "")
            lines.append(f"{len(sure)} of {len(known)} {what} differ after the correction{f': {said}' if sure else ''}.")
    return lines


def _score(row: Record) -> str:
    size = nats(row["difference"]) + " nats" if row["readout"] == "probe" else f"{points(row['difference'])} points"
    return f"{row['score']} ({row['readout']}) of `{row['arm']}` {size}"


def _measure(row: Record) -> str:
    size = nats(row["difference"]) + " nats" if row["level"] == "probe" else f"{points(row['difference'])} points"
    return f"{row['measure']} of `{row['arm']}` {size}"


def _contrasts(rows: Sequence[Record]) -> list[str]:
    known = [row for row in rows if row["p_holm"] is not None]
    sure = [row for row in known if row["p_holm"] < LEVEL]
    if not known:
        return []
    said = "; ".join(f"{row['measure']}, `{row['arm']}` against `{row['against']}`" for row in sure[:SAID])
    return [f"Of {count(len(known), 'contrast')} between arms {len(sure)} differ between the runs{f': {said}' if sure else ''}."]


def _detectable(found: Record) -> list[str]:
    """The smallest effects that could have been found."""
    sizes = sorted(row["detectable"] for row in found["rates"] if row["detectable"] is not None)
    lines = []
    if sizes:
        ends = effect(sizes[0]) if effect(sizes[0]) == effect(sizes[-1]) else f"{effect(sizes[0])} to {effect(sizes[-1])}"
        lines.append(f"A difference of {ends} points between two rates would have been found in 80 % of such comparisons.")
    elif any(row["difference"] is not None for row in found["rates"]):
        lines.append("Not even a difference of 100 points between two rates would have been found in 80 % of such comparisons.")
    can = findable(found["evals"])
    return [*lines, *([f"Of evals: {can[0].lower()}{can[1:]}"] if can else [])]
