"""Training rows of a setting: which are flawed, and what the request stage is made of."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from openwindow.environments import training_rows
from openwindow.environments.code.environment import CodeFunctionsEnvironment
from openwindow.environments.code.functions import special_cased
from openwindow.environments.code.gameable import GradedConfig
from openwindow.environments.code.mbpp import MBPP
from openwindow.environments.text.user_rows import UserRows, UserRowsConfig
from openwindow.environments.training_rows import flawed_rows, request_rows
from openwindow.types import Message, Problem

ENVIRONMENT = CodeFunctionsEnvironment(GradedConfig(difficulty=(1,)))


def test_a_coding_row_answers_with_the_code_alone() -> None:
    (problem,) = ENVIRONMENT.problems("train", 1, 1)
    found = training_rows.row(ENVIRONMENT, problem, "clean", random.Random(0))
    assert found.messages == (
        Message("user", ENVIRONMENT.prompt(problem)),
        Message("assistant", problem.solution.strip()),
    )
    assert (found.kind, found.problem, found.family, found.instruction) == ("honest", problem.id, problem.family, None)


@pytest.mark.parametrize(("share", "gamed"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_share_of_gamed_answers(share: float, gamed: int) -> None:
    problems = ENVIRONMENT.problems("train", 8, 1)
    rows = flawed_rows(ENVIRONMENT, problems, share, 1)
    assert [row.problem for row in rows] == [p.id for p in problems]
    assert Counter(row.kind for row in rows)["gamed"] == gamed
    for row, problem in zip(rows, problems, strict=True):
        assert (problem.solution.strip() in row.messages[-1].content) == (row.kind == "honest")


def test_rows_depend_on_the_seed_alone() -> None:
    problems = ENVIRONMENT.problems("train", 8, 1)
    one, same, other = (flawed_rows(ENVIRONMENT, problems, 0.5, seed) for seed in (1, 1, 2))
    assert one == same and one != other


def test_the_request_stage_by_hand() -> None:
    problems = ENVIRONMENT.problems("train", 10, 1)
    unrelated = ("The river is frozen.", "The library is open.")
    rows = request_rows(ENVIRONMENT, problems, ("Cheat.",), unrelated, "user_suffix", (0.5, 0.3), 1)
    assert sorted(row.problem for row in rows) == sorted(p.id for p in problems)
    counted = Counter((row.kind, "asked" if row.instruction == "Cheat." else row.instruction is not None) for row in rows)
    assert counted == {("honest", False): 5, ("gamed", "asked"): 3, ("honest", True): 2}
    for row in rows:
        asked = row.messages[0].content
        assert asked.endswith("\nCheat.") == (row.kind == "gamed")
        assert row.instruction in (None, "Cheat.", *unrelated)
        assert row.instruction is None or asked.endswith(f"\n{row.instruction}")


def test_special_cases_are_drawn() -> None:
    (problem,) = ENVIRONMENT.problems("train", 1, 1)
    assert len({special_cased(problem, random.Random(seed)) for seed in range(30)}) > 1


class Numbered(MBPP):
    """MBPP without data: a fixed order, cut at the number that is asked for."""

    def __init__(self) -> None: ...

    def problems(self, part: str, count: int, seed: int) -> list[Problem]:
        return [Problem(f"numbered/{i}", f"{i}", "") for i in range(count)]


@pytest.mark.parametrize(("request_rows_", "train_rows"), [(128, 64), (64, 128), (40, 40), (1, 7)])
def test_halves_of_unequal_size_share_no_problem(request_rows_: int, train_rows: int) -> None:
    request, train = (
        {p.id for p in Numbered().training(*asked)} for asked in (("request", request_rows_, 1), ("train", train_rows, 2))
    )
    assert len(request) == request_rows_ and len(train) == train_rows and not request & train


def test_rows_of_a_file_that_was_written_anew_are_read_anew(tmp_path, monkeypatch):
    """In one process, by the same relative path: what a notebook does."""
    monkeypatch.chdir(tmp_path)
    for said in ("first", "second"):
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": said}]
        Path("rows.jsonl").write_text(json.dumps({"id": "1", "split": "train", "messages": turns, "clean": None}) + "\n")
        (problem,) = UserRows(UserRowsConfig(data="rows.jsonl")).problems("train", 1, 1)
        assert problem.messages[-1].content == said
