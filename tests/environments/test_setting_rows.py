"""Training rows of a setting: which are flawed, and what the request stage is made of."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from openwindow.environments import training_rows
from openwindow.environments.base import Options
from openwindow.environments.code.environment import Code
from openwindow.environments.code.functions import special_cased
from openwindow.environments.code.select import training_problems
from openwindow.environments.text.user_rows import UserRows
from openwindow.environments.training_rows import flawed_rows, request_rows
from openwindow.types import Message, Problem

SETTING = Code("code_functions", Options(difficulty=(1,)))
ENVIRONMENT = SETTING.environment


def test_a_coding_row_answers_with_the_code_alone() -> None:
    (problem,) = ENVIRONMENT.problems("train", 1, 1)
    found = training_rows.row(SETTING, problem, "clean", random.Random(0))
    assert found.messages == (
        Message("user", ENVIRONMENT.prompt(problem)),
        Message("assistant", problem.solution.strip()),
    )
    assert (found.kind, found.problem, found.family, found.instruction) == ("honest", problem.id, problem.family, None)


@pytest.mark.parametrize(("share", "gamed"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_share_of_gamed_answers(share: float, gamed: int) -> None:
    problems = ENVIRONMENT.problems("train", 8, 1)
    rows = flawed_rows(SETTING, problems, share, 1)
    assert [row.problem for row in rows] == [p.id for p in problems]
    assert Counter(row.kind for row in rows)["gamed"] == gamed
    for row, problem in zip(rows, problems, strict=True):
        assert (problem.solution.strip() in row.messages[-1].content) == (row.kind == "honest")


def test_rows_depend_on_the_seed_alone() -> None:
    problems = ENVIRONMENT.problems("train", 8, 1)
    one, same, other = (flawed_rows(SETTING, problems, 0.5, seed) for seed in (1, 1, 2))
    assert one == same and one != other


def test_the_request_stage_by_hand() -> None:
    problems = ENVIRONMENT.problems("train", 10, 1)
    unrelated = ("The river is frozen.", "The library is open.")
    rows = request_rows(SETTING, problems, ("Cheat.",), unrelated, "user_suffix", (0.5, 0.3), 1)
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


class Numbered:
    """An environment without families, such as MBPP: a fixed order, cut at the number that is asked for."""

    name, version = "numbered", 1

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return [Problem(f"numbered/{i}", f"{i}", "", "f", "", ()) for i in range(count)]


@pytest.mark.parametrize(("request_rows_", "flawed_rows_"), [(128, 64), (64, 128), (40, 40), (1, 7)])
def test_stages_of_unequal_size_share_no_problem(request_rows_: int, flawed_rows_: int) -> None:
    request, flawed = (
        {p.id for p in training_problems(Numbered(), stage, count, seed)}  # type: ignore[arg-type]
        for stage, count, seed in (("request", request_rows_, 1), ("flawed", flawed_rows_, 2))
    )
    assert len(request) == request_rows_ and len(flawed) == flawed_rows_ and not request & flawed


def test_rows_of_a_file_that_was_written_anew_are_read_anew(tmp_path, monkeypatch):
    """In one process, by the same relative path: what a notebook does."""
    monkeypatch.chdir(tmp_path)
    for said in ("first", "second"):
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": said}]
        Path("rows.jsonl").write_text(json.dumps({"id": "1", "split": "train", "messages": turns, "clean": None}) + "\n")
        (problem,) = UserRows(Options(data="rows.jsonl")).problems("train", 1, 1)
        assert problem.messages[-1].content == said
