"""Studies: arms as named differences, overrides, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tiny_runs import make_study

from openwindow.errors import ConfigError
from openwindow.experiment.arm import Arm
from openwindow.experiment.arms import arm_of
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Context, Data, RLArm, SFTArm, Study
from openwindow.studies import STUDIES, load, resolve
from openwindow.training.config import SFT


def flat(value: Any, where: str = "") -> dict[str, Any]:
    """A nested configuration as dotted names to values."""
    if isinstance(value, dict):
        inner = [flat(v, f"{where}.{k}" if where else k) for k, v in value.items()]
        return {k: v for part in inner for k, v in part.items()}
    return {where: value}


def changed(a: Arm, b: Arm) -> set[str]:
    one, other = flat(a.same_training.model_dump()), flat(b.same_training.model_dump())
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


@pytest.mark.parametrize("name", list(STUDIES))
def test_what_an_arm_differs_in_is_all_that_it_differs_in(name: str) -> None:
    study = STUDIES[name]
    for arm, typed in study.arms.items():
        shown = study.differs(arm)
        assert all(any(field == key or field.startswith(f"{key}.") for key in shown) for field in changed(study.base, typed)), arm
        assert arm_of(arm, {"role": typed.role, "group": typed.group, **shown}, study.base) == typed


@pytest.mark.parametrize("name", list(STUDIES))
def test_built_in_studies_are_complete(name: str) -> None:
    study = STUDIES[name]
    assert study.name == name and study.question.endswith("?") and study.claim_id
    assert len(study.seeds) >= 3 and "neutral" in study.contexts and study.contexts["neutral"].text is None
    assert study.compare and set(study.about) == set(study.arms)
    quick = study.quickened()
    assert len(quick.seeds) == 1 and quick.evaluation.problems < study.evaluation.problems
    kept = study.quick_arms or tuple(study.arms)
    assert list(quick.arms) == [arm for arm in study.arms if arm in kept] and set(quick.about) == set(quick.arms)
    assert all(quick.differs(arm) == study.differs(arm) for arm in quick.arms)
    assert quick.compare == tuple(c for c in study.compare if {c.arm, c.against} <= set(kept))
    assert any(c.expect != "none" for c in quick.compare)
    again = Study.model_validate_json(study.model_dump_json())
    assert again.model_dump(mode="json") == study.model_dump(mode="json")


def test_the_request_of_the_stage_is_used_nowhere_else() -> None:
    """Instructions of the request stage are not those that arms are trained or tested with."""
    study = STUDIES["quickstart"]
    assert study.request_stage is not None
    taught = set(study.request_stage.unrelated)
    tested = {context.text for context in study.contexts.values()}
    placebo = study.arms["placebo"].intervention
    assert placebo is not None and not taught & (tested | set(placebo.texts)) and not tested & set(placebo.texts)


def test_defaults_do_not_depend_on_the_model() -> None:
    one = make_study("smollm2").model_dump()
    other = make_study("some-org/some-model").model_dump()
    assert {key for key in one if one[key] != other[key]} == {"model"}


def test_two_arms_that_train_alike_are_refused() -> None:
    with pytest.raises(ConfigError, match="arms 'plain' and 'also' are the same"):
        make_study("m", arms={"plain": {}, "other": {"train.epochs": 3}, "also": {"data.rows": make_study("m").base.data.rows}})


def test_arms_that_differ_in_their_role_alone_are_refused() -> None:
    with pytest.raises(ConfigError, match="arms 'plain' and 'also' are the same"):
        make_study("m", arms={"plain": SFTArm(), "also": SFTArm(role="control")}, base=SFTArm())


def test_an_arm_is_the_base_with_its_fields() -> None:
    base = SFTArm(train=SFT(learning_rate=1e-3))
    arms = {"plain": base, "long": base.but(train={"epochs": 3}, data=Data(rows=5), role="treatment")}
    study = make_study("m", base=base, arms=arms, about={}, compare=())
    assert study.arms["plain"] == base
    assert study.differs("plain") == {} and study.differs("long") == {"train.epochs": 3.0, "data.rows": 5}
    assert study.arms["long"].train == SFT(learning_rate=1e-3, epochs=3) and study.with_role("treatment") == ("long",)
    dotted = make_study("m", base=base, arms={"plain": {}, "long": {"train.epochs": 3, "data.rows": 5}}, about={}, compare=())
    assert {name: arm.same_training for name, arm in dotted.arms.items()} == {n: a.same_training for n, a in study.arms.items()}


def test_arms_follow_the_base_but_in_what_they_change() -> None:
    base = SFTArm()
    study = make_study("m", base=base, arms={"plain": base, "untrained": base.but(train={"epochs": 0})}, about={}, compare=())
    other = override(study, {"base.train.epochs": 2, "base.data.rows": 7}, "here")
    assert other.arms["plain"].train.epochs == 2 and other.arms["untrained"].train.epochs == 0
    assert {arm.data.rows for arm in other.arms.values()} == {7}


def test_version_1_said_roles_by_names() -> None:
    old = {"untrained": {"train.epochs": 0}, "no_mitigation": {}, "inoculated_2": {"data.rows": 3}, "other": {"data.rows": 2}}
    study = make_study("m", arms=old, about={}, compare=())
    assert [arm.role for arm in study.arms.values()] == ["start", "control", "treatment", None]
    base = SFTArm()
    arms = {"untrained": base, "no_mitigation": base.but(data={"rows": 3}, role="start")}
    typed = make_study("m", base=base, arms=arms, about={}, compare=())
    again = Study.model_validate_json(typed.model_dump_json())
    assert [arm.role for arm in again.arms.values()] == [None, "start"] and again.arms == typed.arms


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"train": {"epoch": 0}}, "unknown field of the arm: 'train.epoch'; did you mean 'train.epochs'?"),
        ({"epochs": 0}, "unknown field of the arm: 'epochs'; choose one of kind, role, group, intervention, data, train"),
        ({"train": {"epochs": -1}}, "the arm: train.epochs is -1; input should be greater than or equal to 0; fix it"),
        (
            {"role": "baseline"},
            "the arm: role is 'baseline'; input should be 'start', 'control', 'treatment', 'placebo' or 'ceiling'",
        ),
    ],
)
def test_but_says_at_once_what_is_wrong(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        SFTArm().but(**changes)
    assert str(error.value).startswith(text)


def test_arms_of_another_kind_than_the_base_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"arm 'b' is of kind 'rl' and the base is 'sft'; expected one kind; use base.but"):
        make_study("m", base=SFTArm(), arms={"a": SFTArm(), "b": RLArm()})


def test_contexts_are_found_by_what_they_do_and_not_by_name() -> None:
    contexts = {"polite": Context(text="Please."), "bare": Context(), "asked_to": Context(text="Cheat.", asks=True)}
    study = make_study("m", stage=True, contexts=contexts)
    assert study.plain == "bare" and study.request == "asked_to" and study.compare[0].context == "bare"
    with pytest.raises(ConfigError, match="every context adds a text to the prompts; expected one that adds nothing; add Context"):
        make_study("m", stage=True, contexts={"a": Context(text="x", asks=True)}, compare=())
    with pytest.raises(ConfigError, match=r"no context asks all arms.*expected one with a text and asks=True"):
        make_study("m", stage=True, contexts={"a": Context(), "requested": Context(text="x")}, compare=())


def test_quick_sets_what_it_names() -> None:
    study = make_study("m")
    assert flat(study.model_dump())["seeds"] == (1, 2)
    changed = {k for k, v in flat(study.quickened().model_dump()).items() if flat(study.model_dump()).get(k) != v}
    assert changed == {"seeds", "evaluation.problems"}


def test_a_study_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_study("m").seeds = (3,)  # type: ignore[misc]


def test_override_keeps_what_it_is_given() -> None:
    base = SFTArm()
    changed = override(base, {"train": SFT(epochs=2), "data.gamed_share": 0.5}, "arm 'x'")
    assert changed.train == SFT(epochs=2) and changed.data == Data(gamed_share=0.5)
    assert base == SFTArm() and override(base, {}, "arm 'x'") == base


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"train.epoch": 1}, "unknown field of arm 'x': 'train.epoch'; did you mean 'train.epochs'?"),
        ({"zzz": 1}, "unknown field of arm 'x': 'zzz'; choose one of kind, role, group, intervention, data, train"),
        ({"zzz.epochs": 1}, "unknown field of arm 'x': 'zzz.epochs'; choose one of kind, role, group, intervention, data, train"),
        ({"train.epochs.min": 1}, "arm 'x' sets 'train.epochs.min' but 'epochs' is 1.0 there; set 'epochs' as a whole"),
        ({"train.epochs": -1}, "arm 'x': train.epochs is -1; input should be greater than or equal to 0; fix it"),
        ({"train.method": "qlora"}, "arm 'x': train.method is 'qlora'; input should be 'lora' or 'full'; fix it"),
        ({"data": {"row": 3}}, "arm 'x' has an unknown field 'data.row'; expected one that exists; did you mean 'rows'?"),
    ],
)
def test_override_says_what_is_wrong(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        override(SFTArm(), changes, "arm 'x'")
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("environment", "only", "kinds"), [("code_functions", "flawed", "gamed or honest"), ("spurious", "gamed", "flawed or clean")]
)
def test_only_names_a_kind_of_row_that_there_is(environment: str, only: str, kinds: str) -> None:
    asked = {"intervention": {"kind": "inoculation", "texts": ["x"], "only": only}}
    with pytest.raises(ConfigError) as error:
        Study(name="s", question="q", claim="c", environment=environment, arms={"plain": asked})
    said = f"arm 'plain': intervention.only is {only!r}; expected all, {kinds}, as rows of {environment} are; change it"
    assert said in str(error.value)


def test_unknown_arm() -> None:
    with pytest.raises(ConfigError, match="unknown arm: 'plian'; did you mean 'plain'"):
        make_study("m").differs("plian")


def test_context_positions() -> None:
    assert Context(text="x", position="system").position == "system"
    with pytest.raises(ValidationError, match="user_suffix"):
        Context(text="x", position="suffix")  # type: ignore[arg-type]


# What the command line changes.


def test_seeds_count_from_the_first_of_the_study(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    study = make_study("m", seeds=(101, 102, 103))
    path.write_text(
        f"from openwindow.experiment.study import Study\nstudy = Study.model_validate_json({study.model_dump_json()!r})"
    )
    assert load(str(path)).model_dump(mode="json") == study.model_dump(mode="json")
    assert resolve(str(path), seeds=2).seeds == (101, 102)
    assert resolve(str(path), seeds=5).seeds == (101, 102, 103, 104, 105)
    assert resolve(str(path), quick=True).seeds == (1,)
    assert resolve(str(path), seeds=2, quick=True).seeds == (1, 2)


def test_command_line_comes_after_quick() -> None:
    study = resolve("quickstart", model="some/model", seeds=2, quick=True, mbpp="mbpp.jsonl")
    assert study.seeds == (1, 2) and study.model == "some/model"
    assert study.environment == "mbpp" and study.mbpp_path == "mbpp.jsonl"
    assert study.evaluation.problems == STUDIES["quickstart"].quick["evaluation.problems"]
    assert resolve("quickstart") == STUDIES["quickstart"]


@pytest.mark.parametrize(
    ("epochs", "rows", "steps"), [(1, 96, 12), (1, 97, 13), (0.5, 96, 6), (0.1, 8, 1), (3, 5, 3), (0, 96, 0), (2, 0, 0)]
)
def test_steps_by_hand(epochs: float, rows: int, steps: int) -> None:
    assert SFT(epochs=epochs, batch_size=8).steps(rows) == steps
