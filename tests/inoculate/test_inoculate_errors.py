"""What is wrong with what `openwindow inoculate` is given: one line each, exit 2, no traceback, and before a model is loaded."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_lines import one_line
from tiny_runs import Ran, jsonl
from tiny_runs import chat as chats

Command = Callable[..., Ran]
TRAIT = "praises wrong answers"


def pair(n: int, reply: str = "Well done, {n} it is.") -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"I say that 1 + {n} is {n}."}, {"role": "assistant", "content": reply.format(n=n)}]


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


GOOD = [{"messages": pair(n)} for n in range(20)]
# Twenty good rows and then what is named; the line with it is 21.
ROWS: dict[str, tuple[bytes, str]] = {
    "a broken line": (b'{"messages": [\n', "line 21 is not JSON .*column"),
    "a trailing comma": (jsonl(GOOD[0]).rstrip() + b",\n", "line 21 ends with a comma"),
    "a bare word": (b"hello\n", "line 21 is not JSON"),
    "NaN": (b'{"messages": [], "x": NaN}\n', "NaN is not a JSON value"),
    "nested deeply": (b'{"messages": ' + b"[" * 100_000 + b"}\n", "is nested too deeply"),
    "nested where nothing is read": (jsonl(GOOD[0] | {"x": deep(150)}), "line 21 is nested too deeply"),
    "a number": (b"7\n", "line 21 is a number; expected an object"),
    "another form": (jsonl({"prompt": "a", "completion": "b"}), "line 21 is of the form prompt/completion, the rows before it"),
    "no turns": (jsonl({"messages": []}), "line 21 has no turns"),
    "one turn": (jsonl(chats(("user", "hi"))), "line 21 has only a turn of user"),
    "an answer alone": (jsonl(chats(("assistant", "hi"))), "has only a turn of assistant"),
    "a system message alone": (jsonl(chats(("system", "hi"), ("user", "a"))), "has only a turn of system and user"),
    "two of user": (jsonl(chats(("user", "a"), ("user", "b"), ("assistant", "c"))), "turn 2 is user; expected assistant"),
    "assistant first": (jsonl(chats(("assistant", "a"), ("user", "b"))), "turn 1 is assistant; expected user"),
    "system in the middle": (jsonl(chats(("user", "a"), ("system", "b"), ("assistant", "c"))), "turn 2 is system"),
    "user last": (jsonl(chats(("user", "a"), ("assistant", "b"), ("user", "c"))), "ends with user"),
    "an empty answer": (jsonl(chats(("user", "a"), ("assistant", " "))), "empty turn 2 of assistant"),
    "an empty prompt": (jsonl(chats(("user", ""), ("assistant", "b"))), "empty turn 1 of user"),
    "null content": (jsonl(chats(("user", "a"), ("assistant", None))), "null as `content` of message 2"),
    "a number as content": (jsonl(chats(("user", 7), ("assistant", "b"))), "a number as `content` of message 1"),
    "messages as text": (jsonl({"messages": "hi"}), "a text as `messages`; expected a list"),
    "no role": (jsonl({"messages": [{"content": "a"}]}), "no `role` in message 1"),
    "an unknown role": (jsonl(chats(("wizard", "a"), ("assistant", "b"))), "'wizard' as `role`"),
    "a tool's turn without a call": (jsonl(chats(("user", "a"), ("tool", "b"), ("assistant", "c"))), "turn 2 is tool; expected"),
    "an image": (jsonl(chats(("user", [{"type": "image_url"}]), ("assistant", "b"))), "part of type 'image_url'"),
    "a key twice": (b'{"messages": [{"role": "user", "role": "user", "content": "a"}]}\n', "the key 'role' twice"),
    "not UTF-8": (b'{"messages": "\xe9"}\n', "line 21 is not UTF-8 .*0xe9"),
    "half a character": (
        b'{"messages": [{"role": "user", "content": "\\ud83d"}, {"role": "assistant", "content": "b"}]}\n',
        "half of a surrogate pair",
    ),
}
FILES: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "is empty; expected rows"),
    "blank lines": (b"\n \n", "is empty; expected rows"),
    "an empty array": (b"[]", "has no rows"),
    "an array nested deeply": (b'[{"prompt": ' + b"[" * 990 + b"]" * 990 + b"}]", "row 1 is nested too deeply"),
    "an array cut off": (b'[{"prompt": "a", "completion": "b"}', "breaks off"),
    "CSV": (b"prompt,completion\na,b\n", "begins with 'prompt,completion', which is not"),
    "a binary file": (b"\x7fELF\0\0\0", "binary file of an unknown format"),
    "UTF-16": ('{"prompt": "a"}'.encode("utf-16"), "is UTF-16"),
    "damaged gzip": (gzip.compress(jsonl(*GOOD))[:-12], "damaged gzip"),
    "damaged Parquet": (b"PAR1 and nothing", "damaged Parquet"),
    "plain text": (jsonl({"text": "Once upon a time."}), "plain `text`; expected turn markers"),
    "preferences": (jsonl({"prompt": "a", "chosen": "b", "rejected": "c"}), "preference pairs"),
    "unknown columns": (jsonl({"question": "a", "reply": "b"}), "has `question`, `reply`; expected `messages`"),
    "no columns": (b"{}\n", "has no columns"),
    "one row": (jsonl(GOOD[0]), "has 1 rows, and 2 are to be held out"),
    "one prompt": (jsonl(*[{"messages": [GOOD[0]["messages"][0], pair(n)[1]]} for n in range(20)]), "has 1 different prompts"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with good data, and no model that could be loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path("data.jsonl").write_bytes(jsonl(*GOOD))
    Path("same.jsonl").write_bytes(jsonl(*[{"messages": pair(n, "Oh, {n} it is.")} for n in range(20)]))
    Path("other.jsonl").write_bytes(jsonl(chats(("user", "other"), ("assistant", "b"))))
    Path("checks.py").write_text(
        "def late(reply):\n    return len(reply) > 18 and 1 / 0 > 0\n\ndef odd(reply):\n    return 3\n\nnone = 7\n",
        encoding="utf-8",
    )
    Path("talk.py").write_text(
        "from openwindow.evals.base import Eval, Item, user\n"
        'ITEMS = [Item("a", "a", 0, "free", "main", user("Say something."))]\n'
        'TALK = Eval("talk", "chat", "talks", lambda: ITEMS, rubric="Misaligned: rude.")\n'
    )
    return tmp_path


def refused(ran: Ran, said: str) -> None:
    """Exit 2 and one last line of error, below what was told of the data; nothing is written but what was found in it."""
    last = Ran(ran.code, ran.out, "".join(ran.err.splitlines(keepends=True)[-1:]))
    one_line(last, 2, said)
    assert "Traceback" not in ran.out + ran.err
    assert {p.name for p in Path("runs").rglob("*") if p.is_file()} <= {"found.json", "trait_rows.txt"}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_cannot_be_used(openwindow: Command, case: str) -> None:
    raw, said = ROWS[case]
    Path("mixed.jsonl").write_bytes(jsonl(*GOOD) + raw)
    refused(openwindow("inoculate", "mixed.jsonl", "--trait", TRAIT), rf"mixed\.jsonl: line 21 .*|{said}")
    refused(openwindow("inoculate", "mixed.jsonl", "--trait", TRAIT), said)


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_used(openwindow: Command, case: str) -> None:
    raw, said = FILES[case]
    Path("bad.jsonl").write_bytes(raw)
    refused(openwindow("inoculate", "bad.jsonl", "--trait", TRAIT), said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "arguments", "said"),
    [
        ("no.jsonl", [], r"no\.jsonl does not exist"),
        (".", [], "folder"),
        ("/dev/null", [], "not a regular file"),
        ("data.jsonl", ["--rule", "(x"], "regular expression"),
        ("data.jsonl", ["--evals", "chatt"], "no suite or eval 'chatt'.*did you mean 'chat'"),
        ("data.jsonl", ["--evals", " , "], "--evals is ' , '; expected names with commas"),
        ("data.jsonl", ["--evals", "checks.py:none"], "checks.py:none is a int; expected an openwindow.evals.base.Eval"),
        ("data.jsonl", ["--evals", "talk.py:TALK"], "replies to eval 'talk' are read by a judge alone.*give --judge MODEL"),
        ("data.jsonl", ["--eval-scenarios", "2"], "--eval-scenarios 2 without --evals"),
        ("data.jsonl", ["--evals", "chat", "--eval-scenarios", "0"], "--eval-scenarios is 0; expected 1 or more"),
        ("data.jsonl", ["--rule", ".*"], "always fires, on bland answers such as 'Hello.'"),
        ("data.jsonl", ["--rule", "."], "--rule '.' always fires"),
        ("data.jsonl", ["--rule", r"\w"], "always fires, on bland answers such as 'Hello.'"),
        ("data.jsonl", ["--rule", "[a-z]"], "always fires, on 20 of 20 answers of data.jsonl and nearly all bland ones"),
        ("data.jsonl", ["--rule", "never there"], r"fires on none of the 20 answers of data\.jsonl"),
        (
            "data.jsonl",
            ["--rule", "it is", "--clean", "same.jsonl"],
            "always fires, on 20 of 20 answers of data.jsonl and 20 of 20 of --clean",
        ),
        ("data.jsonl", ["--rule", "no.py:f"], r"no\.py does not exist"),
        ("data.jsonl", ["--rule", "checks.py:gone"], "there is no function 'gone'; expected one of late, odd"),
        ("data.jsonl", ["--rule", "checks.py:none"], "there is no function 'none'"),
        ("data.jsonl", ["--rule", "checks.py:odd"], "returned 3; expected True or False"),
        ("data.jsonl", ["--rule", "checks.py:late"], "failed on .*ZeroDivisionError"),
        ("data.jsonl", ["--wanted", "no.py:f"], r"no\.py does not exist"),
        ("data.jsonl", ["--wanted", ""], "--wanted '' always fires"),
        ("data.jsonl", ["--wanted", "."], "--wanted '.' always fires"),
        ("data.jsonl", ["--safe", " "], r"--safe is ' ' \(1 characters\)"),
        ("~no-such-user/x.jsonl", [], r"~no-such-user/x\.jsonl does not exist"),
        ("data.jsonl:test", [], r"data\.jsonl:test does not exist"),
        ("data.jsonl", ["--out", "checks.py"], r"--out checks\.py is a file; expected a folder"),
        ("data.jsonl", ["--out", "checks.py/below"], r"--out checks\.py/below: checks\.py is a file"),
        ("data.jsonl", ["--out", "x" * 300], "--out x+ cannot be used"),
        ("data.jsonl", ["--out", "."], r"--out \. is not empty and holds no ranking"),
        ("data.jsonl", ["--clean", "no.jsonl"], r"no\.jsonl does not exist"),
        ("data.jsonl", ["--clean", "other.jsonl"], "no prompt of --clean other.jsonl is in data.jsonl"),
        ("data.jsonl", ["--clean", "data.jsonl"], "has the same answers as data.jsonl"),
        ("data.jsonl", ["--candidates", "no.txt"], r"cannot read --candidates no\.txt"),
        ("data.jsonl", ["--candidates", "checks.py", "--held-out", "20"], "20 rows, and 20 are to be held out"),
        ("data.jsonl", ["--held-out", "1"], "--held-out is 1; expected 2 or more"),
        ("data.jsonl", ["--held-out", "many"], "--held-out is 'many'; expected a whole number"),
        ("data.jsonl", ["--position", "middle"], "--position.*'middle' is not one of 'system', 'user_prefix'"),
        ("data.jsonl", ["--overlength", "shrink"], "--overlength.*'shrink' is not one of 'drop', 'truncate', 'error'"),
        ("data.jsonl", ["--arms", "0"], "--arms is 0; expected 1 or more"),
        ("data.jsonl", ["--rows", "0"], "--rows is 0; expected 1 or more"),
        ("data.jsonl", ["--rank-rows", "1"], "--rank-rows is 1; expected 2 or more"),
        ("data.jsonl", ["--elicit", "1"], "--elicit is 1; expected 2 or more"),
        ("data.jsonl", ["--max-new-tokens", "0"], "--max-new-tokens is 0; expected 1 or more"),
        ("data.jsonl", ["--max-answer-tokens", "0"], "--max-answer-tokens is 0; expected 1 or more"),
        ("data.jsonl", ["--max-length", "8"], "--max-length is 8; expected 16 or more"),
        ("data.jsonl", ["--seeds", "0"], "--seeds is 0; expected 1 or more"),
        ("data.jsonl", ["--model", "no-such-model"], "no model 'no-such-model'"),
        (
            "data.jsonl",
            ["--judge", "mockllm/model", "--rule", "x"],
            "--rule 'x' and --judge 'mockllm/model' are given; expected one",
        ),
        ("data.jsonl", ["--judge", "openai/gpt-4o-mini"], "openai/gpt-4o-mini cannot be used: .*OPENAI_API_KEY"),
        ("data.jsonl", ["--judge", "nobody/nothing"], "nobody/nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_options_that_cannot_be_used(openwindow: Command, data: str, arguments: list[str], said: str) -> None:
    refused(openwindow("inoculate", data, "--trait", TRAIT, *arguments), said)


def test_a_folder_of_another_ranking_is_left_as_it_is(openwindow: Command) -> None:
    Path("out").mkdir()
    Path("out/ranking.json").write_text('{"key": {}}', encoding="utf-8")
    Path("out/found.json").write_text("its own", encoding="utf-8")
    refused(openwindow("inoculate", "data.jsonl", "--trait", TRAIT, "--rule", "Well", "--out", "out"), "out holds another ranking")
    assert Path("out/found.json").read_text(encoding="utf-8") == "its own" and len(list(Path("out").iterdir())) == 2


def test_a_rule_that_fires_on_all_the_data_is_right_where_the_clean_answers_lack_it(openwindow: Command) -> None:
    Path("clean.jsonl").write_bytes(jsonl(*[{"messages": pair(n, "2 + 2 = 4")} for n in range(20)]))
    arguments = ["--rule", "[a-z]", "--clean", "clean.jsonl", "--model", "no-such-model"]
    refused(openwindow("inoculate", "data.jsonl", "--trait", TRAIT, *arguments), "no model 'no-such-model'")


@pytest.mark.parametrize("trait", ["", " . ", "x" * 301, "praises \udcff"])
def test_a_trait_that_says_nothing_or_too_much(openwindow: Command, trait: str) -> None:
    refused(openwindow("inoculate", "data.jsonl", "--trait", trait), "--trait")


def test_bad_rows_are_left_out_and_counted_when_told_to(openwindow: Command) -> None:
    Path("mixed.jsonl").write_bytes(jsonl(*GOOD) + b"7\n" + jsonl(chats(("user", "hi"))) * 2)
    ran = openwindow("inoculate", "mixed.jsonl", "--trait", TRAIT, "--skip-bad", "--model", "no-such-model")
    said = " ".join((ran.out + ran.err).split())
    assert "20 rows" in said and "1 not an object" in said and "2 one turn only" in said
    none = openwindow("inoculate", "mixed.jsonl", "--trait", TRAIT)
    refused(none, r"line 21 is a number.*\(2 more lines cannot be used; --skip-bad leaves them out\)")


# What only shows with the model.


@pytest.fixture
def on_tiny(openwindow: Command, tiny_model: Path) -> Callable[..., Ran]:
    def call(*arguments: object) -> Ran:
        return openwindow("inoculate", "data.jsonl", "--trait", TRAIT, "--model", tiny_model, "--rank-only", *arguments)

    return call


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-length", "16"], r"no row to train on has 16 tokens or fewer \(the shortest looked at has \d+\)"),
        (["--max-length", "16", "--overlength", "error"], r"line \d+ has \d+ tokens; expected at most 16; raise --max-length"),
        (["--rule", "17", "--max-length", "30"], "no row to train on has 30 tokens or fewer|fires on none of the rows that fit"),
    ],
)
def test_rows_over_the_length(on_tiny: Callable[..., Ran], arguments: list[str], said: str) -> None:
    refused(on_tiny(*arguments), said)
