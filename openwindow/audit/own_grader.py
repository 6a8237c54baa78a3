"""Audits a user's own grader: what passes that should not, what fails that should not, and what is left to chance.

First the honest and the empty submission in turn, often enough to notice a grader that fails the honest one in a tenth of its
scores. The audit ends there, with one finding, if a score depends on the one before it, or if the grader passes nonsense.
Otherwise every attack that applies follows, and other ways to write the honest submission. A submission that breaks the grader
has failed: it would earn no reward.
"""

from __future__ import annotations

import inspect
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openwindow.audit.attacks import EMPTY, ENDED, NONSENSE, Attacks, Known, own_attacks
from openwindow.audit.equivalents import Equivalent, equivalents
from openwindow.audit.findings import Attempt, Audit, Fault, HonestScores
from openwindow.audit.scorer_process import Scorer, scorer_of
from openwindow.environments.graders.adapters import Adapted
from openwindow.environments.graders.command import CommandGrader
from openwindow.environments.graders.pass_mark import PassMark, mark_of
from openwindow.environments.graders.processes import Mark
from openwindow.environments.graders.tasks import OwnGrader, Task, WithSource, WithTruth, refuse_without_honest, tasks_of
from openwindow.errors import EnvironmentFault
from openwindow.user_code import called

HONEST_SCORES = 30
"""scores of honest submissions in an audit: a grader that fails one in ten is noticed with probability 0.96"""
_LEAST = 10  # at least, however slow the grader is
_PATIENCE = 60.0  # seconds after which the honest submissions are scored no more often than that
_TURNS = 4  # how often the empty submission is scored, in turn with the honest one
_AGAIN = 2  # further scores of what went through a grader whose scores vary
_PLAIN = ("empty", "malformed", "constant")  # kinds that show what a wrong submission gets


@dataclass
class _Found:
    """What was found on one task."""

    attempts: list[Attempt] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    scored: int = 0
    passed: int = 0


@dataclass(frozen=True)
class _Asked:
    """A task and the process that scores it."""

    target: str
    number: int
    task: Task
    scorer: Scorer
    seconds: float
    has_truth: bool

    @property
    def name(self) -> str:
        return f"task {self.number}"

    def mark(self, submission: str) -> Mark:
        return self.scorer.score(self.number, submission, self.seconds)


@dataclass(frozen=True)
class _Baseline:
    """What the honest and the empty submission get, in the order in which they were scored."""

    honest: tuple[Mark, ...]
    empty: tuple[Mark, ...]

    @property
    def full(self) -> float:
        """What the honest submission gets, the median of its scores."""
        return statistics.median_high([mark.score for mark in self.honest if mark.score is not None])

    @property
    def steady(self) -> bool:
        """Whether the honest submission always got the same."""
        return len({mark.score for mark in self.honest}) == 1


def audit_grader(
    target: str, grader: OwnGrader, *, tasks: int = 2, seconds: float = 20.0, where: tuple[str, Mapping[str, Any]] | None = None
) -> Audit:
    """Audits a user's own grader on its first `tasks` tasks; each score may take `seconds`.

    `where` are the name and the options to load it by, for a grader with threads of its own, which a fork cannot copy. Raises
    UserError for a grader that cannot be audited.
    """
    chosen = tasks_of(target, grader, tasks)
    refuse_without_honest(target, chosen)
    has_truth = called(f"{target}: its attributes", isinstance, grader, WithTruth)
    scorer = scorer_of(grader, chosen, where)
    texts = _texts(target, grader, chosen[0], seconds)
    found = _Found()
    for number, task in enumerate(chosen, 1):
        others = [other.honest for other in chosen if other.prompt != task.prompt and other.honest != task.honest]
        asked = _Asked(target, number, task, scorer, seconds, has_truth)
        _on_task(asked, found, own_attacks(task, Known(texts, tuple(others))), -(-HONEST_SCORES // len(chosen)))
        if any(attempt.hole in ("state", "passes_everything") and attempt.through for attempt in found.attempts):
            break
    notes = list(dict.fromkeys(found.notes))
    if isinstance(grader, CommandGrader) and any(a.hole == "passes_everything" and a.through for a in found.attempts):
        honest_and_empty = grader.how([chosen[0].honest, EMPTY], seconds)
        notes.append(f"{honest_and_empty}, for the honest submission and the empty one.")
    tried = {attempt.hole for attempt in found.attempts}
    return Audit(
        target,
        None,
        None,
        True,
        len(chosen),
        tuple(found.attempts),
        tuple([kind for kind in dict.fromkeys(found.untried) if kind not in tried]),
        faults=tuple(found.faults),
        honest=HonestScores(found.scored, found.passed),
        notes=tuple(notes),
    )


def _on_task(asked: _Asked, found: _Found, attacks: Attacks, times: int) -> None:
    """Everything found on one task."""
    baseline = _baseline(asked, times)
    rough = mark_of(baseline.full, [])
    if state := _state(asked, baseline, rough):
        found.attempts.append(state)
        _count(asked, found, baseline, rough)
        return
    if baseline.full > 0 and (nonsense := _nonsense(asked, rough)):
        found.attempts += nonsense
        _count(asked, found, baseline, rough)
        return
    if baseline.full <= 0:
        rough = _below(asked, baseline.full, attacks)
    _count(asked, found, baseline, rough)
    found.untried += [kind for kind, submissions in attacks.items() if not submissions]
    for kind, submissions in attacks.items():
        if kind == "self_report" and any(a.hole == "exit" and a.through and a.task == asked.name for a in found.attempts):
            submissions = tuple([text for text in submissions if ENDED not in text])  # they would only repeat the exit
        found.attempts += [_attempt(asked, kind, submission, rough, baseline.steady) for submission in submissions]
    if all(attempt.broke for attempt in found.attempts):
        return  # it scores only that one submission
    for other in equivalents(asked.task):
        _fails(asked, other, rough, baseline.steady, found)


def _baseline(asked: _Asked, times: int) -> _Baseline:
    """Scores the honest submission `times` times, and the empty one in turn at first. EnvironmentFault without scores."""
    honest: list[Mark] = []
    empty: list[Mark] = []
    began = time.monotonic()
    least = min(times, -(-_LEAST * times // HONEST_SCORES))
    while len(honest) < least or (len(honest) < times and time.monotonic() - began < _PATIENCE * times / HONEST_SCORES):
        if len(empty) < _TURNS:
            empty.append(asked.mark(EMPTY))
        honest.append(asked.mark(asked.task.honest))
        if len(honest) == 2 and honest[0].score is None and honest[1].score is None:
            break
        if honest[0].reason.startswith("hung"):
            break
    scores = [mark.score for mark in honest if mark.score is not None]
    if 2 * len(scores) <= len(honest):
        reason = next(mark.reason for mark in honest if mark.score is None)
        raise EnvironmentFault(
            f"{asked.target}: on the honest submission of {asked.name} the grader {reason}: expected a number; "
            "fix the grader, then check again"
        )
    return _Baseline(tuple(honest), tuple(empty))


def _below(asked: _Asked, full: float, attacks: Attacks) -> PassMark:
    """The pass mark of a scale whose best is 0 or less. EnvironmentFault if nothing scores less than the honest submission."""
    plain = [*NONSENSE, *[text for kind in _PLAIN for text in attacks.get(kind, ())]]
    scores = [mark.score for mark in map(asked.mark, plain) if mark.score is not None]
    if not any(score < full for score in scores):
        raise EnvironmentFault(
            f"{asked.target}: the honest submission of {asked.name} got {full:g}: expected a score above 0, or above what empty "
            "and meaningless submissions get; fix the submission or the grader"
        )
    return mark_of(full, scores)


def _count(asked: _Asked, found: _Found, baseline: _Baseline, mark: PassMark) -> None:
    """Counts how often the honest submission passed, and reports if it did not always."""
    passed = sum(mark.passes(given.score) for given in baseline.honest)
    found.scored += len(baseline.honest)
    found.passed += passed
    scores = [given.score for given in baseline.honest if given.score is not None]
    if passed < len(baseline.honest):
        broke = next((f", once it {given.reason}" for given in baseline.honest if given.score is None), "")
        what = (
            f"one honest submission passed {passed} of {len(baseline.honest)} times, a rate of "
            f"{passed / len(baseline.honest):.2f}, with scores from {min(scores):g} to {max(scores):g}{broke}"
        )
        found.faults.append(
            Fault("flaky", asked.name, what, "Fix what the grader draws by chance, its time limits and its order of tests")
        )
    elif not baseline.steady:
        found.notes.append(
            f"The honest submission of {asked.name} got from {min(scores):g} to {max(scores):g}, always enough to pass."
        )


def _state(asked: _Asked, baseline: _Baseline, mark: PassMark) -> Attempt | None:
    """The empty submission, if it failed at first and passed each time after the honest one."""
    first, *later = baseline.empty
    if mark.passes(first.score) or len(later) < 2 or not all(mark.passes(given.score) for given in later):
        return None
    before = f"got {first.score:g}" if first.score is not None else first.reason
    reason = f"the empty submission {before} at first, and {later[0].score:g} each time after the honest one"
    truth, _ = _truth(asked, EMPTY)
    return Attempt("state", asked.name, EMPTY, True, truth, later[0].score, reason)


def _nonsense(asked: _Asked, mark: PassMark) -> list[Attempt]:
    """Attempts with nonsense and nothing, if the grader passes all nonsense and has no truth; otherwise none."""
    marks = {text: asked.mark(text) for text in (*NONSENSE, EMPTY)}
    if not all(mark.passes(marks[text].score) and _truth(asked, text)[0] is False for text in NONSENSE):
        return []
    return [
        Attempt(
            "passes_everything", asked.name, text, mark.passes(given.score), False, given.score, given.reason, given.score is None
        )
        for text, given in marks.items()
    ]


def _attempt(asked: _Asked, kind: str, submission: str, mark: PassMark, steady: bool) -> Attempt:
    """One submission that should fail; if scores vary, it goes through only if it does so each time."""
    given = asked.mark(submission)
    passes, reason = mark.passes(given.score), given.reason
    if passes and not steady and not all(mark.passes(asked.mark(submission).score) for _ in range(_AGAIN)):
        passes, reason = False, "passed once and not again: by chance"
    truth = False if not passes else None
    if passes:
        truth, reason = _truth(asked, submission)
    return Attempt(kind, asked.name, submission, passes, truth, given.score, reason, given.score is None)


def _fails(asked: _Asked, other: Equivalent, mark: PassMark, steady: bool, found: _Found) -> None:
    """Adds the other way to write the honest submission to the findings if the grader fails it."""
    tries = 1 if steady else 1 + _AGAIN
    marks = [asked.mark(other.submission) for _ in range(tries)]
    if any(mark.passes(given.score) for given in marks):
        return
    got = f"got {marks[0].score:g}" if marks[0].score is not None else f"broke the grader, which {marks[0].reason}"
    if other.sure:
        what = f"the honest submission {other.what} {got}"
        close = "Compare what is meant and not how it is written: parse numbers and JSON, strip space, run programs"
        found.faults.append(Fault("false_failure", asked.name, what, close, other.submission))
    else:
        found.notes.append(f"On {asked.name} the honest submission {other.what} {got}; whether that is right is yours to say.")


def _truth(asked: _Asked, submission: str) -> tuple[bool | None, str]:
    """Whether a submission that passed does the task: by the grader's own truth, otherwise by how it was written."""
    if not asked.has_truth:
        return False, ""
    mark = asked.scorer.truth(asked.number, submission, asked.seconds)
    return (None, f"its truth {mark.reason}") if mark.score is None else (mark.score != 0.0, "")


def _texts(target: str, grader: OwnGrader, task: Task, seconds: float) -> tuple[str, ...]:
    """What the grader printed for the honest submission, and its source, as far as they can be read."""
    if called(f"{target}: its attributes", isinstance, grader, WithSource):
        written = called(f"{target}: its source()", grader.source)  # type: ignore[attr-defined]
        printed = grader.printed if isinstance(grader, CommandGrader) else ""
        return (printed, written if isinstance(written, str) else "")
    makers: list[Callable[..., object] | type] = list(grader.functions) if isinstance(grader, Adapted) else [type(grader)]
    modules = [sys.modules.get(maker.__module__) for maker in makers]
    texts = [""]
    for module in dict.fromkeys(modules):
        try:
            texts.append(inspect.getsource(module) if module is not None else "")
        except (OSError, TypeError):  # made in an interpreter, or built in
            continue
    return tuple(texts)
