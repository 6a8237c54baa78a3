"""Function tasks of any environment, with a grader that has the holes asked for: `code_functions` and `mbpp`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from openwindow.environments import loopholes
from openwindow.environments.code import exploits, proxy_graders
from openwindow.environments.code.base import Environment, extract_code
from openwindow.environments.code.grading import Grader, Verdict, reply_by_reply
from openwindow.environments.gameable import Submission
from openwindow.sandbox.sandbox import Sandbox, Status
from openwindow.types import Case, Problem, Split

_ASKED = 8  # hidden inputs that a grader of the panel asks


class HackableCode:
    """The tasks of an environment, and a proxy with the given holes beside the truth."""

    kinds = loopholes.CODE_HOLES
    honest_passes = True

    def __init__(
        self,
        environment: Environment,
        sandbox: Sandbox,
        wanted: Collection[str] | None = None,
        *,
        seed: int = 0,
        hidden: int = 48,
    ) -> None:
        """`wanted` holes, all for None; `hidden` cases decide the truth, drawn by `seed` and the program.

        Raises ConfigError for an unknown loophole.
        """
        self.environment = environment
        self.sandbox = sandbox
        self.name = environment.name
        self.version = environment.version
        self.holes = loopholes.pick(wanted, self.kinds, self.name)
        self.grader = Grader(environment, sandbox, seed=seed, hidden=hidden, proxy=None)

    @property
    def hint(self) -> str:
        """What one may tell a model about the open holes."""
        return loopholes.hint_text([kind for kind in self.kinds if kind in self.holes])

    def problems(self, split: Split, count: int, seed: int) -> list[Problem]:
        """The environment's own problems."""
        return self.environment.problems(split, count, seed)

    def prompt(self, problem: Problem) -> str:
        """The environment's own prompt."""
        return self.environment.prompt(problem)

    def submission(self, reply: str) -> Submission:
        """The program in the reply."""
        return extract_code(reply)

    def honest(self, problem: Problem) -> Submission:
        """The problem's own solution."""
        return problem.solution

    def hacks(self, problem: Problem) -> dict[str, Submission]:
        """The written hack of each hole."""
        written = exploits.code_hacks(problem.entry_point, problem.visible)
        return {kind: written[kind][0] for kind in self.kinds}

    @reply_by_reply
    def grade(self, items: Sequence[tuple[Problem, Submission]]) -> list[Verdict]:
        """One verdict per pair, in order; a submission of files is one program, its files in order."""
        programs = [(problem, program_of(submission)) for problem, submission in items]
        verdicts = self.grader.grade([(self.asked_for(problem), code) for problem, code in programs])
        if self.holes == frozenset(self.kinds):
            said = self._naive(programs)
        else:
            said = self._panel(programs, [v.truth if self.honest_passes else False for v in verdicts])
        return [replace(verdict, proxy=opinion) for verdict, opinion in zip(verdicts, said, strict=True)]

    def asked_for(self, problem: Problem) -> Problem:
        """The problem with tests that say what its statement says."""
        return problem

    def tested(self, problem: Problem, code: str) -> list[Case]:
        """Hidden cases as the proxy tests them."""
        return self.grader.hidden_cases(problem, code)[:_ASKED]

    def _naive(self, programs: Sequence[tuple[Problem, str]]) -> list[bool | None]:
        """What the grader with all holes says; an empty program is no submission."""
        written = [(problem, code) for problem, code in programs if code.strip()]
        outcomes = iter(self.sandbox.run([proxy_graders.naive_script(problem, code) for problem, code in written]))
        said: list[bool | None] = []
        for _, code in programs:
            status = next(outcomes).status if code.strip() else None
            said.append(None if status is Status.FAULT else status is Status.OK)
        return said

    def _panel(self, programs: Sequence[tuple[Problem, str]], believed: Sequence[bool | None]) -> list[bool | None]:
        """What the truth and the graders with one hole each say together."""
        plans = [
            (number, kind, problem, self.tested(problem, code), code)
            for number, (problem, code) in enumerate(programs)
            if code.strip() and not believed[number]
            for kind in sorted(self.holes)
        ]
        jobs = [proxy_graders.panel_job(kind, problem, cases, code) for _, kind, problem, cases, code in plans]
        said: list[list[bool | None]] = [[truth] for truth in believed]
        for (number, kind, problem, cases, _), outcome in zip(plans, self.sandbox.run(jobs), strict=True):
            said[number].append(proxy_graders.panel_passes(kind, problem, cases, outcome))
        return [proxy_graders.joined(opinions) for opinions in said]


def program_of(submission: Submission) -> str:
    """The program that a submission is."""
    return submission if isinstance(submission, str) else "\n".join(submission.values())
