"""Finds out in which form a user's object holds a grader, and makes tasks with scores of it and of her data.

    def reward(completions, solution, **columns)         a TRL reward function, or a list of them; with a data file
    def compute_score(data_source, solution_str, ...)    verl's; with verl's data file
    a verifiers task set or environment, an Inspect task  with tasks of their own
    an object with tasks() and score()                    `OwnGrader`, which the adapters make as well
    cmd:COMMAND                                           a command that reads a reply; with a data file

A class or a function without arguments is called once, and what it gives is looked at instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, Literal, cast

from openwindow.environments.base import EnvironmentConfig
from openwindow.environments.graders.adapters import (
    TRL_PASSES,
    Truth,
    parameters_of,
    required,
    trl_reward,
    verl_places,
    verl_reward,
)
from openwindow.environments.graders.command import CommandOnRows
from openwindow.environments.graders.libraries import NOT_RUN, environment_of_turns, inspect_task, verifiers_taskset
from openwindow.environments.graders.rows import Row, read_rows
from openwindow.environments.graders.tasks import OwnGrader
from openwindow.environments.user_file import named_object
from openwindow.errors import ConfigError, DataError, EnvironmentFault
from openwindow.user_code import called

Form = Literal["environment", "grader", "trl", "verl", "verifiers", "inspect"]
COMMAND = "cmd:"
"""what a command's name begins with"""
EXPECTED = (
    "expected an environment (a class with problems() and grade()), an object with tasks() and score(), a reward function of TRL "
    "(completions, ...) or verl (data_source, solution_str, ground_truth), a verifiers task set, or an Inspect task"
)
_OWN = frozenset({"problems", "conversation", "grade", "loopholes", "verdicts"})
"""members of which an environment has at least one, even if it lacks others"""


class GraderConfig(EnvironmentConfig):
    """The options of a grader of the user's own; `data` and the columns are for functions and commands, which have no tasks."""

    data: str | None = None
    """The prompts, with the columns that the grader reads: JSONL, JSON, Parquet, a folder or a hub data set."""
    prompt_column: str | None = None
    """The column of the prompts. None: `prompt`."""
    clean_column: str | None = None
    """A column (for a task set: a field) with a reply that does the task. None: `solution` (TRL) or `answer` (verl), if present."""
    answer_column: str | None = None
    """A column (a field) with a reply that earns the reward without doing the task."""
    truth: str | None = None
    """FILE.py:FUNCTION: `truth(row, reply)` is True for a reply that does the task. None: no truth."""
    pass_mark: float | None = None
    """The score from which a reply has passed. None: half of what the reply that does the task gets, or else 0.5."""


def form_of(thing: object) -> Form | None:
    """The form of an object as it stands; None if it is none of them."""
    members = _members(thing)
    if {"tasks", "score"} <= members:
        return None if isinstance(thing, type) else "grader"
    if _OWN & members:
        return "environment"
    modules = {kind.__module__.partition(".")[0] for kind in (thing if isinstance(thing, type) else type(thing)).__mro__}
    if not isinstance(thing, type):
        if "verifiers" in modules and ("load" in members or "taskset" in members):
            return "verifiers"
        if "inspect_ai" in modules and {"dataset", "scorer"} <= members:
            return "inspect"
        if isinstance(thing, list | tuple) and thing and all(form_of(one) == "trl" for one in thing):
            return "trl"
        if callable(thing):
            taken = parameters_of(thing)
            if "solution_str" in taken:
                return "verl"
            anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
            return "trl" if set(taken) & {*TRL_PASSES} or anything else None
    return None


def resolved(named: str, thing: object) -> object:
    """The object itself, or what a class or a function without arguments gives. Raises EnvironmentFault, ForeignError."""
    if form_of(thing) is None and isinstance(thing, type | FunctionType) and not required(thing):
        thing = _made(named, thing)
    if form_of(thing) is None:
        raise EnvironmentFault(f"{named} is {_kind(thing)}: {EXPECTED}; name one, or adapt it (openwindow.audit.adapters)")
    return thing


def _kind(thing: object) -> str:
    name = thing.__name__ if isinstance(thing, type | FunctionType) else type(thing).__name__
    kind = "the class" if isinstance(thing, type) else "the function" if isinstance(thing, FunctionType) else "a"
    return f"{kind} {name}" + (f"({', '.join(parameters_of(thing))})" if isinstance(thing, FunctionType) else "")


@functools.lru_cache(maxsize=64)
def _made(named: str, thing: Callable[[], object]) -> object:
    """What a call gives, made once."""
    return called(f"{named}: making one", thing)


def _members(thing: object) -> frozenset[str]:
    return frozenset(called("its attributes", dir, thing))


def grader_of(named: str, thing: object, config: GraderConfig, seconds: float) -> OwnGrader:
    """Tasks with scores, of a resolved object that is no environment, or of a command (None). Raises UserError.

    `seconds` is what a command may take per score.
    """
    if named.startswith(COMMAND):
        return _of_command(named, config, seconds)
    form = form_of(thing)
    if form in ("trl", "verl"):
        rows, truth = _rows_of(named, config), _truth_of(config)
        try:
            return _of_function(form, cast(Callable[..., Any], thing), rows, config, truth)
        except DataError as error:
            raise DataError(f"{config.data}: {error}") from None
    given = dict(config)
    if form in ("verifiers", "inspect"):
        _refuse(named, config, ("data", "prompt_column"), "tasks of its own")
        flawed, truth = config.answer_column, _truth_of(config)
        if form == "inspect":
            return called(named, lambda: inspect_task(thing, config.clean_column or "target", flawed=flawed, truth=truth))
        if (runs := environment_of_turns(thing)) is not None:
            raise EnvironmentFault(f"{named} is {runs}, {NOT_RUN}")
        tasks = cast(Any, thing).taskset if "taskset" in _members(thing) else thing
        return called(named, lambda: verifiers_taskset(cast(Iterable[Any], tasks), config.clean_column, flawed=flawed, truth=truth))
    _refuse(named, config, [name for name in given if name != "pass_mark"], "tasks and replies of its own")
    return cast(OwnGrader, thing)


def _of_function(
    form: str | None, function: Callable[..., Any], rows: list[Row], config: GraderConfig, truth: Truth | None
) -> OwnGrader:
    clean, flawed = config.clean_column, config.answer_column
    if form == "verl":
        _refuse(function.__name__, config, ("prompt_column",), "verl's own column for prompts")
        honest = clean or ("answer" if any("answer" in place for place in verl_places(rows[0])) else None)
        return verl_reward(function, rows, honest=honest, flawed=flawed, truth=truth)
    honest = clean or ("solution" if "solution" in rows[0] else None)
    return trl_reward(function, rows, honest=honest, flawed=flawed, prompt=config.prompt_column or "prompt", truth=truth)


def _of_command(named: str, config: GraderConfig, seconds: float) -> OwnGrader:
    rows, truth = _rows_of(named, config), _truth_of(config)
    columns = (config.prompt_column or "prompt", config.clean_column, config.answer_column)
    try:
        return CommandOnRows.over(named.removeprefix(COMMAND), rows, columns, seconds, truth)
    except DataError as error:
        raise DataError(f"{config.data}: {error}") from None


def _rows_of(named: str, config: GraderConfig) -> list[Row]:
    if config.data is None:
        raise ConfigError(
            f"{named} scores replies and has no prompts; expected a data file with a prompt in each row, and the columns that it "
            "reads; give --data FILE"
        )
    return read_rows(config.data)


def _refuse(named: str, config: GraderConfig, names: Any, has: str) -> None:
    given = [name for name in names if dict(config)[name] is not None]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigError(f"{named} has {has}, and {options} would change nothing; expected it to be left out; drop it")


def _truth_of(config: GraderConfig) -> Truth | None:
    """The user's function that knows whether a reply does the task. Raises UserError."""
    if config.truth is None:
        return None
    found, _ = named_object(config.truth)
    if not callable(found) or isinstance(found, type):
        raise ConfigError(
            f"--truth {config.truth} is {_kind(found)}; expected a function truth(row, reply) of True or False; fix it"
        )
    wanted = required(found)
    if len(wanted) != 2:
        raise ConfigError(
            f"--truth {config.truth} takes {', '.join(wanted) or 'nothing'}; expected two arguments, the row and the reply; fix it"
        )
    return cast(Callable[[Mapping[str, Any], str], object], found)
