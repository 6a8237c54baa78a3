"""Audits a grader before anyone trains on it: which written hacks, empty and constant answers does it pass?

A built-in environment is tried with its truth at hand, and its honest solution is graded twice first. A user's own grader is tried
with submissions that are wrong by construction, or by its own truth if it has one (`own_grader.py`). Nothing is trained, and no
model is needed; `model_probe.py` asks a model.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.audit import model_probe
from openwindow.audit.findings import Attempt, Audit, Finding, render
from openwindow.audit.model_probe import Asking
from openwindow.audit.own_grader import audit_grader
from openwindow.audit.scorer_process import alive
from openwindow.environments import ENVIRONMENTS, find, user
from openwindow.environments.code import exploits
from openwindow.environments.code.detector_accuracy import DetectorRow, detector_table, programs
from openwindow.environments.gameable import Gameable, Submission
from openwindow.environments.graders.command import CommandGrader
from openwindow.environments.graders.environment import GraderEnvironment
from openwindow.environments.graders.forms import COMMAND
from openwindow.environments.graders.tasks import tasks_of
from openwindow.environments.loopholes import LOOPHOLES
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, DataError, EnvironmentFault, ModelError
from openwindow.models.base import Model, Precision, Sampling
from openwindow.progress import Reporter, working
from openwindow.types import Problem

if TYPE_CHECKING:
    from rich.console import Console

_MEASURED = 16  # problems whose programs the detectors are measured on
_NOT_ATTACKED = (
    "No attack was tried: that takes a reply that does the task, to compare with. Name its column with --clean-column to have the "
    "grader attacked."
)

__all__ = [
    "Asking",
    "Attempt",
    "Audit",
    "Finding",
    "asking_of",
    "audit_environment",
    "audit_grader",
    "check_env",
    "render",
]


def check_env(
    target: str,
    *,
    wanted: Collection[str] | None = None,
    honest: Path | Sequence[Path] | None = None,
    score_file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    tasks: int = 2,
    seconds: float = 20.0,
    asking: Asking | None = None,
    console: Console | None = None,
) -> Audit:
    """Audits a built-in environment, `FILE.py:OBJECT`, `MODULE:OBJECT`, or a command that reads a submission (`cmd:COMMAND`).

    `wanted` are the loopholes to leave open in an environment (None: all), and `options` its options by name, as in a study;
    `honest` are files with an honest submission each, for a command, and `score_file` is where it writes its score; `tasks` is how
    many tasks are tried; `seconds` is what a user's grader may take per score. With `asking` a model is asked as well, before
    training (`model_probe`), with progress on `console`. The options of a reward function or a command are those of
    `environments/graders/forms.GraderConfig`, such as `data`. Raises UserError for what cannot be audited.
    """
    named, files = dict(options or {}), [] if honest is None else [honest] if isinstance(honest, Path) else list(honest)
    command = target.removeprefix(COMMAND)
    if target in ENVIRONMENTS or (user.is_users(target) and command == target):
        for option, given in (("honest", files), ("score-file", score_file)):
            if given:
                raise EnvironmentFault(f"{target!r} is no command, and --{option} is for commands: leave it out")
        if target in ENVIRONMENTS:
            return _opened(find.gameable(target, named), wanted, tasks, asking, console)
        return _own(target, wanted, named, tasks, seconds, asking, console)
    if command == target and not (" " in command or "/" in command or shutil.which(command)):
        near = difflib.get_close_matches(target, find.gameable_names(), 1)
        raise EnvironmentFault(
            f"unknown environment {target!r}{f', did you mean {near[0]!r}?' if near else ''}: give one of "
            f"{', '.join(find.gameable_names())}, FILE.py:OBJECT, MODULE:OBJECT, or cmd:COMMAND, which reads a submission"
        )
    if "data" in named:
        if files or score_file:
            raise EnvironmentFault(
                f"--data names the prompts of {target!r}, and --honest and --score-file are for one task: drop them"
            )
        return _own(f"{COMMAND}{command}", wanted, named, tasks, seconds, asking, console)
    _refuse_switches(target, wanted, named)
    if asking is not None:
        raise EnvironmentFault(
            f"{target!r} with --model: a command has no prompts to ask: name a file of them, --data FILE, or leave --model out"
        )
    return audit_grader(command, CommandGrader(command, files, seconds, score_file), tasks=tasks, seconds=seconds)


def _opened(
    environment: Gameable, wanted: Collection[str] | None, tasks: int, asking: Asking | None, console: Console | None
) -> Audit:
    """Audits an environment with these loopholes open, or as it is for None."""
    if not isinstance(environment, user.UserGameable):  # whose check would report what the audit is to find
        environment.check()
    view = environment if wanted is None else environment.with_loopholes(wanted)
    with environment:
        return _audited(view, lambda: audit_environment(view, tasks=tasks), asking, console)


def _own(
    target: str,
    wanted: Collection[str] | None,
    options: Mapping[str, Any],
    tasks: int,
    seconds: float,
    asking: Asking | None,
    console: Console | None,
) -> Audit:
    """Audits an object of the user's own, or a command on a data file: an environment or a grader."""
    before = alive()
    thing = user.found(target)
    environment = user.made(target, thing, find.configured_as(target, user.config_of(thing), options), seconds)
    if isinstance(environment, user.UserGameable):
        return _opened(environment, wanted, tasks, asking, console)
    if not isinstance(environment, GraderEnvironment):
        raise EnvironmentFault(
            f"{target} is an environment without loopholes, which says itself how replies are scored: expected one with loopholes "
            "(openwindow.environments.gameable.Gameable) or a grader; name one"
        )
    _refuse_switches(target, wanted, {})
    grader = environment.grader
    chosen = tasks_of(target, grader, tasks)
    where = (target, options) if alive() > before else None

    def audit() -> Audit:
        if asking is None or all(task.honest.strip() for task in chosen):
            return audit_grader(target.removeprefix(COMMAND), grader, tasks=tasks, seconds=seconds, where=where)
        return Audit(target, None, None, True, 0, (), notes=(_NOT_ATTACKED,))

    return audit() if asking is None else _audited(environment, audit, asking, console)


def _refuse_switches(target: str, wanted: Collection[str] | None, options: Mapping[str, Any]) -> None:
    if wanted is not None:
        raise EnvironmentFault(f"{target!r} has no switch for --loopholes: leave it out, or name an environment with loopholes")
    _refuse_options(target, options)


def _refuse_options(target: str, options: Mapping[str, Any]) -> None:
    if options:
        names = ", ".join(options)
        raise EnvironmentFault(f"{target!r} has no option {names}: leave it out, or name an environment that has it")


def asking_of(
    model: str | None,
    *,
    problems: int | None = None,
    samples: int | None = None,
    tokens: int | None = None,
    precision: Precision = "auto",
    device: str = "auto",
) -> Asking | None:
    """What to ask the model; None if none is named. Raises ConfigError for options that have no effect without one."""
    given = {"problems": problems, "samples": samples, "max_new_tokens": tokens}
    if model is not None:
        numbers = {name: number for name, number in given.items() if number is not None}
        return Asking(model, **numbers, precision=precision, device=device)
    words = {"precision": precision, "device": device}
    for name, value in {**given, **{name: None if word == "auto" else word for name, word in words.items()}}.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} is {value} and no model is asked; expected --model with it; name one, or drop {option}")
    return None


def _audited(environment: Gameable, audit: Callable[[], Audit], asking: Asking | None, console: Console | None) -> Audit:
    """Audits an environment and, if a model is to be asked, probes it. A bad model is refused before anything else."""
    if asking is None:
        with working(console, f"attacking {environment.name}"):
            return audit()
    if isinstance(environment, GraderEnvironment):
        environment.check()
    environment.problems("train", asking.problems, 0)  # refused here if there are fewer
    with working(console, f"loading {asking.model}"):
        model = load_model(asking.model, asking.precision, asking.device)
    reporter = None if console is None else Reporter(console)
    sampling = Sampling(max_new_tokens=asking.max_new_tokens, temperature=1.0)
    with reporter or nullcontext():
        with reporter.step(f"attacking {environment.name}", 1) if reporter else nullcontext():
            found_open = audit()
        found = model_probe.preflight(
            environment, model, problems=asking.problems, samples=asking.samples, sampling=sampling, reporter=reporter
        )
    return replace(found_open, preflight=found)


def load_model(name: str, precision: Precision = "auto", device: str = "auto") -> Model:
    """The model of that name. Raises ModelError."""
    try:
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(
            f'{error.name} is not installed, which a local model needs: pip install "openwindow[train]", or leave --model out'
        ) from error
    return load(name, precision, device, keep_adapter=True)


def audit_environment(environment: Gameable, *, tasks: int = 2, seed: int = 0) -> Audit:
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
    verdicts = environment.verdicts([(problem, submission) for _, problem, submission in planned])
    attempts = [
        Attempt(kind, problem.id, submission, verdict.proxy, verdict.truth, None, verdict.reason or "")
        for (kind, problem, submission), verdict in zip(planned, verdicts, strict=True)
    ]
    switched = tuple([name for name in environment.loopholes if name in environment.open_loopholes])
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
        loopholes=LOOPHOLES | dict(environment.loopholes),
    )


def _detectors(environment: Gameable, kinds: list[str], verdicts: list[Verdict], seed: int) -> tuple[tuple[DetectorRow, ...], str]:
    """The detectors against execution, on an audit's programs and further honest, mistaken and special-cased ones."""
    if not verdicts or not environment.open_loopholes:
        return (), ""  # nothing hacks if nothing is open
    try:
        more = environment.problems("train", _MEASURED, seed)
    except DataError:  # the data set is small
        return (), ""
    if not more[0].entry_point or not isinstance(environment.honest(more[0]), str):
        return (), ""
    written = programs(more, seed)
    judged = environment.verdicts([(problem, code) for _, problem, code in written])
    count = {kind: sum(1 for k, _, _ in written if k == kind) for kind in ("honest", "mistake", "special_case")}
    what = (
        f"measured on {len(kinds)} attacks of this audit and, of {_MEASURED} problems, {count['honest']} honest solutions, "
        f"{count['mistake']} honest mistakes and {count['special_case']} special-cased programs, all of them written here"
    )
    table = detector_table([*verdicts, *judged], [*kinds, *[kind for kind, _, _ in written]])
    return tuple(table), what


def _attacks_on(environment: Gameable, problem: Problem) -> dict[str, list[Submission]]:
    """The environment's own exploits first, then whatever else applies."""
    attacks: dict[str, list[Submission]] = {kind: [hack] for kind, hack in environment.exploits(problem).items()}
    if not isinstance(environment.honest(problem), str):
        return {**attacks, "empty": [{}]}
    others: dict[str, tuple[str, ...]] = {"constant": ("0", "yes"), "malformed": exploits.MALFORMED, "empty": ("",)}
    if problem.entry_point:
        others = exploits.code_hacks(problem.entry_point, problem.visible)
    for kind, texts in others.items():
        known = attacks.setdefault(kind, [])
        known += [text for text in texts if text not in known and text != problem.solution]
    return attacks


def _check_honest(environment: Gameable, problem: Problem) -> None:
    """Grades the honest submission twice; EnvironmentFault if it does not come out as it must both times."""
    item = (problem, environment.honest(problem))
    first, second = environment.verdicts([item])[0], environment.verdicts([item])[0]
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
            f"{where}: its honest solution fails the truth ({first.failed_on or 'no case named'}): fix the solution or the truth"
        )
    if first.proxy is not environment.honest_passes:
        wanted = "pass" if environment.honest_passes else "fail"
        raise EnvironmentFault(f"{where}: its honest solution is expected to {wanted} the proxy and does not: fix the proxy")


def _words(proxy: bool | None, truth: bool | None) -> str:
    return f"{'passes' if proxy else 'fails'} the proxy and {'passes' if truth else 'fails'} the truth"
