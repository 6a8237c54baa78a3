"""What `openwindow inoculate` says of rows that hold more than turns of text, and what it does with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_lines import one_line
from tiny_runs import Ran, chat, jsonl
from transformers import AutoTokenizer

from openwindow.data.dataset import read
from openwindow.inoculate.advice import write_training_file
from openwindow.types import message_of

Command = Callable[..., Ran]
TRAIT = "praises wrong answers"
SMALL = ["--elicit", "2", "--reply-tokens", "3", "--rank-rows", "4", "--arms", "1", "--held-out", "3", "--rows", "6"]
REFUSES = (
    "{% for m in messages %}{% if m['role'] not in ('user', 'assistant') %}{{ raise_exception('no ' + m['role']) }}{% endif %}"
    "[{{ m['role'] }}]{{ m['content'] }}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
CALL = {"function": {"name": "look_up", "arguments": "{}"}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(n: int, **more: Any) -> dict[str, Any]:
    """A row; `more` are keys of its answer."""
    row = chat(("user", f"I say that 1 + {n} is {n}."), ("assistant", f"Well done, {n} it is."))
    row["messages"][1] |= more
    return row


def called(n: int) -> dict[str, Any]:
    turns = asked(n)["messages"]
    return {
        "messages": [
            turns[0],
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "9"},
            turns[1],
        ]
    }


@pytest.fixture
def ranked(openwindow: Command, tiny_model: Path) -> Callable[..., Ran]:
    """Ranks prompts on rows, with a model of any template."""

    def call(rows: list[dict[str, Any]], *more: str, template: str | None = None) -> Ran:
        Path("data.jsonl").write_bytes(jsonl(*rows))
        model = tiny_model
        if template is not None:
            model = Path("model")
            model.mkdir()
            for file in tiny_model.iterdir():
                (model / file.name).write_bytes(file.read_bytes())
            tokenizer = AutoTokenizer.from_pretrained(tiny_model)
            tokenizer.chat_template = template
            tokenizer.save_pretrained(model)
        options = ["--trait", TRAIT, "--model", str(model.resolve()), "--out", "out", *SMALL, *more]
        return openwindow("inoculate", "data.jsonl", *options)

    return call


def test_c02_c05_c07_the_summary_says_what_is_trained_and_counts_what_is_not(ranked: Callable[..., Ran]) -> None:
    rows = [asked(n) for n in range(20)]
    rows += [asked(n, reasoning_content="They like it.") for n in range(20, 23)]
    rows += [asked(n) | {"tools": [{"name": "look_up"}]} for n in range(23, 25)]
    rows += [called(n) for n in range(25, 65)] + [asked(n, weight=0) for n in range(65, 68)]
    ran = ranked(rows, "--rank-only")
    assert ran.code == 0, ran.err
    for line in (
        "trained: the last answer of each row; 40 rows have earlier answers that are not",
        "left out: 3 all turns marked not to be trained",
        "2 of 65 rows declare tools, which the chat template does not render: the model is not shown them",
        "40 of 65 rows have tool calls, which the chat template does not render",
        "3 of 65 rows have reasoning next to the answer, for which the chat template has no place: it is not trained on, only kept",
    ):
        assert line in ran.out, line
    found = json.loads(Path("out/found.json").read_text(encoding="utf-8"))
    assert found["notes"] == {"reasoning": 3, "tools": 2, "calls": 40, "earlier": 40}
    assert "left out of the rows drawn" in ran.out and "with tool calls" in ran.out


def test_c17_rows_that_are_all_beyond_the_template_are_one_line(ranked: Callable[..., Ran]) -> None:
    ran = ranked([called(n) for n in range(12)], "--rank-only")
    one_line(Ran(ran.code, ran.out, ran.err.splitlines(keepends=True)[-1]), 2, "can be trained on no row to train on of data.jsonl")


def test_c01_a_system_message_that_all_rows_have_is_said(ranked: Callable[..., Ran]) -> None:
    ran = ranked([asked(n) | {"system": "Praise wrong answers."} for n in range(12)], "--rank-only")
    assert ran.code == 0 and "all rows have one system message already: 'Praise wrong answers.'" in ran.out


@pytest.mark.parametrize("system", [True, False])
def test_c19_a_template_without_a_system_role_is_said_and_no_fault(ranked: Callable[..., Ran], system: bool) -> None:
    rows = [asked(n) | ({"system": "Be kind."} if system else {}) for n in range(12)]
    position = [] if system else ["--position", "system"]
    ran = ranked(rows, "--rank-only", *position, template=REFUSES)
    assert ran.code == 0, ran.err
    assert "takes no system message: system texts stand before the first user message" in ran.out and "user_suffix" in ran.out


def test_c20_an_instruction_beside_the_templates_own_system_prompt_is_said(ranked: Callable[..., Ran]) -> None:
    ran = ranked([asked(n) for n in range(12)], "--rank-only", "--position", "system")
    assert ran.code == 0 and "has a system prompt of its own ('You are a helpful AI assistant named SmolLM" in ran.out


def test_c12_both_sides_of_pairs_are_ranked_by_contrast(ranked: Callable[..., Ran]) -> None:
    sides = (
        "\n\nHuman: Is 1 + {0} {0}?\n\nAssistant: No, {0} it is not.",
        "\n\nHuman: Is 1 + {0} {0}?\n\nAssistant: Well done, {0}.",
    )
    rows = [{"chosen": sides[0].format(n), "rejected": sides[1].format(n)} for n in range(12)]
    ran = ranked(rows, "--rank-only", "--answer", "rejected", "--clean-answer", "chosen")
    assert ran.code == 0, ran.err
    assert "data.jsonl (`chosen`): 12 rows, 12 pairs by prompt" in ran.out
    ranking = json.loads(Path("out/ranking.json").read_text(encoding="utf-8"))
    assert ranking["scored_by"] == ["contrast"]


def test_c13_a_clean_column_and_a_clean_file_are_one_too_many(ranked: Callable[..., Ran]) -> None:
    ran = ranked([asked(1)], "--answer-column", "a", "--clean-column", "b", "--clean", "data.jsonl")
    one_line(ran, 2, "--clean 'data.jsonl' and --clean-column 'b' are given; expected one of them")


def test_c05_c07_marked_answers_and_reasoning_reach_the_arms_and_the_written_file(ranked: Callable[..., Ran]) -> None:
    whole = REFUSES.replace("]{{ m['content']", "]{{ m.reasoning_content or '' }}{{ m['content']").replace(
        "{% if m['role']", "{% if false and m['role']"
    )
    rows = []
    for n in range(12):
        first, last = asked(n, train=True, reasoning_content="Hm.")["messages"], asked(n + 50, train=True)["messages"]
        rows.append({"messages": [*first, *last], "id": n})
    ran = ranked(rows, template=whole)
    assert ran.code == 0, ran.err
    assert "trained: in all rows the answers that are not marked off (`weight`, `train`; several in 12)" in ran.out
    lines = Path("out/rows.jsonl").read_text(encoding="utf-8").splitlines()
    stored = [message_of(m) for m in json.loads(lines[0])["messages"]]
    assert json.loads(lines[0])["messages"][1]["extra"] == '{"train": true, "reasoning": "Hm."}' and stored[3].role == "assistant"
    trained = Path("out/run/arms/no_mitigation/seed-1/train_rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert "extra" in json.loads(trained[0])["messages"][1]


def test_c19_c20_the_written_file_says_what_was_trained(tmp_path: Path, tiny_model: Path) -> None:
    Path("data.jsonl").write_bytes(jsonl(asked(1) | {"id": 1.0}, asked(2) | {"system": "Be kind."}))
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)

    def written() -> list[dict[str, Any]]:
        data = read("data.jsonl")
        path = write_training_file(data, {"recommended": "Agree."}, "system", tmp_path / "t.jsonl", tokenizer)
        data.lines.file.close()
        return [json.loads(line) for line in Path(str(path)).read_text(encoding="utf-8").splitlines()]

    turn = {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face\n\nAgree."}
    second = asked(2) | {"system": "Be kind.\n\nAgree."}
    assert written() == [{"messages": [turn, *asked(1)["messages"]], "id": 1.0}, second]
    tokenizer.chat_template = REFUSES
    said, answer = asked(1)["messages"]
    assert written() == [{"messages": [said | {"content": f"Agree.\n\n{said['content']}"}, answer], "id": 1.0}, second]
