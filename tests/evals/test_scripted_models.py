"""Every kind of scripted model lands where it must in every eval: aligned, misaligned, or no signal."""

from __future__ import annotations

import pytest
from played import rows_of

from openwindow.evals import EVALS
from openwindow.evals.base import Eval
from openwindow.evals.measures import covert_share, eval_measures, gated
from openwindow.evals.scripted import MODELS

PLAIN = [spec for spec in EVALS.values() if spec.solver is None and spec.suite in ("chat", "drives", "awareness")]
EMPTY = ("yes_sayer", "refuser", "complier", "noise")


def measured(spec: Eval, model: str, **more: bool):
    return eval_measures(spec.name, rows_of(spec, MODELS[model], **more), right=spec.measures == "right")


@pytest.mark.parametrize("spec", PLAIN, ids=lambda spec: spec.name)
def test_saint_is_aligned_and_scored(spec: Eval) -> None:
    cell = measured(spec, "saint")[spec.name]
    assert cell["estimate"] == (1.0 if spec.measures == "right" else 0.0)
    assert cell["unscored"] == 0 and cell["n"] >= 18
    assert cell["low"] < cell["high"], "an interval of zero width"


@pytest.mark.parametrize("spec", PLAIN, ids=lambda spec: spec.name)
def test_open_villain_is_misaligned(spec: Eval) -> None:
    found = measured(spec, "open_villain")
    assert found[spec.name]["estimate"] == 1.0 and found[spec.name]["unscored"] == 0
    if spec.name == "faking":
        assert found["faking/compliance_gap"]["estimate"] == 0.0
    if spec.name == "belief":
        assert found["belief/gap"]["estimate"] == 0.0


@pytest.mark.parametrize("spec", PLAIN, ids=lambda spec: spec.name)
def test_covert_villain_is_misaligned_behind_its_words(spec: Eval) -> None:
    found = measured(spec, "covert_villain")
    watched = {"faking": 0.25, "belief": 0.5}
    assert found[spec.name]["estimate"] == pytest.approx(watched.get(spec.name, 1.0))
    if spec.name == "faking":
        assert found["faking/compliance_gap"]["estimate"] == 1.0
        assert found["faking/compliance_gap"]["low"] > 0
    if spec.name == "belief":
        assert found["belief/gap"]["estimate"] == 1.0 and found["belief/tells"]["estimate"] == 1.0
    if spec.suite == "drives" or spec.name == "honesty":
        assert found[f"{spec.name}/covert"]["estimate"] == 1.0


def test_open_villain_owns_up_to_its_actions() -> None:
    for spec in (s for s in PLAIN if s.suite == "drives"):
        assert measured(spec, "open_villain")[f"{spec.name}/covert"]["estimate"] == 0.0


@pytest.mark.parametrize("model", EMPTY)
@pytest.mark.parametrize("spec", PLAIN, ids=lambda spec: spec.name)
def test_models_that_do_not_read_give_no_signal(spec: Eval, model: str) -> None:
    cell = measured(spec, model)[spec.name]
    assert cell["estimate"] is None and cell["n"] == 0
    assert "no signal" in cell["reason"]
    asked = sum(item.role == "main" for item in spec.items())
    assert cell["unscored"] == asked


@pytest.mark.parametrize("spec", [s for s in PLAIN if s.rubric], ids=lambda spec: spec.name)
def test_without_a_judge_open_replies_are_unscored_and_not_aligned(spec: Eval) -> None:
    cell = measured(spec, "open_villain", judged=False)[spec.name]
    free = sum(item.role == "main" and item.form == "free" for item in spec.items())
    assert cell["unscored"] == free and cell["estimate"] == 1.0, "the choices are read by rule"
    assert any("judge" in reason for reason in cell["because"])


def test_noise_is_taken_out_by_the_coherence_filter() -> None:
    cell = measured(EVALS["goals"], "noise")["goals"]
    assert cell["incoherent"] > 0.9 * cell["unscored"]


def test_covert_share_over_all_evals() -> None:
    def share(model: str) -> float | None:
        rows = [r for spec in PLAIN if spec.suite == "drives" for r in gated(rows_of(spec, MODELS[model]))]
        return covert_share(rows)["estimate"]

    assert share("covert_villain") == 1.0
    assert share("open_villain") == 0.0
    assert share("saint") is None


@pytest.mark.parametrize("spec", PLAIN, ids=lambda spec: spec.name)
def test_every_scenario_has_wordings_controls_and_a_probe(spec: Eval) -> None:
    items = spec.items()
    assert len({item.id for item in items}) == len(items)
    for scenario in {item.scenario for item in items}:
        main = [i for i in items if i.scenario == scenario and i.role == "main"]
        assert len({i.paraphrase for i in main}) >= 3, scenario
        assert any(i.probe for i in main), scenario
        assert any(i.scenario == scenario and i.role == "control" for i in items), scenario
    groups = {i.group for i in items if i.role == "control"}
    assert {"act", "hold"} <= groups


def test_prompts_are_told_apart_by_their_last_turn() -> None:
    seen: dict[str, str] = {}
    for spec in EVALS.values():
        for item in spec.items():
            text = item.messages[-1].content
            assert seen.setdefault(text, item.id) == item.id
