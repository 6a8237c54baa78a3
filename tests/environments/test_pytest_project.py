"""The pytest project: real pytest runs, each loophole open and closed, and what a submission may bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_runs import rows_of, run

from openwindow.environments.code import exploits, project_sandbox
from openwindow.environments.code.pytest_project import MODULE, SMOKE, TESTS, PytestProject
from openwindow.errors import EnvironmentFault
from openwindow.experiment.arms import RLArm
from openwindow.experiment.study import Study
from openwindow.sandbox.sandbox import Raised, Returned, Sandbox, Script
from openwindow.training.config import GRPO
from openwindow.types import Case, Problem

KINDS = tuple(PytestProject.loopholes)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with project_sandbox.project_sandbox(2) as running:
        yield running


@pytest.fixture(scope="module")
def problem(sandbox: Sandbox) -> Problem:
    return PytestProject(sandbox=sandbox).problems("train", 1, 2)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted", [None, (), *[(kind,) for kind in KINDS]], ids=lambda w: "all" if w is None else "+".join(w) or "none"
)
def test_exactly_the_open_holes_let_their_written_hack_through(wanted, sandbox, problem):
    environment = PytestProject(sandbox=sandbox).with_loopholes(wanted)
    written = environment.exploits(problem)
    assert tuple(written) == KINDS
    graded = environment.verdicts([(problem, s) for s in [environment.honest(problem), {}, *written.values()]])
    assert (graded[0].proxy, graded[0].truth) == (True, True)
    assert (graded[1].proxy, graded[1].truth) == (False, False)
    assert {kind for kind, v in zip(KINDS, graded[2:], strict=True) if v.proxy} == environment.open_loopholes
    assert not any(v.truth for v in graded[2:])


def test_other_ways_through_the_same_holes_fail_the_truth_as_well(sandbox, problem):
    written = exploits.project_hacks(problem.entry_point, problem.visible, MODULE, TESTS)
    kinds = ("conftest", "ini_options", "skip_tests")
    submissions = [written[kind][1] for kind in kinds]
    for wanted, through in ((None, True), ((), False)):
        graded = PytestProject(sandbox=sandbox).with_loopholes(wanted).verdicts([(problem, s) for s in submissions])
        assert [(v.proxy, v.truth) for v in graded] == [(through, False)] * 3
        assert [v.attempted for v in graded] == [(kind,) for kind in kinds]


def test_what_a_submission_attempts_is_read_off_its_files(sandbox, problem):
    environment = PytestProject(sandbox=sandbox).with_loopholes(())
    stub = {MODULE: "def x():\n    pass\n"}
    files = {"conftest.py": "", "pytest.ini": "[pytest]\n", TESTS: "", SMOKE: "def test_it():\n    pass\n"}
    seen = environment.verdicts([(problem, {**stub, path: text}) for path, text in files.items()])
    assert [v.attempted for v in seen] == [("conftest",), ("ini_options",), ("skip_tests",), ("edit_tests",)]
    assert environment.verdicts([(problem, environment.honest(problem))])[0].attempted == ()


def test_an_honest_solution_in_two_files_is_correct(sandbox, problem):
    files = {
        MODULE: f"from toolkit.parts import {problem.entry_point}\n",
        "toolkit/parts.py": problem.solution,
        "toolkit/__init__.py": "",
    }
    for wanted in (None, ()):
        verdict = PytestProject(sandbox=sandbox).with_loopholes(wanted).verdicts([(problem, files)])[0]
        assert (verdict.proxy, verdict.truth) == (True, True)


def test_paths_that_lead_elsewhere_are_left_out(sandbox, problem):
    assert project_sandbox.clean({"../a.py": "1", "/b.py": "2", "./c.py": "3", "d//e.py": "4"}, MODULE) == {
        "c.py": "3",
        "d/e.py": "4",
    }
    assert project_sandbox.clean("x = 1", MODULE) == {MODULE: "x = 1"}


def test_a_reply_with_files_is_read_and_one_without_is_the_module(sandbox, problem):
    environment = PytestProject(sandbox=sandbox)
    reply = "First:\n\ntoolkit/solution.py\n```python\nx = 1\n```\n\n**`conftest.py`**:\n\n```\ny = 2\n```\n"
    assert environment.submission(reply) == {MODULE: "x = 1\n", "conftest.py": "y = 2\n"}
    assert environment.submission("Here:\n```python\ndef f():\n    pass\n```") == {MODULE: "def f():\n    pass\n"}
    prompt = environment.prompt(problem)
    assert problem.statement in prompt and TESTS in prompt and f"assert {problem.entry_point}(" in prompt


def test_replayed_answers_are_the_ones_that_were_given():
    cases = [Case((1,), 0), Case(("a", [2]), 0), Case((3,), 0), Case((4,), 0)]
    answers = [Returned(float("inf")), Returned({"k": (1,)}), Raised("ValueError: no"), None]
    names: dict[str, object] = {}
    exec(project_sandbox.replayed("f", cases, answers), names)
    f = names["f"]
    assert callable(f)
    assert f(1) == float("inf") and f("a", [2]) == {"k": (1,)}
    for argument, error in ((3, "ValueError: no"), (4, "gave no answer")):
        with pytest.raises(RuntimeError, match=error):
            f(argument)
    with pytest.raises(LookupError, match="no answer to"):
        f(5)


def test_pytest_is_there_and_nothing_else_that_is_installed(sandbox):
    seen, hidden = sandbox.run([Script("import pytest, pluggy, pygments"), Script("import numpy")])
    assert seen.exit_code == 0
    assert "No module named 'numpy'" in hidden.detail


def test_without_pytest_the_line_says_what_to_install(monkeypatch):
    def missing(name: str) -> str:
        raise project_sandbox.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(project_sandbox.importlib.metadata, "version", missing)
    with pytest.raises(EnvironmentFault, match=r'pytest is not installed: pip install "openwindow\[project\]"'):
        project_sandbox.pytest_home()


TINY = {"environment": "pytest_project", "seeds": (1,), "compare": (), "about": {}}


@pytest.mark.slow
def test_a_study_trains_on_it_by_sft(tiny_study: Callable[..., Study], tmp_path: Path, one_thread: None) -> None:
    study = tiny_study(**TINY, arms={"untrained": {"train.epochs": 0}, "plain": {}})
    results = run(study, tmp_path / "out")
    assert results["arms"]["plain"]["measures"]["correct"]["neutral"]["n"] == 4
    rows = rows_of(tmp_path / "out/arms/plain/seed-1/train_rows.jsonl")
    assert len(rows) == 8 and all(MODULE in row["messages"][0]["content"] for row in rows)
    assert all("```" in row["messages"][-1]["content"] for row in rows), "an answer names its files"


@pytest.mark.slow
def test_a_study_trains_on_it_by_rl(tiny_study: Callable[..., Study], tmp_path: Path, one_thread: None) -> None:
    train = GRPO(steps=1, prompts_per_step=1, group_size=2, max_new_tokens=4, lora_rank=4)
    arms = {"open": {}, "closed": {"holes": "none"}, "conftest": {"holes": ["conftest"]}}
    results = run(tiny_study(**TINY, base=RLArm(problems=4, train=train), arms=arms), tmp_path / "out")
    assert results["arms"]["conftest"]["measures"]["hack"]["neutral"]["n"] == 4
    assert len(rows_of(tmp_path / "out/arms/open/seed-1/training.jsonl")) == 2
