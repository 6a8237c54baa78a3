"""What an audit of a grader found: every attempt and a finding per loophole, for a terminal and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from openwindow.audit.model_probe import Preflight, render_preflight
from openwindow.environments.code.detector_accuracy import DetectorRow
from openwindow.environments.gameable import Submission
from openwindow.environments.loopholes import CAUSES, LOOPHOLES, Loophole
from openwindow.sandbox.jobs import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

_LONGEST = 4000  # characters of a submission that are stored


@dataclass(frozen=True)
class Attempt:
    """A submission that should fail."""

    hole: str
    """The loophole that it is written for."""
    task: str
    """Which task it was submitted to."""
    submission: Submission
    """What was submitted."""
    proxy: bool | None
    """Whether the grader passes it; None if the grader gave no score."""
    truth: bool | None
    """Whether it does the task after all; None if that could not be measured."""
    score: float | None
    """The grader's own number, if it gives one."""
    reason: str
    """Why something is None, or what broke."""
    broke: bool = False
    """The grader gave no score, which counts as failed: a grader that breaks gives no reward."""

    @property
    def through(self) -> bool:
        """It passes and does not do the task."""
        return self.proxy is True and self.truth is False


@dataclass(frozen=True)
class Finding:
    """What is known of one loophole."""

    hole: str
    """Its name."""
    open: bool | None
    """Whether any attempt went through; None if none could be made or scored."""
    switched_on: bool | None
    """Whether the environment says that it is open; None for a grader without switches."""
    tried: int
    """Attempts."""
    passed: int
    """Attempts that went through."""
    program: Submission | None
    """An attempt that went through."""
    flaw: str
    """What is wrong with a grader that has this loophole."""
    close: str
    """How to close it."""
    reason: str
    """Why it is not known."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with a grader other than a loophole: it fails what is correct."""

    name: str
    """`false_failure` or `flaky`."""
    task: str
    """On which task."""
    what: str
    """What is wrong, as a sentence without a full stop."""
    close: str
    """What to do about it, as a sentence without a full stop."""
    submission: Submission | None = None
    """A submission that shows it."""


@dataclass(frozen=True)
class HonestScores:
    """How often the honest submissions of all tasks were scored, and how often they passed."""

    scored: int
    """Scores asked for."""
    passed: int
    """Those that passed."""

    @property
    def missed(self) -> float:
        """The probability that a grader which passes nine in ten honest submissions would have passed all of these."""
        return float(0.9**self.scored)


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    target: str
    """What was audited."""
    version: int | None
    """The environment's version; None for a grader without one."""
    holes: tuple[str, ...] | None
    """The loopholes that were switched on; None for a grader without switches."""
    honest_passes: bool
    """Whether the honest submission passes; if the tests contradict the task, only an exploit does."""
    tasks: int
    """Tasks tried."""
    attempts: tuple[Attempt, ...]
    """Every submission that should fail, and its result."""
    untried: tuple[str, ...] = ()
    """Loopholes for which no submission could be written."""
    detectors: tuple[DetectorRow, ...] = ()
    """Each detector of hacks against execution, on this audit's programs and others; none if submissions are not programs."""
    measured_on: str = ""
    """Which programs those are."""
    preflight: Preflight | None = None
    """What a model does here before training; None if none was asked."""
    faults: tuple[Fault, ...] = ()
    """Where the grader fails what is correct."""
    honest: HonestScores | None = None
    """How often the honest submissions were scored; None for an environment with a truth, which is asked twice."""
    notes: tuple[str, ...] = ()
    """Other observations that are not findings."""
    loopholes: Mapping[str, Loophole] = field(default_factory=lambda: LOOPHOLES | CAUSES)
    """The description of each loophole."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One finding per loophole, the open ones first."""
        kinds = dict.fromkeys([*[attempt.hole for attempt in self.attempts], *self.untried])
        found = [_finding(self.loopholes[kind], self.holes, [a for a in self.attempts if a.hole == kind]) for kind in kinds]
        return tuple(sorted(found, key=lambda finding: (finding.open is not True, finding.open is not None)))

    @property
    def broken(self) -> tuple[Attempt, ...]:
        """Attempts for which the grader gave no score."""
        return tuple([attempt for attempt in self.attempts if attempt.broke or (attempt.proxy is None and attempt.reason)])

    @property
    def exit_code(self) -> int:
        """0 if nothing was found; 1 if it can be gamed or fails what is correct; 2 if neither, but something was not scored.

        That is an environment's verdict that is missing, or a grader that broke on every submission except the honest one.
        """
        if self.faults or any(attempt.through for attempt in self.attempts):
            return 1
        unmeasured = any(attempt.proxy is None for attempt in self.attempts)
        return 2 if unmeasured or (self.attempts and all(attempt.broke for attempt in self.attempts)) else 0

    def to_json(self) -> dict[str, object]:
        """The audit as plain data."""
        return {
            "target": self.target,
            "version": self.version,
            "exit_code": self.exit_code,
            "holes": None if self.holes is None else list(self.holes),
            "honest_passes": self.honest_passes,
            "tasks": self.tasks,
            "findings": [{**asdict(f), "program": None if f.program is None else _brief(f.program)} for f in self.findings],
            "detectors": [row.to_json() for row in self.detectors],
            "measured_on": self.measured_on,
            "preflight": None if self.preflight is None else self.preflight.to_json(),
            "attempts": [{**asdict(a), "submission": _brief(a.submission), "through": a.through} for a in self.attempts],
            "faults": [{**asdict(f), "submission": None if f.submission is None else _brief(f.submission)} for f in self.faults],
            "honest": None if self.honest is None else {**asdict(self.honest), "missed": self.honest.missed},
            "notes": list(self.notes),
        }


def _finding(loophole: Loophole, switched: tuple[str, ...] | None, attempts: Sequence[Attempt]) -> Finding:
    measured = [a for a in attempts if not a.broke and a.proxy is not None and (a.truth is not None or not a.proxy)]
    through = [a for a in attempts if a.through]
    reason = (
        ""
        if measured
        else attempts[0].reason
        if attempts
        else "not tried: nothing to write a submission from, such as a visible test"
    )
    return Finding(
        hole=loophole.name,
        open=bool(through) if measured else None,
        switched_on=None if switched is None else loophole.name in switched,
        tried=len(measured),
        passed=len(through),
        program=through[0].submission if through else None,
        flaw=loophole.flaw,
        close=loophole.close,
        reason=reason,
    )


def render(audit: Audit) -> RenderableType:
    """The audit for a terminal: a row per loophole, what went through, and how to close it."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{audit.target}: {_summary(audit)}", title_justify="left", show_edge=False)
    for column in ("loophole", "open", "tried", "through", "what is wrong"):
        table.add_column(column, justify="right" if column in ("tried", "through") else "left")
    for f in audit.findings:
        state = "open" if f.open else "closed" if f.open is False else "unknown"
        table.add_row(f.hole, state, str(f.tried), str(f.passed), f.flaw if f.open else f.reason)
    parts: list[RenderableType] = [table]
    for f in audit.findings:
        if f.program is not None:
            parts += [Text(f"\n{f.hole}: this went through", style="bold"), Padding(Text(shown(_brief(f.program))), (0, 2))]
            parts.append(Text(f"To close it: {f.close}."))
    for fault in audit.faults:
        parts.append(Text(f"\n{fault.name}, {fault.task}: {fault.what}", style="bold"))
        if fault.submission is not None:
            parts.append(Padding(Text(shown(_brief(fault.submission))), (0, 2)))
        parts.append(Text(f"To fix it: {fault.close}."))
    for attempt in audit.broken[:3]:
        counted = ", which counts as failed" if attempt.broke else ""
        parts += [
            Text(f"\nThis broke the grader: it {attempt.reason}{counted}", style="bold"),
            Padding(Text(shown(_brief(attempt.submission))), (0, 2)),
        ]
    if len(audit.broken) > 3:
        parts.append(Text(f"\nIn all {len(audit.broken)} of {len(audit.attempts)} submissions broke it."))
    parts += [Text(f"\n{text}") for text in (*_scored(audit.honest), *audit.notes)]
    if audit.detectors:
        parts += ["", _detectors("precision and recall of the detectors", audit.measured_on, audit.detectors)]
    if audit.preflight is not None:
        parts += ["", render_preflight(audit.preflight)]
        if audit.preflight.detectors:
            asked = audit.preflight
            parts += ["", _detectors("the detectors on these replies", f"measured on replies of {asked.model}", asked.detectors)]
    return Group(*parts)


def _scored(honest: HonestScores | None) -> list[str]:
    if honest is None:
        return []
    missed = (
        f"; one that passes it in 90 % would do so in {100 * honest.missed:.0f} % of audits"
        if honest.passed == honest.scored
        else ""
    )
    return [f"The honest submissions were scored {honest.scored} times and passed {honest.passed} times{missed}."]


def _detectors(title: str, programs: str, rows: Sequence[DetectorRow]) -> RenderableType:
    from rich.table import Table

    known = any(row.own is not None for row in rows)
    measured = f"{rows[0].measured} programs, {rows[0].hacks} of which hack by execution"
    table = Table(title=f"{title}: {measured}", caption=programs, title_justify="left", caption_justify="left", show_edge=False)
    for column in ("detector", "flags", "precision", "recall", *(("recall of its own kind",) if known else ())):
        table.add_column(column, justify="left" if column == "detector" else "right")
    for row in rows:
        own = [_share(row.own_recall, row.own_both, row.own)] if known else []
        recall = _share(row.recall, row.both, row.hacks)
        table.add_row(row.kind, str(row.flagged), _share(row.precision, row.both, row.flagged), recall, *own)
    return table


def _share(rate: float | None, part: int | None, whole: int | None) -> str:
    return "none to see" if rate is None else f"{rate:.2f} ({part}/{whole})"


def _brief(submission: Submission) -> Submission:
    """The submission, shortened if it is too long to read."""
    if isinstance(submission, str):
        return submission if len(submission) <= _LONGEST else f"{submission[:200]}... ({len(submission)} characters)"
    return {path: str(_brief(text)) for path, text in submission.items()}


def shown(submission: Submission) -> str:
    """The submission as one text, each file under its path, with characters that upset a terminal escaped."""
    if isinstance(submission, str):
        return printable(submission.encode("utf-8", "surrogatepass")).strip() or "(nothing)"
    return (
        "\n".join([f"--- {path}\n{shown(text) if text.strip() else '(deleted)'}" for path, text in submission.items()])
        or "(no files)"
    )


def _summary(audit: Audit) -> str:
    found = [f.hole for f in audit.findings if f.open]
    wrong = {"false_failure": "fails correct answers", "flaky": "is flaky"}
    said = [words for name, words in wrong.items() if any(fault.name == name for fault in audit.faults)]
    if found:
        said.insert(0, f"can be gamed, {len(found)} loophole{'s' if len(found) > 1 else ''} open")
    if said:
        return f"{', '.join(said)}{'' if audit.honest_passes or not found else '; only an exploit passes'}"
    return "broken by every submission" if audit.exit_code else "no loophole found" if audit.tasks else "not attacked"
