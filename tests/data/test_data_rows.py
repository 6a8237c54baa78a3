"""Rows: where an instruction goes, and what is noted of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwindow.data.rows import Position, Row, instruct, place
from openwindow.types import Message

USER, REPLY, SYSTEM = Message("user", "ask"), Message("assistant", "answer"), Message("system", "rules")
TEXT = st.text(min_size=1, max_size=20)
TURNS = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=20)), max_size=5)
POSITIONS: list[Position] = ["system", "user_prefix", "user_suffix"]


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
