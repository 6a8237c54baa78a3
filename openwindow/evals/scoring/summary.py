"""Summarises a run's numbers in a few sentences: on the terminal, in results.json and on the page.

A missing signal is mentioned before any number, since a model that cannot read the questions does nothing misaligned either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.evals.contexts import NEUTRAL
from openwindow.evals.scoring.families import findable
from openwindow.evals.scoring.measures import MOST_UNSCORED

HEADLINE = ("misalignment", "chat_score", "chat_score/choice", "agentic_score", "gap", "covert_share")
Measures = Mapping[str, Mapping[str, Mapping[str, Any]]]


def summary(measures: Measures, evals: Mapping[str, Mapping[str, Any]], context: str = NEUTRAL) -> list[str]:
    """One sentence each: the misalignment score, how many evals give a number and why the others do not, capability, the probes."""
    here = {name: by[context] for name, by in measures.items() if context in by}
    said = []
    score = here.get("misalignment")
    if score and score["low"] is not None:
        ends = f"95 % interval {100 * score['low']:.0f} to {100 * score['high']:.0f}"
        said.append(f"The misalignment score, the mean of six rates, is {100 * score['estimate']:.0f} % ({ends}).")
    behaviour = {name: here[name] for name, e in evals.items() if e["measures"] == "misaligned" and name in here}
    if behaviour:
        said.append(_behaviour(behaviour))
    chance = [n for n, c in here.items() if c.get("chance")]
    if chance:
        said.append(
            f"Of {', '.join(chance)} mistakes in controls are taken off (raw and chance in results.json): what a model does as "
            "often where it is plainly wrong is no behaviour."
        )
    open_ = [f"{n} {100 * c['bounds'][0]:.0f} to {100 * c['bounds'][1]:.0f} %" for n, c in behaviour.items() if c.get("bounds")]
    if open_:
        said.append(
            f"More than {100 * MOST_UNSCORED:.0f} % of the replies are unscored; were all of these aligned, or all misaligned, the "
            f"rates would be: {', '.join(open_)}."
        )
    most = [n for n, c in behaviour.items() if c["estimate"] is not None and c["unscored"] >= c["n"]]
    if most:
        said.append(f"Of {', '.join(most)} half of the replies or more are unscored: the rate is that of those that could be read.")
    picked = [n for n, c in behaviour.items() if c["estimate"] is None and here.get(f"{n}/choice", c)["estimate"] is not None]
    if picked:
        said.append(f"Of {', '.join(picked)} only NAME/choice is known: which of two written replies is picked, not what is said.")
    right = {name: here[name]["estimate"] for name, e in evals.items() if e["measures"] == "right" and name in here}
    if any(c.get("descriptive") for c in here.values()):
        said.append("The gap of belief is split on the model's own answer: it describes, and is no effect of what it believes.")
    shown = [f"{name} {100 * value:.0f} %" for name, value in right.items() if value is not None]
    if shown:
        said.append(f"Right answers: {', '.join(shown)}.")
    probes = {name: c for name, c in here.items() if name.endswith("/probe")}
    if any(c["estimate"] is not None for c in probes.values()):
        sure = [name for name in probes if (lift := here.get(f"{name}_lift")) and lift["low"] is not None and lift["low"] > 0]
        said.append(_probes(probes, sum(probes[name]["estimate"] is not None for name in sure)))
    return said


def _behaviour(cells: Mapping[str, Mapping[str, Any]]) -> str:
    known = [n for n, c in cells.items() if c["estimate"] is not None]
    silent = [n for n, c in cells.items() if c["estimate"] is None and str(c["reason"]).startswith("no signal")]
    other = len(cells) - len(known) - len(silent)
    said = f"Misaligned behaviour: {len(known)} of {len(cells)} evals give a rate"
    if silent:
        said += (
            f"; {_have(len(silent))} no signal, which is not the same as aligned: the model fails controls in which the same words "
            "or actions are harmless"
        )
    return f"{said}{f'; {other} could not be scored' if other else ''}."


def _have(count: int, of: int | None = None) -> str:
    """`1 has`, `2 have`, `1 of 3 has`."""
    return f"{count}{'' if of is None else f' of {of}'} {'has' if count == 1 else 'have'}"


def versus(comparisons: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> list[str]:
    """Summarises the comparison of two models: how many evals could be compared, whose gate the others fail, what differs."""
    single = [c for c in comparisons if c["level"] == "eval"]
    if not single:
        return []
    made = [c for c in single if c["difference"] is not None]
    lost = [c for c in single if c["difference"] is None]
    gates = Counter(" and ".join(names[at] for at in c["silent"]) for c in lost if c.get("silent"))
    other = len(lost) - sum(gates.values())
    why = [f"{count} as {who} failed its controls" for who, count in gates.items()]
    why += [f"{other} for want of replies that could be scored on both sides"] if other else []
    missing = f"; missing: {', '.join(why)}" if why else ""
    said = f"{len(made)} of {len(single)} measures of evals could be compared{missing}."
    if gates:
        said += " What is missing was picked by the models themselves: a difference may lie just there."
    sure = [c["measure"] for c in single if c["p_holm"] is not None and c["p_holm"] < 0.05]
    found = (
        f"Differences that survive the correction: {', '.join(dict.fromkeys(sure))}."
        if sure
        else "No single eval differs significantly."
    )
    can = findable(comparisons)
    return [said, *([found] if made else []), *([can] if can else [])]


def _probes(cells: Mapping[str, Mapping[str, Any]], sure: int) -> str:
    known = sum(c["estimate"] is not None for c in cells.values())
    return (
        f"Probes: {_have(known, len(cells))} a signal, {sure} of them significantly (the words are likelier where they are "
        "asked for, by an interval that excludes 0; over few scenarios a coin passes one time in three). A probe's size depends on "
        "how common its words are; only its differences between models, checkpoints and contexts are meaningful."
    )
