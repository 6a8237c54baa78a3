"""Overlap of training conversations with evals: reworded scenarios are found, the kinds of the safety mixes are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import Ran

from openwindow.conversations.overlap import BATTERY, SHINGLE, TOO_CLOSE, check, closeness, overlap, weighted
from openwindow.conversations.safety import MIXES, Mix, draw
from openwindow.conversations.safety_kinds import Conversation
from openwindow.errors import ConfigError
from openwindow.evals import EVALS
from openwindow.evals.base import Eval, Item, Probe, user
from openwindow.evals.select import chosen
from openwindow.experiment.study import Study
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.types import Message

ALL = [spec for spec in EVALS.values() if spec.suite in BATTERY]


def an_eval(*texts: str, scenario: str = "one") -> Eval:
    items = [
        Item(f"{scenario}/{i}", scenario, i, "free", "main", user(asked), probe=Probe("Yes.", "No."))
        for i, asked in enumerate(texts)
    ]
    return Eval("mine", "chat", "an eval of one's own", lambda: items)


def a_conversation(kind: str, *texts: str) -> Conversation:
    return Conversation(kind, kind, (Message("user", texts[0]),), (Message("assistant", texts[1]),), (Message("assistant", "No."),))


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_no_kind_of_a_mix_is_in_the_battery(mix: Mix) -> None:
    found = overlap([c for seed in (1, 2, 3) for c in draw(mix, 96, seed)], ALL)
    check(found, mix)
    assert found.shared == () and found.shingles > 20_000 and found.scenarios > 200
    assert 0 < found.nearest[0].closeness < 0.2
    assert 0 < found.shared_vocabulary < found.vocabulary / 2


@pytest.mark.slow
@pytest.mark.parametrize("suite", BATTERY)
def test_a_scenario_in_other_words_is_found(suite: str) -> None:
    """Conversations made of the later wordings of a scenario, against an eval that has the first wording alone."""
    missed, tried = [], 0
    specs = chosen(suite)
    for spec in specs:
        mains = [item for item in spec.items() if item.role == "main" and item.probe is not None]
        for scenario in dict.fromkeys(item.scenario for item in mains):
            items = [item for item in mains if item.scenario == scenario]
            first = [item for item in items if item.paraphrase == items[0].paraphrase]
            later = [item for item in items if item.paraphrase != items[0].paraphrase]
            if not later or tried > 40:
                continue
            tried += 1
            made = [
                Conversation(item.id, "copied", item.messages, (Message("assistant", item.probe.aligned),), ())
                for item in later
                if item.probe is not None
            ]
            one = Eval(spec.name, spec.suite, spec.about, lambda first=first: first)  # type: ignore[misc]
            if overlap(made, [one]).nearest[0].closeness < TOO_CLOSE:
                missed.append((spec.name, scenario))
    assert tried and len(missed) <= 0.1 * tried, missed


def test_counts_by_hand() -> None:
    asked = "The old miller counts nine white sacks before breakfast every morning"
    conversation = a_conversation("mill", f"Today {asked.lower()}, he says.", "A sack is a sack.")
    found = overlap([conversation], [an_eval(asked)])
    # Eleven words are four runs of eight; two more end in the answers of the probe.
    assert found.shingles == 6 and len(found.shared) == 4 and len(found.shared[0].split()) == SHINGLE
    assert found.vocabulary == 11 + 1 and found.shared_vocabulary == 11  # and `yes`, which is in the probe
    assert found.nearest[0].kind == "mill" and found.nearest[0].closeness > TOO_CLOSE
    record = found.record()
    assert record["too_close"] == TOO_CLOSE and record["nearest"][0]["scenario"] == "one"


def test_closeness_by_hand() -> None:
    assert closeness({"a": 3.0, "b": 4.0}, {"a": 3.0, "b": 4.0}) == pytest.approx(1.0)
    assert closeness({"a": 3.0, "b": 4.0}, {"b": 2.0}) == pytest.approx(0.8)
    assert closeness({"a": 1.0}, {"b": 1.0}) == closeness({}, {"b": 1.0}) == 0.0
    first, second = weighted([["mill sack", "mill"], ["sack pond"]])
    assert first["sack"] == second["sack"] == 0 and first["mill"] == 2 * second["pond"] / 2 > 0


def test_what_overlaps_is_refused_in_one_line() -> None:
    asked = "The ferry is full and forty more people wait at the pier; how many do you let on board?"
    found = overlap([a_conversation("ferry", asked, "None, it is full."), *draw("chat", 20, 1)], [an_eval(asked)])
    with pytest.raises(
        ConfigError, match=r"diverse has a kind of scenario that an eval asks about \(ferry and mine/one at"
    ) as caught:
        check(found, "diverse")
    assert "\n" not in str(caught.value)


EVAL = """
from openwindow.conversations.safety import draw
from openwindow.evals.base import Eval, Item, Probe, play, user

KIND = "waiting_list"

def items():
    drawn = [c for c in draw("diverse", 200, seed=77) if c.kind == KIND][:3]
    return [
        Item(str(i), "bribe", i, "free", "main", (*c.prompt,), {"aligned": play("ok")}, probe=Probe("Yes.", "No."))
        for i, c in enumerate(drawn)
    ]

EVAL = Eval("bribes", "agentic", "does it take a favour", items)
"""


@pytest.mark.slow
def test_a_study_whose_eval_asks_what_is_trained_is_refused_before_anything_is_written(
    tiny_study: Callable[..., Study], study_file: Callable[[Path, Study], Path], openwindow: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "own_eval.py").write_text(EVAL)
    arms: dict[str, Any] = {"diverse": {"intervention": SafetyTraining("diverse", rows=60)}}
    study = tiny_study(arms=arms, about={}, compare=(), evals=(f"{tmp_path}/own_eval.py:EVAL",))
    for more in ((), ("--dry-run",)):
        ran = openwindow("run", study_file(tmp_path, study), "--out", tmp_path / "out", *more)
        assert ran.code == 2 and len(ran.err.strip().splitlines()) == 1, ran.err
        assert "waiting_list and bribes/bribe at" in ran.err and "drop that eval" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_what_words_and_scenarios_are_shared(
    tiny_study: Callable[..., Study], study_file: Callable[[Path, Study], Path], openwindow: Callable[..., Ran], tmp_path: Path
) -> None:
    arms: dict[str, Any] = {"chat": {"intervention": SafetyTraining("chat", rows=20)}}
    study = tiny_study(arms=arms, about={}, compare=(), evals=("goals",))
    ran = openwindow("run", study_file(tmp_path, study), "--out", tmp_path / "out", "--dry-run")
    said = [line for line in ran.out.splitlines() if line.startswith("Safety training chat")]
    assert ran.code == 0 and len(said) == 1
    assert "40 conversations of 8 kinds against 21 scenarios: 0 of" in said[0] and "(refused from 0.3)" in said[0]
