"""Hacking and what else is learnt, over the steps of a training: a panel per arm, with the onset of hacking marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openwindow.formatting import rate
from openwindow.report.browser import TRAINING
from openwindow.report.readings import (
    READOUTS,
    START,
    UNITS,
    Figure,
    Reading,
    Readout,
    Stop,
    absences,
    curve_of,
    fine_curves,
    readings,
    suites,
)
from openwindow.report.strips import Curve, Link, Marked, Panel, Spot, Strip, multiples, scale_of
from openwindow.results.load import items, mapping, number, text
from openwindow.results.records import Json, Metric
from openwindow.results.rl_curves import watched

SPOTS = 32
"""marks of the hack rate in a panel; each is the mean of a run of steps"""
APART = 0.02
"""how far the rate with every loophole open must be from the hack rate, anywhere, to be drawn"""
HACK = "tone-0"


@dataclass(frozen=True, slots=True)
class _Window:
    """A rate over the steps from `first` to `last`: the mean over seeds, and each seed's."""

    first: int
    last: int
    mean: float
    seeds: Sequence[float]

    @property
    def steps(self) -> str:
        """The steps, as a link names them."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def words(self) -> str:
        """The steps in words."""
        return f"step {self.first}" if self.first == self.last else f"steps {self.first} to {self.last}"

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The lowest and the highest seed; None of a single one."""
        return (min(self.seeds), max(self.seeds)) if len(self.seeds) > 1 else (None, None)

    @property
    def interval(self) -> str:
        """The same in words."""
        low, high = self.ends
        return "" if low is None else f"{rate(low)} to {rate(high)}"


def timeline(results: Json, metrics: Sequence[Metric], found: Json, labels: Mapping[str, str]) -> Figure | None:
    """A panel per arm that was trained by RL and asked the evals; None if there is none."""
    training = mapping(results, "training")
    arms = [arm for arm in labels if mapping(training, arm) and mapping(mapping(found, "arms"), arm)]
    drawn = {arm: _stops(results, found, arm) for arm in arms}
    asked = suites(found)
    if not arms:
        return None
    hacks = {arm: _hack_curves(metrics, arm, labels[arm]) for arm in arms}
    curves: dict[str, dict[Readout, list[Curve]]] = {}
    for arm, stops in drawn.items():
        scored = {r: [curve_of(found, stops, score, r) for score in asked] for r in READOUTS}
        fine = [curve for score in asked for curve in fine_curves(found, stops, score)]
        curves[arm] = {"behaviour": [*hacks[arm], *scored["behaviour"], *fine], "probe": scored["probe"]}
    last = max(float(number(mapping(training, arm), "steps") or 0) for arm in arms)
    scales = {r: scale_of([c for of in curves.values() for c in of[r]], percent=r == "behaviour") for r in READOUTS}
    panels, table = [], []
    for arm in arms:
        strips = tuple(
            Strip(
                f"{UNITS[r]}, or of rollouts" if r == "behaviour" else UNITS[r],
                scales[r],
                tuple(curves[arm][r]),
                absences(found, drawn[arm], asked, r),
            )
            for r in READOUTS
            if r == "behaviour" or asked
        )
        ends = ((0.0, "step 0"), (last, f"step {last:.0f}"))
        said = "; ".join(c.measured[-1].note for s in strips for c in s.curves if c.measured and not c.fine)
        begun = _begun(mapping(training, arm), labels)
        panels.append(Panel(labels[arm], begun, strips, ends, said, _onsets(results, arm, labels[arm])))
        table += [
            Reading(labels[arm], w.words, "hack rate", rate(w.mean), w.interval, None, "")
            for w in _windows(metrics, arm, "successful")
        ]
        table += [line for r in READOUTS for line in readings(found, labels[arm], drawn[arm], asked, r)]
    return Figure(multiples("timeline", panels), tuple(table))


def _stops(results: Json, found: Json, arm: str) -> list[Stop]:
    """Where the arm began, the steps at which it was asked, and its end."""
    training = mapping(mapping(results, "training"), arm)
    last = int(number(training, "steps") or 0)
    steps = sorted({int(s) for part in ("steps", "step_scores") for s in mapping(mapping(found, part), arm) if s.isdecimal()})
    return [
        _begin(results, training, arm),
        *(Stop(s, arm, s, f"step {s}") for s in steps if s != last),
        Stop(last, arm, None, f"step {last}, the end"),
    ]


def _begin(results: Json, training: Json, arm: str) -> Stop:
    """The model that the arm's training began from: the start, another arm at its end, or another arm after a step."""
    match items(training.get("forked")):
        case [str(other), int(step)]:
            return Stop(step, other, step, f"step {step}, where it was forked")
    follows = text(mapping(mapping(results, "arms"), arm), "follows")
    return Stop(0, follows, None, f"step 0, the end of {follows}") if follows else Stop(0, START, None, "step 0, the start")


def _begun(training: Json, labels: Mapping[str, str]) -> str:
    """What the panel says of hacking: its onset at each seed."""
    match items(training.get("forked")):
        case [str(other), int(step)]:
            return f"forked from {labels.get(other, other)} after step {step}"
    onsets = items(training.get("onset"))
    if all(step is None for step in onsets):
        return "hacking never above 2 %"
    return f"onset by seed: step {', '.join('never' if step is None else str(step) for step in onsets)}"


def _onsets(results: Json, arm: str, label: str) -> tuple[Marked, ...]:
    training = mapping(mapping(results, "training"), arm)
    pairs = zip(items(results.get("seeds")), items(training.get("onset")), strict=False)
    return tuple(
        Marked(step, f"{label}, seed {seed}: onset of hacking at step {step}", Link(arm, TRAINING, str(step), str(seed)))
        for seed, step in pairs
        if isinstance(step, int)
    )


def _hack_curves(metrics: Sequence[Metric], arm: str, label: str) -> list[Curve]:
    """The hack rate with a band from the lowest to the highest seed and, where it differs, the rate with every loophole open."""
    hack = Curve("hack rate", HACK, _spots(_windows(metrics, arm, "successful"), arm, f"{label}, hack rate"))
    opened = Curve("if all open", HACK, _spots(_windows(metrics, arm, "open_hack"), arm, label), dashed=True)
    known = {s.x: s.y for s in hack.measured}
    apart = any(abs(s.y - known.get(s.x, s.y)) > APART for s in opened.measured)
    return [hack, opened] if apart else [hack]


def _windows(metrics: Sequence[Metric], arm: str, name: str) -> list[_Window]:
    """A rate that is watched in training, over runs of steps of equal length: means over the steps, then over seeds."""
    by_seed: dict[int, dict[int, float]] = {}
    for row in metrics:
        if row.arm == arm and "monitor/hack" in row.values and (value := watched(row.values, name)) is not None:
            by_seed.setdefault(row.seed, {})[int(row.step)] = value
    steps = sorted({step for of in by_seed.values() for step in of})
    size = max(1, math.ceil(len(steps) / SPOTS))
    found = []
    for within in (steps[i : i + size] for i in range(0, len(steps), size)):
        seeds = [sum(known) / len(known) for of in by_seed.values() if (known := [of[s] for s in within if s in of])]
        found.append(_Window(within[0], within[-1], sum(seeds) / len(seeds), seeds))
    return found


def _spots(windows: Sequence[_Window], arm: str, who: str) -> tuple[Spot, ...]:
    return tuple(
        Spot(
            w.last,
            w.mean,
            *w.ends,
            f"{who}, {w.words}: {rate(w.mean)}{f', seeds {w.interval}' if w.interval else ''}",
            Link(arm, TRAINING, w.steps),
        )
        for w in windows
    )
