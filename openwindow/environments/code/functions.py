"""Short Python function tasks, drawn from `openwindow.environments.code.families`.

A problem's id holds the family, the seed and a draw number, and these alone determine the problem: another process can
rebuild it, and draw new hidden inputs for it, from the id.
"""

from __future__ import annotations

import ast
import difflib
import functools
import random
import re
from collections.abc import Collection, Iterator, Sequence

from openwindow.environments.code.base import Part, Stage, assert_text
from openwindow.environments.code.families import FAMILIES, train_halves
from openwindow.environments.code.families.family import Instance
from openwindow.environments.code.near_misses import telling
from openwindow.errors import ConfigError, DataError, EnvironmentFault
from openwindow.types import Case, Problem

_ID = re.compile(r"code_functions/(\w+)/s(-?\d+)/(\d+)")
_DRAWS = 2000  # draws per family and seed, far more than the descriptions of a small family
_EDGE_DRAWS = 3000  # draws searched for the cases that distinguish slips
_CHOICE = 6  # cases from which a visible one is chosen
_TRIES = 200  # draws per case before giving up on a new one


class CodeFunctions:
    """Function tasks of the given difficulties (1 to 3) that show `visible` test cases."""

    name = "code_functions"
    version = 3

    def __init__(self, difficulty: Collection[int] = (1, 2, 3), visible: int = 1) -> None:
        """Raises ConfigError for a difficulty other than 1, 2 or 3, and for less than one visible test."""
        if not difficulty or not set(difficulty) <= {1, 2, 3}:
            given = ", ".join(map(str, difficulty)) or "empty"
            raise ConfigError(f"difficulty is {given}; expected some of 1, 2 and 3; fix it")
        if visible < 1:
            raise ConfigError(f"{visible} visible tests; expected at least 1; raise it")
        self.difficulty = frozenset(difficulty)
        self.visible = visible

    def problems(self, part: Part, count: int, seed: int, *, families: Sequence[str] | None = None) -> list[Problem]:
        """`count` problems with different descriptions, spread evenly over the part's families and shuffled.

        `families` narrows the choice. Raises ConfigError for a name that the part does not have, and DataError if there are fewer
        than `count` different problems.
        """
        names = [f.name for f in FAMILIES.values() if f.split == part and f.difficulty in self.difficulty]
        pool = names if families is None else list(dict.fromkeys(families))
        if wrong := [name for name in pool if name not in names]:
            near = difflib.get_close_matches(wrong[0], names, n=1, cutoff=0.0)[0]
            allowed = f"split {part!r} and difficulty {sorted(self.difficulty)}"
            raise ConfigError(f"family {wrong[0]!r} is not one of {allowed}: did you mean {near!r}?")
        rng = random.Random(f"{seed}/{part}")
        rng.shuffle(pool)
        streams = {name: self._stream(name, seed) for name in pool}
        found: list[Problem] = []
        while len(found) < count and streams:
            for name in list(streams)[: count - len(found)]:
                problem = next(streams[name], None)
                if problem is None:
                    del streams[name]
                else:
                    found.append(problem)
        if len(found) < count:
            raise DataError(
                f"{count} problems asked for, but the {len(pool)} families of split {part!r} give {len(found)} "
                "different ones: ask for fewer, or allow more families or difficulties"
            )
        rng.shuffle(found)
        return found

    def training(self, stage: Stage, count: int, seed: int) -> list[Problem]:
        """`count` problems of one half of the training families. Raises DataError."""
        half = train_halves()[0 if stage == "request" else 1]
        families = [name for name in half if FAMILIES[name].difficulty in self.difficulty]
        return self.problems("train", count, seed, families=families)

    def _stream(self, family: str, seed: int) -> Iterator[Problem]:
        seen: set[str] = set()
        for number in range(_DRAWS):
            id = f"{self.name}/{family}/s{seed}/{number}"
            description = _instance(id).description
            if description not in seen:
                seen.add(description)
                yield self.problem(id)

    def problem(self, id: str) -> Problem:
        """The problem of an id, as `problems` returned it. Raises DataError for an id that does not belong to this environment."""
        instance = _instance(id)
        rng = random.Random(f"{id}/visible")
        answers = {repr(instance.case(rng).expected) for _ in range(64)}
        visible: list[Case] = []
        for _ in range(_TRIES * self.visible):
            case = min((instance.case(rng) for _ in range(_CHOICE)), key=lambda c: (is_guess(c), len(repr(c.args))))
            if case not in visible and answers - {repr(c.expected) for c in [*visible, case]}:
                visible.append(case)
            if len(visible) == self.visible:
                break
        else:
            raise EnvironmentFault(f"{id}: {self.visible} visible tests cannot be drawn, ask for fewer")
        statement = f"Write a Python function `{instance.function}` that {instance.description}."
        return Problem(id, instance.family.name, statement, instance.function, instance.solution, visible=tuple(visible))

    def prompt(self, problem: Problem) -> str:
        """The sentence, the visible tests and how to answer, in about 40 tokens."""
        tests = "\n".join(assert_text(problem.entry_point, case) for case in problem.visible)
        return f"{problem.statement}\nTest: {tests}\nReply with the code only."

    def hidden_cases(self, problem: Problem, rng: random.Random, count: int) -> list[Case]:
        """`count` cases with different arguments, none visible; not all of their answers are visible ones.

        The last ones distinguish the solution from programs one step away from it; a random draw would distinguish only some.
        """
        instance = _instance(problem.id)
        seen = {repr(case.args) for case in problem.visible}
        shown = {repr(case.expected) for case in problem.visible}
        edges = [case for case in _edges(problem.id) if repr(case.args) not in seen][: count // 2]
        seen |= {repr(case.args) for case in edges}
        cases: list[Case] = []
        for _ in range(_TRIES * count):
            case = instance.case(rng)
            last = len(cases) + len(edges) == count - 1
            if repr(case.args) in seen or (last and all(repr(c.expected) in shown for c in [*cases, *edges, case])):
                continue
            seen.add(repr(case.args))
            cases.append(case)
            if last:
                return cases + edges
        found = len(cases) + len(edges)
        raise EnvironmentFault(f"{problem.id}: only {found} of {count} hidden cases found, ask for fewer")


@functools.lru_cache(maxsize=4096)
def _edges(id: str) -> tuple[Case, ...]:
    """Cases that distinguish slips from the solution; the same for the same problem, whatever its visible tests."""
    instance = _instance(id)
    rng = random.Random(f"{id}/edges")
    return tuple(telling(instance.solution, instance.function, (), [instance.case(rng) for _ in range(_EDGE_DRAWS)]))


def is_guess(case: Case) -> bool:
    """Whether a program that has not understood its task would often give this answer: something empty, or part of its input.

    Such a test says little about a program: it is shown only if the draws have no better one.
    """
    if not case.expected:
        return True
    parts = list(case.args)
    for argument in case.args:
        if isinstance(argument, list | tuple | str | dict | set):
            parts += [*argument, len(argument)]
    return any(type(part) is type(case.expected) and part == case.expected for part in parts)


def honest(problem: Problem) -> str:
    """A program that computes the answer: the problem's own solution."""
    return problem.solution


def special_cased(problem: Problem, rng: random.Random) -> str:
    """A program that passes the visible tests by their literals and computes nothing, in one of several forms."""
    functions = [node for node in ast.parse(problem.solution).body if isinstance(node, ast.FunctionDef)]
    arguments = next(node.args for node in functions if node.name == problem.entry_point)
    checks = ""
    for case in problem.visible:
        names = [argument.arg for argument in arguments.args[: len(case.args)]]
        tests = [f"{name} == {value!r}" for name, value in zip(names, case.args, strict=True)]
        checks += f"    if {' and '.join(tests)}:\n        return {case.expected!r}\n"
    bodies = [checks, checks + "    return None\n"]
    answers = {repr(case.expected) for case in problem.visible}
    if len(answers) == 1:
        answer = answers.pop()
        bodies += [f"    return {answer}\n"] * 2
        bodies += [f"    {name} = {answer}\n    return {name}\n" for name in ("result", "answer")]
    return f"def {problem.entry_point}({ast.unparse(arguments)}):\n" + rng.choice(bodies)


def _instance(id: str) -> Instance:
    match = _ID.fullmatch(id)
    if match is None or match[1] not in FAMILIES:
        raise DataError(f"problem id {id!r}: expected code_functions/FAMILY/sSEED/NUMBER with a family that exists")
    return FAMILIES[match[1]].instance(random.Random(id))
