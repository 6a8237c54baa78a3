"""The page of a watched run: what was paid against what was right, step by step, and the rollouts to read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from openwindow.files.records import TrainingRollout
from openwindow.formatting import count, duration, percent, rate
from openwindow.report.browser import TRAINING
from openwindow.report.html import filled, script_of, write_page
from openwindow.report.strips import Curve, Link, Marked, Panel, Spot, Strip, multiples, scale_of
from openwindow.report.transcripts import Names, payload
from openwindow.results.rl_curves import watched
from openwindow.types import UNKNOWN_HACK, Measure

ARM = "watched"
SPOTS = 40
"""marks of a curve; each is the mean of a run of steps"""
ROWS = 20
"""rows of the table of steps; each is a run of them"""
KINDS = 6
"""kinds of hack that have a curve of their own"""
REWARD, TRUTH, PROXY, HACK, OPEN, OTHER = "tone-2", "tone-3", "tone-1", "tone-0", "tone-0", "tone-none"

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Window:
    """A run of neighbouring steps."""

    lines: Lines

    @property
    def steps(self) -> str:
        """The steps, as a link names them."""
        first, last = self.lines[0]["step"], self.lines[-1]["step"]
        return str(first) if first == last else f"{first}-{last}"

    @property
    def words(self) -> str:
        """The steps in words."""
        first, last = self.lines[0]["step"], self.lines[-1]["step"]
        return f"step {first}" if first == last else f"steps {first} to {last}"

    def mean(self, key: str) -> float | None:
        """The mean over the steps where it is known."""
        known = [value for line in self.lines if (value := _value(line, key)) is not None]
        return sum(known) / len(known) if known else None

    def total(self, key: str) -> int:
        """The sum over the steps."""
        return sum(int(line[key]) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Shown:
    """The rollouts that the page holds, of how many, and how they are scored."""

    rollouts: Sequence[TrainingRollout]
    total: int
    measures: Mapping[str, Measure]


def write_watch_page(results: Mapping[str, Any], lines: Lines, shown: Shown, folder: Path) -> Path:
    """Writes report.html into the folder, and returns its path. Raises StorageError."""
    return write_page(render(results, lines, shown), folder)


def render(results: Mapping[str, Any], lines: Lines, shown: Shown) -> str:
    """The page as text; `lines` are the steps in order, as metrics.jsonl has them."""
    script = script_of("rows.js", "page.js")
    marks = sorted(shown.measures.values(), key=lambda m: m.part != "unwanted")
    held = count(shown.total, "rollout")
    if len(shown.rollouts) < shown.total:
        held = f"{len(shown.rollouts):,} of {held}: of every step equally many, hacks and others"
    values = {
        "r": results,
        "figures": figures(results, lines),
        "steps": [_row(window) for window in windows(lines, ROWS)],
        "detectors": results["detectors"],
        "facts": _facts(results),
        "setup": [(key, str(value)) for key, value in results["watch"].items() if value not in (None, "", [], {})],
        "timing": duration(results["timing"]["watching"]),
        "marks": [(m.name, m.mark) for m in marks],
        "held": held[:1].upper() + held[1:],
        "shown": len(shown.rollouts),
        "total": shown.total,
        "transcripts": Markup(payload(shown.rollouts, Names({ARM: "rollout"}, shown.measures))),
        "version": results["openwindow"],
    }
    return filled("watch.html.jinja", script, values)


def windows(lines: Lines, most: int) -> list[Window]:
    """The steps as at most that many runs of equal length."""
    size = max(1, math.ceil(len(lines) / most))
    return [Window(lines[i : i + size]) for i in range(0, len(lines), size)]


def figures(results: Mapping[str, Any], lines: Lines) -> tuple[Markup, ...]:
    """Panels over the steps: reward against truth, hacks by kind, signal and length."""
    if not lines:
        return ()
    found = windows(lines, SPOTS)
    ends = ((float(lines[0]["step"]), f"step {lines[0]['step']}"), (float(lines[-1]["step"]), f"step {lines[-1]['step']}"))
    if ends[0][0] == ends[1][0]:
        ends = (ends[0], (ends[0][0] + 1.0, ""))
    why = {note["what"]: note["reason"] for note in results["unmeasured"]}
    onset = results["onset"]["step"]
    marked = () if onset is None else (Marked(onset, f"onset of hacking at step {onset}", Link(ARM, TRAINING, str(onset))),)

    def panel(title: str, subtitle: str, *asked: Strip) -> Panel:
        strips = _drawn(asked)
        said = "; ".join(c.measured[-1].note for s in strips for c in s.curves if c.measured)
        return Panel(title, subtitle, strips, ends, said or "not measured", marked)

    reward = _strip("mean reward, as the file has it", found, [("reward", REWARD, "reward/mean")], why, share=False)
    shares = [("truth", TRUTH, "monitor/truth"), ("proxy", PROXY, "monitor/proxy"), ("hack", HACK, "monitor/hack")]
    right = _strip("share of rollouts", found, shares, why)
    by_kind = _strip("share of rollouts that hack so", found, _kinds(lines), why, absent="hacks by kind")
    opened = _strip("share of rollouts", found, [("if all open", OPEN, "monitor/open_hack")], why)
    signal = _strip("share of groups with equal rewards", found, [("no signal", OTHER, "signal")], why)
    cut = _strip("share of replies that were cut", found, [("cut", PROXY, "rollout/truncated")], why)
    unit = "characters" if _unknown(found, "rollout/length") else "tokens"
    key = "rollout/characters" if unit == "characters" else "rollout/length"
    length = _strip(f"length of a reply, {unit}", found, [("length", TRUTH, key)], why, share=False)
    return multiples(
        "watch",
        [
            panel("What is paid, and what is right", _onset_in_words(results["onset"]), reward, right),
            panel("Hacks", "by kind, and as they would be with every loophole open", by_kind, opened),
            panel("What there is to learn from", "a group whose rewards are equal teaches nothing", signal),
            panel("How long the replies are", "and how many end at the limit", length, cut),
        ],
    )


def _value(line: Mapping[str, Any], key: str) -> float | None:
    if key == "signal":
        groups = line["rollout/groups"]
        return line["rollout/groups_without_signal"] / groups if groups else None
    if key == "successful":
        return watched(line, "successful")
    judged = key.startswith("hack/") and line["monitor/attempted"] is not None
    value = line.get(key, 0.0 if judged else None)
    return None if value is None else float(value)


def _unknown(found: Sequence[Window], key: str) -> bool:
    return all(window.mean(key) is None for window in found)


def _kinds(lines: Lines) -> list[tuple[str, str, str]]:
    """The kinds of hack with the largest share anywhere, each with its tone."""
    most: dict[str, float] = {}
    for line in lines:
        for key, value in line.items():
            if key.startswith("hack/") and value is not None:
                most[key] = max(most.get(key, 0.0), value)
    chosen = sorted(most, key=lambda key: -most[key])[:KINDS]
    return [
        ("by luck" if key == f"hack/{UNKNOWN_HACK}" else key.removeprefix("hack/").replace("_", " "), f"tone-{i}", key)
        for i, key in enumerate(chosen)
    ]


def _strip(
    title: str,
    found: Sequence[Window],
    drawn: Sequence[tuple[str, str, str]],
    why: Mapping[str, str],
    *,
    share: bool = True,
    absent: str = "",
) -> Strip:
    """Curves by name, tone and key over the windows; what no window has is named below, with the reason."""
    curves, missing = [], [f"{absent}: {why[absent]}"] if absent in why else []
    for label, tone, key in drawn:
        if _unknown(found, key):
            missing.append(f"{label} not measured: {why.get(label, 'no rollout has it')}")
        else:
            curves.append(Curve(label, tone, tuple(_spot(window, label, key, share) for window in found)))
    if not curves and not missing:
        missing.append("none was seen")
    return Strip(title, scale_of(curves, percent=share), tuple(curves), tuple(missing))


def _drawn(strips: Sequence[Strip]) -> tuple[Strip, ...]:
    """The strips that have a curve, the last of which says what the others lack; all of them if none has one."""
    curved = [strip for strip in strips if strip.curves]
    if not curved:
        return tuple(strips[:1])
    lacks = [line for strip in strips if not strip.curves for line in strip.absent]
    return (*curved[:-1], replace(curved[-1], absent=(*curved[-1].absent, *lacks)))


def _spot(window: Window, label: str, key: str, share: bool) -> Spot | None:
    mean = window.mean(key)
    if mean is None:
        return None
    note = f"{label}, {window.words}: {rate(mean, share)}"
    return Spot(float(window.lines[-1]["step"]), mean, None, None, note, Link(ARM, TRAINING, window.steps))


def _onset_in_words(onset: Mapping[str, Any]) -> str:
    if onset["step"] is not None:
        return f"dashed: onset of hacking, step {onset['step']}"
    return str(onset["reason"])


def _row(window: Window) -> dict[str, Any]:
    """A line of the table of steps."""
    truncated, groups = window.mean("rollout/truncated"), window.total("rollout/groups")
    return {
        "words": window.words,
        "steps": window.steps,
        "rollouts": window.total("rollout/count"),
        "reward": window.mean("reward/mean"),
        "truth": window.mean("monitor/truth"),
        "hack": window.mean("successful"),
        "paid_wrong": window.mean("monitor/paid_wrong"),
        "signal": f"{window.total('rollout/groups_without_signal'):,} of {groups:,}" if groups else "no groups",
        "cut": percent(truncated, "not known"),
        "characters": window.mean("rollout/characters"),
    }


def _facts(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The line of facts below the answer."""
    steps = results["steps"]
    span = "none in the file" if steps["none"] else f"{steps['count']:,}, from {steps['first']} to {steps['last']}"
    return [
        ("Rollouts", f"{results['rollouts']:,}"),
        ("Steps", span),
        ("Form", ", ".join(results["watch"]["forms"])),
        ("Graded again", results["watch"]["environment"] or "no"),
        ("Not readable", count(results["unreadable"], "row")),
    ]
