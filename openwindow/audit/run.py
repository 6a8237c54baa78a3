"""Audits a grader before anybody trains on it: which written hacks, empty and constant answers does it pass?

A built-in environment is tried with its truth at hand, and its honest solution is graded twice first. A user's own grader is tried
with submissions that are wrong by how they are written, or by its own truth if it has one (`own_audit.py`). Nothing is trained
and no model is needed; `preflight` asks a model.
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openwindow.audit import model_probe
from openwindow.audit.command_grader import CommandGrader
from openwindow.audit.findings import Attempt, Audit, Finding, render
from openwindow.audit.graders import OwnGrader, tasks_of
from openwindow.audit.model_probe import Asking
from openwindow.audit.own_grader import audit_grader
from openwindow.audit.scorer_process import alive, load
from openwindow.environments.code import exploits
from openwindow.environments.code.detector_accuracy import DetectorRow, detector_table, programs
from openwindow.environments.code.grading import Verdict
from openwindow.environments.gameable import Hackable, Submission
from openwindow.environments.gameables import HACKABLE
from openwindow.errors import ConfigError, DataError, EnvironmentFault, ModelError
from openwindow.models.base import Model, Precision, Sampling
from openwindow.progress import Reporter, working
from openwindow.types import Problem
from openwindow.user_code import called

if TYPE_CHECKING:
    from rich.console import Console

_ATTACKING = 3.0  # the audit, in replies written
_MEASURED = 16  # problems whose programs the detectors are measured on
_OBJECT = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")

__all__ = [
    "Asking",
    "Attempt",
    "Audit",
    "Finding",
    "asking_of",
    "audit_environment",
    "audit_grader",
    "check_env",
    "parse_levels",
    "render",
]


def check_env(
    target: str,
    *,
    wanted: Collection[str] | None = None,
    honest: Path | Sequence[Path] | None = None,
    score_file: Path | None = None,
    data: Path | None = None,
    difficulty: Collection[int] | None = None,
    tasks: int = 2,
    seconds: float = 20.0,
    asking: Asking | None = None,
    console: Console | None = None,
) -> Audit:
    """Audits a built-in environment by name, `MODULE:OBJECT`, or a command that reads a submission.

    `wanted` are the holes to leave open in a built-in environment, all for None, and `difficulty` its levels; `honest` are
    files with an honest submission each, for a command, and `score_file` is where it writes its score; `data` is where MBPP lies;
    `tasks` is how many tasks are tried; `seconds` is what a user's grader may take for one score. `asking` has a model asked as
    well, before training (`preflight`), with progress on `console`. Raises UserError for what cannot be audited.
    """
    match = _OBJECT.fullmatch(target)
    is_command = target not in HACKABLE and match is None
    files = [] if honest is None else [honest] if isinstance(honest, Path) else list(honest)
    for option, given in (("honest", files), ("score-file", score_file)):
        if given and not is_command:
            raise EnvironmentFault(f"{target!r} is no command, and --{option} is for commands: leave it out")
    if data is not None and target != "mbpp":
        raise ConfigError(f"{target!r} reads no MBPP, and --mbpp {data} came: leave it out, or name the environment mbpp")
    if target in HACKABLE:
        with HACKABLE[target](wanted, data, difficulty) as environment:
            return _audited(environment, tasks, asking, console)
    for name, switch in (("loopholes", wanted), ("difficulty", difficulty)):
        if switch is not None:
            raise EnvironmentFault(f"{target!r} has no switch for --{name}: leave it out, or name a built-in environment")
    if match:
        return _own(target, (match[1], match[2]), tasks, seconds, asking, console)
    _refuse_asking(target, asking)
    if " " in target or "/" in target or shutil.which(target):
        return audit_grader(target, CommandGrader(target, files, seconds, score_file), tasks=tasks, seconds=seconds)
    near = difflib.get_close_matches(target, HACKABLE, 1)
    raise EnvironmentFault(
        f"there is no environment {target!r}{f', did you mean {near[0]!r}?' if near else ''}: give one of "
        f"{', '.join(HACKABLE)}, MODULE:OBJECT, or a command that reads a submission"
    )


def _own(target: str, where: tuple[str, str], tasks: int, seconds: float, asking: Asking | None, console: Console | None) -> Audit:
    """The audit of an object of the user's own: an environment, or a grader."""
    before = alive()
    found = load(*where)
    if called(f"{target}: its attributes", isinstance, found, Hackable):
        environment: Hackable = found  # type: ignore[assignment]
        return called(f"{target}: the environment", _audited, environment, tasks, asking, console)
    _refuse_asking(target, asking)
    if not called(f"{target}: its attributes", isinstance, found, OwnGrader):
        raise EnvironmentFault(
            f"{target} is a {type(found).__name__}: expected an environment (openwindow.environments.gameable.Hackable), or a "
            "grader with tasks() and score() (openwindow.audit.graders.OwnGrader); openwindow.audit.adapters makes one of "
            "what other libraries have"
        )
    grader: OwnGrader = found  # type: ignore[assignment]
    tasks_of(target, grader, tasks)
    return audit_grader(target, grader, tasks=tasks, seconds=seconds, where=where if alive() > before else None)


def _refuse_asking(target: str, asking: Asking | None) -> None:
    if asking is not None:
        raise EnvironmentFault(
            f"{target!r} with --model: asking a model takes an environment that knows the truth "
            "(openwindow.environments.gameable.Hackable): name one, or leave --model out"
        )


def parse_levels(text: str | None) -> tuple[int, ...] | None:
    """What stands after `--difficulty`: whole numbers with commas. Raises ConfigError."""
    if text is None:
        return None
    try:
        return tuple([int(part) for part in text.split(",")])
    except ValueError:
        raise ConfigError(f"--difficulty is {text!r}; expected whole numbers with commas; give for example 1,2") from None


def asking_of(
    model: str | None,
    *,
    problems: int | None = None,
    samples: int | None = None,
    tokens: int | None = None,
    precision: Precision = "auto",
    device: str = "auto",
) -> Asking | None:
    """What to ask of the model; None where none is named. Raises ConfigError for what has no effect without one."""
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


def _audited(environment: Hackable, tasks: int, asking: Asking | None, console: Console | None) -> Audit:
    """The audit of an environment, and where a model is to be asked, what it does. A bad model is refused before all else."""
    if asking is None:
        with working(console, f"attacking {environment.name}"):
            return audit_environment(environment, tasks=tasks)
    environment.problems("train", asking.problems, 0)  # refused here where there are fewer
    with working(console, f"loading {asking.model}"):
        model = load_model(asking.model, asking.precision, asking.device)
    reporter = None if console is None else Reporter(console, model_probe.work(asking, environment) + _ATTACKING)
    sampling = Sampling(max_new_tokens=asking.max_new_tokens, temperature=1.0)
    with reporter or nullcontext():
        with reporter.step(f"attacking {environment.name}", _ATTACKING) if reporter else nullcontext():
            audit = audit_environment(environment, tasks=tasks)
        found = model_probe.preflight(
            environment, model, problems=asking.problems, samples=asking.samples, sampling=sampling, reporter=reporter
        )
    return replace(audit, preflight=found)


def load_model(name: str, precision: Precision = "auto", device: str = "auto") -> Model:
    """The model of that name. Raises ModelError."""
    try:
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(
            f'{error.name} is not installed, which a local model needs: pip install "openwindow[train]", or leave --model out'
        ) from error
    return load(name, precision, device, keep_adapter=True)


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


def _attacks_on(environment: Hackable, problem: Problem) -> dict[str, list[Submission]]:
    """The environment's own written hacks first, then whatever else fits."""
    attacks: dict[str, list[Submission]] = {kind: [hack] for kind, hack in environment.hacks(problem).items()}
    if not isinstance(environment.honest(problem), str):
        return {**attacks, "empty": [{}]}
    others: dict[str, tuple[str, ...]] = {"constant": ("0", "yes"), "malformed": exploits.MALFORMED, "empty": ("",)}
    if problem.entry_point:
        others = exploits.code_hacks(problem.entry_point, problem.visible)
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
