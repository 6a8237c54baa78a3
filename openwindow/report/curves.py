"""Figures of quantities measured during training: the loss of every stage, and what RL monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from openwindow.report import charts
from openwindow.results.load import items, mapping
from openwindow.results.records import Run
from openwindow.results.rl_curves import watched
from openwindow.types import UNKNOWN_HACK

RARE = 0.02  # share of a step's rollouts below which a kind of hack gets no figure of its own

_ROLLOUTS = "share of rollouts; {stage}"
_DRAWN = (
    ("train/loss", "training loss", "{stage} stage"),
    ("monitor/successful", "hack rate", _ROLLOUTS),
    ("monitor/open_hack", "hacks if every loophole were open", _ROLLOUTS),
    ("monitor/proxy", "proxy: what is rewarded", _ROLLOUTS),
    ("monitor/truth", "truth: what is correct", _ROLLOUTS),
)
_BESIDES = (
    ("monitor/attempted", "attempted: the source shows a hack", _ROLLOUTS),
    ("train/entropy", "entropy", "nats per token; {stage}"),
    ("train/kl", "KL to the start", "nats per token; {stage}"),
    ("rollout/length", "length of a reply", "tokens; {stage}"),
)
_WORDS = {"rl": "RL"}


def figures(run: Run, labels: Mapping[str, str], tones: Mapping[str, str]) -> list[tuple[str, Markup]]:
    """A title and a figure for each stage and each quantity measured in it; arms are curves, with one thin line per seed."""
    seen = sorted({key for row in run.metrics for key, value in row.values.items() if key.startswith("hack/") and value > RARE})
    kinds = [(key, _kind(key.removeprefix("hack/")), _ROLLOUTS) for key in seen]
    return _figures(run, (*_DRAWN, *kinds), labels, tones, ident="curve", height=300.0)


def besides(run: Run, labels: Mapping[str, str], tones: Mapping[str, str]) -> list[tuple[str, Markup]]:
    """The same, smaller, for the other quantities that RL monitors: attempts, entropy, KL and length."""
    return _figures(run, _BESIDES, labels, tones, ident="beside", height=220.0)


def _figures(
    run: Run,
    drawn: Sequence[tuple[str, str, str]],
    labels: Mapping[str, str],
    tones: Mapping[str, str],
    *,
    ident: str,
    height: float,
) -> list[tuple[str, Markup]]:
    onsets = {labels.get(arm, arm): _onsets(run, arm) for arm in mapping(run.results, "training")}
    found: list[tuple[str, Markup]] = []
    for stage in dict.fromkeys(row.stage or "training" for row in run.metrics):
        for key, title, where in drawn:
            if key == "train/loss" and stage == "rl":
                continue  # a policy gradient's loss says nothing about progress
            lines = _lines(run, stage, key, labels, tones)
            if key == "monitor/successful":
                lines = [replace(line, marked=onsets.get(line.label, ())) for line in lines]
            if lines:
                said = f"{title}, {where.format(stage=_WORDS.get(stage, stage))}"
                desc = "; ".join(f"{line.label} ends at {line.mean[-1][1]:.3g}" for line in lines)
                svg = charts.line_plot(
                    lines, ident=charts.identifier(ident, len(found)), title=said, desc=desc, width=520.0, height=height
                )
                found.append((said, Markup(svg)))
    return found


def _kind(name: str) -> str:
    return "passes by luck: wrong, no hack seen" if name == UNKNOWN_HACK else f"hacks by {name}"


def _lines(run: Run, stage: str, key: str, labels: Mapping[str, str], tones: Mapping[str, str]) -> list[charts.Line]:
    by_arm: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for row in run.metrics:
        value = _value(row.values, key)
        if (row.stage or "training") == stage and value is not None:
            by_arm.setdefault(row.arm, {}).setdefault(row.seed, []).append((row.step, value))
    lines = []
    for arm in sorted(by_arm, key=lambda a: list(labels).index(a) if a in labels else len(labels)):
        seeds = tuple(charts.thin(sorted(points)) for _, points in sorted(by_arm[arm].items()))
        lines.append(charts.Line(labels.get(arm, arm), tones.get(arm, "tone-none"), mean(seeds), seeds))
    return lines


def _value(values: Mapping[str, float], key: str) -> float | None:
    """A step's value under `key`; a kind of hack that did not occur among scored rollouts is 0."""
    if key == "monitor/successful":
        return watched(values, "successful")
    return values.get(key, 0.0 if key.startswith("hack/") and "monitor/hack" in values else None)


def _onsets(run: Run, arm: str) -> tuple[tuple[float, float], ...]:
    """Hacking's onset at each seed: the step, and the rate at that step."""
    noted = items(mapping(mapping(run.results, "training"), arm).get("onset"))
    steps = dict(zip([int(s) for s in items(run.results.get("seeds"))], noted, strict=False))
    return tuple(
        (row.step, rate)
        for row in run.metrics
        if row.arm == arm and steps.get(row.seed) == row.step and (rate := watched(row.values, "successful")) is not None
    )


def mean(curves: Sequence[Sequence[tuple[float, float]]]) -> tuple[tuple[float, float], ...]:
    """The mean over seeds at every step that any seed has."""
    at: dict[float, list[float]] = {}
    for curve in curves:
        for x, y in curve:
            at.setdefault(x, []).append(y)
    return tuple((x, sum(ys) / len(ys)) for x, ys in sorted(at.items()))
