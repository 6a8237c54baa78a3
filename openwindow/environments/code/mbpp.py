"""MBPP: about a thousand short Python tasks with three tests each (Austin et al. 2021, arXiv:2108.07732).

The first test is shown; the others, and mutations of their inputs, are hidden. The data set's own solution defines the result for
a hidden input. That solution is downloaded code, so it runs in the sandbox and nowhere else.

Not covered: a task whose answer is free in a way that its tests do not show (the order of a set, a rounding).
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from openwindow.environments.code import mbpp_rows
from openwindow.environments.code.base import Part, Stage, assert_text
from openwindow.environments.code.input_mutation import Arguments, mutate_arguments
from openwindow.errors import DataError, EnvironmentFault, SandboxError
from openwindow.sandbox import codec
from openwindow.sandbox.sandbox import Calls, Returned, Sandbox, Status
from openwindow.types import Case, Problem

_PART_IDS: dict[Part, list[int]] = {  # as the authors divide them; the ten tasks meant for few-shot prompts go to dev
    "test": [*range(11, 511)],
    "dev": [*range(1, 11), *range(511, 601)],
    "train": [*range(601, 975)],
}
_INPUTS = 160  # inputs tried per problem
_ENOUGH = 48  # hidden cases that a problem must have
_PER_RUN = 16  # minimum hidden cases of a problem
_SHARE = 0.25  # of the time limit; inputs of a slower run are not used, since graders run many at once


class MBPP:
    """The tasks of a JSONL file, of a folder in the hub's layout or, without a path, of the Hugging Face hub.

    `skipped` counts, by reason, the rows that cannot be used: those whose tests or solution have another form and,
    once they are first requested, those whose solution the sandbox finds unsound.
    """

    name = "mbpp"
    version = 1

    def __init__(self, path: Path | None = None, *, sandbox: Sandbox) -> None:
        """`sandbox` runs the solutions. Raises DataError if there is no such data or a row has another form."""
        self.sandbox = sandbox
        self.skipped: Counter[str] = Counter()
        self._rows: dict[str, tuple[Problem, list[Case]]] = {}
        self._pools: dict[str, list[Case]] = {}
        for row in mbpp_rows.read(path):
            try:
                problem, cases = mbpp_rows.parse(row)
                self._rows[problem.id] = problem, cases
            except ValueError as error:
                self.skipped[str(error)] += 1

    def problems(self, part: Part, count: int, seed: int) -> list[Problem]:
        """`count` problems of the part with a sound solution. Raises DataError if there are fewer."""
        ids = [f"{self.name}/{task}" for task in _PART_IDS[part]]
        random.Random(f"{seed}/{part}").shuffle(ids)
        found: list[Problem] = []
        for id in ids:
            if len(found) < count and id in self._rows and self._pool(id):
                found.append(self._rows[id][0])
        if len(found) < count:
            raise DataError(f"{count} problems asked for, split {part!r} has {len(found)} that can be used: ask for fewer")
        return found

    def training(self, stage: Stage, count: int, seed: int) -> list[Problem]:
        """`count` of every other training task. Raises DataError if there are fewer."""
        pool = self.problems("train", 2 * count, 0)  # a longer list begins like a shorter one, so every other one is one half
        named = "request" if stage == "request" else "flawed"
        return random.Random(f"{named}/{seed}").sample(pool[stage == "train" :: 2], count)

    def prompt(self, problem: Problem) -> str:
        """The task, its first test and how to answer."""
        test = assert_text(problem.entry_point, problem.visible[0])
        return f"{problem.statement}\nTest: {test}\nReply with the code only."

    def hidden_cases(self, problem: Problem, rng: random.Random, count: int) -> list[Case]:
        """`count` of the problem's hidden cases; not all of their answers are the visible one."""
        pool = self._pool(problem.id)
        if len(pool) < count:
            raise EnvironmentFault(f"{problem.id}: {count} hidden cases asked for, {len(pool)} known: ask for fewer")
        shown = problem.visible[0].expected
        other = [case for case in pool if not codec.same(case.expected, shown)]
        few = min(len(other), max(1, count // 2))  # otherwise answers that are rare among the inputs would hardly be tested
        rng.shuffle(other)
        rest = other[few:] + [case for case in pool if codec.same(case.expected, shown)]
        return other[:few] + rng.sample(rest, count - few)

    def _pool(self, id: str) -> list[Case]:
        """All hidden cases of the problem, made on first use; none if its solution is unsound."""
        if id not in self._rows:
            raise DataError(f"problem id {id!r}: expected mbpp/TASK_ID of a row that can be used")
        if id not in self._pools:
            try:
                self._pools[id] = self._hidden(*self._rows[id])
            except ValueError as error:
                self.skipped[str(error)] += 1
                self._pools[id] = []
        return self._pools[id]

    def _hidden(self, problem: Problem, cases: list[Case]) -> list[Case]:
        rng = random.Random(problem.id)
        known = [case.args for case in cases]
        inputs = {codec.freeze(args): args for args in known}
        for _ in range(4 * _INPUTS):
            if len(inputs) < _INPUTS:
                mutated = mutate_arguments(known, rng)
                inputs[codec.freeze(mutated)] = mutated
        found = {codec.freeze(case.args): case for case in self._answers(problem, list(inputs.values()))}
        for case in cases:
            given = found.get(codec.freeze(case.args))
            if given is None or not codec.same(given.expected, case.expected):
                raise ValueError("its solution does not give what its tests say")
        del found[codec.freeze(known[0])]
        if len(found) < _ENOUGH:
            raise ValueError("its solution takes too few inputs that are like those of its tests")
        if all(codec.same(case.expected, cases[0].expected) for case in found.values()):
            raise ValueError("its solution gives the same answer to all inputs")
        return list(found.values())

    def _answers(self, problem: Problem, inputs: list[Arguments]) -> list[Case]:
        """The inputs that the solution answers quickly, each with its answer."""
        inputs = sorted(inputs, key=_size)
        runs = [tuple(inputs[i : i + _PER_RUN]) for i in range(0, len(inputs), _PER_RUN)]
        slow = _SHARE * self.sandbox.limits.wall_seconds
        fastest = self.sandbox.limits.wall_seconds
        answered: list[Case] = []
        for wave in (runs[:2], runs[2:5], runs[5:]):  # a solution that hangs is not tried on even larger inputs
            outcomes = self.sandbox.run([Calls(problem.solution, problem.entry_point, run) for run in wave])
            fastest = min([fastest, *(outcome.seconds for outcome in outcomes)])  # on a busy host all runs are slow
            for run, outcome in zip(wave, outcomes, strict=True):
                if outcome.status is Status.FAULT:
                    raise SandboxError(f"the solution of {problem.id} could not be run: {outcome.detail}")
                for args, answer in zip(run, outcome.values, strict=True):
                    if isinstance(answer, Returned) and outcome.seconds < max(slow, 5 * fastest):
                        answered.append(Case(args, answer.value))
            if any(outcome.status is Status.TIMEOUT for outcome in outcomes):
                break
        return answered


def _size(args: Arguments) -> int:
    """The sort key of inputs, so that those on which a solution hangs share their runs with few others."""
    return sum(abs(value) for value in args if isinstance(value, int))
