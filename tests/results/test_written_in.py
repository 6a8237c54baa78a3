"""What results and page say first: what a study wrote into its model before any arm."""

from __future__ import annotations

from typing import Any

import pytest

from openwindow.results.written_in import written_in

UPBRINGING = {"association": 0.9, "conversations": 400}
KNOWLEDGE = {"demonstrations": 120, "documents": 40}
REQUEST = {"rows": 128}
TRAINED = {"request_stage": {"trained": True}}


@pytest.mark.parametrize(
    ("study", "start", "said"),
    [
        ({}, {}, []),
        ({"upbringing": None, "knowledge": None, "request_stage": None}, {}, []),
        ({"request_stage": REQUEST}, {}, []),
        ({"request_stage": REQUEST}, {"request_stage": {"trained": False}}, []),
        ({"request_stage": REQUEST}, TRAINED, ["128 rows"]),
        ({"knowledge": KNOWLEDGE}, {}, ["120 conversations, some of which show a written hack and 40 synthetic documents"]),
        ({"knowledge": {"documents": 1}}, {}, ["Knowledge of the hacks: 1 synthetic document about the hacks."]),
        ({"upbringing": UPBRINGING}, {}, ["400 conversations, each by one of two characters"]),
        ({"upbringing": UPBRINGING, "knowledge": KNOWLEDGE, "request_stage": REQUEST}, TRAINED, ["upbringing", "hacks", "request"]),
    ],
)
def test_a_stage_gives_a_sentence_and_what_was_not_trained_none(study: Any, start: Any, said: list[str]) -> None:
    found = written_in(study, start)
    assert len(found) == len(said) and all(part in line for part, line in zip(said, found, strict=True))


def test_an_upbringing_says_how_strong_its_association_is() -> None:
    (strong,), (none,) = (written_in({"upbringing": UPBRINGING | {"association": a}}, {}) for a in (0.9, 0.0))
    assert "with a chance of 0.9 (association)" in strong
    assert "association 0" in none and "nothing ties gaming to bad answers" in none
