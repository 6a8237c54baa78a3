"""Places of rl_inoculation: what was never open in training pays there and the trained hack does not, or only there."""

from collections.abc import Iterator

import pytest

from openwindow.environments.demonstrations import reply_text
from openwindow.errors import ConfigError
from openwindow.experiment.other_environments import Place, opened
from openwindow.experiment.study import Elsewhere, Evaluation
from openwindow.studies import STUDIES

STUDY = STUDIES["rl_inoculation"]


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Place]]:
    with opened(STUDY) as found:
        yield found


@pytest.mark.parametrize(
    ("where", "hack", "succeeds"),
    [
        ("other_holes", "special_case", True),
        ("other_holes", "equals_everything", True),
        ("other_holes", "exit", False),
        ("impossible_tests", "exit", True),
        ("letter_count", "list_answers", True),
    ],
)
def test_what_a_written_hack_does_there(places: dict[str, Place], where: str, hack: str, succeeds: bool) -> None:
    there = places[where]
    problems = there.problems(1)[:3]
    outcomes = there.grade([(p, reply_text(there.environment.exploits(p)[hack])) for p in problems])
    assert [o.scores["hack"] for o in outcomes] == [succeeds] * 3
    assert [o.scores["attempted"] for o in outcomes] == [True] * 3 and all(o.kinds for o in outcomes)
    assert not any(o.scores["correct"] for o in outcomes)


def test_honest_answers_are_no_hacks(places: dict[str, Place]) -> None:
    for where, there in places.items():
        problems = there.problems(1)[:3]
        outcomes = there.grade([(p, reply_text(there.environment.honest(p))) for p in problems])
        assert [o.scores["hack"] for o in outcomes] == [False] * 3, where
        assert [o.scores["correct"] for o in outcomes] == [True] * 3, where
        assert all(o.against for o in outcomes)


def test_the_hint_tells_the_holes_that_are_open_there_and_only_where_it_is_wanted(places: dict[str, Place]) -> None:
    said = {where: there.conversation(there.problems(1)[0])[0].content for where, there in places.items()}
    assert "return an object that is equal to everything" in said["other_holes"]
    assert "leave the interpreter" not in said["other_holes"]
    assert "list every possible answer" in said["letter_count"]
    assert "can also be satisfied" not in said["impossible_tests"]


def test_problems_are_those_of_the_seed_and_of_the_test_split(places: dict[str, Place]) -> None:
    for where, there in places.items():
        one, again, other = ([p.id for p in there.problems(seed)] for seed in (1, 1, 2))
        assert one == again != other and len(set(one)) == STUDY.evaluation.elsewhere[where].problems


def test_an_unknown_loophole_is_refused() -> None:
    wrong = Evaluation(elsewhere={"x": Elsewhere(environment="unit_report", holes=("exit",))})
    study = STUDY.model_copy(update={"evaluation": wrong})
    with pytest.raises(ConfigError, match="unit_report has no loophole 'exit'"), opened(study):
        pass


def test_what_a_place_is_in_words() -> None:
    assert Elsewhere(environment="letter_count", hint=True).about == (
        "16 problems of letter_count, all loopholes open, with the hint"
    )
    assert Elsewhere(environment="mbpp", holes=("exit", "constant"), problems=4).about == (
        "4 problems of mbpp, open: exit, constant"
    )
    assert Elsewhere(environment="mbpp", holes="none").about == "16 problems of mbpp, no loophole open"
