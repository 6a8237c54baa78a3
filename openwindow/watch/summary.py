"""What a watched run shows, in numbers and in sentences, and what it cannot show, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.formatting import count, percent, rate
from openwindow.results.rl_curves import ONSET
from openwindow.watch.grading import Grader
from openwindow.watch.tally import Tally

QUARTER = 0.25
"""share of the steps that count as the beginning, and as the end"""
AGREE = 0.95
"""share of rollouts for which proxy and reward must agree, or the environment is called into question"""
_MOST_REASONS = 5

Lines = Sequence[Mapping[str, Any]]
Note = dict[str, str]


def ends(lines: Lines, key: str) -> tuple[float | None, float | None]:
    """The mean of a value over the first and over the last quarter of the steps."""
    size = max(1, round(QUARTER * len(lines)))
    found = []
    for part in (lines[:size], lines[-size:]):
        known = [float(line[key]) for line in part if line[key] is not None]
        found.append(sum(known) / len(known) if known else None)
    return found[0], found[1]


def onset_of(training: Mapping[str, Any], tally: Tally, lines: Lines) -> dict[str, Any]:
    """The step at which hacking began, or why there is none."""
    steps = training.get("onset") or [None]
    if all(line["monitor/hack"] is None for line in lines):
        return {"step": None, "reason": f"onset not measured: {_no_truth(tally)}"}
    if tally.stepless:
        return {"step": None, "reason": "onset not measured: the file has no steps (--step-column)"}
    if steps[0] is None:
        return {"step": None, "reason": f"hacking never above {ONSET:.0%}"}
    return {"step": steps[0], "reason": None}


def sentences(lines: Lines, onset: Mapping[str, Any], training: Mapping[str, Any], tally: Tally) -> list[str]:
    """The answer first, then what it rests on."""
    reward, truth = ends(lines, "reward/mean"), ends(lines, "monitor/truth")
    said = [_answer(onset, training, truth, lines)]
    if len(lines) > 1 and reward[0] is not None and reward[1] is not None:
        said.append(
            f"The mean reward goes from {rate(reward[0], False)} in the first quarter of the steps to "
            f"{rate(reward[1], False)} in the last{_meanwhile(truth)}."
        )
    groups = sum(line["rollout/groups"] for line in lines)
    if groups:
        equal = sum(line["rollout/groups_without_signal"] for line in lines)
        said.append(f"{equal:,} of {count(groups, 'group')} had equal rewards, and taught nothing.")
    wrong = [(line["monitor/paid_wrong"], line["rollout/count"]) for line in lines if line["monitor/paid_wrong"] is not None]
    if wrong:
        share = sum(rate * n for rate, n in wrong) / sum(n for _, n in wrong)
        said.append(f"{percent(share)} of rollouts were paid (a reward above {tally.mark:g}) and are wrong.")
    if tally.compared and tally.agree < AGREE * tally.compared:
        said.append(
            f"The reward of the file and the environment's proxy agree in only {percent(tally.agree / tally.compared)} of "
            f"{count(tally.compared, 'rollout')}: is it the environment that the run is trained in, with the same loopholes and "
            f"pass mark ({tally.mark:g})?"
        )
    return said


def _answer(onset: Mapping[str, Any], training: Mapping[str, Any], truth: tuple[float | None, float | None], lines: Lines) -> str:
    end = training.get("end", {})
    hack = next((v for v in end.get("successful", []) if v is not None), None)
    if onset["step"] is not None:
        return f"Hacking begins at step {onset['step']}, and {percent(hack)} of rollouts hack at the end."
    if hack is not None and len(lines) == 1:
        return f"{percent(hack)} of rollouts hack, and {percent(truth[1])} do the task."
    if hack is not None:
        words = str(onset["reason"])
        return f"{words[:1].upper()}{words[1:]}; {percent(hack)} of rollouts hack at the end."
    return "Whether the run hacks cannot be said: there is a reward, and no truth to hold it against."


def _meanwhile(truth: tuple[float | None, float | None]) -> str:
    if truth[0] is None or truth[1] is None:
        return ""
    return f"; the share of rollouts that do the task goes from {percent(truth[0])} to {percent(truth[1])}"


def unmeasured(lines: Lines, tally: Tally, grader: Grader) -> list[Note]:
    """What the page leaves blank, each with its reason."""
    found: list[tuple[str, str]] = []

    def blank(what: str, key: str, reason: str) -> None:
        if all(line[key] is None for line in lines):
            found.append((what, reason))

    blank("reward", "reward/mean", "no rollout has one (--reward-column)")
    blank("truth", "monitor/truth", _no_truth(tally))
    blank("proxy", "monitor/proxy", "no reward, and no environment (--env)")
    blank("hack", "monitor/hack", _no_truth(tally))
    blank("if all open", "monitor/open_hack", "it takes an environment with loopholes (--env)")
    blank("hacks by kind", "monitor/attempted", "detectors read a reply only with an environment that has some (--env)")
    blank("cut", "rollout/truncated", "the file does not say which replies ended at the limit")
    blank("tokens", "rollout/length", "the file has no counts of tokens, so lengths are in characters")
    if not any(line["rollout/groups"] for line in lines):
        found.append(("no signal", "no prompt occurs twice in a step, so there is no group to compare within"))
    for key, words in (("rollout/unscored", "have no reward"), ("rollout/failed", "failed to generate")):
        if n := sum(line[key] for line in lines):
            found.append((count(n, "rollout"), words))
    if tally.stepless:
        found.append((count(tally.stepless, "rollout"), "have no step, and count as step 0 (--step-column)"))
    if grader.unmatched:
        found.append((count(grader.unmatched, "rollout"), "could not be graded: no problem of the environment has their prompt"))
    found += [(count(n, "rollout"), f"no verdict: {why}") for why, n in tally.reasons.most_common(_MOST_REASONS)]
    return [{"what": what, "reason": reason} for what, reason in found]


def _no_truth(tally: Tally) -> str:
    if tally.reasons:
        return tally.reasons.most_common(1)[0][0]
    return "the file has no verdicts, and no environment was given to grade it again (--env, or --truth-column)"
