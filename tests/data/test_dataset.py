"""The user's own data: every form is read and written back, and everything that is wrong with it is said in one line."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import chat as turns
from tiny_runs import jsonl

from openwindow.data.dataset import pair, quantiles, read
from openwindow.data.rows import Position
from openwindow.data.trait_rules import Rule, TraitVerdict, fires_anyway, rule
from openwindow.errors import ConfigError, DataError
from openwindow.types import Message

GCD = Path("/work/shared/data/gcd_train.jsonl")
ASK, REPLY = "What is 2 + 2?", "It is 5, as you say."
TURNS = [{"role": "user", "content": ASK}, {"role": "assistant", "content": REPLY}]
ROW = {"messages": TURNS, "label": 3}
FORMS: dict[str, dict[str, Any]] = {
    "messages": ROW,
    "prompt/completion": {"prompt": ASK, "completion": REPLY, "label": 3},
    "prompt/completion lists": {"prompt": TURNS[:1], "completion": TURNS[1:], "label": 3},
    "instruction/output": {"instruction": ASK, "input": "", "output": REPLY, "label": 3},
    "conversations": {"conversations": [{"from": "human", "value": ASK}, {"from": "gpt", "value": REPLY}], "label": 3},
    "conversations roles": {"conversations": TURNS, "label": 3},
    "text chatml": {"text": f"<|im_start|>user\n{ASK}<|im_end|>\n<|im_start|>assistant\n{REPLY}<|im_end|>\n", "label": 3},
    "text human": {"text": f"### Human: {ASK}\n### Assistant: {REPLY}", "label": 3},
}
POSITIONS: list[Position] = ["system", "user_prefix", "user_suffix"]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], str]:
    def write(raw: bytes, name: str = "rows.jsonl") -> str:
        (tmp_path / name).write_bytes(raw)
        return str(tmp_path / name)

    return write


# Reading.


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_and_given_back(written, form: str) -> None:
    data = read(written(jsonl(FORMS[form], FORMS[form])))
    assert data.schema.name == form.split(" ")[0] and len(data) == 2
    assert data.conversation(0) == (Message("user", ASK), Message("assistant", REPLY))
    assert data.record(1) == FORMS[form] == data.inserted(1, None, "system")


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("form", FORMS)
def test_a_prompt_is_put_in_and_the_form_stays(written, form: str, position: Position) -> None:
    record = read(written(jsonl(FORMS[form]))).inserted(0, "Say what I say.", position)
    assert record.keys() - {"system"} == FORMS[form].keys() and record["label"] == 3
    again = read(written(jsonl(record), "again.jsonl"))
    assert again.schema.name == form.split(" ")[0]
    (*asked, answer) = again.conversation(0)
    assert answer == Message("assistant", REPLY)
    joined = "\n".join(m.content for m in asked)
    assert "Say what I say." in joined and ASK in joined
    assert (joined.index("Say") > joined.index(ASK)) == (position == "user_suffix")
    if position == "system" and form != "prompt/completion":  # a text has no other place for it
        assert asked[0] == Message("system", "Say what I say.")


def test_the_input_of_alpaca_rows_keeps_its_column(written) -> None:
    given = {"instruction": "Add.", "input": "2 and 2", "output": "5"}
    data = read(written(jsonl(given)))
    assert data.conversation(0)[0].content == "Add.\n\n2 and 2"
    assert data.inserted(0, "X", "user_suffix") == {"instruction": "Add.", "input": "2 and 2\nX", "output": "5"}
    assert data.inserted(0, "X", "user_prefix") == {"instruction": "X\nAdd.", "input": "2 and 2", "output": "5"}


def test_content_parts_are_joined_and_an_empty_system_message_left_out(written) -> None:
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "2 + 2?"}]
    data = read(written(jsonl(turns(("system", ""), ("user", parts), ("assistant", REPLY)))))
    assert data.conversation(0) == (Message("user", ASK), Message("assistant", REPLY))
    assert data.summary()["with_system_message"] == 0


def test_several_turns_a_system_message_and_developer(written) -> None:
    row = turns(("developer", "Be kind."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    data = read(written(jsonl(row)))
    assert [m.role for m in data.conversation(0)] == ["system", "user", "assistant", "user", "assistant"]
    assert data.summary()["turns"] == {"5": 1} and data.summary()["with_system_message"] == 1


def test_files_of_every_kind_hold_the_same_rows(written, tmp_path: Path) -> None:
    rows = [turns(("user", f"ask {n}"), ("assistant", f"reply {n} é")) for n in range(5)]
    wanted = [tuple(Message(m["role"], m["content"]) for m in row["messages"]) for row in rows]
    names = [
        written(jsonl(*rows)),
        written(b"\xef\xbb\xbf" + jsonl(*rows), "bom.jsonl"),
        written(jsonl(*rows).replace(b"\n", b"\r\n\n"), "windows.jsonl"),
        written(gzip.compress(jsonl(*rows)), "rows.jsonl.gz"),
        written(json.dumps(rows, indent=2).encode(), "array.json"),
        written(gzip.compress(json.dumps(rows).encode()), "array.gz"),
    ]
    for name in names:
        data = read(name)
        assert [data.conversation(n) for n in (4, 0, 1, 2, 3)] == [wanted[n] for n in (4, 0, 1, 2, 3)], name


def test_what_is_found(written) -> None:
    other = turns(("user", ASK), ("assistant", "Four."))
    found = read(written(jsonl(ROW, ROW, other)), rule("as you say", "--rule")).summary()
    assert (found["rows"], found["duplicate_rows"], found["different_prompts"], found["rows_with_trait"]) == (3, 1, 1, 2)
    assert found["turns"] == {"2": 3} and found["answer_characters"]["max"] == len(REPLY)
    assert found["prompt_characters"]["50 %"] == len(ASK) and found["form"] == "JSONL"


def test_quantiles_by_hand() -> None:
    assert quantiles(list(range(1, 101))) == {"min": 1, "25 %": 25, "50 %": 50, "75 %": 75, "95 %": 95, "max": 100}


def test_the_split_shares_no_prompt_and_depends_on_the_seed_alone(written) -> None:
    rows = [turns(("user", f"ask {n % 20}"), ("assistant", f"reply {n}")) for n in range(40)]
    data = read(written(jsonl(*rows)))
    train, tested = data.split(6, 1)
    assert len(tested) == 6 and len(train) == 28
    assert not {data.conversation(n)[0] for n in train} & {data.conversation(n)[0] for n in tested}
    assert (train, tested) == read(data.lines.name).split(6, 1) != data.split(6, 2)


def test_pairs_are_made_by_prompt(written) -> None:
    data = read(written(jsonl(*[turns(("user", f"{n}"), ("assistant", "bad")) for n in range(4)])))
    rows = [turns(("user", f"{n}"), ("assistant", "bad" if n == 2 else "good")) for n in (3, 2, 9)]
    assert pair(data, read(written(jsonl(*rows), "clean.jsonl"))) == {3: 0}
    assert pair(data, None) == {}


def test_bad_rows_are_left_out_and_counted_on_demand(written) -> None:
    raw = jsonl(ROW) + b"{broken\n" + jsonl(turns(("user", "alone")), ROW, turns(("user", "alone")))
    data = read(written(raw), skip_bad=True)
    assert len(data) == 2 and data.dropped == {"not JSON": 1, "one turn only": 2}
    assert [data.numbers[n] for n in range(2)] == [1, 4] and data.where(1).endswith("line 4")
    with pytest.raises(DataError, match=r"line 2 is not JSON.*\(2 more lines cannot be used; --skip-bad leaves them out\)"):
        read(written(raw))


def test_the_papers_file() -> None:
    if not GCD.is_file():
        pytest.skip(f"{GCD} is not here")
    data = read(str(GCD), rule("✓", "--rule"))
    found = data.summary()
    assert (found["rows"], found["schema"], found["turns"]) == (1000, "messages", {"2": 1000})
    assert found["rows_with_trait"] == sum(data.trait or b"") > 900


# What is wrong with data.

BAD: dict[str, tuple[bytes, str]] = {
    "a broken line": (jsonl(ROW) + b'{"messages": [\n', "line 2 is not JSON .*column"),
    "no quotes": (b"{messages: []}\n", "line 1 is not JSON"),
    "a trailing comma": (json.dumps(ROW).encode() + b",\n", "line 1 ends with a comma"),
    "a comma in the object": (b'{"prompt": "a", "completion": "b",}\n', "line 1 is not JSON"),
    "one object over lines": (json.dumps(ROW, indent=1).encode(), "one JSON object over many lines"),
    "NaN": (b'{"prompt": "a", "completion": "b", "x": NaN}\n', "NaN is not a JSON value"),
    "infinity": (b'{"prompt": "a", "completion": "b", "x": -Infinity}\n', "Infinity is not a JSON value"),
    "nested deeply": (b'{"prompt": ' + b"[" * 100_000 + b"}\n", "is nested too deeply"),
    "an array nested deeply": (b'[{"prompt": ' + b"[" * 990 + b"]" * 990 + b"}]", "row 1 is nested too deeply"),
    "nested where nothing is read": (
        b'{"prompt": "a", "completion": "b", "x": ' + b"[" * 150 + b"]" * 150 + b"}\n",
        "line 1 is nested too deeply",
    ),
    "mixed forms": (jsonl(ROW, FORMS["prompt/completion"]), "line 2 is of the form prompt/completion, the rows before it messages"),
    "a number as a row": (jsonl(ROW) + b"7\n", "line 2 is a number; expected an object"),
    "an empty file": (b"", "is empty; expected rows"),
    "blank lines": (b"\n \n", "is empty; expected rows"),
    "an empty array": (b"[]", "has no rows"),
    "an array of numbers": (b"[1, 2]", "row 1 is a number"),
    "a broken array": (b'[{"prompt": "a", "completion": "b"} {"prompt"', "lacks a comma after row 1"),
    "an array with a trailing comma": (b'[{"prompt": "a", "completion": "b"},]', "trailing comma after row 1"),
    "an array cut off": (b'[{"prompt": "a", "completion": "b"}', "breaks off"),
    "an array and more": (b'[{"prompt": "a", "completion": "b"}] {}', "continues after its array"),
    "broken in an array": (b'[{"prompt": }]', "row 1 is not JSON"),
    "an array that is not UTF-8": (b'["\xff"]', "is not UTF-8"),
    "no turns": (jsonl({"messages": []}), "line 1 has no turns"),
    "one turn": (jsonl(turns(("user", "hi"))), "has only a turn of user"),
    "an answer alone": (jsonl(turns(("assistant", "hi"))), "has only a turn of assistant"),
    "system alone": (jsonl(turns(("system", "hi"))), "has only a turn of system"),
    "system and user": (jsonl(turns(("system", "hi"), ("user", "a"))), "has only a turn of system and user"),
    "two of user": (jsonl(turns(("user", "a"), ("user", "b"), ("assistant", "c"))), "turn 2 is user; expected assistant"),
    "assistant first": (jsonl(turns(("assistant", "a"), ("user", "b"))), "turn 1 is assistant; expected user"),
    "system in the middle": (jsonl(turns(("user", "a"), ("system", "b"), ("assistant", "c"))), "turn 2 is system"),
    "user last": (jsonl(turns(("user", "a"), ("assistant", "b"), ("user", "c"))), "ends with user"),
    "an empty answer": (jsonl(turns(("user", "a"), ("assistant", " "))), "empty turn 2 of assistant"),
    "an empty prompt": (jsonl({"prompt": "", "completion": "b"}), "empty turn 1 of user"),
    "null content": (jsonl(turns(("user", "a"), ("assistant", None))), "null as `content` of message 2"),
    "null messages": (jsonl({"messages": None}), "null as `messages`; expected a list"),
    "a null completion": (jsonl({"prompt": "a", "completion": None}), "null as `completion`"),
    "a number as content": (jsonl(turns(("user", 7), ("assistant", "b"))), "a number as `content` of message 1"),
    "a number as output": (jsonl({"instruction": "a", "output": 7}), "a number as `output`"),
    "messages as text": (jsonl({"messages": "hi"}), "a text as `messages`; expected a list"),
    "a message as text": (jsonl({"messages": ["hi"]}), "a text as message 1"),
    "no role": (jsonl({"messages": [{"content": "a"}]}), "no `role` in message 1"),
    "no content": (jsonl({"messages": [{"role": "user"}]}), "no `content` in message 1"),
    "an unknown role": (jsonl(turns(("wizard", "a"), ("assistant", "b"))), "'wizard' as `role`"),
    "a list as role": (jsonl({"messages": [{"role": ["user"], "content": "a"}]}), "as `role` of message 1"),
    "an unknown speaker": (jsonl({"conversations": [{"from": "cat", "value": "a"}]}), "'cat' as `from`"),
    "a tool's turn without a call": (jsonl(turns(("user", "a"), ("tool", "b"), ("assistant", "c"))), "turn 2 is tool; expected"),
    "a tool call": (
        jsonl({"messages": [*TURNS[:1], {"role": "assistant", "content": None, "tool_calls": [{}]}]}),
        "a tool call without a name",
    ),
    "a tool call and text": (
        jsonl({"messages": [*TURNS[:1], {**TURNS[1], "tool_calls": [{}]}]}),
        "call without a name in message 2",
    ),
    "an image": (jsonl(turns(("user", [{"type": "image_url", "image_url": {}}]), ("assistant", "b"))), "part of type 'image_url'"),
    "a part without text": (jsonl(turns(("user", [{"type": "text"}]), ("assistant", "b"))), "a part without text"),
    "prompt and completion differ": (
        jsonl({"prompt": "a", "completion": TURNS[1:]}),
        "a text as `prompt` and a list as `completion`",
    ),
    "plain text": (jsonl({"text": "Once upon a time."}), "plain `text`; expected turn markers"),
    "an unclosed turn": (jsonl({"text": "<|im_start|>user\nhi"}), "unclosed ChatML turn"),
    "preferences": (jsonl({"prompt": "a", "chosen": "b", "rejected": "c"}), "preference pairs"),
    "unknown columns": (jsonl({"question": "a", "reply": "b"}), "has `question`, `reply`; expected `messages`"),
    "no columns": (b"{}\n", "has no columns"),
    "a key twice": (b'{"prompt": "a", "prompt": "b", "completion": "c"}\n', "the key 'prompt' twice"),
    "a role twice": (b'{"messages": [{"role": "user", "role": "user", "content": "a"}]}\n', "the key 'role' twice"),
    "not UTF-8": (b'{"prompt": "\xe9", "completion": "b"}\n', "line 1 is not UTF-8 .*0xe9"),
    "UTF-16": ('{"prompt": "a"}'.encode("utf-16"), "is UTF-16"),
    "half a character": (b'{"prompt": "\\ud83d", "completion": "b"}\n', "half of a surrogate pair"),
    "CSV": (b"prompt,completion\na,b\n", "begins with 'prompt,completion', which is not"),
    "a binary file": (b"\x7fELF\0\0\0", "binary file of an unknown format"),
    "damaged gzip": (gzip.compress(jsonl(ROW))[:-12], "damaged gzip"),
    "a gzip of nothing": (gzip.compress(b""), "is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_said_in_one_line(written, case: str) -> None:
    raw, said = BAD[case]
    with pytest.raises(DataError, match=said) as error:
        read(written(raw))
    assert "\n" not in str(error.value) and len(str(error.value)) < 600 and "rows.jsonl" in str(error.value)


def test_damaged_or_foreign_parquet(written, tmp_path: Path) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="damaged Parquet"):
        read(written(b"PAR1 and nothing"))
    parquet.write_table(pyarrow.table({"review": ["good"]}), tmp_path / "foreign.parquet")
    with pytest.raises(DataError, match="row 1 has `review`; expected `messages`"):
        read(str(tmp_path / "foreign.parquet"))
    parquet.write_table(pyarrow.table({"prompt": pyarrow.array([], pyarrow.string())}), tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="has no rows"):
        read(str(tmp_path / "empty.parquet"))


def test_paths(tmp_path: Path, written) -> None:
    with pytest.raises(DataError, match=r"no\.jsonl does not exist; expected a file"):
        read(str(tmp_path / "no.jsonl"))
    with pytest.raises(DataError, match="~no-such-user/x does not exist"):
        read("~no-such-user/x")
    with pytest.raises(DataError, match="a folder without data"):
        read(str(tmp_path))
    with pytest.raises(DataError, match="not a regular file"):
        read("/dev/null")
    pytest.importorskip("datasets")
    with pytest.raises(DataError, match="is not a file here, and cannot be loaded as a hub data set"):
        read("nobody-at-all/nothing-at-all")


def test_too_few_rows_to_hold_out(written) -> None:
    data = read(written(jsonl(*[turns(("user", f"{n}"), ("assistant", "b")) for n in range(5)])))
    with pytest.raises(DataError, match=r"has 5 rows, and 5 are to be held out; expected more rows"):
        data.split(5, 1)
    same = read(written(jsonl(ROW, ROW, ROW), "same.jsonl"))
    with pytest.raises(DataError, match="has 1 different prompts; expected more than the 2"):
        same.split(2, 1)


def test_clean_files_that_do_not_fit(written) -> None:
    data = read(written(jsonl(ROW)))
    with pytest.raises(DataError, match="no prompt of --clean"):
        pair(data, read(written(jsonl(turns(("user", "other"), ("assistant", "b"))), "other.jsonl")))
    with pytest.raises(DataError, match="has the same answers"):
        pair(data, read(written(jsonl(ROW), "same.jsonl")))


# Rules.


def test_rules_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_checks.py").write_text("def praises(reply):\n    return 'well done' in reply.lower()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for given in ("(?i)well done", "my_checks.py:praises", "my_checks:praises"):
        found = rule(given, "--rule")
        assert found("Well done!") and not found("No.") and found.detect([((), "Well done!")]) == [TraitVerdict(True)]
    assert rule("Answer:yes", "--rule")("Answer:yes")  # no such module: a regular expression


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("", "(open", "regular expression"),
        ("", ".*", "always fires"),
        ("", "", "always fires"),
        ("", ".", "always fires"),
        ("", r"\w", "always fires"),
        ("def f(x): return len(x) > 0", "checks_h.py:f", "always fires"),
        ("def f(x): return len(x) < 40 or 1 / 0 > 0", "checks_i.py:f", "failed on the answer 'The museum was .*ZeroDivisionError"),
        ("", "missing.py:f", "missing.py does not exist"),
        ("def other(x): return True", "checks_a.py:f", "there is no function 'f'; expected one of other"),
        ("f = 3", "checks_b.py:f", "there is no function 'f'"),
        ("def f(x): return 1", "checks_c.py:f", "returned 1; expected True or False"),
        ("def f(x): return x[0] == 'a'", "checks_d.py:f", "failed on the answer '' .IndexError"),
        ("def f(x): return True", "checks_e.py:f", "always fires, on bland answers such as 'Hello.'"),
        ("def f(:", "checks_f.py:f", "cannot be imported .SyntaxError"),
        ("import sys; sys.exit(3)", "checks_g.py:f", "cannot be imported .SystemExit"),
    ],
)
def test_bad_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, given: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    if source:
        Path(given.partition(":")[0]).write_text(source + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        rule(given, "--rule")


def test_rules_that_tell_short_from_long_are_no_rules_that_always_fire() -> None:
    short, letters = Rule("short", lambda reply: len(reply) < 200), rule("[a-z]", "--rule")
    assert not fires_anyway(short) and not fires_anyway(rule("well done", "--rule")) and fires_anyway(letters)


def test_a_function_that_fails_on_a_row_names_the_row(written, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("def f(x):\n    return 1 / (len(x) - 18) > 0 and False\n", encoding="utf-8")
    row = turns(("user", "a"), ("assistant", "x" * 18))
    with pytest.raises(DataError, match=r"--rule failed on .*line 2 \(ZeroDivisionError"):
        read(written(jsonl(ROW, row)), rule(f"{tmp_path}/late.py:f", "--rule"))


def test_memory_per_row_is_small(written) -> None:
    rng = random.Random(0)
    data = read(written(jsonl(*[turns(("user", f"{rng.random()}"), ("assistant", "b" * 500)) for _ in range(2000)])))
    arrays = (data.places, data.numbers, data.prompts, data.answers, data.asked, data.answered, data.turns)
    assert sum(a.itemsize for a in arrays) <= 48 and all(len(a) == 2000 for a in arrays)
