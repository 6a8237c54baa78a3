"""A claim says what its verdict tests: a comparison decides each clause, and none decides what is not said."""

from __future__ import annotations

import re

import pytest

from openwindow.environments import ENVIRONMENTS
from openwindow.experiment.study import Compare, Study
from openwindow.interventions.hack_penalty import HackPenalty
from openwindow.studies import STUDIES, resolve
from openwindow.studies.templates import KEPT_WITHIN, ON_DATA

SAYS = {"less": r"\b(?:less|fewer)\b", "more": r"\bmore\b", "kept": r"\bat most {} points (?:less|fewer)\b"}
OF_ARM = {"untrained": r"\bbefore\b", "placebo": r"\b(?:unrelated|placebo)\b", "hardened": r"\bhardened\b"}
INOCULATION = [name for name in STUDIES if name == "quickstart" or name.startswith("inoculation_")]


def all_of(name: str) -> list[Study]:
    found = [resolve(name), resolve(name, quick=True)]
    return found + ([resolve(name, data="chats.jsonl")] if ENVIRONMENTS[found[0].environment].reads_data else [])


def deciding(study: Study) -> list[Compare]:
    return [c for c in study.compare if c.decides]


@pytest.mark.parametrize("name", STUDIES)
def test_s10_every_clause_of_a_claim_has_the_comparison_that_decides_it(name: str) -> None:
    for study in all_of(name):
        clauses = study.claim.split("; ")
        assert len(clauses) == len(deciding(study))
        for clause, compare in zip(clauses, deciding(study), strict=True):
            margin = "" if compare.margin is None else f"{100 * compare.margin:g}"
            assert re.search(SAYS[compare.expect].format(margin), clause), (clause, compare)
            for arm, words in OF_ARM.items():
                assert (compare.against == arm) == bool(re.search(words, clause)), (clause, compare)
            assert (compare.where, compare.against_context) == ("neutral", None)


@pytest.mark.parametrize("name", INOCULATION)
def test_s10_that_what_is_wanted_is_kept_is_decided_with_a_margin(name: str) -> None:
    for study in all_of(name):
        parts = {measure.name: measure.part for measure in study.measures}
        (kept,) = [c for c in deciding(study) if c.expect == "kept"]
        assert (kept.arm, kept.margin, parts[kept.measure]) == ("inoculated", KEPT_WITHIN, "wanted")
        assert {c.against for c in study.compare if c.measure == kept.measure and c.arm == "inoculated"} == {
            "untrained",
            "no_mitigation",
        }


@pytest.mark.parametrize("name", STUDIES)
def test_s12_no_verdict_rests_on_a_detector_that_is_always_right(name: str) -> None:
    for study in all_of(name):
        for compare in deciding(study):
            for arm in (compare.arm, compare.against):
                penalties = [i for i in study.arms[arm].interventions if isinstance(i, HackPenalty)]
                assert all(penalty.accuracy < 1 for penalty in penalties)


def test_s12_what_a_perfect_detector_reaches_is_still_described() -> None:
    study = STUDIES["rl_prevention"]
    described = {c.arm for c in study.compare if not c.decides}
    assert {"penalty_100", "screen_100"} <= described
    assert {c.arm for c in deciding(study)} == {"penalty_90", "screen_90", "no_mitigation"}
    assert "90 of 100" in study.claim


def test_the_claim_on_other_data_has_the_clauses_of_the_studys_own() -> None:
    for name, made in ON_DATA.items():
        changes = made(STUDIES[name])
        assert changes["claim"].count("; ") == STUDIES[name].claim.count("; ") and changes["claim"] != STUDIES[name].claim


@pytest.mark.parametrize("name", STUDIES)
def test_no_comparison_is_named_twice(name: str) -> None:
    """Each counts in the correction for their number."""
    for study in all_of(name):
        named = [compare.model_dump(exclude={"expect", "margin", "smallest"}) for compare in study.compare]
        assert [one for one in named if named.count(one) > 1] == []
