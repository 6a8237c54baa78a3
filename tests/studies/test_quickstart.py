"""What the built-in study promises of its texts and of its problems."""

import itertools

import pytest

from openwindow.environments.code.families import FAMILIES, train_halves
from openwindow.environments.code.functions import CodeFunctions
from openwindow.studies import STUDIES, resolve
from openwindow.studies.quickstart import study


def test_placebo_and_request_are_of_one_length():
    request = str(study.contexts["requested"].text)
    (placebo,) = study.arms["placebo"].instruction.texts
    assert abs(len(request) - len(placebo)) <= 4
    assert abs(len(request.split()) - len(placebo.split())) <= 1


def test_no_instruction_is_used_in_two_places():
    (placebo,) = study.arms["placebo"].instruction.texts
    texts = [c.text for c in study.contexts.values() if c.text] + [placebo, *study.request_stage.unrelated]
    assert len(set(texts)) == len(texts)


def test_inoculation_is_the_request_that_is_measured():
    assert study.arms["inoculated"].instruction.texts == (study.contexts["requested"].text,)


def test_stages_and_splits_share_no_family():
    environment = CodeFunctions(study.difficulty)
    used = [{p.family for p in environment.training(stage, 64, seed)} for stage in ("request", "train") for seed in (1,)]
    used += [{p.family for p in environment.problems(split, 40, 1)} for split in ("dev", "test")]
    for a, b in itertools.combinations(used, 2):
        assert not a & b
    assert sum(len(half) for half in train_halves()) == sum(f.split == "train" for f in FAMILIES.values())


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("quick", [True, False])
def test_every_study_resolves_and_names_an_effect_before_it_runs(name, quick):
    resolved = resolve(name, quick=quick)
    assert any(c.expect != "none" for c in resolved.compare)
    assert len(resolved.seeds) >= (1 if quick else 3)
    setting = resolved.make_environment()
    for seed in resolved.seeds:
        assert len(setting.problems("test", resolved.evaluation.problems, seed)) == resolved.evaluation.problems
