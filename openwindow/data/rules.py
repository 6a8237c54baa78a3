"""How the trait is told from an answer: a regular expression or a function of the user's own.

rule("(?i)you are right", "--rule")        # a regular expression, searched for in the answer
rule("checks.py:praises", "--rule")        # a function in a file: str -> bool
rule("mypackage.checks:praises", "--rule") # a function in a module
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from openwindow.errors import ConfigError
from openwindow.types import Message

_OBJECT = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*):([A-Za-z_]\w*)")
_JUDGED = re.compile(r"judge=(\S+) trait=(.+)", re.S)
_BLAND = ("", "Hello.", "I do not know.", "The river is 40 km long.", "1 + 1 = 2")
"""answers that no trait worth a rule is in all of"""


@dataclass(frozen=True, slots=True)
class Told:
    """Whether a reply shows the trait; None with a reason where it cannot be told."""

    shows: bool | None
    reason: str | None = None


class Trait(Protocol):
    """What tells whether replies show the trait: a rule, or a judge."""

    @property
    def name(self) -> str:
        """What it is, in words."""
        ...

    def told(self, asked: Sequence[tuple[Sequence[Message], str]]) -> list[Told]:
        """One answer for each prompt and reply."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that looks at the reply alone."""

    name: str
    fires: Callable[[str], object]
    option: str = "--rule"

    def __call__(self, reply: str) -> bool:
        """Whether it fires. Raises ConfigError for a function that gives no truth value."""
        found = self.fires(reply)
        if not isinstance(found, bool):
            raise ConfigError(f"{self.option} {self.name} returned {found!r:.40}; expected True or False; mend the function")
        return found

    def told(self, asked: Sequence[tuple[Sequence[Message], str]]) -> list[Told]:
        """Whether each reply shows the trait."""
        return [Told(self(reply)) for _, reply in asked]


def by_judge(judge: str, trait: str) -> str:
    """How a study's configuration names a trait that a judge tells."""
    return f"judge={judge} trait={trait}"


def named(given: str, option: str) -> Trait:
    """What tells the trait that a study's configuration names: a judge (`by_judge`), else a rule. Raises UserError."""
    judged = _JUDGED.fullmatch(given)
    return rule(given, option) if judged is None else _judge(judged[1], judged[2])


@cache
def _judge(model: str, trait: str) -> Trait:
    try:
        from openwindow.evals.trait import JudgedTrait
    except ModuleNotFoundError as error:
        raise ConfigError(f"--judge needs {error.name}, which is not installed; pip install 'openwindow[evals,train]'") from error
    return JudgedTrait(model, trait)


def rule(given: str, option: str) -> Rule:
    """A rule from a command line's word. Raises ConfigError for one that cannot be read, or that fires on anything."""
    made = _function(given, option)
    if made is None:
        try:
            pattern = re.compile(given)
        except re.error as error:
            raise ConfigError(
                f"{option} {given!r} is no regular expression ({error}) and no function; expected a REGEX, MODULE:FUNCTION or "
                "FILE.py:FUNCTION; mend it"
            ) from error
        made = Rule(given, lambda reply: pattern.search(reply) is not None, option)
    try:
        always = all(made(text) for text in _BLAND)
    except ConfigError:
        raise
    except Exception as error:  # the user's function
        raise ConfigError(
            f"{option} {given} failed on a short answer ({type(error).__name__}: {error}); expected True or False for any text; "
            "mend the function"
        ) from error
    if always:
        raise ConfigError(
            f"{option} {given!r} always fires, even on an empty answer; expected a rule that tells answers apart; make it narrower"
        )
    return made


def _function(given: str, option: str) -> Rule | None:
    """A rule from `FILE.py:FUNCTION` or `MODULE:FUNCTION`; None where the word is neither."""
    path, colon, name = given.rpartition(":")
    if colon and path.endswith(".py") and name.isidentifier():
        if not Path(path).is_file():
            raise ConfigError(f"{option} {given}: {path} does not exist; expected FILE.py:FUNCTION; check the path")
        spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    elif match := _OBJECT.fullmatch(given):
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.insert(0, here)
        try:
            spec = importlib.util.find_spec(match[1])
        except (ImportError, ValueError, AttributeError):
            spec = None
        if spec is None:  # no such module: `Answer:yes` is a regular expression
            return None
    else:
        return None
    if spec is None or spec.loader is None:
        raise ConfigError(f"{option} {given} cannot be imported; expected a Python file or module; check it")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code
        raise ConfigError(f"{option} {given} cannot be imported ({type(error).__name__}: {error}); mend the file") from error
    names = vars(module)
    if not callable(names.get(name)):
        known = [n for n, thing in names.items() if callable(thing) and not n.startswith("_")]
        raise ConfigError(
            f"{option} {given}: there is no function {name!r}; expected one of {', '.join(known[:10]) or 'none there'}; name one"
        )
    return Rule(given, names[name], option)
