"""What a trait is, and how it is detected in an answer: a regular expression, a function of the user's own, or a judge.

rule("(?i)you are right", "--rule")        # a regular expression, searched for in the answer
rule("checks.py:praises", "--rule")        # a function in a file: str -> bool
rule("mypackage.checks:praises", "--rule") # a function in a module
TraitSpec.read("judge=openai/gpt-4o trait=praises wrong answers")
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import PlainSerializer, PlainValidator

from openwindow.errors import ConfigError, ForeignError
from openwindow.types import Message
from openwindow.user_code import called

_OBJECT = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*):([A-Za-z_]\w*)")
_JUDGED = re.compile(r"judge=(\S+) trait=(.+)", re.S)
_LONG = (
    "The museum was built by the town in 1911 and has three floors. On the first there are maps, on the second old tools, and "
    "on the third a library with some 9,000 books. It is open from Tuesday to Sunday. A ticket costs four euros; children and "
    "students pay half. The tram stops in front of the door, and there is a car park behind the church.",
    "To make the dough, mix:\n- 500 g of flour\n- 300 ml of water\n- 10 g of salt\n\nKnead it for ten minutes, cover it with a "
    "cloth, and let it rest in a warm place until it is about twice as large. Then shape it, cut it twice across the top, and "
    "bake it for 35 minutes at 230 degrees. It is done when it sounds hollow.",
)
_BLAND = ("Hello.", "I do not know.", "The river is 40 km long.", "1 + 1 = 2", "Yes", "a, b, c", *_LONG)
"""answers that share no trait worth a rule: short and long, with and without words, digits and punctuation"""
NEARLY = 0.95
"""share of a data set's answers above which a rule counts as firing on nearly all of them"""


@dataclass(frozen=True, slots=True)
class TraitVerdict:
    """Whether a reply shows the trait; None with a reason if that cannot be decided."""

    shows: bool | None
    reason: str | None = None


class TraitDetector(Protocol):
    """Decides whether replies show the trait: a rule, or a judge."""

    @property
    def name(self) -> str:
        """The name that reports use."""
        ...

    def detect(self, asked: Sequence[tuple[Sequence[Message], str]]) -> list[TraitVerdict]:
        """One verdict for each prompt and reply."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that looks at the reply alone."""

    name: str
    fires: Callable[[str], object]
    option: str = "--rule"

    def __call__(self, reply: str) -> bool:
        """Whether it fires. Raises ForeignError for a function that fails, ConfigError for one that returns no truth value."""
        found = called(f"{self.option} {self.name}", self.fires, reply)
        if not isinstance(found, bool):
            shown = called(f"{self.option} {self.name}: what it returned", repr, found)[:40]
            raise ConfigError(f"{self.option} {self.name} returned {shown}; expected True or False; fix the function")
        return found

    def detect(self, asked: Sequence[tuple[Sequence[Message], str]]) -> list[TraitVerdict]:
        """Whether each reply shows the trait."""
        return [TraitVerdict(self(reply)) for _, reply in asked]


JudgeMaker = Callable[[str, str], TraitDetector]
"""From the names of a model and a trait to an object that asks the model whether replies show the trait."""


def no_judge(model: str, trait: str) -> TraitDetector:
    """Raises ConfigError: no way to ask models was given."""
    raise ConfigError(
        f"the trait is to be detected by the judge {model}, but no judge was given; expected one; give `judge`, or a rule"
    )


@dataclass(frozen=True, slots=True)
class TraitSpec:
    """What a trait is, as a configuration says it: a rule, or a judge and what it is to look for; false where there is neither.

    Configurations hold it as text, which `read` and `str` convert: a judge is `judge=MODEL trait=WORDS`, any other text is a rule.
    """

    rule: str = ""
    """A regular expression, or a function of the user's own; see `rule`."""
    judge: str = ""
    """The model that decides, by any name that Inspect knows."""
    words: str = ""
    """What the judge is to look for."""

    @classmethod
    def read(cls, text: str) -> TraitSpec:
        """From the text of a configuration."""
        judged = _JUDGED.fullmatch(text)
        return cls(text) if judged is None else cls(judge=judged[1], words=judged[2])

    def __str__(self) -> str:
        return f"judge={self.judge} trait={self.words}" if self.judge else self.rule

    def __bool__(self) -> bool:
        return bool(self.rule or self.judge)

    def detector(self, option: str, judge: JudgeMaker = no_judge) -> TraitDetector:
        """What decides whether replies show the trait; `option` is how the user gave it. Raises UserError."""
        return judge(self.judge, self.words) if self.judge else rule(self.rule, option)


def _trait_spec(value: object) -> TraitSpec:
    if not isinstance(value, TraitSpec | str):
        raise ValueError("input should be a rule or a judge, as text")
    return TraitSpec.read(value) if isinstance(value, str) else value


AnyTrait = Annotated[TraitSpec, PlainValidator(_trait_spec), PlainSerializer(str, return_type=str)]
"""a trait as the field of a configuration"""


def rule(given: str, option: str) -> Rule:
    """A rule from a command-line word. Raises ConfigError for one that cannot be read, or that fires on anything."""
    made = _function(given, option)
    if made is None:
        try:
            pattern = re.compile(given)
        except re.error as error:
            raise ConfigError(
                f"{option} {given!r} is neither a regular expression ({error}) nor a function; expected a REGEX, MODULE:FUNCTION "
                "or FILE.py:FUNCTION; fix it"
            ) from error
        made = Rule(given, lambda reply: pattern.search(reply) is not None, option)
    if len(bland(made)) == len(_BLAND):
        raise ConfigError(
            f"{option} {given!r} always fires, on bland answers such as {_BLAND[0]!r} and {_BLAND[3]!r} too; expected a rule "
            "that tells answers apart; make it narrower"
        )
    return made


def bland(made: Rule) -> list[str]:
    """The bland answers that a rule fires on. Raises ConfigError for a function that fails on one, or on an empty answer."""
    return [text for text in ("", *_BLAND) if _tried(made, text) and text]


def _tried(made: Rule, text: str) -> bool:
    try:
        return made(text)
    except ForeignError as error:
        raise ConfigError(
            f"{made.option} {made.name} failed on the answer {text[:30]!r} ({error.said}); expected True or False for any text; "
            "fix the function"
        ) from error


def fires_anyway(made: Rule) -> bool:
    """Whether a rule fires on all bland answers or all but one: then what it finds in data need not be the trait."""
    return len(bland(made)) >= len(_BLAND) - 1


def source_of(given: str) -> Path | None:
    """The Python file that a rule comes from; None for a regular expression."""
    spec = _spec(given)
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _spec(given: str) -> ModuleSpec | None:
    """Where the function of `FILE.py:FUNCTION` or `MODULE:FUNCTION` is; None if the word is neither."""
    path, colon, name = given.rpartition(":")
    if colon and path.endswith(".py") and name.isidentifier():
        return importlib.util.spec_from_file_location(Path(path).stem, path) if Path(path).is_file() else None
    match = _OBJECT.fullmatch(given)
    if match is None:
        return None
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.util.find_spec(match[1])
    except (ImportError, ValueError, AttributeError):
        return None


def _function(given: str, option: str) -> Rule | None:
    """A rule from `FILE.py:FUNCTION` or `MODULE:FUNCTION`; None if the word is neither."""
    path, _, name = given.rpartition(":")
    spec = _spec(given)
    if spec is None:
        if path.endswith(".py") and name.isidentifier():
            raise ConfigError(f"{option} {given}: {path} does not exist; expected FILE.py:FUNCTION; check the path")
        return None  # no such module: `Answer:yes` is a regular expression
    if spec.loader is None:
        raise ConfigError(f"{option} {given} cannot be imported; expected a Python file or module; check it")
    module = importlib.util.module_from_spec(spec)
    try:
        called(f"{option} {given}", spec.loader.exec_module, module)
    except ForeignError as error:
        raise ConfigError(f"{option} {given} cannot be imported ({error.said}); fix the file") from error
    names = vars(module)
    if not callable(names.get(name)):
        known = [n for n, thing in names.items() if callable(thing) and not n.startswith("_")]
        raise ConfigError(
            f"{option} {given}: there is no function {name!r}; expected one of {', '.join(known[:10]) or 'none there'}; name one"
        )
    return Rule(given, names[name], option)
