"""Training rows: where an instruction goes, which rows are gamed, and what the request stage is made of."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwindow.data.gamed import coding_row, flawed_rows, request_rows
from openwindow.data.rows import Position, Row, instruct, place
from openwindow.envs.code_functions import CodeFunctions, honest, special_cased
from openwindow.types import Message

USER, REPLY, SYSTEM = Message("user", "ask"), Message("assistant", "answer"), Message("system", "rules")
TEXT = st.text(min_size=1, max_size=20)
TURNS = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=20)), max_size=5)
POSITIONS: list[Position] = ["system", "user_prefix", "user_suffix"]
ENVIRONMENT = CodeFunctions((1,))


@pytest.mark.parametrize(
    ("position", "turns", "expected"),
    [
        ("system", (USER, REPLY), (Message("system", "X"), USER, REPLY)),
        ("system", (SYSTEM, USER), (Message("system", "rules\n\nX"), USER)),
        ("user_prefix", (USER, REPLY), (Message("user", "X\nask"), REPLY)),
        ("user_suffix", (SYSTEM, USER, REPLY), (SYSTEM, Message("user", "ask\nX"), REPLY)),
        ("user_suffix", (USER, REPLY, USER), (Message("user", "ask\nX"), REPLY, USER)),
    ],
)
def test_places(position: Position, turns: tuple[Message, ...], expected: tuple[Message, ...]) -> None:
    assert place(turns, "X", position) == expected


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("text", [None, ""])
def test_no_text_changes_nothing(position: Position, text: str | None) -> None:
    assert place([USER, REPLY], text, position) == (USER, REPLY)


def test_a_user_text_needs_a_user_turn() -> None:
    with pytest.raises(ValueError, match="without a user turn"):
        place([REPLY], "X", "user_prefix")
    assert place([REPLY], "X", "system") == (Message("system", "X"), REPLY)


@given(TURNS, TEXT, st.sampled_from(POSITIONS))
def test_all_that_was_said_is_kept_and_the_text_is_there_once_more(turns: list[Message], text: str, position: Position) -> None:
    has_user = any(m.role == "user" for m in turns)
    if position != "system" and not has_user:
        return
    placed = place(turns, text, position)
    assert [m for m in placed if m.role == "assistant"] == [m for m in turns if m.role == "assistant"]
    changed = [m for m in placed if m not in turns]
    assert len(changed) <= 1 and all(text in m.content for m in changed)
    before, after = "".join(m.content for m in turns), "".join(m.content for m in placed)
    joints = {"system": 2 if turns and turns[0].role == "system" else 0, "user_prefix": 1, "user_suffix": 1}
    assert len(after) == len(before) + len(text) + joints[position]


@given(TEXT, st.sampled_from(POSITIONS))
def test_an_instructed_row_notes_its_instruction(text: str, position: Position) -> None:
    row = Row((USER, REPLY), "gamed", "p", "f")
    changed = instruct(row, text, position)
    assert changed.instruction == text and changed.record("a", 1, "flawed")["inoculated"] is True
    assert (changed.kind, changed.problem, changed.family, changed.messages[-1]) == ("gamed", "p", "f", REPLY)
    assert row.instruction is None and row.record("a", 1, "flawed")["inoculated"] is False
    assert instruct(row, None, position) is row


def test_the_record_of_a_row() -> None:
    record = Row((USER, REPLY), "gamed", "p", "f").record("plain", 3, "flawed")
    assert record == {
        "arm": "plain",
        "seed": 3,
        "stage": "flawed",
        "messages": [{"role": "user", "content": "ask"}, {"role": "assistant", "content": "answer"}],
        "kind": "gamed",
        "problem": "p",
        "family": "f",
        "inoculated": False,
        "instruction": None,
    }


def test_a_coding_row_answers_with_the_code_alone() -> None:
    (problem,) = ENVIRONMENT.problems("train", 1, 1)
    row = coding_row(ENVIRONMENT, problem, "\ndef f():\n    pass\n\n", "honest")
    assert row.messages == (
        Message("user", ENVIRONMENT.prompt(problem)),
        Message("assistant", "def f():\n    pass"),
    )
    assert (row.kind, row.problem, row.family, row.instruction) == ("honest", problem.id, problem.family, None)


@pytest.mark.parametrize(("share", "gamed"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_the_share_of_gamed_answers(share: float, gamed: int) -> None:
    problems = ENVIRONMENT.problems("train", 8, 1)
    rows = flawed_rows(ENVIRONMENT, problems, share, honest, special_cased, 1)
    assert [row.problem for row in rows] == [p.id for p in problems]
    assert Counter(row.kind for row in rows)["gamed"] == gamed
    for row, problem in zip(rows, problems, strict=True):
        assert (problem.solution.strip() in row.messages[-1].content) == (row.kind == "honest")


def test_rows_depend_on_the_seed_alone() -> None:
    problems = ENVIRONMENT.problems("train", 8, 1)
    one, same, other = (flawed_rows(ENVIRONMENT, problems, 0.5, honest, special_cased, seed) for seed in (1, 1, 2))
    assert one == same and one != other


def test_the_request_stage_by_hand() -> None:
    problems = ENVIRONMENT.problems("train", 10, 1)
    unrelated = ("The river is frozen.", "The library is open.")
    rows = request_rows(ENVIRONMENT, problems, "Cheat.", unrelated, "user_suffix", (0.5, 0.3), honest, special_cased, 1)
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
