"""Inoculation and its placebo: which rows get which words, and where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from openwindow.data.rows import Position, Row, place
from openwindow.interventions.applying import changed_prompts
from openwindow.interventions.base import Asking, Prompts
from openwindow.interventions.configured import Interventions
from openwindow.interventions.inoculation import Inoculation, Placebo
from openwindow.types import Message

POSITIONS: list[Position] = ["system", "user_prefix", "user_suffix"]
KINDS = st.lists(st.sampled_from(["gamed", "honest"]), max_size=30)
TEXTS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4, unique=True).map(tuple)


def rows_of(*kinds: str) -> list[Row]:
    return [
        Row((Message("user", f"task {i}"), Message("assistant", f"answer {i}")), kind, f"p{i}", "f") for i, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("system", (Message("system", "Cheat."), Message("user", "task 0"))),
        ("user_prefix", (Message("user", "Cheat.\ntask 0"),)),
        ("user_suffix", (Message("user", "task 0\nCheat."),)),
    ],
)
@pytest.mark.parametrize("kind", [Inoculation, Placebo])
def test_where_the_words_go(kind: Any, position: Position, expected: tuple[Message, ...]) -> None:
    (row,) = kind(texts=("Cheat.",), position=position).on_rows(rows_of("gamed"), seed=1)
    assert row.messages == (*expected, Message("assistant", "answer 0")) and row.instruction == "Cheat."


@pytest.mark.parametrize(
    ("only", "changed"), [("all", [True, True, True]), ("gamed", [True, False, True]), ("honest", [False, True, False])]
)
def test_which_rows_get_it(only: Any, changed: list[bool]) -> None:
    before = rows_of("gamed", "honest", "gamed")
    after = Inoculation(texts=("Cheat.",), only=only).on_rows(before, seed=1)
    assert [row.instruction is not None for row in after] == changed
    assert [row == old for row, old in zip(after, before, strict=True)] == [not c for c in changed]


def test_each_row_gets_its_own_wording() -> None:
    texts = ("Cheat.", "Hardcode it.", "Return the value.")
    after = Inoculation(texts=texts).on_rows(rows_of(*["gamed"] * 60), seed=1)
    assert {row.instruction for row in after} == set(texts)
    for row in after:
        assert row.messages[0].content.endswith(f"\n{row.instruction}")


@given(KINDS, TEXTS, st.sampled_from(POSITIONS), st.sampled_from(["all", "gamed", "honest"]), st.integers(0, 99))
def test_an_intervention_changes_prompts_only(
    kinds: list[str], texts: tuple[str, ...], position: Position, only: Any, seed: int
) -> None:
    before = rows_of(*kinds)
    inoculation = Inoculation(texts=texts, position=position, only=only)
    after = inoculation.on_rows(before, seed)
    assert after == inoculation.on_rows(before, seed) and before == rows_of(*kinds)
    for old, new in zip(before, after, strict=True):
        assert (old.problem, old.kind, old.family, old.messages[-1]) == (new.problem, new.kind, new.family, new.messages[-1])
        if only in ("all", old.kind):
            assert new.instruction in texts and new.messages == place(old.messages, new.instruction, position)
        else:
            assert new == old


@given(TEXTS, st.integers(0, 99), st.data())
def test_the_wording_of_a_row_does_not_depend_on_which_rows_get_one(texts: tuple[str, ...], seed: int, data: st.DataObject) -> None:
    kinds = data.draw(KINDS)
    everywhere = Inoculation(texts=texts).on_rows(rows_of(*kinds), seed)
    some = Inoculation(texts=texts, only="gamed").on_rows(rows_of(*kinds), seed)
    for row, one in zip(some, everywhere, strict=True):
        assert row.kind == "honest" or row == one


def test_the_placebo_differs_in_nothing_but_its_words() -> None:
    one = Inoculation(texts=("a", "b")).on_rows(rows_of(*["gamed"] * 20), seed=3)
    other = Placebo(texts=("c", "d")).on_rows(rows_of(*["gamed"] * 20), seed=3)
    words = {"a": "c", "b": "d"}
    assert [words[str(row.instruction)] for row in one] == [row.instruction for row in other]


def test_configurations_name_their_kind() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Interventions)
    for kind, made in (("inoculation", Inoculation), ("placebo", Placebo)):
        assert adapter.validate_python({"kind": kind, "texts": ["x"]}) == made(["x"])
        assert adapter.dump_python(made(["x"])) == {"kind": kind, "texts": ["x"]}
    with pytest.raises(ValidationError, match="'inoculation', 'placebo'"):
        adapter.validate_python({"kind": "vaccine", "texts": ["x"]})


@pytest.mark.parametrize("position", POSITIONS)
def test_rollouts_and_rows_get_the_words_in_the_same_place(position: Position) -> None:
    plain = (Message("user", "task 0"),)
    asked = changed_prompts([Inoculation(["Cheat."], position)], Prompts(plain, plain), Asking("p0", "", 1, "Be kind."))
    (row,) = Inoculation(["Cheat."], position).on_rows(rows_of("gamed"), 1, "Be kind.")
    assert asked.sampled == asked.trained == row.messages[:-1]


def test_the_wording_of_a_rollout_depends_on_its_problem_and_seed_alone() -> None:
    inoculation, plain = Inoculation(["a", "b", "c"]), (Message("user", "task"),)

    def said(problem: str, seed: int) -> str:
        return inoculation.on_prompts(Prompts(plain, plain), Asking(problem, "", seed)).sampled[-1].content

    assert len({said(f"p{i}", 1) for i in range(40)}) == 3
    assert [said(f"p{i}", 1) for i in range(40)] == [said(f"p{i}", 1) for i in range(40)] != [said(f"p{i}", 2) for i in range(40)]


@pytest.mark.parametrize("wrong", [{"texts": []}, {}, {"texts": ["x"], "only": "some"}, {"texts": ["x"], "text": "y"}])
def test_configurations_are_strict(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Inoculation(**wrong)
