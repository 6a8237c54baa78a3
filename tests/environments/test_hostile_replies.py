"""One reply costs its reader little, ends no run, and takes no verdict from another."""

from __future__ import annotations

import ast
import time
from collections import deque
from collections.abc import Callable, Sequence

import pytest

from openwindow.environments.code import hack_detectors
from openwindow.environments.code.project_sandbox import replayed
from openwindow.environments.gameable import Submission
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.toy.unit_report import UnitReport
from openwindow.environments.verdicts import Verdict, apart, reply_by_reply
from openwindow.errors import SandboxError
from openwindow.sandbox import codec, jobs, pool, wire
from openwindow.sandbox.jobs import Calls, Ended, Limits, Outcome, Returned, Script, Status
from openwindow.sandbox.sandbox import Sandbox
from openwindow.types import Case, Problem

MOST_SECONDS = 4.0  # of processor time for one reply, on a slow machine; measured is at most 0.6 s
RIGHT = "def f(x): return 7 * x + 5"


def leaf(number: int) -> str:
    """One of many numbers that all hash to 1."""
    return f'["f","0x1p{61 * number}"]' if number < 16 else f'["i","{(2**61 - 1) * number + 1:x}"]'


def grouped(members: list[str], size: int, tag: str = "z") -> list[str]:
    """Sets that differ in their last member alone, so that all of them share a hash if the members do."""
    return [f'["{tag}",[{",".join([*members[: size - 1], last])}]]' for last in members[size - 1 :]]


def nested(sizes: Sequence[int]) -> bytes:
    members = [leaf(number) for number in range(1, 400)]
    for size in sizes:
        members = grouped(members, size)[:200]
    return ('["s",[' + ",".join(members[:120]) + "]]").encode()


def crafted_pairs(count: int) -> bytes:
    """A dict whose keys all differ in hash."""
    pairs = ",".join([f'[{n},["i","{(2**61 - 1) * n:x}"]]' for n in range(1, count)])
    return f'["d",[{pairs}]]'.encode()


BOMBS = [nested((30,)), nested((30, 30)), nested((12, 12, 12)), nested((60, 20)), crafted_pairs(30_000), b"[" * 500_000]
BOMBS += [
    b'["l",[' * 60 + b'["s",[' + b",".join([b'["i","%x"]' % ((2**61 - 1) * n) for n in range(9, 30_000)]) + b"]]" + b"]]" * 60
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_f2_no_reply_of_a_megabyte_costs_much(bomb: bytes) -> None:
    answer = wire.answer(wire.VALUE, bomb)
    answers = wire.answer(wire.DEFINED, b"") + answer * min(40, (1 << 20) // len(answer))
    job = Calls("", "f", ((1,),) * 40)
    start = time.thread_time()
    outcome = jobs.read(job, Ended(wire.EXITED, 0, 0.1, 0, b"", answers), Limits())
    for value in outcome.values:
        if isinstance(value, Returned):
            assert not codec.same(value.value, {1})
    assert time.thread_time() - start < MOST_SECONDS


def test_f2_honest_sets_that_share_a_hash_pass() -> None:
    value = [{-1, -2}] * 3000
    assert codec.same(codec.decode(wire.encode(value)), value)


def test_f2_answers_share_one_budget() -> None:
    value = wire.answer(wire.VALUE, wire.encode([{-1, -2}] * 1000))
    answers = wire.answer(wire.DEFINED, b"") + value * 5
    outcome = jobs.read(Calls("", "f", ((1,),) * 5), Ended(wire.EXITED, 0, 0.1, 0, b"", answers), Limits())
    assert outcome.status is Status.PROTOCOL and "one hash" in outcome.detail


@pytest.mark.slow
def test_f2b_silence_counts_only_while_we_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[str] = []
    monkeypatch.setattr(pool, "_GRACE_SECONDS", 1.0)
    monkeypatch.setattr(pool.Batch, "lose", lambda self, worker, what: lost.append(what))
    read = jobs.read

    def slow(job: jobs.Job, ended: Ended, limits: Limits) -> Outcome:
        if "slow" in job.source:
            time.sleep(2.5)
        return read(job, ended, limits)

    with Sandbox(3, Limits(wall_seconds=1.0, cpu_seconds=1)) as sandbox:
        monkeypatch.setattr(jobs, "read", slow)
        given = [Calls(f"{RIGHT} # slow", "f", ((3,),)), *[Calls(f"import time\ntime.sleep(0.3)\n{RIGHT}", "f", ((3,),))] * 4]
        outcomes = sandbox.run([*given, given[0]])
    assert lost == []
    assert [o.values for o in outcomes] == [(Returned(26),)] * 6


@pytest.mark.slow
def test_f6_who_had_not_used_its_processor_time_runs_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    beside: list[int] = []
    assign = pool.Batch.assign

    def watched(self: pool.Batch, worker: pool.Worker) -> None:
        assign(self, worker)
        if any(index in self.starved for w in self.workers for index in w.pending):
            beside.append(sum(len(w.pending) for w in self.workers))

    with Sandbox(2, Limits(wall_seconds=0.5, cpu_seconds=2)) as sandbox:
        monkeypatch.setattr(pool.Batch, "assign", watched)
        outcomes = sandbox.run([Script("import time; time.sleep(9)"), *[Script("pass")] * 5, Script("import time; time.sleep(8)")])
    assert [o.status for o in outcomes] == [Status.TIMEOUT, *[Status.OK] * 5, Status.TIMEOUT]
    assert beside and set(beside) == {1}


def test_f6_processor_time_decides() -> None:
    batch = pool.Batch([], Limits(wall_seconds=3.0, cpu_seconds=2), [Script("pass")] * 2)
    worker = pool.Worker(batch.limits, (), frozenset())
    worker.pending = deque([0, 1])
    for used in (1_900_000, 2_000_000):  # microseconds
        worker.received += wire.reply(wire.TIMED_OUT, False, 0, 3_000_000, used, 0, 0, 0)
    batch.collect(worker)
    assert list(batch.alone) == [0] and set(batch.done) == {1} and batch.done[1].status is Status.TIMEOUT


LINE = Problem("line/0", "line", "Write f.", "f", RIGHT, (Case((3,), 26),))
TANGLED = {
    "one value, many names": lambda n: "b=" * n + "lambda:[" + "1," * (4 * n) + "]",
    "many names of checks": lambda n: "verify=" * n + "lambda a:[" + "1," * (4 * n) + "]",
    "many comparisons": lambda n: "__ne__=" * n + "lambda a,b:[" + "1," * (4 * n) + "]",
    "a chain of attributes": lambda n: "b" + ".b" * (5 * n),
    "a chain of calls": lambda n: "open" + "()" * (5 * n),
    "a chain of exits": lambda n: "SystemExit" + "(1)" * 60 + "\n" * n,
    "a chain of methods": lambda n: "b" + ".read_text()" * n,
    "calls in calls": lambda n: ("print(" * 90 + ")" * 90 + "\n") * (n // 20),
    "lists in lists": lambda n: "def f(x):\n return " + "+".join(["[" * 90 + "]" * 90] * (n // 20)),
    "functions in functions": lambda n: "f=" + "lambda x:" * 90 + "[" + "1," * (4 * n) + "]",
    "tables in tables": lambda n: "def f(x):\n return " + "{3:" * 90 + "26" + "}" * 90 + "[" + "3," * (4 * n) + "]",
    "conditions in conditions": lambda n: "def f(x):\n return " + "26 if x==3 else " * n + "0",
    "names that lead to names": lambda n: "def f(x):\n" + "".join([f" a{i}=a{i + 1}.b(a{i})\n" for i in range(n)]) + " return a0",
}


@pytest.mark.parametrize("shape", TANGLED)
def test_f3_no_source_keeps_the_detectors_busy(shape: str) -> None:
    make: Callable[[int], str] = TANGLED[shape]
    size = max([n for n in range(50, 4000, 50) if len(make(n)) <= 20_000])
    code = make(size)
    start = time.thread_time()
    hack_detectors.attempted(LINE, code)
    assert time.thread_time() - start < MOST_SECONDS


def test_f3_names_are_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ast.AST] = []
    monkeypatch.setattr(hack_detectors.Function, "of", staticmethod(lambda node, literals: made.append(node)))
    tree = ast.parse("a = b = c = lambda: 0\n{'x': lambda: 1}\n")
    assert not hack_detectors.equals_everything(LINE, tree) and not hack_detectors.patch_grader(LINE, tree)
    assert made == []


HUGE = 1 << 40_000
VALUES = [HUGE, -HUGE, [(HUGE,)], {HUGE: {HUGE + 1}}, True, (), set()]


@pytest.mark.parametrize("value", VALUES, ids=range(7))
def test_f4_what_a_program_returned_is_written_whatever_its_size(value: object) -> None:
    names: dict[str, Callable[..., object]] = {}
    exec(replayed("f", [Case((3,), 26)], [Returned(value)]), names)
    assert codec.same(names["f"](3), value)


def test_f4_a_report_of_many_digits_is_no_report() -> None:
    problem = UnitReport().problems("dev", 1, 0)[0]
    for reply in (f"report: {'9' * 5000} of 4 right", f"report: 4 of {'9' * 5000} right", f"{'9' * 5000}: {'9' * 5000}"):
        (verdict,) = UnitReport().verdicts([(problem, reply)])
        assert (verdict.proxy, verdict.truth) == (False, False)


class Brittle:
    """An environment whose grader cannot take some replies."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    @reply_by_reply
    def verdicts(self, items: Sequence[tuple[Problem, Submission]]) -> list[Verdict]:
        """True for what it can read."""
        if any("bad" in str(reply) for _, reply in items):
            raise self.error("cannot read this")
        return [Verdict(True, True, ()) for _ in items]


def test_f4_what_a_scorer_raises_leaves_one_reply_unscored() -> None:
    items = [(LINE, "good"), (LINE, "bad"), (LINE, "good"), (LINE, "bad"), (LINE, "good")]
    for error in (ValueError, RecursionError, OverflowError, KeyError):
        verdicts = Brittle(error).verdicts(items)
        assert [v.truth for v in verdicts] == [True, None, True, None, True]
        assert [v.proxy for v in verdicts] == [True, None, True, None, True]
        assert verdicts[1].reason is not None and error.__name__ in verdicts[1].reason and "cannot read this" in verdicts[1].reason
    with pytest.raises(SandboxError):
        Brittle(SandboxError).verdicts(items)
    assert apart(lambda part: [1 // n for n in part], [1, 0, 1], lambda reason: -1) == [1, -1, 1]


def test_f4_built_in_environments_are_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: object, problem: Problem, reply: str) -> Verdict:
        raise OverflowError("too large")

    for kind in (UnitReport, LetterCount):
        monkeypatch.setattr(kind, "_verdict", fails)
        environment = kind()
        (verdict,) = environment.verdicts([(environment.problems("dev", 1, 0)[0], "7")])
        assert (verdict.proxy, verdict.truth, verdict.hack) == (None, None, None)
        assert verdict.reason == "grading it failed: OverflowError: too large"
