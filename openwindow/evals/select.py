"""From names to evals: built-in ones, suites of them, and a user's own from a Python file. Imports neither torch nor Inspect.

chosen("chat,drives")                   the evals of two suites
chosen("goals,examples/eval.py:EVAL")   a built-in one, and one (or a list of them) that a user's file defines
limited(specs, 4)                       the same evals with four of their scenarios each
limited(specs, None, "dev")             with the third of their scenarios that settings are picked on
"""

from __future__ import annotations

import difflib
import hashlib
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from openwindow.environments.user_file import object_of
from openwindow.errors import ConfigError
from openwindow.evals import EVALS
from openwindow.evals.base import SUITES, Eval, Item
from openwindow.evals.held_out import NAME as HELD_OUT
from openwindow.files.names import check_names
from openwindow.types import Scenarios
from openwindow.user_code import called


def chosen(names: str | Sequence[str]) -> list[Eval]:
    """The evals with those names, each once: suites, evals and FILE:OBJECT; a string separates them by commas. Raises UserError."""
    found: dict[str, Eval] = {}
    for name in names.split(",") if isinstance(names, str) else names:
        for spec in _of_file(name.strip()) if is_file_name(name) else _built_in(name.strip()):
            if found.setdefault(spec.name, spec) is not spec and spec.name not in EVALS:
                raise ConfigError(f"{name} has an eval {spec.name!r}, as another name has; expected names of their own; rename it")
    return list(found.values())


def check_evals(names: Sequence[str]) -> None:
    """Raises ConfigError for the first name that is neither a suite nor an eval; the user's files are not read.

    `held_out` is an eval of a study alone, which makes it from its data.
    """
    for name in names:
        if is_built_in(name):
            _built_in(name.strip())


def is_built_in(name: str) -> bool:
    """Whether the name is of a built-in suite or eval, and not of a user's file or of what a study makes from its data."""
    return not is_file_name(name) and name != HELD_OUT


def check_judged(specs: Sequence[Eval], judge: str | None, option: str) -> None:
    """Raises ConfigError for an eval whose replies a judge alone can read, if there is none; `option` is how one is named."""
    for spec in specs if judge is None else ():
        if spec.needs_judge():
            raise ConfigError(
                f"the replies to eval {spec.name!r} are read by a judge alone and none is named; expected one; give {option}, or "
                "drop the eval"
            )


def is_file_name(name: str) -> bool:
    """Whether the name is of the form FILE.py:OBJECT."""
    return ".py:" in name or name.strip().endswith(".py")


def sampled(spec: Eval, replies: bool | Sequence[str]) -> bool:
    """Whether replies to the eval are sampled: `replies` says so of all evals, or names evals and suites whose are."""
    return replies if isinstance(replies, bool) else spec.name in replies or spec.suite in replies


def limited(specs: Sequence[Eval], scenarios: int | None, split: Scenarios = "all") -> list[Eval]:
    """The evals with this many scenarios of their main items each, drawn by the eval's name, complete with their controls.

    `split` takes only the dev or the test scenarios (`dev_scenarios`). Controls and items of scenarios without a main item stay,
    because they show whether there is a signal. None: all scenarios of the split. An eval without a scenario there is left out
    (`too_few`). Raises ConfigError if that leaves none.
    """
    lost = too_few(specs, split)
    within = list(specs) if split == "all" else [_split(spec, split) for spec in specs if spec.name not in lost]
    if lost and not within:
        raise ConfigError(
            f"split is {split!r} and {', '.join(lost)} {'has' if len(lost) == 1 else 'have'} fewer than 3 scenarios, all of them "
            "for test; expected evals with more; name others, or take the test scenarios"
        )
    return within if scenarios is None else [_limited(spec, scenarios) for spec in within]


def dev_scenarios(spec: Eval) -> frozenset[str]:
    """The third of the scenarios of an eval's main items that settings are picked on, rounded down.

    They are those first in an order that depends on the names of eval and scenario alone, so another scenario moves few of them.
    """
    there = dict.fromkeys(item.scenario for item in spec.items() if item.role == "main")
    ordered = sorted(there, key=lambda scenario: hashlib.sha256(f"{spec.name}/{scenario}".encode()).hexdigest())
    return frozenset(ordered[: len(ordered) // 3])


def too_few(specs: Sequence[Eval], split: Scenarios) -> dict[str, str]:
    """The evals that have no scenario in the split, and why."""
    if split != "dev":
        return {}
    return {spec.name: "fewer than 3 scenarios, all of them for test" for spec in specs if not dev_scenarios(spec)}


def split_in_words(specs: Sequence[Eval], split: Scenarios) -> list[str]:
    """A sentence on which scenarios were asked; none where all were."""
    if split == "all":
        return []
    share = "a third" if split == "dev" else "two thirds"
    lost = "".join(f"; {name} has {why}" for name, why in too_few(specs, split).items())
    return [f"Only the {split} scenarios were asked, {share} of those of each eval{lost}."]


def _split(spec: Eval, split: Scenarios) -> Eval:
    dev = dev_scenarios(spec)
    there = {item.scenario for item in spec.items() if item.role == "main"}
    return _without(spec, dev if split == "test" else there - dev)


def _limited(spec: Eval, scenarios: int) -> Eval:
    there = list(dict.fromkeys(item.scenario for item in spec.items() if item.role == "main"))
    if len(there) <= scenarios:
        return spec
    return _without(spec, set(there) - set(random.Random(f"evals/{spec.name}").sample(there, scenarios)))


def _without(spec: Eval, dropped: Collection[str]) -> Eval:
    """The eval without some scenarios."""
    kept = tuple(item for item in spec.items() if item.scenario not in dropped)
    return replace(spec, items=lambda: kept)


def _built_in(name: str) -> list[Eval]:
    suite_or_eval = "agentic" if name == "loud" else name  # loud failure is read from the transcripts of the agentic suite
    wanted = [e for e in EVALS.values() if suite_or_eval in ("all", e.suite, e.name)]
    if not wanted:
        near = difflib.get_close_matches(name, ["all", *SUITES, *EVALS], 1)
        hint = f"did you mean {near[0]!r}?" if near else "see `openwindow list`"
        raise ConfigError(
            f"no suite or eval {name!r}; expected all, {', '.join(SUITES)}, one of {', '.join(EVALS)}, or FILE.py:OBJECT; {hint}"
        )
    return wanted


def _of_file(name: str) -> list[Eval]:
    """The evals in an object of a user's file: one `Eval` or a list of them."""
    file, _, wanted = name.rpartition(":")
    if not file or not wanted.isidentifier():
        raise ConfigError(
            f"{name} names a file and no object in it; expected FILE.py:OBJECT; add the name of an Eval or a list of them"
        )
    given = object_of(Path(file), wanted)
    listed = list(given) if isinstance(given, list | tuple) else [given]
    found = [spec for spec in listed if isinstance(spec, Eval)]
    if not found or len(found) < len(listed):
        came = f"a {type(given).__name__}" if listed else "an empty list"
        raise ConfigError(f"{name} is {came}; expected an openwindow.evals.base.Eval or a list of them; name another object")
    return [_checked(name, spec) for spec in found]


def _checked(where: str, spec: Eval) -> Eval:
    """A user's eval after making its items once and checking names and ids that other code relies on. Raises UserError."""
    check_names({f"{where}: eval": [spec.name]})
    if spec.name in (*EVALS, *SUITES, HELD_OUT, "all"):
        raise ConfigError(f"{where}: an eval {spec.name!r} is built in; expected a name of its own; rename it")
    items = called(f"{where}: its items()", lambda: tuple(spec.items()))
    strange = next((item for item in items if not isinstance(item, Item)), None)
    if not items or strange is not None:
        came = "no items" if not items else f"a {type(strange).__name__} among its items"
        raise ConfigError(f"{where}: eval {spec.name!r} has {came}; expected openwindow.evals.base.Item objects; fix its items()")
    twice = [ident for ident, count in Counter(item.id for item in items).items() if count > 1]
    if twice:
        raise ConfigError(f"{where}: eval {spec.name!r} has the id {twice[0]!r} twice; expected each once; rename one")
    if not any(item.role == "main" for item in items):
        raise ConfigError(f"{where}: eval {spec.name!r} has no item of role 'main'; expected what is measured; add one")
    return replace(spec, items=lambda: items)
