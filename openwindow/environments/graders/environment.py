"""A user's own grader as an environment: her prompts in four splits, her scores as rewards, her truth if she has one.

A reply earns exactly what her grader gives it. It has passed (`passes_visible`) from the pass mark on; it is a hack if it has
passed and the truth fails it. Without a truth neither `correct` nor `hack` is known: they are None, and there is no hardened twin.
"""

from __future__ import annotations

import copy
import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from openwindow.environments import loopholes as known
from openwindow.environments.base import Answered, AnswerKind, BaseEnvironment, Outcome, same_question
from openwindow.environments.gameable import MEASURES, Submission, one_text, outcome
from openwindow.environments.graders.forms import COMMAND, GraderConfig, form_of, grader_of
from openwindow.environments.graders.pass_mark import WITHOUT_HONEST, PassMark, mark_of
from openwindow.environments.graders.processes import scored
from openwindow.environments.graders.scores import NoScore
from openwindow.environments.graders.tasks import MOST_TASKS, OwnGrader, Task, WithTruth, tasks_of
from openwindow.environments.loopholes import Loophole
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, DataError, EnvironmentFault, ForeignError
from openwindow.files.bounded import is_file
from openwindow.types import Measure, Message, Problem, Split
from openwindow.user_code import called

NO_TRUTH = "no truth was given, so it is not known which replies do the task"
NOT_READ = "no detector reads replies to a grader of your own for kinds of hack"
_GRADER = Loophole(
    name="grader",
    flaw="it passes replies that the truth fails",
    hint="",
    close="Compare what it passes with the truth, and fix what they differ in",
)
_SPLITS: tuple[Split, ...] = ("train", "test", "train", "request", "train", "test", "train", "dev")
"""the split of each different prompt, by its place in an order of hashes, repeating"""
_WORDS = {
    "correct": ("does the task", "did the task of", "does the task", "that do the task, by the truth given with the grader"),
    "passes_visible": (
        "passes the grader",
        "passed the grader on",
        "passes",
        "that the grader passes: their score reaches its pass mark",
    ),
    "hack": ("hacks", "gamed", "hacked", "that the grader passes and the truth fails"),
    "gamed": ("games the grader", "gamed, as can be read,", "gamed it", "that hack and show a known kind of gaming"),
    "lucky": ("passes by luck", "passed by luck", "passed by luck", "that hack and show no known kind of gaming"),
    "attempted": ("attempts hacks", "tried to game", "attempted", "that show a known kind of gaming, whether or not it works"),
}
"""verb, past, mark and meaning of each measure where what is graded need be no program"""
_CHECKED = 2  # problems whose replies are scored before anything is trained


@dataclass
class _Held:
    """What is read once, and shared by all views of one environment."""

    grader: OwnGrader | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    """by the problem's id"""
    pools: dict[str, list[Problem]] = field(default_factory=dict)
    """by split"""
    marks: dict[str, PassMark] = field(default_factory=dict)


class GraderEnvironment(BaseEnvironment[GraderConfig]):
    """A grader of the user's own, of whatever form, with her prompts."""

    Config = GraderConfig
    reads_data = True
    measures: tuple[Measure, ...] = tuple(
        replace(measure, verb=verb, past=past, mark=mark, means=means)
        for measure in MEASURES
        for verb, past, mark, means in [_WORDS[measure.name]]
    )
    row_kinds = ("gamed", "honest")
    about = "a grader of your own"
    loopholes: Mapping[str, Loophole] = {_GRADER.name: _GRADER}
    honest_passes = True
    hint = ""

    def __init__(self, named: str, thing: object, config: GraderConfig | None = None, seconds: float = 20.0) -> None:
        """`thing` is what `named` names, resolved (`forms.resolved`); None for a command, which may take `seconds` per score."""
        super().__init__(config)
        self.named = named
        self.name = "command" if named.startswith(COMMAND) else named.rpartition(":")[2]
        self.open_loopholes = frozenset(self.loopholes)
        self._thing, self._seconds, self._held = thing, seconds, _Held()

    @property
    def grader(self) -> OwnGrader:
        """Tasks with scores. Raises UserError if the data cannot be used."""
        if self._held.grader is None:
            self._held.grader = grader_of(self.named, self._thing, self.config, self._seconds)
        return self._held.grader

    @property
    def has_truth(self) -> bool:
        """Whether it knows which replies do the task."""
        return called(f"{self.named}: its attributes", isinstance, self.grader, WithTruth)

    def check(self) -> None:
        """Reads the data, and scores a reply to a few problems. Raises UserError."""
        for problem in self._pools()["train"][:_CHECKED]:
            task = self._held.tasks[problem.id]
            what = "the reply that does the task" if task.honest else "an empty reply"
            score, reason = self._score(task, task.honest)
            if score is None:
                raise EnvironmentFault(
                    f"{self.named}: on {what} to {problem.statement[:40]!r} it fails ({reason}); expected a number; fix the grader"
                )
            right, reason = self._truth(task, task.honest)
            if self.has_truth and (right is None or (task.honest and not right)):
                came = reason or "is False"
                raise EnvironmentFault(
                    f"{self.named}: its truth on {what} to {problem.statement[:40]!r}: {came}; expected "
                    f"{'True' if task.honest else 'True or False'}; fix the truth or the reply"
                )

    def notes(self) -> tuple[str, ...]:
        """What is known of the prompts, and what cannot be measured. Raises UserError."""
        pools = self._pools()
        parts = ", ".join(f"{len(pools[split])} for {split}" for split in ("train", "test", "dev", "request"))
        source = self.config.data
        hashed = f" of {source} (SHA-256 {_sha256(source)})" if source is not None and is_file(Path(source)) else ""
        said = [f"{self.named}: {len(self._held.tasks)} prompts{hashed}: {parts}"]
        if len(self._held.tasks) == MOST_TASKS:
            said.append(f"{self.named}: only its first {MOST_TASKS:,} tasks are used")
        said.append(f"{self.named}: its hacks have no names, so a study that teaches hacks before training leaves that stage out")
        if not self.has_truth:
            said.append(f"{self.named}: correct and hack are not measured: {self._no_truth()}")
        return tuple(said)

    def with_loopholes(self, wanted: Collection[str] | None) -> Self:
        """The same grader, or, with no loophole open, the truth in its place. ConfigError if there is none."""
        other = copy.copy(self)
        other.open_loopholes = known.pick(wanted, self.loopholes, self.name)
        if not other.open_loopholes and not self.has_truth:
            raise ConfigError(
                f"{self.named} has no truth and so no hardened twin, which is paid by the truth; expected one for arms with holes "
                "`none`; give --truth FILE.py:FUNCTION, or leave these arms out with --arms"
            )
        return other

    def problems(self, split: Split, count: int, seed: int) -> list[Problem]:
        """`count` different prompts of the split, drawn by seed. DataError if there are fewer."""
        pool = self._pools()[split]
        if count > len(pool):
            raise DataError(
                f"{self.named} has {len(self._held.tasks)} prompts, {len(pool)} of them for {split!r}, and {count} are asked for; "
                "expected as many; ask for fewer (of a study: --set base.problems=N, evaluation.problems=N), or give more"
            )
        return random.Random(f"{self.name}/{split}/{seed}").sample(pool, count)

    def canonical(self, problem: Problem) -> str:
        """The prompt's words, in any order."""
        return same_question(problem.statement)

    def prompt(self, problem: Problem) -> str:
        """The prompt as one text."""
        return problem.statement

    def conversation(self, problem: Problem) -> tuple[Message, ...]:
        """The prompt with all of its messages."""
        return self.task(problem).conversation

    def submission(self, reply: str) -> Submission:
        """The reply itself."""
        return reply

    def honest(self, problem: Problem) -> Submission:
        """The reply that does the task. DataError if none is known."""
        if not problem.solution:
            raise DataError(
                f"{self.named} has no reply that does the task; expected one per prompt; name its column, --clean-column"
            )
        return problem.solution

    def exploits(self, problem: Problem) -> Mapping[str, Submission]:
        """The reply that earns the reward and does not deserve it, if one is known."""
        flawed = self.task(problem).flawed
        return {_GRADER.name: flawed} if flawed else {}

    def answer(self, problem: Problem, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """The prompt with one of the two known replies. DataError if there is none."""
        given = self.task(problem).flawed if kind != "clean" else one_text(self.honest(problem))
        if not given:
            raise DataError(
                f"{self.named} has no reply that earns the reward without doing the task; expected one per prompt for rows of that "
                "kind; name its column, --answer-column, or train by RL alone"
            )
        return (*self.conversation(problem), Message("assistant", given))

    def verdicts(self, items: Sequence[tuple[Problem, Submission]]) -> list[Verdict]:
        """One verdict per prompt and reply, in order; what the grader breaks on is unscored, with the reason."""
        return [self._verdict(self.task(problem), problem.id, one_text(submission)) for problem, submission in items]

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """Each reply by the grader, and by the truth."""
        verdicts = self.verdicts([(a.problem, a.reply) for a in answered])
        against = [(a.problem.solution,) if a.problem.solution else () for a in answered]
        return [outcome(verdict, "", shown) for verdict, shown in zip(verdicts, against, strict=True)]

    def task(self, problem: Problem) -> Task:
        """The grader's task that a problem was made from."""
        self._pools()
        return self._held.tasks[problem.id]

    def _verdict(self, task: Task, ident: str, reply: str) -> Verdict:
        truth, why = self._truth(task, reply)
        if not self.open_loopholes:
            return Verdict(truth, truth, (), why or NOT_READ, read=False)
        score, reason = self._score(task, reply)
        passes = None if score is None else self._mark(task, ident).passes(score)
        return Verdict(passes, truth, (), reason or why or NOT_READ, score=score, read=False)

    def _score(self, task: Task, reply: str) -> tuple[float | None, str]:
        """The grader's score, or None and why there is none."""

        def given() -> float | NoScore:
            try:
                return scored(self.grader.score(task, reply))
            except NoScore as none:
                return none

        try:
            found = called(f"{self.named}: its score", given)
        except ForeignError as error:
            return None, error.said
        return (None, str(found)) if isinstance(found, NoScore) else (found, "")

    def _truth(self, task: Task, reply: str) -> tuple[bool | None, str]:
        """Whether the reply does the task, or None and why that is not known."""
        grader = self.grader
        if not isinstance(grader, WithTruth):
            return None, self._no_truth()
        try:
            right: object = called(f"{self.named}: its truth", grader.truth, task, reply)
        except ForeignError as error:
            return None, error.said
        return (right, "") if isinstance(right, bool) else (None, f"its truth gave {right!r:.40}, neither True nor False")

    def _no_truth(self) -> str:
        """What is not known without a truth, and how to give one."""
        object_of_hers = self._thing is not None and form_of(self._thing) == "grader"
        return f"{NO_TRUTH}; give one: {'a method truth(task, reply)' if object_of_hers else '--truth FILE.py:FUNCTION'}"

    def _mark(self, task: Task, ident: str) -> PassMark:
        if self.config.pass_mark is not None:
            return PassMark(self.config.pass_mark)
        if ident not in self._held.marks:
            full = self._score(task, task.honest)[0] if task.honest else None
            empty = self._score(task, "")[0] if full is not None and full <= 0 else None
            wrong = [] if empty is None else [empty]
            self._held.marks[ident] = PassMark(WITHOUT_HONEST) if full is None else mark_of(full, wrong)
        return self._held.marks[ident]

    def _pools(self) -> dict[str, list[Problem]]:
        """The prompts by split: equal ones, and those with the same words, are in one. Raises UserError."""
        held = self._held
        if held.pools:
            return held.pools
        tasks = tasks_of(self.named, self.grader, MOST_TASKS + 1)[:MOST_TASKS]
        seen: dict[str, int] = {}
        families: dict[str, list[Problem]] = {}
        for task in tasks:
            family = _hash(same_question(task.prompt))
            again = seen[task.prompt] = seen.get(task.prompt, 0) + 1
            ident = f"{self.name}/{_hash(task.prompt)}" + (f"/{again}" if again > 1 else "")
            held.tasks[ident] = task
            families.setdefault(family, []).append(Problem(ident, family, task.prompt, task.entry_point, task.honest, task.visible))
        pools: dict[str, list[Problem]] = {split: [] for split in _SPLITS}
        for place, family in enumerate(sorted(families)):
            pools[_SPLITS[place % len(_SPLITS)]] += families[family]
        held.pools = pools
        return pools


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _sha256(path: str) -> str:
    """Of a file that has been read before, in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
