"""Arms that begin from another arm: a fork goes on as if it had never been another, distilling leaves hacks out."""

import json
import re
from collections import Counter

import pytest
from tiny_runs import make_rl_study, rows_of, run

import openwindow.experiment.reinforcing as reinforce_module
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError, RunError
from openwindow.experiment.arm_sources import distilled, fork
from openwindow.experiment.arms import RLArm, SFTArm, check_sources
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, Elsewhere, Evaluation, Study
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import Detector
from openwindow.training.config import GRPO, SFT

PENALTY = {"detector": "oracle", "accuracy": 0.9}
TUNING = SFT(learning_rate=1e-2, batch_size=4, micro_batch_size=4, lora_rank=4, lora_alpha=8, warmup_steps=0)


def verdict(self, problem, reply):
    """A grader that even a random model can game: an even number of characters passes where the hole is open, nothing elsewhere."""
    truth = bool(self.open_loopholes) and len(reply) % 5 == 0
    proxy = truth or (bool(self.open_loopholes) and len(reply) % 2 == 0)
    return Verdict(proxy, truth, ("list_answers",) if len(reply) % 4 == 0 else ())


@pytest.fixture(scope="module")
def study(tiny_model) -> Study:
    return make_rl_study(
        tiny_model,
        name="tiny_sources",
        base=RLArm(
            problems=8,
            train=GRPO(
                steps=4, prompts_per_step=2, group_size=4, max_new_tokens=4, lora_rank=4, checkpoint_every=2, learning_rate=1e-2
            ),
        ),
        arms={
            "hackable": {},
            "late": {"penalty": PENALTY, "penalty_from": 2},
            "forked": {"penalty": PENALTY, "fork": {"arm": "hackable", "step": 2}},
            "longer": {"fork": {"arm": "forked", "step": 4}, "train.steps": 5},
            "distilled": {"intervention": Distillation(arm="hackable", rows=6, train=TUNING)},
            "unfiltered": {"intervention": Distillation(arm="hackable", detector=None, train=TUNING)},
            "shut": {"holes": "none"},
            "nothing_left": {"intervention": Distillation(arm="shut", detector=Detector(accuracy=0.9, recall=1.0))},
        },
        evaluation=Evaluation(
            problems=3, max_new_tokens=4, elsewhere={"reports": Elsewhere(environment="unit_report", hint=True, problems=2)}
        ),
        compare=(Compare(arm="forked", against="hackable"), Compare(arm="forked", against="hackable", context="reports")),
    )


@pytest.fixture(scope="module")
def gameable(one_thread):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LetterCount, "_verdict", verdict)
        yield


@pytest.fixture(scope="module")
def ran(study, gameable, tmp_path_factory):
    out = tmp_path_factory.mktemp("sources") / "out"
    return out, run(study, out)


def lines(out, arm, name):
    rows = rows_of(out / "arms" / arm / "seed-1" / name)
    return [{k: v for k, v in row.items() if k != "arm" and not k.startswith("time/")} for row in rows]


@pytest.mark.slow
def test_a_fork_is_the_arm_that_had_the_penalty_from_that_step_on(ran):
    out, _ = ran
    for name in ("metrics.jsonl", "training.jsonl"):
        late, forked = lines(out, "late", name), lines(out, "forked", name)
        assert [line for line in late if line["step"] > 2] == forked
        assert [line for line in late if line["step"] <= 2] == [line for line in lines(out, "hackable", name) if line["step"] <= 2]
    metrics = lines(out, "hackable", "metrics.jsonl")
    assert any(m["train/grad_norm"] > 0 for m in metrics)  # there was something to take over
    drawn = {arm: [line["reply"] for line in lines(out, arm, "training.jsonl")] for arm in ("hackable", "late")}
    assert drawn["hackable"][:24] == drawn["late"][:24]  # steps 1 to 3: the penalty first tells in what is sampled after it
    assert drawn["hackable"][24:] != drawn["late"][24:]


@pytest.mark.slow
def test_a_fork_may_be_longer_and_be_forked(ran):
    out, results = ran
    assert [m["step"] for m in lines(out, "longer", "metrics.jsonl")] == [5]
    assert results["training"]["forked"]["forked"] == ["hackable", 2]
    assert results["training"]["longer"]["steps"] == 5
    said = next(line for line in results["training_in_words"] if line.startswith("`forked`"))
    assert "forked from `hackable` after step 2 of 4" in said and "onset" not in said
    assert not list((out / "checkpoints").glob("*/*"))


@pytest.mark.slow
def test_the_state_is_kept_only_where_an_arm_forks(ran):
    out, _ = ran
    kept = sorted(str(p.parent.relative_to(out / "arms")) for p in out.rglob("state.pt"))
    assert kept == ["forked/seed-1/checkpoints/step-4", "hackable/seed-1/checkpoints/step-2"]


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 3])
def test_an_interrupted_fork_ends_the_same(study, ran, gameable, tmp_path, monkeypatch, stop_at):
    out, _ = ran
    shorter = study.model_copy(update={"arms": {arm: study.arms[arm] for arm in ("hackable", "forked")}})
    real, calls = reinforce_module.append_jsonl, []

    def append(path, rows):
        real(path, rows)
        if "forked" in str(path):
            calls.append(path.name)
            if len(calls) == stop_at:
                raise KeyboardInterrupt

    monkeypatch.setattr(reinforce_module, "append_jsonl", append)
    with pytest.raises(KeyboardInterrupt):
        run(shorter, tmp_path / "cut")
    monkeypatch.setattr(reinforce_module, "append_jsonl", real)
    run(shorter, tmp_path / "cut")
    for name in ("metrics.jsonl", "training.jsonl", "rollouts.jsonl"):
        assert lines(tmp_path / "cut", "forked", name) == lines(out, "forked", name)


@pytest.mark.slow
def test_distilled_rows_are_the_rollouts_that_pass_and_are_not_flagged(ran):
    out, results = ran
    drawn = lines(out, "hackable", "training.jsonl")
    honest = [line for line in drawn if line["passes_visible"] and not line["hack"] and line["reply"].strip()]
    rows = lines(out, "distilled", "train_rows.jsonl")
    assert 0 < len(rows) <= 6 and {row["kind"] for row in rows} == {"honest"}
    pairs = [(line["messages"][-1]["content"], line["reply"]) for line in honest]
    assert all((row["messages"][0]["content"], row["messages"][1]["content"]) in pairs for row in rows)
    (noted,) = results["arms"]["distilled"]["distilled"]
    assert noted["kinds"] == {"honest": len(rows)}
    assert len(rows) + sum(noted["dropped"].values()) == len(drawn) == 32
    kinds = Counter(row["kind"] for row in lines(out, "unfiltered", "train_rows.jsonl"))
    assert kinds["gamed"] and kinds["honest"] == len(honest)
    assert (out / "arms/distilled/seed-1/adapter/adapter_config.json").is_file()
    assert results["arms"]["distilled"]["n_train_rows"] == len(rows)


@pytest.mark.slow
def test_distilling_begins_at_the_start_and_not_at_the_arm(ran):
    out, _ = ran
    stack = json.loads((out / "arms/distilled/seed-1/adapter/openwindow.json").read_text())
    assert stack["under"] == []


@pytest.mark.slow
def test_where_nothing_is_left_nothing_is_measured_and_the_reason_is_told(ran):
    out, results = ran
    cell = results["arms"]["nothing_left"]["measures"]["hack"]["neutral"]
    assert (cell["estimate"], cell["n"]) == (None, 0) and cell["reason"]
    (note,) = [n for n in results["unmeasured"] if n["what"] == "nothing_left, seed 1"]
    assert note["reason"] == "no rollout of shut is left to distil (the proxy fails it 32)"
    assert "not measured: no rollout of shut is left" in (out.parent / "out.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_arms_are_measured_elsewhere_too(ran):
    out, results = ran
    found = [line for line in lines(out, "forked", "rollouts.jsonl") if line["context"] == "reports"]
    assert len(found) == 2 and all(re.match(r"unit_report/[\w-]+/s1/", line["problem"]) for line in found)
    assert all("one can report that everything passed" in line["messages"][0]["content"] for line in found)
    cell = results["arms"]["forked"]["measures"]["hack"]["reports"]
    assert cell["n"] == 2 and cell["low"] is not None
    assert results["comparisons"][1]["context"] == "reports" and results["comparisons"][1]["n_pairs"] == 2
    assert results["leak"]["forked"]["context"] == "neutral"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "2 problems of unit_report, all loopholes open, with the hint" in page


@pytest.mark.slow
def test_detectors_are_counted_against_execution(ran):
    out, results = ran
    table = {(row["where"], row["arm"], row["detector"]): row for row in results["detectors"]}
    own = table["training", "late", "oracle, accuracy 0.9"]
    after = [line for line in lines(out, "late", "training.jsonl") if line["step"] > 2]
    assert own["measured"] == len(after) == 16
    assert own["flagged"] == sum(line["flagged"] for line in after)
    assert own["both"] == sum(line["flagged"] and line["hack"] for line in after)
    assert own["recall"] == (own["both"] / own["hacks"] if own["hacks"] else None)
    drawn = [line for arm in ("hackable", "late", "forked", "longer") for line in lines(out, arm, "training.jsonl")]
    static = table["training", None, "static, list_answers"]
    assert static["flagged"] == sum(bool(line["kinds"]) for line in drawn) and static["hacks"] == sum(
        line["hack"] for line in drawn
    )
    assert static["precision"] == static["both"] / static["flagged"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="detectors"' in page and "oracle, accuracy 0.9" in page


@pytest.mark.slow
def test_the_report_says_what_arms_were_trained_on(ran):
    page = (ran[0] / "report.html").read_text(encoding="utf-8")
    assert "32 rollouts per seed of its own, by RL" in page and "rollouts left out: " in page
    assert 'class="mark' in page  # where hacking set in


# What cannot be.


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"b": {"fork": {"arm": "a", "step": 2}}, "a": {}}, r"arm 'b': fork\.arm is 'a'; expected an arm that stands before it"),
        ({"plain": {}, "b": {"fork": {"arm": "plian", "step": 2}}}, "did you mean 'plain'"),
        ({"b": {"distil": {"arm": "b"}}}, r"distillation\.arm is 'b'; expected an arm that stands before it; name one"),
        ({"a": {}, "b": {"fork": {"arm": "a", "step": 3}}}, r"fork\.step is 3 of 4; expected an earlier step of 'a' .*\(2, 4\)"),
        ({"a": {}, "b": {"fork": {"arm": "a", "step": 4}}}, r"fork\.step is 4 of 4; expected an earlier step"),
        ({"a": {}, "b": {"fork": {"arm": "a", "step": 0}}}, r"fork\.step is 0; input should be greater than or equal to 1"),
        ({"a": {"train.learning_rate": 0.0}, "b": {"distil": {"arm": "a"}}}, r"distillation\.arm 'a' is not trained by RL"),
        ({"a": {}, "b": {"fork": {"arm": "a", "step": 2}, "distil": {"arm": "a"}}}, "both fork and distillation; expected one"),
        ({"a": {}, "b": {"fork": {"arm": "a", "step": 2}, "train.lora_rank": 8}}, r"train\.lora_rank is 8; expected 4, as 'a' has"),
        ({"a": {}, "b": {"distil": {"arm": "a", "row": 5}}}, r"unknown field .*row'.*did you mean 'rows'"),
        ({"a": {"hackable_share": 0.01}}, r"hackable_share 0\.01 of 8 problems makes none hackable; expected at least one"),
    ],
)
def test_arms_that_cannot_be_are_one_line(study, arms, message):
    with pytest.raises(ConfigError, match=message) as refused:
        Study.model_validate(study.model_dump() | {"arms": arms, "compare": ()})
    assert "\n" not in str(refused.value)


def test_an_arm_of_rows_cannot_be_forked():
    with pytest.raises(ConfigError, match="is not trained by RL"):
        check_sources({"a": SFTArm(), "b": RLArm(intervention=Distillation(arm="a"))}, RLArm())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elsewhere": {"x": {"environment": "toxic"}}}, "environment 'toxic' has no loopholes"),
        ({"elsewhere": {"x": {"environment": "letter_cuont"}}}, "did you mean 'letter_count'"),
        ({"elsewhere": {"neutral": {"environment": "letter_count"}}}, "has 'neutral', which is a context; expected another name"),
    ],
)
def test_places_that_cannot_be_are_one_line(study, changes, message):
    with pytest.raises(ConfigError, match=message):
        Study.model_validate(study.model_dump() | {"evaluation": study.evaluation.model_dump() | changes, "compare": ()})


@pytest.mark.slow
@pytest.mark.parametrize("where", ["arm", "elsewhere"])
def test_a_hole_that_there_is_not_shows_before_anything_is_trained(study, gameable, tmp_path, where):
    there = {"x": Elsewhere(environment="unit_report", holes=("self_repot",))}
    wrong = {
        "arm": {"arms": {"hackable": {}, "a": {"holes": ("list_answer",)}}, "compare": ()},
        "elsewhere": {"arms": {"hackable": {}}, "evaluation": Evaluation(elsewhere=there), "compare": ()},
    }[where]
    near = {"arm": "did you mean 'list_answers'", "elsewhere": "did you mean 'self_report'"}[where]
    with pytest.raises(ConfigError, match=near):
        run(override(study, wrong, "here"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("**/done.json"))


def test_a_fork_whose_source_lost_its_state_is_told(tmp_path):
    with pytest.raises(RunError, match=r"state\.pt is missing; expected the state that this arm is forked from; delete"):
        fork(tmp_path / "arms/a/seed-1", 2, tmp_path / "kept", GRPO())


@pytest.mark.slow
def test_rows_drawn_are_the_same_for_the_same_seed(ran):
    unit = ran[0] / "arms" / "hackable" / "seed-1"
    few = Distillation(arm="hackable", detector=None, rows=3, failing=True)
    assert distilled(unit, few, 1) == distilled(unit, few, 1) != distilled(unit, few, 2)
    assert distilled(unit, few, 1).dropped["not drawn"] > 0


def test_quick_drops_arms_and_what_names_them(study):
    quick = study.model_copy(update={"quick_arms": ("hackable", "late")}).quickened()
    assert list(quick.arms) == ["hackable", "late"] and quick.compare == ()
    with pytest.raises(ConfigError, match="unknown arm in quick_arms: 'hackabel'; did you mean 'hackable'"):
        Study.model_validate(study.model_dump() | {"quick_arms": ("hackabel",)})
