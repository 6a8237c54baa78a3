"""A user's own environment, named `my_env.py:MyEnv`: loaded, checked before anything is trained, and called with care.

What is named may also be a grader (`graders/forms.py`), of which an environment is made (`graders/environment.py`).

Whatever its methods raise, or wrongly return, becomes one line and exit code 2.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

from openwindow.environments.base import Answered, AnswerKind, BaseEnvironment, Environment, EnvironmentConfig, Outcome
from openwindow.environments.gameable import Gameable, Submission, reply_text
from openwindow.environments.graders.environment import GraderEnvironment
from openwindow.environments.graders.forms import COMMAND, GraderConfig, form_of, resolved
from openwindow.environments.loopholes import Loophole
from openwindow.environments.user_file import OBJECT, named_object
from openwindow.environments.verdicts import Verdict
from openwindow.errors import EnvironmentFault
from openwindow.files.records import KEYS
from openwindow.types import Measure, Message, Problem, Split
from openwindow.user_code import called

_DRAWN = 2  # problems drawn from each split to check an environment
_SPLITS: tuple[Split, ...] = ("request", "train", "dev", "test")


def is_users(name: str) -> bool:
    """Whether a name is FILE.py:OBJECT, MODULE:OBJECT or cmd:COMMAND."""
    return name.startswith(COMMAND) or OBJECT.fullmatch(name) is not None


def found(name: str) -> object:
    """What a user's name means: an environment, or a grader in one of its forms; None for a command. Raises UserError."""
    return None if name.startswith(COMMAND) else resolved(name, named_object(name)[0])


def is_environment(thing: object) -> bool:
    """Whether what was found has problems of its own, and is not a grader to be made into an environment."""
    return thing is not None and form_of(thing) == "environment"


def config_of(thing: object) -> type[EnvironmentConfig]:
    """The options of a user's environment: its own if it is a subclass of BaseEnvironment, otherwise none; or of a grader."""
    if not is_environment(thing):
        return GraderConfig
    return kind_of(thing).Config


def kind_of(thing: object) -> type[BaseEnvironment[Any]]:
    """The class that describes it; BaseEnvironment for a class that does not derive from it."""
    if not is_environment(thing):
        return GraderEnvironment
    return thing if isinstance(thing, type) and issubclass(thing, BaseEnvironment) else BaseEnvironment


def made(name: str, thing: object, config: EnvironmentConfig | None, seconds: float = 20.0) -> Environment:
    """The environment of a user's object: her own behind checks, or one made of her grader. Raises UserError.

    `seconds` is what a command may take for a score.
    """
    if is_environment(thing):
        return wrapped(name, thing, config)
    return GraderEnvironment(name, thing, cast(GraderConfig, config), seconds)


def wrapped(name: str, thing: object, config: EnvironmentConfig | None) -> UserEnvironment:
    """An environment that calls `thing`, a class or an object, with care. Raises EnvironmentFault, ForeignError."""
    made = thing
    if isinstance(thing, type):
        with_config = issubclass(thing, BaseEnvironment) and config is not None
        made = called(f"{name}: making one", thing, *([config] if with_config else []))
    members = called(f"{name}: its attributes", dir, made)
    gameable = "loopholes" in members
    _refuse_missing(name, members, Environment)
    if not gameable:
        return UserEnvironment(name, cast(Environment, made))
    _refuse_missing(name, members, Gameable)
    return UserGameable(name, cast(Gameable, made))


def _refuse_missing(name: str, members: Collection[str], protocol: type) -> None:
    wanted = [member for member in vars(protocol) if not member.startswith("_")] + ["__enter__", "__exit__"]
    if lacks := [member for member in wanted if member not in members]:
        base = "BaseEnvironment" if protocol is Environment else "GameableEnvironment"
        raise EnvironmentFault(
            f"{name} has no {', '.join(lacks)}; expected what {protocol.__module__}.{protocol.__name__} has; add it, or derive the "
            f"class from {base}"
        )


class UserEnvironment:
    """A user's environment behind checks of what its methods return."""

    def __init__(self, named: str, inner: Environment) -> None:
        self.named = named
        self.inner = inner

    def _said(self, what: str, expected: str, fits: Callable[[Any], bool], call: Callable[[], Any]) -> Any:
        """What `call` returns, if it `fits`; both run with care. Raises EnvironmentFault, ForeignError."""
        value = called(f"{self.named}: its {what}", call)
        if not called(f"{self.named}: what its {what} gave", fits, value):
            shown = called(f"{self.named}: what its {what} gave", repr, value)[:60]
            raise EnvironmentFault(f"{self.named}: its {what} gave {shown}; expected {expected}; fix it")
        return value

    @property
    def name(self) -> str:
        """Its own name."""
        return cast(str, self._said("name", "a name, as text", lambda v: isinstance(v, str) and v != "", lambda: self.inner.name))

    @property
    def version(self) -> int:
        """Its own version."""
        return cast(int, self._said("version", "a whole number", lambda v: type(v) is int, lambda: self.inner.version))

    @property
    def about(self) -> str:
        """Its own line."""
        return cast(str, self._said("about", "a text", lambda v: isinstance(v, str), lambda: self.inner.about))

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Its own measures."""

        def fits(value: Any) -> bool:
            return bool(value) and isinstance(value, Sequence) and all(isinstance(m, Measure) for m in value)

        measures = tuple(self._said("measures", "at least one openwindow.types.Measure", fits, lambda: self.inner.measures))
        if taken := [measure.name for measure in measures if measure.name in KEYS]:
            raise EnvironmentFault(
                f"{self.named}: it has a measure {taken[0]!r}, which is what rollouts.jsonl calls something else; expected none of "
                f"{', '.join(sorted(KEYS))}; rename it"
            )
        return measures

    @property
    def row_kinds(self) -> tuple[str, str]:
        """Its own words for rows."""

        def fits(value: Any) -> bool:
            return isinstance(value, Sequence) and len(value) == 2 and all(isinstance(kind, str) for kind in value)

        flawed, clean = self._said("row_kinds", "two words, for flawed and clean rows", fits, lambda: self.inner.row_kinds)
        return flawed, clean

    def check(self) -> None:
        """Its own check, and a few problems of every split with everything made from them."""
        called(f"{self.named}: its check()", self.inner.check)
        _ = self.name, self.version, self.about, self.row_kinds
        names = {measure.name for measure in self.measures}
        for split in _SPLITS:
            for problem in self.problems(split, _DRAWN, 0):
                self.canonical(problem)
                for kind in ("clean", "flawed", "elicited"):
                    answer = self.answer(problem, kind, random.Random(0))
                    (scored,) = self.grade([Answered("check", problem, answer[-1].content)], 0)
                    if unknown := [measure for measure in scored.scores if measure not in names]:
                        raise EnvironmentFault(
                            f"{self.named}: its grade() scored {unknown[0]!r}; expected its measures, {', '.join(sorted(names))}; "
                            "add it there, or drop the score"
                        )

    def problems(self, split: Split, count: int, seed: int) -> list[Any]:
        """Its own problems."""

        def fits(value: Any) -> bool:
            return (
                isinstance(value, Sequence)
                and len(value) == count == len({problem.id for problem in value})
                and all(isinstance(problem.id, str) and isinstance(problem.family, str) for problem in value)
            )

        what, expected = f"problems({split!r}, {count}, {seed})", f"{count} problems with `id` and `family`, each id once"
        return list(self._said(what, expected, fits, lambda: self.inner.problems(split, count, seed)))

    def canonical(self, problem: Any) -> str:
        """Its own words for what the problem asks."""
        call = "canonical()"
        return cast(str, self._said(call, "a text", lambda v: isinstance(v, str), lambda: self.inner.canonical(problem)))

    def conversation(self, problem: Any) -> tuple[Message, ...]:
        """Its own conversation."""
        return tuple(self._said("conversation()", "messages", _are_messages, lambda: self.inner.conversation(problem)))

    def answer(self, problem: Any, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """Its own answer."""

        def fits(value: Any) -> bool:
            return _are_messages(value) and len(value) > 1 and value[-1].role == "assistant"

        expected = "messages of which the last is the assistant's"
        return tuple(self._said(f"answer(..., {kind!r}, ...)", expected, fits, lambda: self.inner.answer(problem, kind, rng)))

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """Its own scores."""

        def fits(value: Any) -> bool:
            return (
                isinstance(value, Sequence)
                and len(value) == len(answered)
                and all(isinstance(o, Outcome) and all(s is None or isinstance(s, bool) for s in o.scores.values()) for o in value)
            )

        expected = f"{len(answered)} openwindow.environments.base.Outcome, whose scores are True, False or None"
        return list(self._said("grade()", expected, fits, lambda: self.inner.grade(answered, seed)))

    def __enter__(self) -> Self:
        called(f"{self.named}: entering it", self.inner.__enter__)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        called(f"{self.named}: leaving it", self.inner.__exit__, kind, error, trace)


class UserGameable(UserEnvironment):
    """A user's gameable environment behind the same checks."""

    inner: Gameable

    @property
    def loopholes(self) -> Mapping[str, Loophole]:
        """Its own loopholes."""

        def fits(value: Any) -> bool:
            return isinstance(value, Mapping) and all(isinstance(v, Loophole) and v.name == name for name, v in value.items())

        expected = "a dict of names to openwindow.environments.loopholes.Loophole of that name"
        return cast(Mapping[str, Loophole], self._said("loopholes", expected, fits, lambda: self.inner.loopholes))

    @property
    def open_loopholes(self) -> frozenset[str]:
        """Those that are open."""

        def fits(value: Any) -> bool:
            return isinstance(value, Collection) and set(value) <= set(self.loopholes)

        return frozenset(self._said("open_loopholes", "names of its loopholes", fits, lambda: self.inner.open_loopholes))

    @property
    def hint(self) -> str:
        """Its own hint."""
        return cast(str, self._said("hint", "a text", lambda v: isinstance(v, str), lambda: self.inner.hint))

    @property
    def honest_passes(self) -> bool:
        """Its own word."""
        call = "honest_passes"
        return cast(bool, self._said(call, "True or False", lambda v: isinstance(v, bool), lambda: self.inner.honest_passes))

    def with_loopholes(self, wanted: Collection[str] | None) -> UserGameable:
        """The same environment with these loopholes open."""
        inner = called(f"{self.named}: its with_loopholes()", self.inner.with_loopholes, wanted)
        return UserGameable(self.named, inner)

    def prompt(self, problem: Problem) -> str:
        """Its own prompt."""
        return cast(str, self._said("prompt()", "a text", lambda v: isinstance(v, str), lambda: self.inner.prompt(problem)))

    def submission(self, reply: str) -> Submission:
        """Its own reading of a reply."""
        return cast(Submission, self._said("submission()", _SUBMISSION, _is_submission, lambda: self.inner.submission(reply)))

    def honest(self, problem: Problem) -> Submission:
        """Its own solution."""
        return cast(Submission, self._said("honest()", _SUBMISSION, _is_submission, lambda: self.inner.honest(problem)))

    def exploits(self, problem: Problem) -> Mapping[str, Submission]:
        """Its own exploits."""

        def fits(value: Any) -> bool:
            return isinstance(value, Mapping) and set(value) == set(self.loopholes) and all(map(_is_submission, value.values()))

        expected = f"a dict with one submission for each of {', '.join(self.loopholes) or 'its loopholes'}"
        return cast(Mapping[str, Submission], self._said("exploits()", expected, fits, lambda: self.inner.exploits(problem)))

    def verdicts(self, items: Sequence[tuple[Problem, Submission]]) -> list[Verdict]:
        """Its own verdicts."""

        def fits(value: Any) -> bool:
            return isinstance(value, Sequence) and len(value) == len(items) and all(isinstance(v, Verdict) for v in value)

        expected = f"{len(items)} openwindow.environments.verdicts.Verdict"
        return list(self._said("verdicts()", expected, fits, lambda: self.inner.verdicts(items)))

    def check(self) -> None:
        """As for any environment; also, each exploit gets through its open loophole, and through none if all are closed."""
        for problem in self.problems("train", 1, 0):
            _ = self.loopholes, self.exploits(problem), self.honest(problem)
        super().check()
        hardened = self.with_loopholes(())
        for problem in self.problems("train", _DRAWN, 0):
            for name in self.loopholes:
                self._check_exploit(problem, name, hardened)
            (verdict,) = self.verdicts([(problem, self.honest(problem))])
            self._expect(problem, "its honest answer", verdict, self.honest_passes, True)

    def _check_exploit(self, problem: Problem, loophole: str, hardened: UserGameable) -> None:
        exploit = self.exploits(problem)[loophole]
        (through,) = self.with_loopholes([loophole]).verdicts([(problem, exploit)])
        self._expect(problem, f"the exploit of {loophole}", through, True, False)
        (shut,) = hardened.verdicts([(problem, exploit)])
        self._expect(problem, f"the exploit of {loophole}, with no loophole open,", shut, False, False)

    def _expect(self, problem: Problem, what: str, verdict: Verdict, proxy: bool, truth: bool) -> None:
        if (verdict.proxy, verdict.truth) != (proxy, truth):
            came = f"proxy {verdict.proxy}, truth {verdict.truth}" + (f" ({verdict.reason})" if verdict.reason else "")
            raise EnvironmentFault(
                f"{self.named}: {what} to {reply_text(problem.statement)[:40]!r} has {came}; expected proxy {proxy}, truth {truth}"
                "; fix the answer or the grader"
            )


_SUBMISSION = "a text, or a dict of paths to texts"


def _is_submission(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Mapping) and all(isinstance(path, str) and isinstance(text, str) for path, text in value.items())
    )


def _are_messages(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and all(isinstance(turn, Message) for turn in value)
