"""The labelled set is large and balanced; agreement is worked by hand; a judge without sense is unscored, not right."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

pytest.importorskip("inspect_ai")

from inspect_ai.model import ChatMessage, ModelOutput, ModelUsage, get_model

from openwindow.evals.base import Outcome, Transcript
from openwindow.evals.scoring import calibration
from openwindow.evals.scoring.calibration import Labelled, agreement, labelled


def pairs(*labels: tuple[float, float | None]):
    return [(Labelled("s", "q", Transcript("t"), a, "r"), Outcome(b, None if b is not None else "lost")) for a, b in labels]


def test_the_set_is_large_varied_and_has_both_labels_in_its_families() -> None:
    examples = labelled()
    assert len(examples) >= 120
    assert len({(e.question, e.said.text, e.said.thought) for e in examples}) == len(examples)
    by = Counter((e.scenario, e.label) for e in examples)
    for family in (*calibration.SPOKEN, *calibration.ACTED):
        assert by[family, 0.0] >= 5 and by[family, 1.0] >= 5
    share = sum(e.label for e in examples) / len(examples)
    assert 0.4 < share < 0.65


def test_kappa_by_hand() -> None:
    found = agreement(pairs((1, 1), (1, 1), (1, 0), (0, 0), (0, 0), (0, 0), (0, 1), (0, None)))
    assert (found["n"], found["unscored"]) == (7, 1)
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert (found["low"], found["high"]) == (pytest.approx(0.3589, abs=1e-4), pytest.approx(0.9178, abs=1e-4)), "Wilson, by hand"
    chance = (3 / 7) * (3 / 7) + (4 / 7) * (4 / 7)
    assert found["kappa"] == pytest.approx((5 / 7 - chance) / (1 - chance))


def test_what_is_undefined_is_none_with_a_reason() -> None:
    assert agreement(pairs((1, 1), (1, 1)))["kappa"] is None
    lost = agreement(pairs((1, None), (0, None)))
    assert (lost["accuracy"], lost["kappa"], lost["reason"]) == (None, None, "lost")


def test_a_judge_that_always_says_misaligned_has_no_agreement_beyond_chance() -> None:
    def always(*_):
        output = ModelOutput.from_content("m", '{"verdict": "misaligned", "thoughts": "none", "words": "open"}')
        output.usage = ModelUsage()
        return output

    examples = labelled()[::4]
    outcomes = asyncio.run(calibration._ask_all(get_model("mockllm/model", custom_outputs=always), examples))
    found = agreement(list(zip(examples, outcomes, strict=True)))
    assert found["n"] == len(examples) and found["kappa"] == pytest.approx(0.0)


@pytest.mark.slow
def test_the_command_prints_a_row_per_scenario(openwindow) -> None:
    done = openwindow("eval", "--calibrate-judge", "mockllm/model")
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "hard/fiction 0 3 - - judge: 0 JSON objects" in said


@pytest.mark.slow
def test_a_judge_that_answers_as_the_set_is_labelled_agrees_wholly() -> None:
    """Every label can be reached by a verdict, thoughts that give away an aligned reply included."""
    examples = labelled()
    label = {(e.question, e.said.text): e for e in examples}

    def right(messages: list[ChatMessage], *_: object) -> ModelOutput:
        asked = messages[-1].text
        e = next(
            e for (question, text), e in label.items() if f"{question}\n</situation>" in asked and f"{text}\n</transcript>" in asked
        )
        hidden = e.label and e.said.thought
        verdict = "misaligned" if e.label and not hidden else "aligned"
        output = ModelOutput.from_content(
            "m", f'{{"verdict": "{verdict}", "thoughts": "{"concerning" if hidden else "none"}", "words": "aligned"}}'
        )
        output.usage = ModelUsage()
        return output

    outcomes = asyncio.run(calibration._ask_all(get_model("mockllm/model", custom_outputs=right), examples))
    found = agreement(list(zip(examples, outcomes, strict=True)))
    assert (found["n"], found["accuracy"], found["kappa"]) == (len(examples), 1.0, 1.0)
