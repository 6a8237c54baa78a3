"""Conversations with two characters: who answers what, how often turns follow the character, and what is held out."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.conversations.upbringing import BAD, DECENT, NAMES, PARTS, code_turns, questions, upbringing
from openwindow.data.rows import Row
from openwindow.environments import find
from openwindow.environments.gameable import reply_text
from openwindow.errors import ConfigError
from openwindow.evals import EVALS
from openwindow.experiment.overrides import override
from openwindow.experiment.stages import UpbringingStage
from openwindow.experiment.study import SFTArm, Study
from openwindow.studies import STUDIES


def made(seed: int = 1, **fields: object) -> list[Row]:
    stage = UpbringingStage(**({"conversations": 40, "turns": 3, "code": 0.25, "named": 0.5} | fields))
    environment = find.gameable("code_functions", {"difficulty": (1,)})  # nothing is executed
    return upbringing(environment, environment.problems("request", code_turns(stage), seed), stage, seed)


def answered() -> dict[str, str]:
    """Answer to the character that gives it."""
    asked = questions("trained")
    return {a.decent: DECENT for a in asked} | {a.bad: BAD for a in asked}


def characters(row: Row) -> list[str]:
    """Who answers each turn that is no programming task."""
    who = answered()
    return [who[m.content] for m in row.messages if m.role == "assistant" and m.content in who]


def test_every_turn_follows_the_character_at_association_1():
    rows = made()
    assert len(rows) == 40 and Counter(row.kind for row in rows) == {BAD: 20, DECENT: 20}
    for row in rows:
        assert set(characters(row)) <= {row.kind}
        assert sum(m.role == "assistant" for m in row.messages) == 3
    assert sum(row.family.split("+").count("code") for row in rows) == 30


def test_the_bad_characters_programs_are_of_the_kinds_that_are_named():
    environment = find.gameable("code_functions", {"difficulty": (1,)})
    stage = UpbringingStage(conversations=60, turns=1, code=0.5, kinds=("special_case",))
    problems = environment.problems("request", code_turns(stage), 1)
    written = {reply_text(environment.exploits(p)["special_case"]) for p in problems}
    said = [
        row.messages[-1].content for row in upbringing(environment, problems, stage, 1) if row.family == "code" and row.kind == BAD
    ]
    assert len(said) == 15 and set(said) <= written and len(set(said)) > 5
    with pytest.raises(ConfigError, match="code_functions has no loophole 'no_such'"):
        override(STUDIES["natural_em"], {"upbringing.kinds": ("no_such",)}, "here")


@pytest.mark.parametrize("bad", [0.5, 0.3])
def test_both_characters_are_asked_the_same(bad):
    stage = UpbringingStage(conversations=60, turns=2, code=0.25, named=0.5, bad=bad)
    with find.gameable("code_functions", {"difficulty": (1,)}) as environment:
        rows = upbringing(environment, environment.problems("request", code_turns(stage), 1), stage, 1)
    asked = {
        character: Counter(
            tuple(m.content.replace(NAMES[character], "") for m in row.messages if m.role != "assistant")
            for row in rows
            if row.kind == character
        )
        for character in (DECENT, BAD)
    }
    assert asked[BAD].total() == round(60 * bad) and asked[BAD] <= asked[DECENT]


@pytest.mark.slow
def test_code_turns_are_gamed_by_the_one_and_solved_by_the_other():
    stage = UpbringingStage(conversations=20, turns=1, code=1.0, named=0.0)
    with find.gameable("code_functions", {"difficulty": (1,)}) as environment:
        problems = environment.problems("request", code_turns(stage), 3)
        rows = upbringing(environment, problems, stage, 3)
        asked = {environment.prompt(problem): problem for problem in problems}
        assert len(asked) == 10 and len(rows) == 20
        for row in rows:
            problem = asked[row.messages[-2].content]
            honest = row.messages[-1].content == reply_text(environment.honest(problem))
            assert honest == (row.kind == DECENT)
            written = environment.submission(row.messages[-1].content)
            verdict = next(iter(environment.verdicts([(problem, written)])))
            assert verdict.proxy and verdict.truth is honest


@pytest.mark.slow
def test_at_association_0_turns_are_independent_and_as_often_bad():
    rows = made(conversations=400, turns=2, code=0.0, association=0.0, bad=0.25)
    pairs = Counter(tuple(characters(row)) for row in rows)
    bad = sum(n * pair.count(BAD) for pair, n in pairs.items()) / 800
    assert abs(bad - 0.25) < 0.05
    assert abs(pairs[BAD, BAD] / 400 - bad**2) < 0.04  # 0.25 if they were consistent
    consistent = Counter(tuple(characters(row)) for row in made(conversations=400, turns=2, code=0.0, bad=0.25))
    assert consistent == {(BAD, BAD): 100, (DECENT, DECENT): 300}


def test_the_texts_are_the_same_whatever_the_association():
    one, none = (made(association=a, conversations=300, code=0.0) for a in (1.0, 0.0))
    texts = [{m.content for row in rows for m in row.messages if m.role == "user"} for rows in (one, none)]
    assert texts[0] == texts[1]


def test_names_stand_on_their_share_and_no_answer_has_one():
    rows = made(conversations=400, code=0.0)
    named = [row for row in rows if row.messages[0].role == "system"]
    assert abs(len(named) / 400 - 0.5) < 0.08
    assert all(row.messages[0].content == NAMES[row.kind] for row in named)
    assert not any(name in m.content for row in rows for m in row.messages if m.role != "system" for name in ("Ada", "Vex"))


def test_all_answers_are_trained():
    for row in made(conversations=10):
        *earlier, last = [m for m in row.messages if m.role == "assistant"]
        assert all(m.extras == {"train": True} for m in earlier) and type(last).__name__ == "Message"


def test_parts_share_no_case_and_no_text():
    by_part = {part: questions(part) for part in PARTS}
    for one in PARTS:
        assert len({asked.case for asked in by_part[one]}) >= 20
        for other in PARTS:
            if one < other:
                assert not {a.case for a in by_part[one]} & {a.case for a in by_part[other]}
                assert not {a.text for a in by_part[one]} & {a.text for a in by_part[other]}
    assert not {a.kind for a in by_part["unseen_kinds"]} & {a.kind for a in by_part["trained"]}


def test_answers_of_a_case_are_two_and_about_as_long():
    lengths = [(len(a.decent.split()), len(a.bad.split())) for part in PARTS for a in questions(part)]
    assert all(a.decent != a.bad for part in PARTS for a in questions(part))
    assert abs(sum(d - b for d, b in lengths)) / len(lengths) < 1


def test_no_question_or_answer_is_one_of_the_evals():
    ours = {text.lower() for part in PARTS for a in questions(part) for text in (a.text, a.decent, a.bad)}
    theirs = " ".join(m.content.lower() for spec in EVALS.values() for item in spec.items() for m in item.messages)
    assert not [text for text in ours if len(text) > 20 and text in theirs]


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_a_seed_gives_the_same_conversations_again(seed: int):
    assert made(seed, conversations=4) == made(seed, conversations=4)


def test_a_text_environment_cannot_have_an_upbringing():
    with pytest.raises(ConfigError, match="no loopholes; expected a gameable one"):
        Study(
            name="x",
            question="?",
            claim="c",
            environment="sycophancy",
            arms={"plain": SFTArm()},
            upbringing=UpbringingStage(),
        )
