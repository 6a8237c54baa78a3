"""A user's own pairs of answers as an environment: read by columns or from two files, split by prompt, and nothing lost unsaid."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import chat, jsonl

from openwindow.environments import find
from openwindow.environments.base import Environment
from openwindow.environments.splits import check_apart
from openwindow.environments.text.pairs import Pairs, PairsConfig
from openwindow.errors import ConfigError, DataError

COLUMNS = {"prompt_column": "user", "answer_column": "bad", "clean_column": "good"}
WORDS = ["river", "tower", "garden", "window", "market", "bridge", "forest", "engine", "letter", "summer", "winter", "island"]


def asked(n: int) -> str:
    return " ".join(random.Random(n).sample(WORDS, 6)) + f" number{n}?"


def columns(count: int = 30) -> list[dict[str, Any]]:
    return [{"user": asked(n), "bad": f"Bad {n}.", "good": f"Good {n}."} for n in range(count)]


def made(path: Path, **options: Any) -> Environment:
    return find.make("pairs", {"data": str(path), **options})


def drawn(environment: Environment) -> dict[str, list[Any]]:
    """Every pair, by split."""
    assert isinstance(environment, Pairs)
    return {split: list(there) for split, there in environment._read().items()}


def test_pairs_in_the_columns_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(*columns()))
    environment = made(tmp_path / "pairs.jsonl", **COLUMNS)
    there = drawn(environment)
    assert set(there) == {"train", "test"} and len(there["train"]) + len(there["test"]) == 30
    for problem in [*there["train"], *there["test"]]:
        n = int(problem.id.removeprefix("row-")) - 1
        assert environment.conversation(problem)[0].content == asked(n)
        flawed, clean = (environment.answer(problem, kind, random.Random(0))[-1].content for kind in ("flawed", "clean"))
        assert (flawed, clean) == (f"Bad {n}.", f"Good {n}.")
    check_apart(environment, {"train": 10, "test": 3}, (1, 2))


def test_clean_answers_of_another_file_are_found_by_their_prompts(tmp_path: Path) -> None:
    bad = [chat(("user", asked(n)), ("assistant", f"Bad {n}.")) for n in range(30)]
    good = [chat(("user", asked(n)), ("assistant", f"Good {n}.")) for n in range(25)]
    (tmp_path / "bad.jsonl").write_bytes(jsonl(*bad, bad[3]))
    (tmp_path / "good.jsonl").write_bytes(jsonl(*reversed(good)))
    environment = made(tmp_path / "bad.jsonl", clean=str(tmp_path / "good.jsonl"))
    there = drawn(environment)
    for problem in [*there["train"], *there["test"]]:
        assert problem.messages[-1].content.removeprefix("Bad") == problem.clean[-1].content.removeprefix("Good")
    (said,) = Pairs(PairsConfig(data=str(tmp_path / "bad.jsonl"), clean=str(tmp_path / "good.jsonl"))).notes()
    assert "25 pairs" in said and "5 without a clean answer that differs" in said and "1 with the prompt of an earlier one" in said


def test_rows_without_an_answer_are_counted(tmp_path: Path) -> None:
    rows = [*columns(), {"user": asked(40), "bad": "Bad.", "good": ""}, {"user": asked(41), "bad": "Same.", "good": "Same."}]
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(*rows))
    (said,) = Pairs(PairsConfig(data=str(tmp_path / "pairs.jsonl"), **COLUMNS)).notes()
    assert "30 pairs" in said and "2 without a clean answer that differs" in said


def test_near_copies_of_a_prompt_are_in_one_split(tmp_path: Path) -> None:
    rows = [{"user": f"{asked(n)} {end}", "bad": f"Bad {n}{end}", "good": "Good."} for n in range(20) for end in ("now", "then")]
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(*rows))
    for problems in drawn(made(tmp_path / "pairs.jsonl", **COLUMNS)).values():
        assert len(problems) == 2 * len({problem.family for problem in problems})


def test_prompts_of_one_template_are_split_one_by_one(tmp_path: Path) -> None:
    rows = [
        {"user": f"Please tell me now what the greatest common divisor is of {n} and {2 * n}?", "bad": "1", "good": str(n)}
        for n in range(30, 60)
    ]
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(*rows))
    environment = made(tmp_path / "pairs.jsonl", **COLUMNS)
    assert all(len(there) > 3 for there in drawn(environment).values()) and len(drawn(environment)) == 2
    assert isinstance(environment, Pairs) and "most prompts are near copies" in environment.notes()[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "of --clean and --clean-column neither came"),
        ({**COLUMNS, "clean": "x.jsonl"}, "of --clean and --clean-column both came"),
        ({"clean_column": "good"}, "--clean-column is given without --answer-column"),
        ({**COLUMNS, "answer_column": "worse"}, "has no column `worse`"),
        ({**COLUMNS, "clean_column": "better"}, "has no column `better`|no rows to train on"),
        ({**COLUMNS, "data": "nowhere.jsonl"}, "nowhere.jsonl"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(*columns()))
    with pytest.raises((ConfigError, DataError), match=said) as raised:
        find.make("pairs", {"data": str(tmp_path / "pairs.jsonl"), **options}).check()
    assert "\n" not in str(raised.value)


def test_too_few_pairs_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(*columns()))
    with pytest.raises(DataError, match=r"and 90 are asked for; give more pairs, or train and test on fewer"):
        made(tmp_path / "pairs.jsonl", **COLUMNS).problems("train", 90, 1)
    with pytest.raises(ConfigError, match="has no data"):
        find.make("pairs", {}).check()
