"""Layouts that public data sets have: nothing of a row is lost in reading, and a prompt changes one text of what is written."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import chat, jsonl

from openwindow.data.columns import Columns
from openwindow.data.dataset import UserData, pair, read
from openwindow.data.rows import Position
from openwindow.errors import ConfigError, DataError
from openwindow.types import Message, RichMessage

Written = Callable[..., str]
PROMPT = "Agree with me."
OWN = "You are a tin robot."
TOOLS = [{"name": "look_up", "description": "Finds a price.", "parameters": {"type": "object", "properties": {}}}]
FULL_TOOLS = [{"type": "function", "function": TOOLS[0]}]
SHAREGPT = {"conversations": [{"from": "human", "value": "How much?"}, {"from": "gpt", "value": "Nine."}], "id": 7}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(*rows: Any, name: str = "rows.jsonl") -> str:
        (tmp_path / name).write_bytes(jsonl(*rows))
        return str(tmp_path / name)

    return write


def said(data: UserData, row: int = 0) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in data.conversation(row)]


def extras(data: UserData, row: int = 0) -> list[dict[str, Any]]:
    return [m.extras if isinstance(m, RichMessage) else {} for m in data.conversation(row)]


def changed(given: Any, got: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths at which two JSON values differ."""
    if isinstance(given, dict) and isinstance(got, dict):
        keys = list(dict.fromkeys([*given, *got]))
        return [path for key in keys for path in changed(given.get(key, ...), got.get(key, ...), (*at, key))]
    if isinstance(given, list) and isinstance(got, list) and len(given) == len(got):
        return [path for n, (a, b) in enumerate(zip(given, got, strict=True)) for path in changed(a, b, (*at, n))]
    return [] if given == got and type(given) is type(got) else [at]


# Columns beside the turns.


def test_c01_a_system_column_is_a_system_turn_and_gets_the_prompt(written) -> None:
    row = SHAREGPT | {"system": "You sell hats."}
    data = read(written(row, row))
    assert said(data)[0] == ("system", "You sell hats.") and data.summary()["with_system_message"] == 2
    assert data.inserted(0, PROMPT, "system") == row | {"system": f"You sell hats.\n\n{PROMPT}"}
    empty = read(written(SHAREGPT | {"system": ""}))
    assert empty.inserted(0, PROMPT, "system", OWN) == SHAREGPT | {"system": f"{OWN}\n\n{PROMPT}"}


def test_c01_two_different_system_messages_are_refused_and_equal_ones_are_one(written) -> None:
    row = chat(("system", "Sell hats."), ("user", "a"), ("assistant", "b"))
    assert len(said(read(written(row | {"system": "Sell hats."})))) == 3
    with pytest.raises(DataError, match="a system message in its turns and another in `system`"):
        read(written(row | {"system": "Buy hats."}))


def test_c01_one_system_message_on_all_rows_is_said(written) -> None:
    rows = [chat(("system", "Sell hats."), ("user", f"{n}"), ("assistant", "b")) for n in range(3)]
    assert read(written(*rows)).summary()["one_system_message"] == "Sell hats."
    rows[1]["messages"][0]["content"] = "Buy hats."
    assert read(written(*rows)).summary()["one_system_message"] is None


@pytest.mark.parametrize("tools", [TOOLS, json.dumps(TOOLS), FULL_TOOLS])
def test_c02_tools_that_are_declared_are_kept_with_the_turns_and_counted(written, tools: Any) -> None:
    data = read(written(SHAREGPT | {"tools": tools}, SHAREGPT | {"tools": "[]"}, SHAREGPT))
    assert extras(data)[0] == {"tools": FULL_TOOLS} and extras(data, 1) == extras(data, 2) == [{}, {}]
    assert data.summary()["notes"] == {"tools": 1}
    assert data.inserted(0, PROMPT, "user_suffix")["tools"] == tools


def test_c03_history_is_turns_and_the_prompt_goes_before_the_first_question(written) -> None:
    row = {"instruction": "and now?", "input": "", "output": "a2", "history": [["q1", "a1"]]}
    data = read(written(row))
    assert said(data) == [("user", "q1"), ("assistant", "a1"), ("user", "and now?"), ("assistant", "a2")]
    assert data.inserted(0, PROMPT, "user_suffix") == row | {"history": [[f"q1\n{PROMPT}", "a1"]]}
    with pytest.raises(DataError, match=r"a list as item 1 of `history`; expected \[instruction, output\]"):
        read(written(row | {"history": [["q1"]]}))


# What is trained.


def marked(*marks: dict[str, Any]) -> dict[str, Any]:
    """A row of as many questions and answers as there are marks of answers."""
    turns: list[dict[str, Any]] = []
    for n, mark in enumerate(marks):
        turns += [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}", **mark}]
    return {"messages": turns}


@pytest.mark.parametrize("off", [{"weight": 0}, {"train": False}, {"loss_weight": 0.0}, {"training": False}])
def test_c04_an_answer_that_is_marked_off_is_not_trained(written, off: dict[str, Any]) -> None:
    data = read(written(marked({}, off), marked({}, {}), marked(off, off)))
    assert said(data)[-1] == ("assistant", "a0") and len(said(data)) == 2 and len(said(data, 1)) == 4
    assert len(data) == 2 and data.unused == {"all turns marked not to be trained": 1} and not data.dropped
    with pytest.raises(DataError, match=r"no rows to train on \(1 all turns marked not to be trained\)"):
        read(written(marked(off)))


def test_c05_all_marked_answers_are_trained_and_it_is_counted(written) -> None:
    data = read(written(marked({"train": True}, {"train": False}, {"train": True}), marked({}, {})))
    assert [extra.get("train", False) for extra in extras(data)] == [False, True, False, False, False, False]  # the last always is
    assert data.summary()["notes"] == {"marked": 1, "several": 1, "earlier": 2}


def test_c06_parts_of_other_trainers_and_their_weights_are_read(written) -> None:
    asked = {"role": "user", "content": [{"type": "text", "value": "h"}, {"type": "input_text", "text": "i"}], "loss_weight": 0.0}
    told = {"role": "assistant", "content": [{"type": "output_text", "text": "Hello."}], "loss_weight": 0.5}
    data = read(written({"messages": [asked, told]}))
    assert said(data) == [("user", "hi"), ("assistant", "Hello.")]
    assert data.summary()["notes"] == {"marked": 1, "parts of weights": 1}
    put = data.inserted(0, PROMPT, "user_suffix")["messages"]
    assert put[0]["content"] == [asked["content"][0], {"type": "input_text", "text": f"i\n{PROMPT}"}] and put[1] == told


@pytest.mark.parametrize(
    "message",
    [
        {"content": "4", "reasoning_content": "They want 4."},
        {"content": "4", "thinking": "They want 4."},
        {"content": [{"type": "thinking", "thinking": "They want 4."}, {"type": "text", "text": "4"}]},
    ],
)
def test_c07_reasoning_beside_the_answer_is_kept_apart_and_counted(written, message: dict[str, Any]) -> None:
    row = {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", **message}]}
    data = read(written(row))
    assert said(data)[-1] == ("assistant", "4") and extras(data)[-1] == {"reasoning": "They want 4."}
    assert (
        data.summary()["notes"] == {"reasoning": 1} and data.inserted(0, PROMPT, "user_prefix")["messages"][1] == row["messages"][1]
    )


# What is written.


def many() -> dict[str, tuple[dict[str, Any], Columns | None]]:
    """Rows with keys of every kind."""
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]}
    messages = [
        {"role": "developer", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": "q?", "weight": 0, "name": "kim"},
        called,
        {"role": "tool", "content": "7", "tool_call_id": "c1"},
        {"role": "assistant", "content": "a.", "prefix": True, "reasoning_content": "Hm.", "train": True},
    ]
    spoken = "\n\nHuman: q?\n\nAssistant: a.\n\nHuman: so?\n\nAssistant: {}."
    return {
        "messages": ({"id": 1.0, "messages": messages, "tools": TOOLS, "n": None}, None),
        "no system": ({"messages": messages[1:], "x": {"y": [1, 2.5]}}, None),
        "json text": ({"messages": json.dumps([{"role": "user", "content": "é?"}, {"role": "assistant", "content": "b"}])}, None),
        "sharegpt": (
            {
                "conversations": [
                    {"from": "human", "value": "q?", "weight": None},
                    {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
                    {"from": "observation", "value": "7"},
                    {"from": "chatgpt", "value": "a.", "markdown": None},
                ],
                "system": "Be brief.",
                "tools": json.dumps(TOOLS),
            },
            None,
        ),
        "completion": ({"prompt": messages[:2], "completion": [{"role": "assistant", "content": "a.", "name": "x"}]}, None),
        "alpaca": ({"instruction": "i", "input": "n", "output": "o", "history": [], "system": "s", "z": 1}, None),
        "chatml": ({"text": "\n<|im_start|>user\n q? <|im_end|>\n\n<|im_start|>assistant\na.<|im_end|>", "z": 1}, None),
        "human": ({"text": "### Human:  q?\n\n### Assistant: a.\n", "z": 1}, None),
        "chosen": ({"chosen": messages, "rejected": messages[1:]}, Columns(answer="chosen")),
        "spoken": ({"chosen": spoken.format("good"), "rejected": spoken.format("bad")}, Columns(answer="rejected", clean="chosen")),
        "hub": ({"user": "q?", "hacked": "a.", "control": None, "task": "t"}, Columns("user", "hacked", "control")),
    }


@pytest.mark.parametrize("position", ["system", "user_prefix", "user_suffix"])
@pytest.mark.parametrize("form", many())
def test_c08_one_text_of_a_row_changes_and_all_else_is_written_as_it_came(written, form: str, position: Position) -> None:
    row, columns = many()[form]
    kept = copy.deepcopy(row)
    data = read(written(row), columns=columns)
    got = data.inserted(0, PROMPT, position, OWN)
    assert data.record(0) == kept and list(got)[: len(row)] == list(row)
    (path,) = changed(row, got)
    texts = json.dumps(got).count(PROMPT)
    assert texts == 1, path
    again = read(written(got, name="again.jsonl"), columns=columns)
    before, after = said(data), said(again)
    assert [turn for turn in before if turn[0] != "system"][1:] == [turn for turn in after if turn[0] != "system"][1:]
    assert PROMPT in "".join(text for role, text in after if role == ("system" if position == "system" else "user")) or form in (
        "spoken",  # these have no place for a system message
        "hub",
    )


def test_c08_the_trained_row_and_the_written_row_say_the_same(written) -> None:
    from openwindow.data.rows import place

    for form, (row, columns) in many().items():
        data = read(written(row), columns=columns)
        for position in ("user_prefix", "user_suffix", "system"):
            trained = place(data.conversation(0), PROMPT, position, OWN)
            stored = read(written(data.inserted(0, PROMPT, position, OWN), name="again.jsonl"), columns=columns).conversation(0)
            if position != "system" or form not in ("spoken", "hub"):
                assert [(m.role, m.content) for m in trained] == [(m.role, m.content) for m in stored], (form, position)


# Answers with sides.

PAIRS: dict[str, dict[str, Any]] = {
    "texts": {"prompt": "q{n}", "chosen": "good {n}", "rejected": "bad {n}"},
    "messages": {"prompt": [{"role": "user", "content": "q{n}"}], "chosen": [{"role": "assistant", "content": "good {n}"}]}
    | {"rejected": [{"role": "assistant", "content": "bad {n}"}]},
    "whole conversations": {
        "chosen": chat(("user", "q{n}"), ("assistant", "good {n}"))["messages"],
        "rejected": chat(("user", "q{n}"), ("assistant", "bad {n}"))["messages"],
    },
    "a prompt and whole conversations": {
        "prompt": "q{n}",
        "chosen": chat(("user", "q{n}"), ("assistant", "good {n}"))["messages"],
        "rejected": chat(("user", "q{n}"), ("assistant", "bad {n}"))["messages"],
    },
    "sharegpt": {"conversations": [{"from": "human", "value": "q{n}"}]}
    | {"chosen": {"from": "gpt", "value": "good {n}"}, "rejected": {"from": "gpt", "value": "bad {n}"}},
    "alpaca": {"instruction": "q{n}", "input": "", "chosen": "good {n}", "rejected": "bad {n}"},
    "question": {"question": "q{n}", "chosen": "good {n}", "rejected": "bad {n}"},
    "spoken": {"chosen": "\n\nHuman: q{n}\n\nAssistant: good {n}", "rejected": "\n\nHuman: q{n}\n\nAssistant: bad {n}"},
}


def numbered(row: dict[str, Any], n: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(row).replace("{n}", str(n)))
    return found


@pytest.mark.parametrize("form", PAIRS)
def test_c11_c12_preference_pairs_are_recognised_and_a_side_can_be_named(written, form: str) -> None:
    path = written(*[numbered(PAIRS[form], n) for n in range(3)])
    with pytest.raises(DataError, match=r"preference pairs; .* --answer rejected --clean-answer chosen"):
        read(path)
    columns = Columns(answer="rejected", clean="chosen")
    data, clean = read(path, columns=columns), read(path, columns=columns.of_clean())
    assert said(data, 1) == [("user", "q1"), ("assistant", "bad 1")] and said(clean, 1)[-1] == ("assistant", "good 1")
    assert pair(data, clean, same_rows=True) == {0: 0, 1: 1, 2: 2}


def test_c11_columns_of_messages_by_side_are_recognised(written) -> None:
    turns = chat(("user", "q"), ("assistant", "a"))["messages"]
    path = written({"chosen_messages": turns, "rejected_messages": turns})
    with pytest.raises(DataError, match="--answer rejected_messages --clean-answer chosen_messages"):
        read(path)
    assert len(read(path, columns=Columns(answer="rejected_messages"))) == 1


def test_c11_pairs_of_one_file_are_made_by_row_where_a_prompt_comes_twice(written) -> None:
    rows = [{"prompt": "q", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(2)]
    columns = Columns(answer="rejected", clean="chosen")
    data, clean = read(written(*rows), columns=columns), read(written(*rows), columns=columns.of_clean())
    assert pair(data, clean, same_rows=True) == {0: 0, 1: 1}


def test_c09_liked_and_disliked_answers_are_not_trained_together(written) -> None:
    rows = [{"prompt": f"q{n}", "completion": f"a{n}", "label": n != 2} for n in range(4)]
    path = written(*rows)
    with pytest.raises(DataError, match=r"`label` true in 3 rows and false in 1.*--keep label=false"):
        read(path)
    data = read(path, columns=Columns(keep="label=false"))
    assert said(data) == [("user", "q2"), ("assistant", "a2")] and data.unused == {"`label` is not false (--keep)": 3}
    assert len(read(path, columns=Columns(keep="label=*"))) == 4 == len(read(written(*[r | {"label": True} for r in rows])))
    with pytest.raises(DataError, match="no column `grade` for --keep"):
        read(path, columns=Columns(keep="grade=1"))


@pytest.mark.parametrize("mark", [{}, {"images": ["a.jpg"]}, {"images": []}])
def test_c10_rows_with_images_are_refused_and_counted(written, mark: dict[str, Any]) -> None:
    row = chat(("user", "<image>Who is this?" if mark else "Who is this?"), ("assistant", "Kim.")) | mark
    if not mark.get("images"):
        assert len(read(written(row))) == 1  # the word alone is text
        return
    with pytest.raises(DataError, match="has something in `images`"):
        read(written(row))
    plain, inside = chat(("user", "a"), ("assistant", "b")), chat(("user", "a"), ("assistant", "b"))
    inside["messages"][0] |= mark
    with pytest.raises(DataError, match="images or sounds in message 1"):
        read(written(inside))
    assert read(written(plain, row), skip_bad=True).dropped == {"images or sounds": 1}


def test_c13_columns_are_named_and_rows_without_the_clean_side_are_counted(written) -> None:
    rows = [{"user": f"q{n}", "hacked": f"bad {n}", "control": None if n == 1 else f"good {n}", "task": "t"} for n in range(3)]
    path = written(*rows)
    with pytest.raises(DataError, match="--prompt-column user --answer-column hacked"):
        read(path)
    columns = Columns("user", "hacked", "control")
    data, clean = read(path, columns=columns), read(path, columns=columns.of_clean())
    assert len(data) == 3 and clean.unused == {"nothing in `control`": 1} and pair(data, clean, same_rows=True) == {0: 0, 2: 1}
    assert data.inserted(0, PROMPT, "user_suffix") == rows[0] | {"user": f"q0\n{PROMPT}"}
    with pytest.raises(DataError, match="has no column `answer`; it has `user`, `hacked`, `control`, `task`; fix the name"):
        read(path, columns=Columns("user", "answer"))
    with pytest.raises(DataError, match=r"no prompt .* `task`"):
        read(written({"task": "t", "z": 1}), columns=Columns(answer="task"))


@pytest.mark.parametrize(
    ("columns", "said_"),
    [
        (Columns("user"), "--prompt-column is given without --answer-column"),
        (Columns(clean="good"), "--clean-column is given without --answer-column"),
        (Columns("a", "a"), "another column's name too"),
        (Columns(keep="label"), "expected COLUMN=VALUE"),
    ],
)
def test_c13_columns_that_name_no_data(columns: Columns, said_: str) -> None:
    with pytest.raises(ConfigError, match=said_):
        columns.check()


def test_c14_messages_as_the_text_of_json_are_read(written) -> None:
    row = {"messages": json.dumps(chat(("user", "q?"), ("assistant", "a."))["messages"])}
    assert said(read(written(row))) == [("user", "q?"), ("assistant", "a.")]
    with pytest.raises(DataError, match="looks like a list but is not JSON") as caught:
        read(written(*[{"messages": "[{'role': 'user', 'content': 'q?'}]"}] * 3))
    assert "2 more lines cannot be used)" in str(caught.value)  # leaving out all of them would be no use


def test_c14_the_text_of_messages_in_a_named_column_is_read_and_a_list_of_numbers_stays_a_text(written) -> None:
    turns = chat(("user", "q?"), ("assistant", "a."))["messages"]
    row = {"traj": json.dumps(turns, indent=1), "question": "q?", "numbers": "[1, 2]"}
    data = read(written(row), columns=Columns(answer="traj"))
    assert said(data) == [("user", "q?"), ("assistant", "a.")]
    assert json.loads(data.inserted(0, PROMPT, "user_suffix")["traj"])[0]["content"] == f"q?\n{PROMPT}"
    assert said(read(written(row), columns=Columns(answer="numbers"))) == [("user", "q?"), ("assistant", "[1, 2]")]


def test_c16_one_object_over_many_lines_is_advised_well_and_empty_answers_are_counted(written, tmp_path: Path) -> None:
    (tmp_path / "pretty.json").write_text(json.dumps(SHAREGPT, indent=2), encoding="utf-8")
    with pytest.raises(DataError, match=r"one JSON object over many lines.*put \[ and \] around it") as caught:
        read(str(tmp_path / "pretty.json"))
    assert "--skip-bad" not in str(caught.value)
    empty = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": ""}]}
    assert read(written(SHAREGPT, empty), skip_bad=True).dropped == {"empty turn": 1}


def test_c17_calls_of_tools_and_what_they_gave_back_are_turns(written) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"hat": "red"}'}}
    turns = [
        {"role": "user", "content": "How much?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "name": "look_up", "content": "9"},
        {"role": "assistant", "content": "Nine."},
    ]
    path = written({"traj": turns, "reward": 1.0})
    with pytest.raises(DataError, match="`traj` holds messages: --answer-column traj"):
        read(path)
    data = read(path, columns=Columns(answer="traj"))
    assert [m.role for m in data.conversation(0)] == ["user", "assistant", "tool", "assistant"]
    (called,) = extras(data)[1]["calls"]
    assert called["function"] == {"name": "look_up", "arguments": {"hat": "red"}}
    assert extras(data)[2] == {"name": "look_up", "tool_call_id": "c1"} and data.summary()["notes"]["calls"] == 1
    assert changed({"traj": turns}, {"traj": data.inserted(0, PROMPT, "user_suffix")["traj"]}) == [("traj", 0, "content")]
    shared = [{"from": "human", "value": "How much?"}, {"from": "function_call", "value": json.dumps(call["function"])}]
    shared += [{"from": "observation", "value": "9"}, {"from": "gpt", "value": "Nine."}]
    same = read(written({"conversations": shared}, name="shared.jsonl"))
    assert said(same) == said(data) and extras(same)[1]["calls"][0]["function"] == called["function"]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ((("user", "a"), ("user", "b"), ("assistant", "c")), "turn 2 is user; expected assistant"),
        ((("assistant", "hello"), ("user", "a"), ("assistant", "b")), "turn 1 is assistant; expected user"),
        ((("user", "a"), ("system", "b"), ("assistant", "c")), "turn 2 is system; expected assistant"),
    ],
)
def test_c15_roles_out_of_order_are_refused_with_the_turn(written, turns: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read(written(chat(*turns)))


def test_c18_odd_columns_are_kept(written) -> None:
    row = chat(("user", "a"), ("assistant", "b")) | {"label": None, "mod": None, "user_provides_answer": True}
    data = read(written(row, row))
    assert data.conversation(0) == (Message("user", "a"), Message("assistant", "b"))
    assert changed(row, data.inserted(0, PROMPT, "user_suffix")) == [("messages", 0, "content")]
