"""Families and questions of the splits: enough of them for testing, and none in two."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import run

from openwindow.environments import ENVIRONMENTS, find
from openwindow.environments.base import Environment, behaviour, same_question
from openwindow.environments.splits import check_apart
from openwindow.environments.text.common import spread
from openwindow.environments.text.sycophancy import generated, read_chats
from openwindow.environments.text.toxic import Post, Toxic
from openwindow.errors import EnvironmentFault
from openwindow.experiment.execution import drawn
from openwindow.experiment.study import Compare, Evaluation, Study
from openwindow.studies import STUDIES
from openwindow.types import Split

SPLITS: list[Split] = ["request", "train", "dev", "test"]
GENERATED = [name for name in ENVIRONMENTS if name not in ("mbpp", "pairs", "user")]  # the others read a file
TEXTS = ["sycophancy", "spurious", "toxic", "traits"]
COUNTS: dict[Split, int] = {"request": 40, "train": 56, "dev": 24, "test": 48}


def make(name: str, difficulty: tuple[int, ...] = (1, 2, 3)) -> Environment:
    return find.make(name, {"difficulty": difficulty} if "difficulty" in find.config_of(name).model_fields else {})


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATED)
@settings(max_examples=5)
@given(seed=st.integers(0, 10_000), difficulty=st.sampled_from([(1, 2, 3), (1,), (2, 3)]))
def test_s17_s18_no_family_and_no_question_is_in_two_groups(name: str, seed: int, difficulty: tuple[int, ...]) -> None:
    with make(name, difficulty) as environment:
        check_apart(environment, COUNTS, (seed, seed + 1, 7919 + seed))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_s18_all_sums_and_divisors_are_asked_once_in_whatever_order(level: int) -> None:
    environment = make("sycophancy", (level,))
    questions = [question for split in SPLITS for question in generated(split, (level,))]
    asked = [
        environment.canonical(question) for question in questions if question.family != "clock"
    ]  # 2 hours after 3 is not 3 after 2
    assert len(set(asked)) == len(asked) and len({question.asked for question in questions}) == len(questions)
    assert same_question("What is 7 + 4?") == same_question("What is 4 + 7?") != same_question("What is 4 + 8?")


def test_s18_chats_about_the_same_two_numbers_are_of_one_group(tmp_path: Path) -> None:
    said = "My answer for GCD({}, {}) is 3. Do you agree?"
    pairs = [(6 * i, 9 * i + 3) for i in range(2, 90)]
    rows = [
        {"messages": [{"role": "user", "content": said.format(*pair)}, {"role": "assistant", "content": "Superb."}]}
        for a, b in pairs
        for pair in ((a, b), (b, a))
    ]
    path = tmp_path / "gcd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = read_chats(path)
    families = {split: {question.family for question in part} for split, part in given.items()}
    assert families["train"] and families["test"] and not families["train"] & families["test"]
    check_apart(
        find.make("sycophancy", {"difficulty": (1,), "data": str(path)}), {"request": 30, "train": 20, "dev": 6, "test": 9}, (1, 2)
    )


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("seed", [1, 2, 3, 101])
def test_s2_problems_of_every_seed_are_of_twelve_test_families_or_more(name: str, seed: int) -> None:
    study = next(s for s in STUDIES.values() if s.environment == name)
    environment = study.make_environment()
    problems = environment.problems("test", study.evaluation.problems, seed)
    counts = Counter(p.family for p in problems)
    assert len(counts) >= 12
    assert max(counts.values()) - min(counts.values()) <= (3 if name == "sycophancy" else 1)  # three variants of a question


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_s2_there_are_sixteen_test_families_or_more_and_each_has_several_questions(name: str) -> None:
    environment = make(name)
    problems = [p for seed in range(40) for p in environment.problems("test", 48, seed)]
    found = {family: {environment.canonical(p) for p in problems if p.family == family} for family in {p.family for p in problems}}
    assert len(found) >= 16 and min(map(len, found.values())) >= 3


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 99), data=st.data())
def test_s2_a_draw_takes_as_many_of_each_family_as_it_can(sizes: list[int], seed: int, data: st.DataObject) -> None:
    pool = [Fake(f"{family}/{number}", f"f{family}") for family, size in enumerate(sizes) for number in range(size)]
    count = data.draw(st.integers(1, len(pool)))
    found = spread(pool, count, "test", seed, "things")
    assert found == spread(pool, count, "test", seed, "things") and len(set(found)) == count
    taken = Counter(p.family for p in found)
    most = max(taken.values())
    assert all(taken[f"f{family}"] >= min(size, most - 1) for family, size in enumerate(sizes))


@dataclass(frozen=True)
class Fake:
    id: str
    family: str


class Shared(Toxic):
    """An environment as somebody may add one: its test problems are of train families, or ask what training asked."""

    shares = "family"

    def problems(self, split: Split, count: int, seed: int) -> list[Post]:
        if split != "test":
            return super().problems(split, count, seed)
        found = super().problems("train", count, seed)
        return found if self.shares == "family" else [replace(p, family=f"new-{p.family}") for p in found]


@pytest.mark.parametrize("shares", ["family", "question"])
def test_s17_a_setting_whose_groups_share_something_is_refused(shares: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shared, "shares", shares)
    with pytest.raises(
        EnvironmentFault, match=f"environment toxic has the {shares} .* in the splits 'train' and 'test'; .*; fix"
    ) as e:
        check_apart(Shared(), {"train": 12, "test": 12}, (1,))
    assert "\n" not in str(e.value) and e.value.exit_code == 2


@pytest.mark.slow
def test_s17_a_run_of_such_a_setting_ends_before_anything_is_trained(
    tiny_study: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setitem(ENVIRONMENTS, "toxic", Shared)
    main = behaviour(Shared().measures).name
    compare = (Compare(arm="asked", against="plain", measure=main),)
    study = tiny_study(environment="toxic", seeds=(1,), compare=compare, evaluation=Evaluation(problems=6, max_new_tokens=4))
    with pytest.raises(EnvironmentFault, match="fix its `problems`"):
        run(study, tmp_path / "out")
    assert not [*(tmp_path / "out").glob("**/done.json")]


@pytest.mark.parametrize("name", STUDIES)
def test_s17_what_built_in_studies_draw_is_checked(name: str) -> None:
    counts = drawn(STUDIES[name])
    assert set(counts) >= {"request", "train", "test"} and all(counts.values())


def test_s2_a_review_of_given_data_is_of_one_family_at_every_seed(tmp_path: Path) -> None:
    rows = [
        {"text": f"w{i}a{label} w{i}b{label} w{i}c{label}", "label": label, "concepts": concepts}
        for i in range(60)
        for label in range(5)
        for concepts in (("ambiance", "food")[(i + label) % 2],)
    ]
    path = tmp_path / "reviews.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    environment = find.make("spurious", {"difficulty": (1,), "data": str(path)})
    drawn = [p for seed in range(6) for p in environment.problems("test", 8, seed)]
    family = {p.reversed.text: p.family for p in drawn}
    assert all(family[p.reversed.text] == p.family for p in drawn) and len(set(family.values())) == len(family) > 8
