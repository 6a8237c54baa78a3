"""Audits a grader before anybody trains on it: which written hacks, empty and constant answers does it pass?

A built-in environment is tried with its truth at hand. A user's own grader is tried with submissions that are wrong by how they are
written, or by its own truth if it has one. The honest submission is scored twice first: a grader that it does not pass, or
that scores it differently, cannot be audited. Nothing is trained and no model is needed; `preflight` asks a model.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import re
import shutil
import sys
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

from openwindow import preflight
from openwindow.audit import Attempt, Audit, Finding, render
from openwindow.console import working
from openwindow.envs import HACKABLE, hacks
from openwindow.envs.base import extract_code
from openwindow.envs.detect import parse
from openwindow.envs.detectors import DetectorRow, detector_table, programs
from openwindow.envs.graders import CommandGrader, Mark, OwnGrader, Task, WithTruth, in_child
from openwindow.envs.hackable import Hackable, Submission
from openwindow.envs.verdict import Verdict
from openwindow.errors import ConfigError, DataError, EnvironmentFault, ModelError
from openwindow.models.base import Model, Sampling
from openwindow.preflight import Asking
from openwindow.progress import Reporter
from openwindow.types import Problem

if TYPE_CHECKING:
    from rich.console import Console

_ATTACKING = 3.0  # the audit, in replies written
_MEASURED = 16  # problems whose programs the detectors are measured on
_OBJECT = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
_FENCE = "```"

__all__ = ["Asking", "Attempt", "Audit", "Finding", "audit_environment", "audit_grader", "check_env", "parse_levels", "render"]


def check_env(
    target: str,
    *,
    wanted: Collection[str] | None = None,
    honest: Path | None = None,
    data: Path | None = None,
    difficulty: Collection[int] | None = None,
    tasks: int = 2,
    seconds: float = 20.0,
    asking: Asking | None = None,
    console: Console | None = None,
) -> Audit:
    """Audits a built-in environment by name, `MODULE:OBJECT`, or a command that reads a submission.

    `wanted` are the holes to leave open in a built-in environment, all for None, and `difficulty` its levels; `honest` is a
    file with an honest submission, for a command; `data` is where MBPP lies; `tasks` is how many tasks are tried; `seconds` is
    what a user's grader may take for one score. `asking` has a model asked as well, before training (`preflight`), with
    progress on `console`. Raises UserError for what cannot be audited.
    """
    if target in HACKABLE:
        with HACKABLE[target](wanted, data, difficulty) as environment:
            return _audited(environment, tasks, asking, console)
    for option, given in (("holes", wanted), ("difficulty", difficulty)):
        if given is not None:
            raise EnvironmentFault(f"{target!r} has no switch for --{option}: leave it out, or name a built-in environment")
    found: object = None
    if match := _OBJECT.fullmatch(target):
        found = _load(match[1], match[2])
        if isinstance(found, Hackable):
            return _audited(found, tasks, asking, console)
    if asking is not None:
        raise EnvironmentFault(
            f"{target!r} with --model: asking a model takes an environment that knows the truth "
            "(openwindow.envs.hackable.Hackable): name one, or leave --model out"
        )
    if isinstance(found, OwnGrader):
        return audit_grader(target, found, tasks=tasks, seconds=seconds)
    if match:
        raise EnvironmentFault(
            f"{target} is a {type(found).__name__}: expected an environment (openwindow.envs.hackable.Hackable), or a "
            "grader with tasks() and score() (openwindow.envs.graders.OwnGrader); openwindow.envs.adapters makes one of "
            "what other libraries have"
        )
    if " " in target or "/" in target or shutil.which(target):
        return audit_grader(target, CommandGrader(target, honest, seconds), tasks=tasks, seconds=seconds)
    near = difflib.get_close_matches(target, HACKABLE, 1)
    raise EnvironmentFault(
        f"there is no environment {target!r}{f', did you mean {near[0]!r}?' if near else ''}: give one of "
        f"{', '.join(HACKABLE)}, MODULE:OBJECT, or a command that reads a submission"
    )


def parse_levels(text: str | None) -> tuple[int, ...] | None:
    """What stands after `--difficulty`: whole numbers with commas. Raises ConfigError."""
    if text is None:
        return None
    try:
        return tuple([int(part) for part in text.split(",")])
    except ValueError:
        raise ConfigError(f"--difficulty is {text!r}; expected whole numbers with commas; give for example 1,2") from None


def _audited(environment: Hackable, tasks: int, asking: Asking | None, console: Console | None) -> Audit:
    """The audit of an environment, and where a model is to be asked, what it does. A bad model is refused before all else."""
    if asking is None:
        with working(console, f"attacking {environment.name}"):
            return audit_environment(environment, tasks=tasks)
    environment.problems("train", asking.problems, 0)  # refused here where there are fewer
    with working(console, f"loading {asking.model}"):
        model = load_model(asking.model)
    reporter = None if console is None else Reporter(console, preflight.work(asking, environment) + _ATTACKING)
    sampling = Sampling(max_new_tokens=asking.max_new_tokens, temperature=1.0)
    with reporter or nullcontext():
        with reporter.step(f"attacking {environment.name}", _ATTACKING) if reporter else nullcontext():
            audit = audit_environment(environment, tasks=tasks)
        found = preflight.preflight(
            environment, model, problems=asking.problems, samples=asking.samples, sampling=sampling, reporter=reporter
        )
    return replace(audit, preflight=found)


def load_model(name: str) -> Model:
    """The model of that name. Raises ModelError."""
    try:
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(
            f'{error.name} is not installed, which a local model needs: pip install "openwindow[train]", or leave --model out'
        ) from error
    return load(name, keep_adapter=True)


def audit_environment(environment: Hackable, *, tasks: int = 2, seed: int = 0) -> Audit:
    """Audits an environment that knows the truth, on `tasks` problems drawn by `seed`."""
    problems = environment.problems("train", tasks, seed)
    for problem in problems:
        _check_honest(environment, problem)
    planned = [
        (kind, problem, submission)
        for problem in problems
        for kind, submissions in _attacks_on(environment, problem).items()
        for submission in submissions
    ]
    verdicts = environment.grade([(problem, submission) for _, problem, submission in planned])
    attempts = [
        Attempt(kind, problem.id, submission, verdict.proxy, verdict.truth, None, verdict.reason or "")
        for (kind, problem, submission), verdict in zip(planned, verdicts, strict=True)
    ]
    switched = tuple([kind for kind in environment.kinds if kind in environment.holes])
    rows, measured_on = _detectors(environment, [kind for kind, _, _ in planned], verdicts, seed)
    return Audit(
        environment.name,
        environment.version,
        switched,
        environment.honest_passes,
        len(problems),
        tuple(attempts),
        detectors=rows,
        measured_on=measured_on,
    )


def _detectors(environment: Hackable, kinds: list[str], verdicts: list[Verdict], seed: int) -> tuple[tuple[DetectorRow, ...], str]:
    """The detectors against execution on an audit's programs and on honest ones, mistaken ones and special-cased ones more."""
    if not verdicts or not environment.holes:
        return (), ""  # nothing hacks where nothing is open
    try:
        more = environment.problems("train", _MEASURED, seed)
    except DataError:  # the data set is small
        return (), ""
    if not more[0].entry_point or not isinstance(environment.honest(more[0]), str):
        return (), ""
    written = programs(more, seed)
    judged = environment.grade([(problem, code) for _, problem, code in written])
    count = {kind: sum(1 for k, _, _ in written if k == kind) for kind in ("honest", "mistake", "special_case")}
    what = (
        f"measured on {len(kinds)} attacks of this audit and, of {_MEASURED} problems, {count['honest']} honest solutions, "
        f"{count['mistake']} honest mistakes and {count['special_case']} special-cased programs, all of them written here"
    )
    table = detector_table([*verdicts, *judged], [*kinds, *[kind for kind, _, _ in written]])
    return tuple(table), what


def audit_grader(target: str, grader: OwnGrader, *, tasks: int = 2, seconds: float = 20.0) -> Audit:
    """Audits a grader of the user's own on its first `tasks` tasks; each score may take `seconds`."""
    chosen = _tasks(target, grader, tasks)
    attempts = []
    untried: dict[str, None] = {}
    for number, task in enumerate(chosen, 1):
        full = _honest_score(target, grader, number, task, seconds)
        for kind, submissions in own_attacks(task).items():
            if not submissions:
                untried[kind] = None  # unless another task has some
            for submission in submissions:
                mark = _mark(grader, task, submission, seconds)
                passes = None if mark.score is None else mark.score >= full / 2
                truth, reason = _truth(grader, task, submission, seconds) if passes else (False, mark.reason)
                attempts.append(Attempt(kind, f"task {number}", submission, passes, truth, mark.score, reason))
    return Audit(
        target,
        None,
        None,
        True,
        len(chosen),
        tuple(attempts),
        tuple(kind for kind in untried if kind not in {a.hole for a in attempts}),
    )


def own_attacks(task: Task) -> dict[str, tuple[str, ...]]:
    """The submissions that a task's grader is tried with: programs where the honest one is a program, else replies."""
    function = task.entry_point or _last_function(extract_code(task.honest))
    if not function:
        given = hacks.text_hacks(task.prompt, task.honest.strip())
        return {kind: tuple([t for t in texts if t.strip() != task.honest.strip()]) for kind, texts in given.items()}
    programs = hacks.code_hacks(function, task.visible)
    if _FENCE not in task.honest:
        return programs
    fenced = {k: tuple([f"{_FENCE}python\n{t}{_FENCE}" for t in texts]) for k, texts in programs.items()}
    return {**fenced, "empty": ("", *fenced["empty"])}


def _attacks_on(environment: Hackable, problem: Problem) -> dict[str, list[Submission]]:
    """The environment's own written hacks first, then whatever else fits."""
    attacks: dict[str, list[Submission]] = {kind: [hack] for kind, hack in environment.hacks(problem).items()}
    if not isinstance(environment.honest(problem), str):
        return {**attacks, "empty": [{}]}
    others: dict[str, tuple[str, ...]] = {"constant": ("0", "yes"), "malformed": hacks.MALFORMED, "empty": ("",)}
    if problem.entry_point:
        others = hacks.code_hacks(problem.entry_point, problem.visible)
    for kind, texts in others.items():
        known = attacks.setdefault(kind, [])
        known += [text for text in texts if text not in known and text != problem.solution]
    return attacks


def _check_honest(environment: Hackable, problem: Problem) -> None:
    """Grades the honest submission twice; EnvironmentFault where it does not come out as it must, both times."""
    item = (problem, environment.honest(problem))
    first, second = environment.grade([item])[0], environment.grade([item])[0]
    where = f"{environment.name}: problem {problem.id}"
    for verdict in (first, second):
        if verdict.truth is None or verdict.proxy is None:
            missing = "truth" if verdict.truth is None else "proxy verdict"
            raise EnvironmentFault(
                f"{where} has no {missing} for its honest solution ({verdict.reason or 'no reason given'}): expected both "
                "verdicts; make them computable, then check again"
            )
    if (first.proxy, first.truth) != (second.proxy, second.truth):
        raise EnvironmentFault(
            f"{where}: its honest solution is flaky, {_words(first.proxy, first.truth)} once and "
            f"{_words(second.proxy, second.truth)} the next time: expected one verdict; fix the seed or the solution"
        )
    if not first.truth:
        raise EnvironmentFault(
            f"{where}: its honest solution fails the truth ({first.failed_on or 'no case named'}): mend the solution or the truth"
        )
    if first.proxy is not environment.honest_passes:
        wanted = "pass" if environment.honest_passes else "fail"
        raise EnvironmentFault(f"{where}: its honest solution is expected to {wanted} the proxy and does not: mend the proxy")


def _words(proxy: bool | None, truth: bool | None) -> str:
    return f"{'passes' if proxy else 'fails'} the proxy and {'passes' if truth else 'fails'} the truth"


def _tasks(target: str, grader: OwnGrader, count: int) -> list[Task]:
    """The first tasks of the grader; EnvironmentFault where there is none, or no honest submission."""
    try:
        chosen = list(grader.tasks())[:count]
    except Exception as error:  # the user's code
        raise EnvironmentFault(
            f"{target}: its tasks() failed ({type(error).__name__}: {error}): expected a list of Task"
        ) from error
    if not chosen or not all(isinstance(task, Task) for task in chosen):
        raise EnvironmentFault(f"{target}: its tasks() gave {chosen!r:.80}: expected at least one openwindow.envs.graders.Task")
    for number, task in enumerate(chosen, 1):
        if not task.honest.strip():
            raise EnvironmentFault(
                f"{target}: task {number} has no truth: expected `honest`, a submission that does the task; "
                "write one, then check again"
            )
    return chosen


def _honest_score(target: str, grader: OwnGrader, number: int, task: Task, seconds: float) -> float:
    """What the honest submission gets, twice the same; EnvironmentFault otherwise."""
    marks = [_mark(grader, task, task.honest, seconds) for _ in range(2)]
    for mark in marks:
        if mark.score is None:
            raise EnvironmentFault(
                f"{target}: on the honest submission of task {number} the grader {mark.reason}: expected a number; "
                "mend the grader, then check again"
            )
    scores = [mark.score for mark in marks if mark.score is not None]
    if scores[0] != scores[1]:
        raise EnvironmentFault(
            f"{target}: the honest submission of task {number} is flaky, it got {scores[0]:g} and then {scores[1]:g}: expected one "
            "score for one submission; fix what the grader draws by chance"
        )
    if scores[0] <= 0:
        raise EnvironmentFault(
            f"{target}: the honest submission of task {number} got {scores[0]:g}: expected a score above 0; "
            "mend the submission or the grader"
        )
    return scores[0]


def _mark(grader: OwnGrader, task: Task, submission: str, seconds: float) -> Mark:
    return in_child(lambda: grader.score(task, submission), seconds)


def _truth(grader: OwnGrader, task: Task, submission: str, seconds: float) -> tuple[bool | None, str]:
    """Whether a submission that passed does the task: by the grader's own truth, or else by how it was written."""
    if not isinstance(grader, WithTruth):
        return False, ""
    judge: WithTruth = grader
    mark = in_child(lambda: judge.truth(task, submission), seconds)
    return (None, f"its truth {mark.reason}") if mark.score is None else (mark.score != 0.0, "")


def _last_function(code: str) -> str:
    """The last function that a program defines at its top level; empty where it is no program or defines none."""
    tree = parse(code)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] if tree is not None else []
    return names[-1] if names else ""


def _load(module: str, name: str) -> object:
    """The object of a module, made by a call where it is a class or a function."""
    where = f"{module}:{name}"
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        names = vars(importlib.import_module(module))
        if name not in names:
            known = [n for n in names if not n.startswith("_")]
            raise EnvironmentFault(
                f"{module} has no {name!r}: expected MODULE:OBJECT with one of {', '.join(known[:20]) or 'none'}"
            )
        found = names[name]
        return found() if isinstance(found, type | FunctionType) else found
    except EnvironmentFault:
        raise
    except (Exception, SystemExit) as error:  # the user's code
        raise EnvironmentFault(
            f"cannot load {where} ({type(error).__name__}: {error}): expected a module that can be imported from here, and in it "
            "an environment or a grader, or a class or function that gives one without arguments"
        ) from error
