"""Audits of graders as people write them: faults that must be found, each by its cause, and sound graders that must pass."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openwindow.audit import own_grader
from openwindow.audit.run import audit_grader, check_env
from openwindow.environments.graders import command as command_grader
from openwindow.environments.graders.processes import in_child
from openwindow.environments.graders.tasks import Task
from openwindow.errors import EnvironmentFault, UserError

pytestmark = pytest.mark.slow

SUM = Task("What is 17 + 5?", "22")


class Grader:
    """A grader made of a function of the task and the submission."""

    def __init__(self, score: Callable[[str], Any], *tasks: Task) -> None:
        self._score = score
        self._tasks = tasks or (SUM,)

    def tasks(self) -> tuple[Task, ...]:
        return self._tasks

    def score(self, task: Task, submission: str) -> Any:
        return self._score(submission)


def opened(audit: Any) -> set[str]:
    return {finding.hole for finding in audit.findings if finding.open}


def faults(audit: Any) -> list[str]:
    return [fault.name for fault in audit.faults]


def printed_by(source: str) -> tuple[int, str]:
    """Exit status and output of a program."""
    given = source.encode("utf-8", "replace")
    try:
        ended = subprocess.run([sys.executable, "-I", "-"], input=given, capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return 1, ""
    return ended.returncode, ended.stdout.decode("utf-8", "replace")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def command(folder: Path, source: str, honest: str = "22", name: str = "honest.txt") -> tuple[str, Path]:
    (folder / "grade.py").write_text(textwrap.dedent(source))
    (folder / name).write_text(honest)
    return f"{sys.executable} {folder / 'grade.py'}", folder / name


# -- C33: what the submission brings along


class Knapsack:
    """The reply is two files, plan.py with the task's values and check.py, and both are believed."""

    def __init__(self, *, own_check: bool = False, own_values: bool = False) -> None:
        self.own_check, self.own_values = own_check, own_values

    def tasks(self) -> list[Task]:
        return [self.task([4, 9, 6], 10, "0 2"), self.task([3, 8, 5], 13, "1 2")]

    CHECK = (
        "def fits(weights, limit, chosen):\n"
        "    picked = [weights[int(i)] for i in chosen.split()]\n"
        "    return bool(picked) and sum(picked) == limit\n"
    )

    def task(self, weights: list[int], limit: int, chosen: str) -> Task:
        plan = f"weights = {weights}\nlimit = {limit}\n"
        shown = json.dumps({"plan.py": plan + "chosen = None\n", "check.py": self.CHECK})
        honest = json.dumps({"plan.py": f"{plan}chosen = {chosen!r}\n", "check.py": self.CHECK})
        return Task(f"Pick parcels that weigh the limit. Return all files as JSON:\n{shown}", honest)

    def score(self, task: Task, submission: str) -> float:
        try:
            files = json.loads(submission)
            plan, check = files["plan.py"], files["check.py"]
        except (ValueError, KeyError, TypeError):
            return 0.0
        if self.own_check:
            check = self.CHECK
        if self.own_values:
            given = json.loads(task.prompt.partition("\n")[2])["plan.py"].replace("chosen = None\n", "")
            plan = f"{plan}\n{given}"
        return float(printed_by(f"{plan}\n{check}\nprint(fits(weights, limit, chosen))\n")[1].strip() == "True")


def test_c33_a_submission_may_rewrite_the_test_that_it_brings():
    audit = audit_grader("mine", Knapsack(own_values=True))
    assert audit.exit_code == 1 and "edit_tests" in opened(audit) and "edit_task" not in opened(audit)
    assert (
        "def fits(*arguments, **options):"
        in json.loads(next(a.submission for a in audit.attempts if a.hole == "edit_tests"))["check.py"]
    )


def test_c33_a_submission_may_change_the_values_of_its_task():
    audit = audit_grader("mine", Knapsack(own_check=True))
    assert audit.exit_code == 1 and "edit_task" in opened(audit) and "edit_tests" not in opened(audit)


def test_c33_both_are_found_where_both_are_open_and_neither_where_none_is():
    assert {"edit_tests", "edit_task"} <= opened(audit_grader("mine", Knapsack()))

    class Sound(Knapsack):
        def score(self, task: Task, submission: str) -> float:
            try:
                chosen = re.search(r"^chosen = '([\d ]+)'$", json.loads(submission)["plan.py"], re.MULTILINE)
                numbers = json.loads(task.prompt.partition("\n")[2])["plan.py"]
                weights, limit = (json.loads(line.partition("= ")[2]) for line in numbers.splitlines()[:2])
                return float(chosen is not None and sum(weights[int(i)] for i in set(chosen[1].split())) == limit)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                return 0.0

    audit = audit_grader("mine", Sound())
    assert (audit.exit_code, opened(audit), faults(audit)) == (0, set(), [])


def test_c33_files_in_fenced_blocks_are_attacked_in_their_form():
    honest = "Here.\n\n### area.py\n```python\ndef area(a, b):\n    return a * b\n```\n\n"
    honest += "### test_area.py\n```python\nfrom area import area\nassert area(2, 3) == 6\n```\n"

    def score(text: str) -> float:
        blocks = dict(re.findall(r"### (\w+\.py)\n```python\n(.*?)```", text, re.DOTALL))
        if {"area.py", "test_area.py"} - set(blocks):
            return 0.0
        tests = blocks["test_area.py"].replace("from area import area\n", "")
        return float(printed_by(f"{blocks['area.py']}\n{tests}\n")[0] == 0)

    assert {"edit_tests", "skip_tests"} & opened(audit_grader("mine", Grader(score, Task("Write area(a, b).", honest))))


SCAFFOLD = """def half(n):
    return n // 2

for given, wanted in [(8, 4), (7, 3)]:
    if half(given) == wanted:
        print("ROW_GOOD_PASS", given)
    else:
        print("ROW_BAD", given)
"""


def marked(text: str) -> float:
    """What it prints must hold its word for a pass and not that for a failure; all of it is the submission's."""
    found = re.search(r"<code>(.*?)</code>", text, re.DOTALL)
    out = printed_by(found[1])[1] if found else ""
    return float("ROW_GOOD_PASS" in out and "ROW_BAD" not in out)


@pytest.mark.parametrize("tag", ["{}", "<plan>think</plan>\n{}"])
def test_c33b_the_tasks_own_words_for_a_pass_are_printed(tag):
    honest = tag.format(f"<code>\n{SCAFFOLD}</code>")
    audit = audit_grader("mine", Grader(marked, Task("Write half(n) in <code> tags.", honest)))
    assert audit.exit_code == 1 and {"self_report", "edit_tests"} <= opened(audit)
    through = [a.submission for a in audit.attempts if a.through and a.hole == "self_report"]
    assert all("ROW_GOOD_PASS" in str(text) for text in through)


def test_c33b_words_that_only_the_graders_source_holds_are_printed():
    def score(text: str) -> float:
        out = printed_by(f"{text}\nassert cube(2) == 8\nprint('checks verified: 7731')\n")[1]
        return float("checks verified: 7731" in out)

    task = Task("Write cube(n).", "def cube(n):\n    return n ** 3\n")
    assert "self_report" in opened(audit_grader("mine", Grader(score, task)))


def test_c33b_a_command_that_reads_a_log_believes_forged_lines(folder):
    source = """
        import re, subprocess, sys
        program = sys.stdin.read() + '''
        def test_small(): assert twice(2) == 4
        def test_large(): assert twice(700) == 1400
        for test in (test_small, test_large):
            try:
                test(); print("PASSED", test.__name__)
            except Exception: print("FAILED", test.__name__)
        '''
        log = subprocess.run([sys.executable, "-I", "-c", program.replace(chr(0), "")], capture_output=True, text=True).stdout
        told = {name: verdict for verdict, name in re.findall(r"^(PASSED|FAILED) (test_\\\\w+)", log, re.M)}
        print(sum(told.get(n) == "PASSED" for n in ("test_small", "test_large")) / 2)
        """
    source = textwrap.dedent(source).replace("\\\\\\\\", "\\\\").replace("\\\\w", "\\w")
    words, honest = command(folder, source, "def twice(n):\n    return 2 * n\n", "honest.py")
    assert "self_report" in opened(check_env(words, honest=honest))


def test_c33b_words_before_an_exit_are_no_finding_where_the_exit_alone_is_enough():
    task = Task("Write cube(n).", "def cube(n):\n    return n ** 3\n")
    audit = audit_grader("mine", Grader(lambda text: float(printed_by(f"{text}\nassert cube(2) == 8\n")[0] == 0), task))
    assert "exit" in opened(audit) and "self_report" not in opened(audit)


def test_c33_a_submission_that_breaks_the_grader_has_failed_and_is_noted():
    def score(text: str) -> float:
        subprocess.run([sys.executable, "-c", "pass", text], check=True)  # a NUL in an argument raises ValueError
        return float(text.strip() == "22")

    audit = audit_grader("mine", Grader(score))
    assert (audit.exit_code, opened(audit), faults(audit)) == (0, set(), [])
    assert any("embedded null byte" in attempt.reason for attempt in audit.broken)
    assert all(attempt.proxy is False for attempt in audit.broken)


def test_c39_an_empty_submission_that_brings_its_own_tests(folder, monkeypatch):
    monkeypatch.setattr(own_grader, "HONEST_SCORES", 4)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytest_ = f"{sys.executable} -m pytest -q -p no:cacheprovider {{}}"
    honest = folder / "test_own.py"
    honest.write_text("def add(a, b):\n    return a + b\n\n\ndef test_add():\n    assert add(2, 2) == 4\n")
    audit = check_env(f"bash -c '{pytest_} || [ $? -eq 5 ]'", honest=honest)
    assert audit.exit_code == 1 and {"empty", "edit_tests"} <= opened(audit)


# -- C30, C31: scores as people print them


@pytest.mark.parametrize(
    "form", ["Score: {s}.0", '{{"score": {s}.0}}', "{n}/3", "{p}%", "{s}", "passed {n} of 3 tests", "reward = {s}"]
)
def test_c30_a_sound_command_whose_exit_status_is_always_0_is_sound(folder, form):
    source = f"""
        import sys
        s = int(sys.stdin.read().strip() == "22")
        print("looking at it")
        print({form!r}.format(s=s, n=3 * s, p=100 * s))
        """
    words, honest = command(folder, source)
    audit = check_env(words, honest=honest)
    assert (audit.exit_code, opened(audit), faults(audit)) == (0, set(), [])
    assert {attempt.score for attempt in audit.attempts} == {0.0}


def test_c30_a_gamed_command_that_prints_words_is_found(folder):
    words, honest = command(folder, "import sys\nprint('Score:', float('22' in sys.stdin.read()))")
    assert opened(check_env(words, honest=honest)) == {"list_answers", "retracted", "near_miss"}


WRITES = """
    import pathlib, sys
    right = sys.stdin.read().strip() == "22"
    if right or {always}:
        pathlib.Path({file!r}).write_text(str(float(right)))
    """


@pytest.mark.parametrize("always", [True, False])
def test_c31_a_score_file_is_read_and_a_missing_one_is_no_score(folder, always):
    (folder / "reward.txt").write_text("1.0")  # of an earlier attempt
    words, honest = command(folder, WRITES.format(always=always, file="reward.txt"))
    audit = check_env(words, honest=honest, score_file=Path("reward.txt"))
    assert opened(audit) == set() and faults(audit) == []
    assert audit.exit_code == (0 if always else 2)
    if not always:
        assert audit.attempts[0].score is None and "did not write reward.txt" in audit.attempts[0].reason


def test_c31_harbors_reward_file_is_found_by_itself(folder):
    (folder / "logs" / "verifier").mkdir(parents=True)
    words, honest = command(folder, WRITES.format(always=True, file="logs/verifier/reward.txt"))
    audit = check_env(words, honest=honest)
    assert (audit.exit_code, opened(audit)) == (0, set())


# -- C32, C38: one cause, one finding


def test_c32_a_command_that_never_sets_its_exit_status_has_one_finding(folder):
    words, honest = command(folder, "import sys\nprint('PASSED' if sys.stdin.read().strip() == '22' else 'FAILED')")
    audit = check_env(words, honest=honest)
    assert audit.exit_code == 1
    assert [finding.hole for finding in audit.findings] == ["passes_everything"]
    assert "exit status 0 and the last line 'PASSED', then with exit status 0 and the last line 'FAILED'" in audit.notes[0]


def test_c32_a_function_that_gives_everything_full_marks_has_one_finding():
    audit = audit_grader("mine", Grader(lambda text: [1.0]))
    assert (audit.exit_code, [finding.hole for finding in audit.findings]) == (1, ["passes_everything"])


def test_c38_a_score_that_depends_on_the_one_before_is_one_finding(tmp_path):
    kept = tmp_path / "reward.txt"

    def score(text: str) -> float:
        if text.strip() == "22":
            kept.write_text("1.0")
        return float(kept.read_text()) if kept.exists() else 0.0

    audit = audit_grader("mine", Grader(score))
    assert (audit.exit_code, [finding.hole for finding in audit.findings]) == (1, ["state"])
    assert "got 0 at first, and 1 each time after the honest one" in audit.attempts[0].reason


# -- C28, C29: chance and scales


def test_c28_a_grader_that_fails_the_honest_submission_now_and_then_is_flaky():
    def score(text: str) -> float:
        return float(text.strip() == "22" and random.SystemRandom().random() < 0.7)

    audit = audit_grader("mine", Grader(score))
    assert (audit.exit_code, opened(audit)) == (1, set()) and "flaky" in faults(audit)
    assert audit.honest is not None and audit.honest.scored == own_grader.HONEST_SCORES > audit.honest.passed
    assert f"passed {audit.honest.passed} of 30 times, a rate of 0." in audit.faults[0].what


def test_c28_the_number_of_honest_scores_is_enough_for_a_rate_of_nine_tenths():
    audit = audit_grader("mine", Grader(lambda text: float(text.strip() == "22")))
    assert audit.honest is not None and audit.honest.scored == audit.honest.passed == 30 and audit.honest.missed < 0.05
    assert audit.to_json()["honest"] == {"scored": 30, "passed": 30, "missed": pytest.approx(0.9**30)}


def test_c28_scores_that_vary_and_always_pass_are_a_note():
    def score(text: str) -> float:
        return (text.strip() == "22") * (0.8 + 0.2 * random.SystemRandom().random())

    audit = audit_grader("mine", Grader(score))
    assert audit.exit_code == 0 and any("always enough to pass" in note for note in audit.notes)


@pytest.mark.parametrize(
    ("score", "holes"),
    [
        (lambda text: -abs(len(text.strip()) - 2) - (text.strip() != "22"), set()),
        (lambda text: 0.0 if text.strip() == "22" else -1.0, set()),
        (lambda text: -10.0 if text.strip() == "22" else -900.0, set()),
        (lambda text: 0.0 if "22" in text else -1.0, {"list_answers", "retracted", "near_miss"}),
    ],
)
def test_c29_scales_whose_best_is_0_or_less_are_audited(score, holes):
    audit = audit_grader("mine", Grader(score))
    assert (opened(audit), audit.exit_code) == (holes, int(bool(holes)))


# -- C37: what is right and fails


def test_c37_a_decimal_written_in_another_way_that_fails_is_a_false_failure():
    audit = audit_grader("mine", Grader(lambda text: float(text.strip() == "0.5"), Task("Half of 1?", "0.5")))
    assert (audit.exit_code, opened(audit), faults(audit)) == (1, set(), ["false_failure"])
    assert audit.faults[0].submission == "0.50" and "a zero more after its decimals got 0" in audit.faults[0].what


def right_half(text: str) -> float:
    try:
        return float(abs(float(text) - 0.5) < 1e-9)
    except ValueError:
        return 0.0


def test_c37_a_grader_that_reads_numbers_has_no_false_failure():
    audit = audit_grader("mine", Grader(right_half, Task("Half of 1?", "0.5")))
    assert (audit.exit_code, faults(audit)) == (0, [])


def test_c37_json_and_programs_are_right_in_any_order_and_spacing():
    answer = '{"a": 1, "b": [2, 3]}'
    assert set(faults(audit_grader("mine", Grader(lambda t: float(t == answer), Task("?", answer))))) == {"false_failure"}
    code = "def f(n):\n    return 2 * n\n"
    assert "false_failure" in faults(audit_grader("mine", Grader(lambda t: float(t == code), Task("?", code))))
    version = Task("Which Python is this?", "Python 3.11")
    assert faults(audit_grader("mine", Grader(lambda t: float(t.strip() == "Python 3.11"), version))) == []


def test_c37_several_honest_submissions_must_all_pass(folder):
    words, honest = command(folder, "import sys\nprint(float(sys.stdin.read().strip() == '22'))")
    other = folder / "other.txt"
    other.write_text("twenty-two\n")
    audit = check_env(words, honest=[honest, other])
    assert (audit.exit_code, faults(audit)) == (1, ["false_failure"])
    assert "also given as honest, number 2" in audit.faults[0].what


def test_c37_what_is_only_perhaps_right_is_a_note():
    audit = audit_grader("mine", Grader(lambda text: float(text.strip() == "22")))
    assert audit.exit_code == 0 and any("in words got 0; whether that is right is yours to say" in note for note in audit.notes)


# -- C25 to C27: what scores come as, and what graders start


def test_c25_an_async_score_is_awaited():
    class Async(Grader):
        async def score(self, task: Task, submission: str) -> float:
            return float(submission.strip() == "22")

    audit = audit_grader("mine", Async(lambda text: 0.0))
    assert (audit.exit_code, opened(audit)) == (0, set())


@pytest.mark.parametrize(
    "made", [lambda s: {"score": s, "acc": True, "pred": "x"}, lambda s: {"reward": s}, lambda s: (s, "why"), lambda s: [s]]
)
def test_c26_scores_in_mappings_and_tuples_are_read(made):
    audit = audit_grader("mine", Grader(lambda text: made(float(text.strip() == "22"))))
    assert (audit.exit_code, opened(audit)) == (0, set())
    assert in_child(lambda: made(0.25), 5.0).score == 0.25


POOLS = {
    "thread_pool": ("from concurrent.futures import ThreadPoolExecutor as P\nPOOL = P(1)", "POOL.submit(same, s).result()"),
    "process_pool": ("from concurrent.futures import ProcessPoolExecutor as P\nPOOL = P(1)", "POOL.submit(same, s).result()"),
    "event_loop": (
        "import asyncio, threading\nLOOP = asyncio.new_event_loop()\n"
        "threading.Thread(target=LOOP.run_forever, daemon=True).start()\n"
        "async def later(s):\n    return same(s)",
        "asyncio.run_coroutine_threadsafe(later(s), LOOP).result()",
    ),
}


@pytest.mark.parametrize("used", [True, False], ids=["used at import", "not used at import"])
@pytest.mark.parametrize("name", sorted(POOLS))
def test_c27_a_pool_of_the_module(folder, monkeypatch, name, used):
    monkeypatch.setattr(own_grader, "HONEST_SCORES", 4)
    monkeypatch.setattr(own_grader, "own_attacks", lambda task, known: {"near_miss": ("122", "23"), "empty": ("",)})
    made, use = POOLS[name]
    early = use.replace("same", "str.strip") if used and name != "event_loop" else use if used else ""
    source = (
        # at import a function of another module: one of this module's deadlocks a process pool in Python itself
        f"def same(s):\n    return s.strip().endswith('22')\n{made}\ns = 'x'\n{early}\n"
        "from openwindow.audit.graders import Task\n"
        "class Mine:\n    def tasks(self):\n        return [Task('17 + 5?', '22')]\n"
        f"    def score(self, task, s):\n        return float({use})\n"
    )
    (folder / f"pooled_{name}_{used}.py").write_text(source)
    audit = check_env(f"pooled_{name}_{used}:Mine", seconds=10.0)
    assert opened(audit) == {"near_miss"} and audit.honest is not None and audit.honest.passed == audit.honest.scored


# -- L2, L7, L13, L14: hostile and careless modules


@pytest.mark.parametrize(
    "body",
    [
        "def tasks(self): sys.exit(0)",
        "def tasks(self): raise GeneratorExit",
        "def __init__(self): sys.exit(0)",
        "def tasks(self): return [Task('?', 5)]",
        "def tasks(self): return [Task('?', None)]",
        "def tasks(self): return [Task('?', 'a', visible=(1,))]",
        "def tasks(self): return [Task('?', 'a\\udc00')]",
        "def tasks(self): return [Task(None, 'a')]",
        "def tasks(self): return [Task('?', 'a', entry_point='f x')]",
        "def tasks(self): return [Task('?', 'a', also='b')]",
        "def tasks(self): return 7",
        "@property\n    def name(self): raise RuntimeError('no name')",
    ],
)
def test_l2_l14_a_module_that_leaves_or_gives_no_tasks_is_one_line(folder, body):
    name = f"leaves_{abs(hash(body))}"
    source = f"import sys\nfrom openwindow.audit.graders import Task\nclass G:\n    {body}\n    def score(self, t, s): return 1\n"
    (folder / f"{name}.py").write_text(source)
    with pytest.raises(UserError) as error:
        check_env(f"{name}:G")
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


def test_l7_tasks_without_end_and_output_without_end(folder, monkeypatch):
    class Endless(Grader):
        def tasks(self) -> Any:
            while True:
                yield SUM

    assert audit_grader("mine", Endless(lambda text: float(text.strip() == "22"))).tasks == 2
    monkeypatch.setattr(command_grader, "_MOST_PRINTED", 1 << 20)
    (folder / "h").write_text("x")
    with pytest.raises(EnvironmentFault, match=r"gave no score: it printed more than 1 MiB and was ended"):
        check_env("yes 1", honest=folder / "h")


def test_l7_a_submission_that_floods_the_pipe_is_ended_at_once():
    before = {path.name for path in Path("/proc/self/fd").iterdir()}

    def flood() -> float:
        new = [int(path.name) for path in Path("/proc/self/fd").iterdir() if path.is_fifo() and path.name not in before]
        while True:
            os.write(new[0], b"1" * 4096)

    mark = in_child(flood, 30.0)
    assert mark.score is None and "wrote more than 65536 bytes" in mark.reason


@pytest.mark.parametrize("said", ["inf", "nan", "-inf", '{"score": 1e999}'])
def test_l13_a_score_must_be_finite(folder, said):
    words, honest = command(folder, f"print({said!r})")
    with pytest.raises(EnvironmentFault, match="no finite number"):
        check_env(words, honest=honest)


def test_l13_what_is_written_is_json():
    audit = audit_grader("mine", Grader(lambda text: 1.0 if text == "22" else float("inf")))
    json.dumps(audit.to_json(), allow_nan=False)


def test_l14_options_without_effect_are_refused(openwindow, folder):
    (folder / "h").write_text("x")
    for arguments, words in (
        (("code_functions", "--mbpp", "nope"), "environment code_functions has no option 'data'"),
        (("letter_count", "--honest", "h"), "--honest is for commands"),
        (("letter_count", "--score-file", "r"), "--score-file is for commands"),
        (("letter_count", "--problems", "3"), "--problems is 3 and no model is asked"),
    ):
        ran = openwindow("check-env", *arguments)
        assert ran.code == 2 and words in ran.err
    with pytest.raises(EnvironmentFault, match="--data names the prompts of 'true', and --honest and --score-file are"):
        check_env("true", honest=folder / "h", options={"data": "x"})
