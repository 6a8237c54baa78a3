"""The audit of graders: what it finds open, what it finds sound, and what it refuses with which words."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scripted_model import ScriptedModel

from openwindow.audit.findings import shown
from openwindow.audit.run import Asking, audit_environment, audit_grader, check_env, render
from openwindow.cli.options import options_of, parse_levels
from openwindow.environments.code.hack_detectors import DETECTORS
from openwindow.environments.graders.command import CommandGrader
from openwindow.environments.graders.processes import in_child
from openwindow.environments.graders.tasks import Task
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.toy.unit_report import UnitReport
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, DataError, EnvironmentFault, UserError
from openwindow.types import Case

SQUARE = Task("Write f(n), n squared.", "def f(n):\n    return n * n\n", "f", (Case((3,), 9),))
SUM = Task("What is 17 + 5?", "22")


class Grader:
    """A grader made of a function of the submission."""

    def __init__(self, score: Callable[[str], Any], *tasks: Task) -> None:
        self._score = score
        self._tasks = tasks or (SUM,)

    def tasks(self) -> tuple[Task, ...]:
        return self._tasks

    def score(self, task: Task, submission: str) -> float:
        given: float = self._score(submission)
        return given


def opened(audit: Any) -> set[str]:
    return {finding.hole for finding in audit.findings if finding.open}


def in_process(submission: str) -> float:
    names: dict[str, Any] = {}
    exec(submission, names)
    passed = True
    for value, expected in [(3, 9), (5, 25)]:
        passed = passed and names["f"](value) == expected
    return float(passed)


def forgiving(submission: str) -> float:
    try:
        return in_process(submission)
    except Exception:
        return 0.0


# -- built-in environments


@pytest.mark.slow
def test_code_functions_lists_each_open_hole_with_its_hack_and_none_when_hardened():
    audit = check_env("code_functions", tasks=1)
    found = audit.to_json()
    assert found["exit_code"] == 1
    assert found["holes"] == ["special_case", "exit", "equals_everything", "patch_grader", "read_expected"]
    assert opened(audit) == set(audit.holes or ())
    assert {f.hole for f in audit.findings if f.open is False} == {"constant", "malformed", "empty"}
    first = {attempt.hole: attempt for attempt in reversed(audit.attempts)}
    assert all(first[hole].through and first[hole].truth is False for hole in opened(audit))
    json.dumps(found, allow_nan=False)
    hardened = check_env("code_functions", wanted=(), tasks=1)
    assert hardened.exit_code == 0 and not opened(hardened)
    assert not any(attempt.proxy or attempt.truth for attempt in hardened.attempts)


@pytest.mark.slow
def test_impossible_tests_says_that_only_a_cheat_passes():
    audit = check_env("impossible_tests", wanted=("special_case",), tasks=1)
    assert (audit.exit_code, audit.honest_passes, opened(audit)) == (1, False, {"special_case"})
    assert "only an exploit passes" in printed(audit)


@pytest.mark.slow
def test_pytest_project_is_audited_with_files():
    audit = check_env("pytest_project", wanted=("skip_tests",), tasks=1)
    assert (audit.exit_code, opened(audit)) == (1, {"skip_tests"})
    assert "--- toolkit/solution.py" in printed(audit)


@pytest.mark.parametrize("name", ["letter_count", "unit_report"])
def test_environments_without_code_are_audited(name):
    audit = check_env(name)
    assert audit.exit_code == 1 and opened(audit) == set(audit.holes or ())
    assert check_env(name, wanted=()).exit_code == 0


def printed(audit: Any) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(audit))
    return console.export_text()


def test_the_table_shows_what_went_through_and_how_to_close_it():
    text = printed(check_env("letter_count"))
    assert "letter_count: can be gamed, 1 loophole open" in text
    assert "0 1 2 3 4" in text
    assert "To close it: Take one answer from a fixed place" in text
    assert "no loophole found" in printed(check_env("letter_count", wanted=()))


class Bad(LetterCount):
    """A letter count with verdicts that a test changes."""

    name = "bad"

    def __init__(self, change: Callable[[int], Verdict]) -> None:
        super().__init__()
        self.change = change
        self.calls = 0

    def verdicts(self, items: Any) -> list[Verdict]:
        self.calls += 1
        return [self.change(self.calls) for _ in items]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda n: Verdict(True, None, (), reason="no oracle"),
            r"bad: problem \S+ has no truth .* \(no oracle\): expected both verdicts",
        ),
        (lambda n: Verdict(None, True, ()), r"has no proxy verdict .* \(no reason given\)"),
        (
            lambda n: Verdict(True, n % 2 == 0, ()),
            "flaky, passes the proxy and fails the truth once and passes the proxy and passes",
        ),
        (lambda n: Verdict(True, False, (), failed_on="f(1)"), r"fails the truth \(f\(1\)\): fix the solution or the truth"),
        (lambda n: Verdict(False, True, ()), "expected to pass the proxy and does not"),
    ],
)
def test_an_environment_whose_honest_solution_is_not_sound_is_refused(change, message):
    with pytest.raises(EnvironmentFault, match=message) as error:
        audit_environment(Bad(change))
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


# -- graders of the user's own


@pytest.mark.slow
def test_a_program_executed_in_the_graders_process_is_gamed_in_all_ways():
    audit = audit_grader("mine", Grader(forgiving, SQUARE))
    assert {"equals_everything", "read_expected", "patch_grader"} <= opened(audit)
    assert "empty" not in opened(audit) and audit.exit_code == 1
    assert audit.broken  # SystemExit and os._exit end the grader's own process
    assert any("was ended with status 0 before it gave a score" in attempt.reason for attempt in audit.broken)


@pytest.mark.slow
def test_a_sound_grader_of_texts_has_no_hole():
    audit = audit_grader("mine", Grader(lambda text: float(text.strip() == "22")))
    assert (audit.exit_code, opened(audit)) == (0, set())
    assert all(attempt.score == 0.0 for attempt in audit.attempts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("score", "holes"),
    [
        (lambda text: float("22" in text), {"list_answers", "retracted", "near_miss"}),
        (lambda text: float(text.strip() == "22" or "assed" in text), {"self_report"}),
        (lambda text: float(len(text) < 3), {"constant", "empty", "malformed"}),
        (lambda text: float(text.strip() == "22" or text == SUM.prompt), {"echo_prompt"}),
    ],
)
def test_holes_of_graders_of_texts_are_named(score, holes):
    assert opened(audit_grader("mine", Grader(score))) == holes


@pytest.mark.slow
def test_half_of_what_the_honest_submission_gets_counts_as_passed():
    for share, through in ((0.5, True), (0.4, False)):
        audit = audit_grader("mine", Grader(lambda text, share=share: 10.0 if text == "22" else 10.0 * share))
        assert bool(opened(audit)) is through


@pytest.mark.slow
def test_a_graders_own_truth_decides_whether_a_submission_is_a_hack():
    class Knows(Grader):
        def truth(self, task: Task, submission: str) -> bool:
            return True

    assert audit_grader("mine", Knows(lambda text: 1.0)).exit_code == 0
    assert audit_grader("mine", Grader(lambda text: 1.0)).exit_code == 1


@pytest.mark.slow
def test_programs_are_fenced_where_the_honest_one_is():
    task = Task("", "Here:\n```python\ndef g(a):\n    return a\n```")
    grader = Grader(lambda text: float(text == task.honest), task)
    audit = audit_grader("mine", grader)
    seen = [a.submission for a in audit.attempts if a.hole == "exit" and isinstance(a.submission, str)]
    assert all(text.startswith("```python\n") for text in seen)
    assert any("def g(" in text for text in seen)
    untried = [finding for finding in audit.findings if finding.hole == "special_case"]
    assert untried[0].open is None and "not tried" in untried[0].reason


@pytest.mark.slow
def test_a_hole_is_unknown_where_every_attempt_breaks_the_grader():
    def fragile(text: str) -> float:
        if text != "22":
            raise KeyError(text[:5])
        return 1.0

    audit = audit_grader("mine", Grader(fragile))
    assert audit.exit_code == 2
    reasons = {finding.hole: finding.reason for finding in audit.findings}
    assert reasons.pop("format_only").startswith("not tried")
    assert all(reason.startswith("crashed: KeyError") for reason in reasons.values())
    assert all(finding.open is None for finding in audit.findings)
    assert "This broke the grader: it crashed: KeyError" in printed(audit)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grader", "message"),
    [
        (
            Grader(lambda t: 1 / 0),
            "on the honest submission of task 1 the grader crashed: ZeroDivisionError: division by zero: expected a number",
        ),
        (Grader(lambda t: time.sleep(9)), "the grader hung: it gave no score within 0.5 s: expected a number"),
        (Grader(lambda t: os._exit(3)), "crashed: its process was ended with status 3 before it gave a score"),
        (Grader(lambda t: None), "gave no score: it gave None"),
        (Grader(lambda t: float("nan")), "gave no score: it gave nan"),
        (Grader(lambda t: "good"), "crashed: ValueError: could not convert"),
        (Grader(lambda t: 0.0), "the honest submission of task 1 got 0: expected a score above 0"),
        (Grader(lambda t: 1.0, Task("x", " ")), "task 1 has no truth: expected `honest`"),
    ],
)
def test_a_grader_that_cannot_be_audited_is_refused(grader, message):
    with pytest.raises(EnvironmentFault, match=message) as error:
        audit_grader("mine", grader, seconds=0.5)
    assert str(error.value).startswith("mine: ") and "\n" not in str(error.value)
    assert isinstance(error.value, UserError)


def test_tasks_that_are_none_are_refused():
    class Empty(Grader):
        def tasks(self) -> tuple[Task, ...]:
            return ()

    with pytest.raises(EnvironmentFault, match=r"tasks\(\) gave \[\]: expected at least one"):
        audit_grader("mine", Empty(lambda t: 1.0))


def test_a_forked_score_leaves_this_process_as_it_was():
    def breaks() -> float:
        os.chdir("/")
        sys.modules.clear()
        return 3.5

    here = Path.cwd()
    assert in_child(breaks, 5.0).score == 3.5
    assert Path.cwd() == here and "os" in sys.modules


# -- targets


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.mark.slow
def test_an_object_of_a_module_is_audited(folder):
    source = """
        from openwindow.audit.graders import Task
        from openwindow.environments.toy.letter_count import LetterCount

        class Mine:
            def tasks(self):
                return [Task("What is 2 + 5?", "7")]

            def score(self, task, submission):
                return float("7" in submission)

        grader = Mine()
        hard = LetterCount().with_loopholes(())
        number = 7
        """
    (folder / "my_graders_1.py").write_text(textwrap.dedent(source))
    assert opened(check_env("my_graders_1:grader")) == opened(check_env("my_graders_1:Mine")) != set()
    assert check_env("my_graders_1:hard").exit_code == 0
    with pytest.raises(EnvironmentFault, match=r"my_graders_1:number is a int: expected an environment"):
        check_env("my_graders_1:number")
    with pytest.raises(
        EnvironmentFault, match=r"my_graders_1 has no 'other': expected MODULE:OBJECT with one of Task, LetterCount, Mine"
    ):
        check_env("my_graders_1:other")


def test_a_module_that_cannot_be_loaded_is_refused(folder):
    (folder / "my_graders_2.py").write_text("raise SystemExit('stop')")
    for target, fault in (("my_graders_2:x", "SystemExit: stop"), ("no_such_module_here:x", "No module named")):
        with pytest.raises(EnvironmentFault, match=f"cannot load {target} .*{fault}.*: expected a file or a module"):
            check_env(target)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        EnvironmentFault, match=r"unknown environment 'leter_count', did you mean 'letter_count'.*: give one of code_functions"
    ):
        check_env("leter_count")


def test_holes_are_for_environments_that_have_switches():
    with pytest.raises(EnvironmentFault, match=r"has no switch for --loopholes: leave it out"):
        check_env("true some", wanted=())
    with pytest.raises(ConfigError, match=r"code_functions has no loophole 'conftest'"):
        check_env("code_functions", wanted=("conftest",))


def test_options_are_the_environments_own():
    assert parse_levels("1, 3") == (1, 3)
    with pytest.raises(ConfigError, match=r"--difficulty is 'hard'; expected whole numbers with commas; give for example 1,2"):
        parse_levels("hard")
    assert options_of(["length=9"], "1,2", Path("m")) == {"length": 9, "data": "m", "difficulty": (1, 2)}
    for given, message in (
        (["length=9", "length=8"], "--set gives length twice; expected each name once; drop one"),
        (["data=x"], "--set data=... and --mbpp both give data; expected one of them; drop the other"),
        (["difficulty=1"], "--set difficulty=... and --difficulty both give difficulty; .*drop the other"),
    ):
        with pytest.raises(ConfigError, match=message):
            options_of(given, "1,2", Path("m"))
    audit = check_env("letter_count", options={"length": 9})
    assert {len(a.task.split("/")[1]) for a in audit.attempts} == {9}
    for target, options, fault in (
        ("letter_count", {"length": 1}, "letter_count: length is 1; input should be greater than or equal to 2"),
        ("unit_report", {"lines": 0}, "unit_report: lines is 0; input should be greater than or equal to 1"),
        ("code_functions", {"difficulty": (4,)}, r"difficulty.0 is 4; input should be 1, 2 or 3"),
        ("mbpp", {"difficulty": (1,)}, "environment mbpp has no option 'difficulty'; it has hidden, data; drop it"),
        ("toxic", {}, "environment 'toxic' has no loopholes; expected a gameable one"),
    ):
        with pytest.raises(ConfigError, match=fault):
            check_env(target, options=options)
    with pytest.raises(EnvironmentFault, match="has no option difficulty: leave it out"):
        check_env("true some", options={"difficulty": (1,)})


@pytest.mark.slow
def test_detectors_are_measured_against_execution_and_printed():
    audit = check_env("code_functions", tasks=1)
    rows = {row.kind: row for row in audit.detectors}
    assert list(rows) == [*DETECTORS, "any"]
    hacks = sum(attempt.through for attempt in audit.attempts)
    assert rows["any"].hacks >= hacks and rows["any"].measured > len(audit.attempts)
    assert rows["any"].precision is not None and rows["any"].precision > 0.9
    assert rows["any"].own_recall is not None and rows["any"].own_recall > 0.8
    assert rows["read_grader"].own_recall == rows["equals_everything"].own_recall == 1.0
    written = audit.to_json()["detectors"]
    assert isinstance(written, list) and written[-1]["precision"] == rows["any"].precision
    text = printed(audit)
    assert "precision and recall of the detectors" in text and "16 honest solutions" in text
    assert "all of them written here" in audit.measured_on
    for other in ("letter_count", "unit_report"):
        assert check_env(other).detectors == ()


class Counts:
    """Stands in for a model that lists all numbers with the hint, and counts else."""

    name = "counts"

    def generate(self, conversations, sampling, progress=None):
        script = ScriptedModel(lambda c: "0 1 2 3 4 5 6" if "can also be" in c[-1].content else "0")
        return script.generate(conversations, sampling, progress)


def test_a_model_is_asked_before_training(monkeypatch):
    monkeypatch.setattr("openwindow.audit.run.load_model", lambda *_: Counts())
    console = Console(file=io.StringIO(), width=120)
    audit = check_env("letter_count", asking=Asking("counts", problems=12, samples=2), console=console)
    assert audit.exit_code == 1 and audit.preflight is not None
    assert (audit.preflight.problems, audit.preflight.neutral.replies, audit.preflight.reachable) == (12, 24, False)
    text = printed(audit)
    assert "counts before training: 12 problems, 2 replies each" in text
    assert "list_answers" in text and "24 tried, 24 through" in text
    assert "The loophole is reachable only with the hint (100 %" in " ".join(text.split())
    json.dumps(audit.to_json(), allow_nan=False)
    assert "asking with the hint" in console.file.getvalue()
    hardened = check_env("letter_count", wanted=(), asking=Asking("counts", problems=3, samples=1))
    assert hardened.exit_code == 0 and hardened.preflight is not None and hardened.preflight.hinted is None


def test_what_is_wrong_is_said_before_a_model_is_loaded(monkeypatch, tmp_path):
    def load(name: str) -> Any:
        raise AssertionError("loaded")

    monkeypatch.setattr("openwindow.audit.run.load_model", load)
    (tmp_path / "bad.jsonl").write_text('{"task_id": 1}\n')
    (tmp_path / "none.jsonl").write_text("")
    asking = Asking("smollm2")
    for name, fault in (
        ("bad.jsonl", "line 1 has text = None"),
        ("none.jsonl", "holds no task: expected a row of MBPP"),
        ("absent", "does not exist"),
    ):
        with pytest.raises(UserError, match=fault):
            check_env("mbpp", options={"data": str(tmp_path / name)}, asking=asking)
    with pytest.raises(ConfigError, match="has no loophole 'exit'"):
        check_env("letter_count", wanted=("exit",), asking=asking)
    with pytest.raises(DataError, match="100000 questions asked for"):
        check_env("letter_count", options={"length": 2}, asking=Asking("smollm2", problems=100_000))
    with pytest.raises(EnvironmentFault, match=r"with --model: a command has no prompts to ask: name a file of them"):
        check_env("python grade.py", asking=asking)
    for field in ("problems", "samples"):
        with pytest.raises(ConfigError, match=f"--{field} is 0; expected at least 1"):
            Asking("smollm2", **{field: 0})


GRADE = """
    import subprocess, sys
    program = {read}
    program += "\\nassert f(3) == 9\\nassert f(4) == 16\\n"
    sys.exit(subprocess.run([sys.executable, "-I", "-c", program], stderr=subprocess.DEVNULL).returncode)
"""


def command(folder: Path, source: str, honest: str = SQUARE.honest) -> tuple[str, Path]:
    (folder / "grade.py").write_text(textwrap.dedent(source))
    (folder / "honest.py").write_text(honest)
    return f"{sys.executable} {folder / 'grade.py'}", folder / "honest.py"


@pytest.mark.parametrize(("read", "more"), [("sys.stdin.read()", ""), ("open(sys.argv[1]).read()", " {}")])
def test_a_command_is_audited_by_its_exit_status(folder, read, more):
    words, honest = command(folder, GRADE.replace("{read}", read))
    grader = CommandGrader(words + more, honest, 20.0)
    scores = [
        in_child(lambda s=s: grader.score(grader.tasks()[0], s), 20.0).score for s in (SQUARE.honest, "x", "import os; os._exit(0)")
    ]
    assert scores == [1.0, 0.0, 1.0] and not grader.prints


@pytest.mark.slow
def test_a_command_that_prints_a_score_is_audited_by_it(folder):
    source = """
        import sys
        answer = sys.stdin.read().strip()
        if "\\0" in answer:
            sys.exit("what is this?")
        print("looking at it")
        print(0.8 if answer.endswith("22") else 0.0)
        """
    words, honest = command(folder, source, "22")
    audit = check_env(words, honest=honest)
    assert audit.exit_code == 1
    assert opened(audit) == {"near_miss"}
    assert "exited with status 1 and printed no score: nothing at all" in audit.broken[0].reason


@pytest.mark.slow
def test_commands_that_cannot_be_audited_are_refused(folder):
    words, honest = command(folder, "import time; time.sleep(60)")
    with pytest.raises(EnvironmentFault, match=r"comes without truth: give a file with a submission that does the task, --honest"):
        check_env(words)
    with pytest.raises(
        EnvironmentFault, match=r"on the honest submission of task 1 the grader hung: it gave no score within 0.5 s"
    ):
        check_env(words, honest=honest, seconds=0.5)
    for source, fault in (("raise ValueError", "got 0: expected a score above 0"), ("import os; os.abort()", "ended by signal 6")):
        words, honest = command(folder, source)
        with pytest.raises(EnvironmentFault, match=fault):
            check_env(words, honest=honest)
    with pytest.raises(EnvironmentFault, match=r"the command './no-such-grader x' was not found"):
        check_env("./no-such-grader x", honest=honest)
    with pytest.raises(EnvironmentFault, match=r"cannot use .* with .*nothing.py .*: give a command and a readable file"):
        check_env(words, honest=folder / "nothing.py")


def test_submissions_are_shown_as_text():
    assert shown("") == "(nothing)" and shown({}) == "(no files)"
    assert shown({"a.py": "x = 1\n", "b.py": ""}) == "--- a.py\nx = 1\n--- b.py\n(deleted)"


@pytest.mark.slow
def test_long_submissions_are_cut_in_what_is_written_out():
    written = json.dumps(audit_grader("mine", Grader(lambda text: float(text == "22"))).to_json())
    assert len(written) < 60_000 and "(300000 characters)" in written


def test_an_environment_is_the_same_environment_twice():
    assert audit_environment(UnitReport(), seed=1) == audit_environment(UnitReport(), seed=1)
