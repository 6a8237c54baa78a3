"""Figures of what was measured along training: the loss of every stage, and what was watched in reinforcement learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from openwindow.report import charts
from openwindow.report.load import items, mapping
from openwindow.report.records import Run

RARE = 0.02  # share of a step's rollouts below which a kind of hack gets no figure of its own

_ROLLOUTS = "share of rollouts; {stage}"
_DRAWN = (
    ("train/loss", "training loss", "{stage} stage"),
    ("monitor/hack", "hack rate", _ROLLOUTS),
    ("monitor/proxy", "proxy: what is rewarded", _ROLLOUTS),
    ("monitor/truth", "truth: what is correct", _ROLLOUTS),
)
_WORDS = {"rl": "reinforcement"}


def figures(run: Run, labels: Mapping[str, str], tones: Mapping[str, str]) -> list[tuple[str, Markup]]:
    """A title and a figure for each stage and each thing measured in it, arms as curves with one thin line per seed."""
    stages = list(dict.fromkeys(row.stage or "training" for row in run.metrics))
    onsets = {labels.get(arm, arm): _onsets(run, arm) for arm in mapping(run.results, "training")}
    kinds = sorted({key for row in run.metrics for key, value in row.values.items() if key.startswith("hack/") and value > RARE})
    drawn = [*_DRAWN, *((key, f"hacks by {key.removeprefix('hack/')}", _ROLLOUTS) for key in kinds)]
    found: list[tuple[str, Markup]] = []
    for stage in stages:
        for key, title, where in drawn:
            if key == "train/loss" and stage == "rl":
                continue  # a policy gradient's loss says nothing of how well it goes
            lines = _lines(run, stage, key, labels, tones)
            if key == "monitor/hack":
                lines = [replace(line, marked=onsets.get(line.label, ())) for line in lines]
            if lines:
                said = f"{title}, {where.format(stage=_WORDS.get(stage, stage))}"
                desc = "; ".join(f"{line.label} ends at {line.mean[-1][1]:.3g}" for line in lines)
                svg = charts.line_plot(lines, ident=f"curve-{len(found)}", title=said, desc=desc, width=520.0, height=300.0)
                found.append((said, Markup(svg)))
    return found


def _lines(run: Run, stage: str, key: str, labels: Mapping[str, str], tones: Mapping[str, str]) -> list[charts.Line]:
    by_arm: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for row in run.metrics:
        none_seen = 0.0 if key.startswith("hack/") and "monitor/hack" in row.values else None
        value = row.values.get(key, none_seen)
        if (row.stage or "training") == stage and value is not None:
            by_arm.setdefault(row.arm, {}).setdefault(row.seed, []).append((row.step, value))
    lines = []
    for arm in sorted(by_arm, key=lambda a: list(labels).index(a) if a in labels else len(labels)):
        seeds = tuple(charts.thin(sorted(points)) for _, points in sorted(by_arm[arm].items()))
        lines.append(charts.Line(labels.get(arm, arm), tones.get(arm, "tone-none"), mean(seeds), seeds))
    return lines


def _onsets(run: Run, arm: str) -> tuple[tuple[float, float], ...]:
    """Where hacking set in at each seed: the step, and the rate at it."""
    noted = items(mapping(mapping(run.results, "training"), arm).get("onset"))
    steps = dict(zip([int(s) for s in items(run.results.get("seeds"))], noted, strict=False))
    return tuple(
        (row.step, row.values["monitor/hack"])
        for row in run.metrics
        if row.arm == arm and "monitor/hack" in row.values and steps.get(row.seed) == row.step
    )


def mean(curves: Sequence[Sequence[tuple[float, float]]]) -> tuple[tuple[float, float], ...]:
    """The mean over seeds at every step that any seed has."""
    at: dict[float, list[float]] = {}
    for curve in curves:
        for x, y in curve:
            at.setdefault(x, []).append(y)
    return tuple((x, sum(ys) / len(ys)) for x, ys in sorted(at.items()))
