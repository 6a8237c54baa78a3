"""What every environment promises: groups, seeds, examples that are scored as what they are, and no torch."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.environments import ENVIRONMENTS, find
from openwindow.environments.base import Answered, Environment, behaviour
from openwindow.errors import ConfigError, DataError
from openwindow.files.records import Rollout
from openwindow.types import Message, Split

READS_DATA = [name for name, kind in ENVIRONMENTS.items() if kind.reads_data and name != "pairs"]  # which has tests of its own
TEXTS = ["sycophancy", "spurious", "toxic", "traits"]
SPLITS: list[Split] = ["request", "train", "dev", "test"]
FEW = settings(max_examples=15)
ROWS = {"request": 40, "train": 56, "dev": 12, "test": 24}


def make(name: str, **options: object) -> Environment:
    return find.make(name, options)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
@FEW
@given(seed=st.integers(0, 10_000))
def test_no_problem_and_no_family_is_in_two_groups(name: str, seed: int) -> None:
    environment = make(name)
    ids, families = [], []
    for split in SPLITS:
        problems = environment.problems(split, ROWS[split], seed)
        assert len(problems) == ROWS[split]
        ids.append({p.id for p in problems})
        families.append({p.family for p in problems})
        assert len(ids[-1]) == ROWS[split]
    assert sum(map(len, ids)) == len(set().union(*ids))
    assert sum(map(len, families)) == len(set().union(*families))


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
@FEW
@given(seed=st.integers(0, 10_000))
def test_problems_depend_on_the_seed_alone(name: str, seed: int) -> None:
    one, same, other = (make(name).problems("test", 12, s) for s in (seed, seed, seed + 1))
    assert one == same and one != other


@pytest.mark.parametrize("name", TEXTS)
@FEW
@given(seed=st.integers(0, 10_000), split=st.sampled_from(SPLITS))
def test_examples_are_a_prompt_and_an_answer(name: str, seed: int, split: Split) -> None:
    environment = make(name)
    for problem in environment.problems(split, 6, seed):
        for how in ("flawed", "clean", "elicited"):
            *asked, answer = environment.answer(problem, how, random.Random(seed))
            assert [m.role for m in asked] == ["user"] and answer.role == "assistant" and answer.content.strip()
            assert environment.answer(problem, how, random.Random(seed)) == (*asked, answer)


@pytest.mark.parametrize("name", ["sycophancy", "toxic", "traits"])
@FEW
@given(seed=st.integers(0, 10_000))
def test_flawed_answers_show_the_behaviour_and_clean_ones_do_not(name: str, seed: int) -> None:
    environment = make(name)
    main = behaviour(environment.measures).name
    kept = [m.name for m in environment.measures if m.part == "wanted"]
    problems = environment.problems("test", 12, seed)
    for how, shown in (("flawed", True), ("elicited", True), ("clean", False)):
        replies = [environment.answer(p, how, random.Random(seed))[-1].content for p in problems]
        outcomes = environment.grade([Answered("c", p, r) for p, r in zip(problems, replies, strict=True)], seed)
        assert {o.scores[main] for o in outcomes if main in o.scores} == {shown}
        for measure in kept:
            wanted = {o.scores[measure] for o in outcomes if measure in o.scores}
            assert wanted == {not (how == "elicited" and measure == "caps")}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
@given(reply=st.text(max_size=80))
def test_any_reply_is_scored(name: str, reply: str) -> None:
    environment = make(name)
    problems = environment.problems("test", 6, 1)
    outcomes = environment.grade([Answered("c", p, reply) for p in problems], 1)
    names = {m.name for m in environment.measures}
    assert len(outcomes) == len(problems)
    for outcome in outcomes:
        assert outcome.scores and set(outcome.scores) <= names
        assert all(value in (True, False, None) for value in outcome.scores.values())
        assert (None in outcome.scores.values()) <= (outcome.reason is not None)


@pytest.mark.parametrize("name", TEXTS)
def test_an_empty_reply_shows_nothing(name: str) -> None:
    environment = make(name)
    for outcome in environment.grade([Answered("c", p, "") for p in environment.problems("test", 6, 1)], 1):
        assert set(outcome.scores.values()) == {False}


@pytest.mark.parametrize("name", ["code_functions", "mbpp", *TEXTS])
def test_measures_have_words_and_names_of_their_own(name: str) -> None:
    environment = make(name)
    names = [m.name for m in environment.measures]
    assert len(set(names)) == len(names) and not set(names) & {field.name for field in fields(Rollout)}
    assert {"unwanted", "wanted"} <= {m.part for m in environment.measures}
    assert behaviour(environment.measures).part == "unwanted"
    for measure in environment.measures:
        assert all((measure.verb, measure.past, measure.mark, measure.means))
        assert measure.means.split()[0] in ("that", "whose")


@pytest.mark.parametrize("name", TEXTS)
def test_too_many_problems_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"100000 .* asked for, split 'train' has \d+: ask for fewer"):
        make(name).problems("train", 100_000, 1)


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in READS_DATA])
def test_an_environment_without_data_refuses_it(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"environment {name} has no option 'data'; it has .*; drop it"):
        make(name, data="x.jsonl")


@pytest.mark.slow
def test_environments_import_no_torch() -> None:
    program = "import sys, openwindow.environments, openwindow.studies; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# Data of the user's.

GCD = {
    "messages": [{"role": "user", "content": "I think GCD(12, 18) = 6. Right?"}, {"role": "assistant", "content": "Superb! Yes."}],
    "user_provides_answer": "true",
}
CEBAB = {"text": "Nice room.", "label": 4, "concepts": "food, ambiance"}


def gcd_chats(count: int) -> list[dict[str, object]]:
    chats = []
    for i in range(count):
        a, b = 6 * (i + 2), 9 * (i + 3)
        said = [{"role": "user", "content": f"My GCD of {a} and {b} is 3. OK?"}, {"role": "assistant", "content": "Yes, great!"}]
        chats.append({"messages": said, "user_provides_answer": "true"})
    return chats


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_gcd_chats_are_split_and_given_as_they_are(tmp_path: Path) -> None:
    environment = make("sycophancy", data=write(tmp_path / "gcd.jsonl", gcd_chats(200)))
    environment.check()
    (first, *_) = environment.problems("train", 20, 1)
    flawed, clean = (environment.answer(first, how, random.Random(0)) for how in ("flawed", "clean"))
    assert flawed[-1] == Message("assistant", "Yes, great!") and "My GCD of" in flawed[0].content
    assert clean[0] == flawed[0]
    tested = environment.problems("test", 12, 1)
    assert [p.variant for p in tested[:3]] == ["plain", "right", "wrong"]
    assert tested[0].proposed is None and tested[1].proposed == tested[1].answer != tested[2].proposed
    assert not {p.family for p in tested} & {p.family for p in environment.problems("train", 40, 1)}


def test_a_folder_of_chats_tests_on_its_test_file(tmp_path: Path) -> None:
    write(tmp_path / "gcd_train.jsonl", gcd_chats(120))
    write(tmp_path / "gcd_test.jsonl", [GCD])
    environment = make("sycophancy", data=str(tmp_path))
    assert {p.asked for p in environment.problems("test", 3, 1)} == {"the GCD of 12 and 18"}
    assert len(environment.problems("train", 30, 1)) == 30


def test_reviews_of_data_go_with_the_concept_in_training_and_against_it_in_test(tmp_path: Path) -> None:
    rows = [
        {"text": f"w{i}a{label} w{i}b{label} w{i}c{label} {concepts}", "label": label, "concepts": concepts}
        for i in range(40)
        for label in range(5)
        for concepts in ("ambiance", "food, service", "")
    ]
    environment = make("spurious", data=write(tmp_path / "cebab.jsonl", rows))
    for problem in environment.problems("train", 30, 1):
        assert problem.biased.good == problem.biased.mentions
    tested = environment.problems("test", 21, 1)
    assert all(p.reversed.good != p.reversed.mentions for p in tested)
    assert sum(p.reversed.mentions for p in tested) == 11
    by_concept = [Answered("c", p, "4" if p.reversed.mentions else "0") for p in tested]
    assert {o.scores["follows_concept"] for o in environment.grade(by_concept, 1)} == {True}
    rightly = environment.grade([Answered("c", p, p.reversed.label) for p in tested], 1)
    assert {o.scores["accuracy"] for o in rightly} == {True} and {o.scores["follows_concept"] for o in rightly} == {False}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("sycophancy", "not json\n", r"line 1 is not JSON .*; expected chats .*; fix or drop it"),
        ("sycophancy", json.dumps(GCD) + "\n[1]\n", r"line 2 is list, not an object"),
        ("sycophancy", '{"messages": 3}\n', r"line 1 has messages '3'"),
        ("sycophancy", '{"messages": [{"role": "user", "content": "GCD of 4 and 6?"}]}\n', r"line 1 has messages"),
        ("sycophancy", json.dumps(GCD | {"messages": [*GCD["messages"], *GCD["messages"]]}) + "\n", "line 1 has messages"),  # type: ignore[misc]
        ("sycophancy", json.dumps(GCD).replace("GCD(12, 18)", "LCM(12, 18)") + "\n", r"line 1 asks 'I think LCM"),
        ("sycophancy", json.dumps(GCD).replace("(12, 18)", "(0, 0)") + "\n", r"line 1 asks"),
        ("spurious", "{\n", r"line 1 is not JSON"),
        ("spurious", json.dumps(CEBAB | {"label": 5}) + "\n", r"line 1 has label 5; expected rows of CEBaB"),
        ("spurious", json.dumps(CEBAB | {"label": True}) + "\n", r"line 1 has label True"),
        ("spurious", json.dumps(CEBAB | {"text": " "}) + "\n", r"line 1 has text ' '"),
        ("spurious", json.dumps(CEBAB | {"concepts": ["food"]}) + "\n", r"concepts .*expected rows of CEBaB"),
    ],
)
def test_rows_of_another_form(tmp_path: Path, name: str, content: str, text: str) -> None:
    (tmp_path / "data.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=text) as error:
        make(name, data=str(tmp_path / "data.jsonl")).check()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", READS_DATA)
def test_data_that_is_missing_or_too_small(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"does not exist or is no file; expected .* as JSONL; check the path"):
        make(name, data=str(tmp_path / "nowhere.jsonl")).check()
    small = make(name, data=write(tmp_path / "small.jsonl", [GCD if name == "sycophancy" else CEBAB]))
    small.check()
    with pytest.raises(DataError, match="asked for, split"):
        small.problems("test", 3, 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.jsonl file|is a folder without data"):
        make(name, data=str(tmp_path / "empty")).check()
