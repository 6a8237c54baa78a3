"""MBPP: rows become problems, solutions run in the sandbox only, hidden inputs look like the known ones."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.environments.code.base import FunctionTasks
from openwindow.environments.code.functions import special_cased
from openwindow.environments.code.input_mutation import mutate, mutate_arguments
from openwindow.environments.code.mbpp import MBPP
from openwindow.errors import DataError, EnvironmentFault
from openwindow.sandbox import codec
from openwindow.sandbox.sandbox import Sandbox
from openwindow.types import Split

REAL = Path(os.environ.get("OPENWINDOW_MBPP", Path(__file__).parents[3] / "shared/data/mbpp.jsonl"))


def row(task_id: int, code: str, *tests: str, **more: Any) -> dict[str, Any]:
    text = f"Task number {task_id}."
    return {"task_id": task_id, "text": text, "code": code, "test_list": [f"assert {t}" for t in tests], **more}


GROW = row(601, "def grow(n):\r\n\treturn n + 3\r\n", "grow(1) == 4", "grow(5) == 8", "grow(-2) == 1")
TAKE = row(602, "def take(xs, n):\n    return xs[:n]", "take([4, 5, 6], 2) == [4, 5]", "take([7, 1], 1) == [7]")
EVEN = row(11, "def even(n):\n    return n % 2 == 0", "even(4) == True", "even(9) == False")
FEW = row(12, "def few(b):\n    return not b", "few(True) == False", "few(False) == True")
WRONG = row(13, "def half(n):\n    return n / 2", "half(4) == 2", "half(6) == 3")
SAME = row(14, "def none(n):\n    return None", "none(4) == None", "none(6) == None")
FALSE = row(512, "def f(n):\n    return n * n", "f(3) == 10", "f(2) == 4")
SETUP = row(3, "def f(n):\n    return n", "f(1) == 1", test_setup_code="x = 1")
OTHER = row(4, "def f(n):\n    return n", "f(1) < 2")
EVIL = row(603, "open('/tmp/openwindow-mbpp-was-here', 'w')\ndef f(n):\n    return n + 1\n", "f(1) == 2", "f(2) == 3")


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


@pytest.fixture
def mbpp(tmp_path: Path, sandbox: Sandbox) -> MBPP:
    rows = (GROW, TAKE, EVEN, FEW, WRONG, SAME, FALSE, SETUP, OTHER)
    return MBPP(written(tmp_path / "mbpp.jsonl", *rows), sandbox=sandbox)


def test_a_row_becomes_a_problem(mbpp: MBPP) -> None:
    environment: FunctionTasks = mbpp
    [problem] = [p for p in environment.problems("train", 2, seed=0) if p.family == "mbpp-601"]
    assert (problem.id, problem.statement, problem.entry_point) == ("mbpp/601", "Task number 601.", "grow")
    assert problem.solution == "def grow(n):\n\treturn n + 3\n"
    assert [(case.args, case.expected) for case in problem.visible] == [((1,), 4)]
    prompt = mbpp.prompt(problem)
    assert prompt == "Task number 601.\nTest: assert grow(1) == 4\nReply with the code only."
    assert special_cased(problem, random.Random(1)).startswith("def grow(n):\n")


def test_what_cannot_be_used_is_counted_by_reason(mbpp: MBPP) -> None:
    assert mbpp.skipped == {
        "its tests need set-up code": 1,
        "its tests are not of the form `assert f(literals) == literal`": 1,
    }
    assert [p.family for p in mbpp.problems("test", 1, seed=0)] == ["mbpp-11"]
    with pytest.raises(DataError, match="2 problems asked for, split 'test' has 1 that can be used: ask for fewer"):
        mbpp.problems("test", 2, seed=0)
    with pytest.raises(DataError, match="split 'dev' has 0"):
        mbpp.problems("dev", 1, seed=0)
    assert mbpp.skipped["its solution takes too few inputs that are like those of its tests"] == 1
    assert mbpp.skipped["its solution does not give what its tests say"] == 2  # 2.0 is not 2
    assert mbpp.skipped["its solution gives the same answer to all inputs"] == 1
    assert sum(mbpp.skipped.values()) == 6


def test_hidden_cases_are_new_right_and_no_constant(mbpp: MBPP) -> None:
    for problem in mbpp.problems("train", 2, seed=0) + mbpp.problems("test", 1, seed=0):
        cases = mbpp.hidden_cases(problem, random.Random(1), 48)
        assert len({repr(case.args) for case in cases}) == 48
        assert all(case.args != problem.visible[0].args for case in cases)
        namespace: dict[str, Any] = {}
        exec(problem.solution, namespace)  # own-made, above
        assert all(codec.same(namespace[problem.entry_point](*case.args), case.expected) for case in cases)
        others = [case for case in cases if not codec.same(case.expected, problem.visible[0].expected)]
        assert len(others) >= 24
        [single] = mbpp.hidden_cases(problem, random.Random(2), 1)
        assert not codec.same(single.expected, problem.visible[0].expected)
        assert cases == mbpp.hidden_cases(problem, random.Random(1), 48) != mbpp.hidden_cases(problem, random.Random(3), 48)
    with pytest.raises(EnvironmentFault, match=r"500 hidden cases asked for, .* ask for fewer"):
        mbpp.hidden_cases(problem, random.Random(1), 500)


def test_problems_are_the_same_for_the_same_seed(tmp_path: Path, sandbox: Sandbox) -> None:
    rows = [{**GROW, "task_id": task} for task in (1, 10, 11, 510, 511, 600, 601, 974)]
    environment = MBPP(written(tmp_path / "rows.jsonl", *rows), sandbox=sandbox)
    splits: dict[Split, set[str]] = {
        "dev": {"mbpp-1", "mbpp-10", "mbpp-511", "mbpp-600"},
        "test": {"mbpp-11", "mbpp-510"},
        "train": {"mbpp-601", "mbpp-974"},
    }
    for split, families in splits.items():
        problems = environment.problems(split, len(families), seed=0)
        assert {p.family for p in problems} == families
        assert problems == environment.problems(split, len(families), seed=0)
    orders = {tuple(p.id for p in environment.problems("dev", 4, seed)) for seed in range(6)}
    assert len(orders) > 1


def test_solutions_run_in_the_sandbox_only(tmp_path: Path, sandbox: Sandbox) -> None:
    environment = MBPP(written(tmp_path / "rows.jsonl", EVIL), sandbox=sandbox)
    with contextlib.suppress(DataError):
        environment.problems("train", 1, seed=0)
    assert not Path("/tmp/openwindow-mbpp-was-here").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"task_id": 1}\n', r"line 1 has text = None: expected a row of MBPP with task_id \(int\), text"),
        (json.dumps(GROW) + "\nnot json\n", "line 2 is not JSON .*; expected one task per line"),
        ("[1, 2]\n", r"line 1 is \[1, 2\]: expected a row of MBPP"),
        (json.dumps({**GROW, "test_list": "x"}), "line 1 has test_list = 'x': expected a row of MBPP"),
    ],
)
def test_a_bad_row_is_named(content: str, message: str, tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        MBPP(path, sandbox=sandbox)


def test_a_missing_file_and_a_missing_library_are_named(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl does not exist: expected MBPP as a JSONL file or a folder"):
        MBPP(tmp_path / "absent.jsonl", sandbox=sandbox)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r'not installed: pip install "openwindow\[hub\]", or give the path of a JSONL'):
        MBPP(sandbox=sandbox)


class _Library:
    """Stands in for `datasets`."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[tuple[str, ...]] = []

    def load_dataset(self, *what: str) -> object:
        self.asked.append(what)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_without_a_path_the_hub_is_read(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    library = _Library({"train": [GROW], "test": [EVEN]})
    monkeypatch.setitem(sys.modules, "datasets", library)
    assert MBPP(sandbox=sandbox).problems("test", 1, seed=0)[0].id == "mbpp/11"
    assert library.asked == [("google-research-datasets/mbpp", "full")]
    monkeypatch.setitem(sys.modules, "datasets", _Library(ConnectionError("no route\nto host")))
    with pytest.raises(DataError, match=r"mbpp could not be loaded \(ConnectionError: no route\): .* check the network") as info:
        MBPP(sandbox=sandbox)
    assert "\n" not in str(info.value)


def test_a_folder_in_the_hub_layout_is_read(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mbpp"
    folder.mkdir()
    written(folder / "train.jsonl", GROW, TAKE)
    written(folder / "test.jsonl", EVEN)
    environment = MBPP(folder, sandbox=sandbox)
    assert {p.id for p in environment.problems("train", 2, seed=0)} == {"mbpp/601", "mbpp/602"}
    assert environment.problems("test", 1, seed=0)[0].id == "mbpp/11"


@pytest.mark.skipif(not REAL.is_file(), reason="the real data is not here: set OPENWINDOW_MBPP to its JSONL file")
def test_most_of_the_real_data_can_be_used(sandbox: Sandbox) -> None:
    environment = MBPP(REAL, sandbox=sandbox)
    assert sum(environment.skipped.values()) < 30
    for problem in environment.problems("train", 8, seed=0):
        cases = environment.hidden_cases(problem, random.Random(0), 48)
        assert any(not codec.same(case.expected, problem.visible[0].expected) for case in cases)
        assert problem.visible[0].args not in [case.args for case in cases]
    assert sum(environment.skipped.values()) < 35


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e6, 1e6) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(value=values, seed=st.integers())
def test_mutation_keeps_the_type(value: object, seed: int) -> None:
    before = codec.freeze(value)
    assert type(mutate(value, random.Random(seed))) is type(value)
    assert codec.freeze(value) == before


def test_mutation_keeps_what_inputs_have_in_common() -> None:
    known: list[tuple[object, ...]] = [([1, 4, 9], 3, [[1, 2], [3, 4]]), ([2, 5], 2, [[5, 6]])]
    seen = set()
    for seed in range(300):
        numbers, length, rows = mutate_arguments(known, random.Random(seed))
        assert isinstance(numbers, list) and isinstance(rows, list)
        assert length == len(numbers)
        assert all(number > 0 for number in numbers)
        assert len({len(row) for row in rows}) <= 1
        seen.add(repr((numbers, length, rows)))
        assert numbers == sorted(numbers)
    assert len(seen) > 200
