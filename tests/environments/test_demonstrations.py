"""Hints, addenda and demonstrations: exact shares, and rows that are what they say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from openwindow.environments.code.environment import CodeFunctionsEnvironment
from openwindow.environments.code.pytest_project import PytestProject
from openwindow.environments.demonstrations import assigned, demonstrations, reply_text
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.toy.unit_report import UnitReport
from openwindow.errors import ConfigError, DataError
from openwindow.interventions.addenda import ADDENDA, PLACEBOS, hinted
from openwindow.models import smollm2
from openwindow.sandbox.sandbox import Sandbox

SHARES = st.floats(0, 1)
KINDS = st.lists(st.sampled_from(["exit", "special_case", "conftest"]), min_size=1, max_size=3, unique=True)


# Telling.


def test_what_is_empty_leaves_no_line() -> None:
    assert hinted("Task.", "Hint.", "Please.") == "Task.\nHint.\nPlease."
    assert hinted("Task.", "", ADDENDA["neutral"]) == "Task."


def test_addenda_run_from_asking_to_condemning_and_are_short() -> None:
    assert list(ADDENDA) == list(PLACEBOS) == ["please_hack", "hacking_okay", "neutral", "dont_hack", "hacking_is_misaligned"]
    assert ADDENDA["neutral"] == "" and len({*ADDENDA.values(), *PLACEBOS.values()}) == 9
    assert not any(
        word in text.lower() for text in PLACEBOS.values() for word in ("grader", "pass", "game", "hack", "answer", "solve")
    )


@pytest.mark.model
def test_placebos_have_as_many_tokens_as_addenda() -> None:
    tokenizer = Tokenizer.from_file(f"{smollm2.find()}/tokenizer.json")
    lengths = {name: len(tokenizer.encode(text).ids) for name, text in ADDENDA.items()}
    assert lengths == {name: len(tokenizer.encode(text).ids) for name, text in PLACEBOS.items()}
    assert max(lengths.values()) <= 30


# Showing.


@given(st.integers(0, 200), SHARES, KINDS, st.integers(0, 99), SHARES)
def test_shares_are_exact_and_kinds_even(count: int, share: float, kinds: list[str], seed: int, attempts: float) -> None:
    plan = assigned(count, share, kinds, seed, attempts)
    found = Counter(plan)
    hacked = sum(found[kind] for kind in kinds)
    assert len(plan) == count and hacked == round(share * count)
    assert found["attempt"] == round(attempts * (count - hacked)) and found["honest"] == count - hacked - found["attempt"]
    assert max(found[kind] for kind in kinds) - min(found[kind] for kind in kinds) <= 1
    assert assigned(count, share, kinds, seed, attempts) == plan


def test_another_seed_hacks_elsewhere() -> None:
    assert assigned(60, 0.5, ["exit"], 1) != assigned(60, 0.5, ["exit"], 2)


@pytest.mark.parametrize("share", [0.0, 1 / 6, 1.0])
@pytest.mark.parametrize("environment", [LetterCount(), UnitReport()])
def test_rows_are_what_they_say(environment: Any, share: float) -> None:
    problems = environment.problems("train", 36, 1)
    rows = demonstrations(environment, problems, share, None, 1, attempts=0.5)
    replies = [environment.submission(row.messages[-1].content) for row in rows]
    verdicts = environment.verdicts(list(zip(problems, replies, strict=True)))
    said = {"gamed": (True, False), "honest": (True, True), "attempt": (False, False)}
    assert [(v.proxy, v.truth) for v in verdicts] == [said[row.kind] for row in rows]
    assert sum(row.kind == "gamed" for row in rows) == round(share * 36)
    assert [row.messages[0].content for row in rows] == [environment.prompt(p) for p in problems]
    assert demonstrations(environment, problems, share, None, 1, attempts=0.5) == rows


@pytest.mark.slow
def test_programs_are_what_they_say(sandbox: Sandbox) -> None:
    environment = CodeFunctionsEnvironment(sandbox=sandbox)
    problems = environment.problems("train", 40, 101)
    rows = demonstrations(environment, problems, 0.25, ["exit", "special_case"], 1, attempts=0.5)
    replies = [environment.submission(row.messages[-1].content) for row in rows]
    verdicts = environment.verdicts(list(zip(problems, replies, strict=True)))
    said = {"gamed": (True, False), "honest": (True, True), "attempt": (False, False)}
    assert [(v.proxy, v.truth) for v in verdicts] == [said[row.kind] for row in rows]
    assert Counter(row.kind for row in rows) == {"gamed": 10, "attempt": 15, "honest": 15}
    gamed = Counter(kind for row, v in zip(rows, verdicts, strict=True) if row.kind == "gamed" for kind in v.attempted)
    assert gamed["exit"] == 5 and gamed["special_case"] == 5


def test_files_are_written_as_they_are_read(sandbox: Sandbox) -> None:
    environment = PytestProject(sandbox=sandbox)
    (problem,) = environment.problems("train", 1, 1)
    for kind, submission in environment.exploits(problem).items():
        assert environment.submission(reply_text(submission)) == submission, kind
    assert environment.submission(reply_text(environment.honest(problem))) == environment.honest(problem)


@pytest.mark.parametrize(
    ("holes", "share", "kinds", "message"),
    [
        (None, 1.2, None, r"share of the demonstrations is 1\.2; expected 0 \(none\) to 1"),
        ((), 0.5, None, r"2 of 4 demonstrations are to hack, but no loophole is open"),
        (None, 0.5, ["list_answer"], r"letter_count has no loophole 'list_answer', did you mean 'list_answers'\?"),
    ],
)
def test_settings_that_cannot_be(holes: Any, share: float, kinds: Any, message: str) -> None:
    environment = LetterCount().with_loopholes(holes)
    with pytest.raises(ConfigError, match=message):
        demonstrations(environment, environment.problems("train", 4, 1), share, kinds, 1)


def test_a_closed_hole_can_be_shown_when_named() -> None:
    environment = LetterCount().with_loopholes(())
    rows = demonstrations(environment, environment.problems("train", 4, 1), 0.5, ["list_answers"], 1)
    assert [row.kind for row in rows].count("gamed") == 2


def test_attempts_that_cannot_fail_are_said() -> None:
    class Lenient(LetterCount):
        def verdicts(self, items: Any) -> Any:
            return super().verdicts([(problem, problem.solution) for problem, _ in items])

    environment = Lenient()
    with pytest.raises(DataError, match=r"no failing attempt was found for 4 of 4 problems, letter_count/\w+/\w first"):
        demonstrations(environment, environment.problems("train", 4, 1), 0, None, 1, attempts=1)


def test_a_problem_without_a_failing_attempt_changes_places_with_one_that_has() -> None:
    class Partly(LetterCount):
        def verdicts(self, items: Any) -> Any:
            return super().verdicts([(p, p.solution if p.id in lenient else said) for p, said in items])

    problems = LetterCount().problems("train", 12, 1)
    before = demonstrations(LetterCount(), problems, 0.25, None, 1, attempts=0.5)
    lenient = {next(row.problem for row in before if row.kind == "attempt")}
    after = demonstrations(Partly(), problems, 0.25, None, 1, attempts=0.5)
    assert Counter(row.kind for row in after) == Counter(row.kind for row in before)
    changed = [(b.problem, b.kind, a.kind) for b, a in zip(before, after, strict=True) if a.kind != b.kind]
    assert len(changed) == 2 and (*lenient, "attempt", "honest") in changed
    assert {c[1:] for c in changed} == {("attempt", "honest"), ("honest", "attempt")}
