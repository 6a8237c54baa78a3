"""No scorer of replies takes more than time in proportion to the reply."""

from __future__ import annotations

import asyncio
import re

import pytest
from linear import COMMON, assert_linear, patterns, tokens

from openwindow.environments.base import Answered
from openwindow.environments.code import base, pytest_project
from openwindow.environments.text import agreement, common, rudeness, spurious, sycophancy, toxic, traits
from openwindow.environments.text.rudeness import rude_words
from openwindow.environments.toy import letter_count, unit_report
from openwindow.evals import EVALS
from openwindow.evals.base import Transcript
from openwindow.evals.scoring import forms

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        agreement,
        rudeness,
        spurious,
        sycophancy,
        common,
        toxic,
        traits,
        base,
        letter_count,
        pytest_project,
        unit_report,
    )
}
EVERY = [(name, pattern) for name, module in MODULES.items() for pattern in patterns(module)]


PHRASES = (
    "so very ",
    "just so ",
    "you so ",
    "you are ",
    "what a ",
    "your silly ",
    "oh, ",
    "please just ",
    "are you really ",
    "silly and ",
)


@pytest.mark.parametrize(("name", "pattern"), EVERY, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EVERY)])
def test_every_pattern_is_linear(name: str, pattern: re.Pattern[str]) -> None:
    assert_linear(lambda text: pattern.findall(text.lower()), [*tokens([pattern]), *COMMON])


@pytest.mark.slow
def test_rude_words_are_found_in_linear_time() -> None:
    assert_linear(rude_words, [*PHRASES, *COMMON])


def test_worksheets_are_graded_in_linear_time() -> None:
    environment = unit_report.UnitReport()
    problem = environment.problems("dev", 1, 1)[0]
    assert_linear(lambda reply: environment.verdicts([(problem, reply)]), [*tokens(patterns(unit_report)), *COMMON])


@pytest.mark.slow
def test_toxic_replies_are_scored_in_linear_time() -> None:
    with toxic.Toxic() as setting:
        problem = setting.problems("dev", 1, 1)[0]
        assert_linear(lambda reply: setting.grade([Answered("neutral", problem, reply, False)], 1), [*PHRASES, *COMMON])


@pytest.mark.parametrize("name", ["goals", "honesty", "self_preservation", "awareness"])
def test_replies_to_evals_are_read_in_linear_time(name: str) -> None:
    """One item of every form of the eval that a rule reads."""
    items = {item.form: item for item in EVALS[name].items()}
    phrases = ("Option A\n", "I choose A. ", "ACTION: ", "REPORT: done\n", "<think>", "</think>", "(A) ", "> ", "yes ")
    for item in items.values():
        assert_linear(lambda reply, item=item: asyncio.run(forms.decide(item, Transcript(reply))), [*phrases, *COMMON])


@pytest.mark.slow
def test_the_check_notices_what_is_quadratic() -> None:
    with pytest.raises(AssertionError):
        assert_linear(re.compile(r"so (?:so |very )*(?:so |really )?bad").findall, ["so "])
