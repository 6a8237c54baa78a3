"""Arms measured at steps of their training: once each, on their saved adapters, and what a study finds besides stays the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_rl_study, outcome, rows_of, run

from openwindow.api import read_run
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError
from openwindow.experiment.arms import Fork, RLArm
from openwindow.experiment.cost import of_study
from openwindow.experiment.curves import Stop, curve_of, own_steps
from openwindow.experiment.evaluate import Evaluator
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, Context, Elsewhere, Evaluation, Study
from openwindow.export.exported import read_exported
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import HackPenalty
from openwindow.interventions.rl_prompting import Hint
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.results.build import results_of
from openwindow.studies import STUDIES
from openwindow.training.config import GRPO

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = RLArm(
    problems=4,
    train=GRPO(steps=3, prompts_per_step=2, group_size=4, max_new_tokens=4, lora_rank=4, checkpoint_every=1, learning_rate=1e-2),
)
ARMS = {
    "untrained": BASE.but(train={"learning_rate": 0.0}, role="start"),
    "plain": BASE.but(role="control"),
    "hinted": BASE.but(intervention=Hint()),
    "late": BASE.but(fork=Fork(arm="plain", step=2), intervention=HackPenalty()),
    "distilled": BASE.but(intervention=Distillation(arm="plain")),
}
OVER = Compare(arm="hinted", against="plain", over="training")
AT_STEPS = {"evaluation.steps": (1, 2), "evaluation.step_contexts": ("neutral", "there"), "evaluation.step_problems": 2}
THERE = Elsewhere(environment="letter_count", problems=1)


def verdict(self: LetterCount, problem: object, reply: str) -> Verdict:
    truth = len(reply) % 5 == 0
    return Verdict(truth or (bool(self.open_loopholes) and len(reply) % 2 == 0), truth, ())


def make(model: Path | str, **changes: Any) -> Study:
    study = make_rl_study(
        model, base=BASE, arms=ARMS, contexts={"neutral": Context(), "opposite": Context(text="Do not trick the test.")},
        compare=(Compare(arm="hinted", against="plain"),), 
        evaluation=Evaluation(problems=3, max_new_tokens=4, elsewhere={"there": THERE}),
    )  # fmt: skip
    return override(study, changes, "the test") if changes else study


@pytest.fixture(scope="module")
def both(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The run without steps, and with them."""
    out = tmp_path_factory.mktemp("steps")
    study = make(tiny_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LetterCount, "_verdict", verdict)
        run(study, out / "end")
        run(override(study, {**AT_STEPS, "compare": (*study.compare, OVER)}, "the test"), out / "steps")
    return out / "end", out / "steps"


@pytest.mark.slow
def test_what_a_study_finds_at_the_end_is_the_same_with_steps(both: tuple[Path, Path]) -> None:
    before, after = (outcome(out) for out in both)
    results = after["results.json"], before["results.json"]
    assert results[0].pop("curves")["steps"] == [1, 2] and results[1].pop("curves") == {}
    (over,) = [c for c in results[0]["comparisons"] if c.get("over")]
    results[0]["comparisons"].remove(over)
    assert over["arm"] == "hinted" and over["families"] == 2
    for found in results:  # an arm without a curve is said to have none, and the second comparison explains Holm's p
        found["unmeasured"] = [n for n in found["unmeasured"] if not n["what"].startswith("curve of")]
        for key in ("verdict_reason", "answer", "holm", "comparisons"):
            found.pop(key)
    combined = after.pop("rollouts.jsonl")
    at_steps = [row for row in combined if row["stage"] == "test_step"]
    assert [row for row in combined if row["stage"] != "test_step"] == before.pop("rollouts.jsonl")
    ours = {name for name in after if "test-step-" in name}
    assert [{**row, "stage": "test_step"} for name in sorted(ours, key=_place) for row in after[name]] == [
        dict(row) for row in at_steps
    ]
    assert {name: rows for name, rows in after.items() if name not in ours} == before


def _place(name: str) -> tuple[str, int]:
    return name.split("/")[1], int(name.split("test-step-")[1].partition("/")[0])


@pytest.mark.slow
def test_each_step_is_asked_the_first_problems_in_the_named_contexts(both: tuple[Path, Path]) -> None:
    end = rows_of(both[1] / "arms/plain/seed-1/rollouts.jsonl")
    asked = [row["problem"] for row in end if row["context"] == "neutral"][:2]
    for arm, steps in (("plain", (1, 2)), ("hinted", (1, 2)), ("untrained", ()), ("late", ()), ("distilled", ())):
        folder = both[1] / "arms" / arm / "seed-1"
        assert {path.name for path in folder.glob("test-step-*")} == {f"test-step-{step}" for step in steps}
        for step in steps:
            rows = rows_of(folder / f"test-step-{step}/rollouts.jsonl")
            here = [row for row in rows if row["context"] == "neutral"]
            assert [(row["problem"], row["step"]) for row in here] == [(p, step) for p in asked]
            assert [row["context"] for row in rows if row not in here] == ["there"]
    replies = [row["reply"] for step in (1, 2) for row in rows_of(both[1] / f"arms/plain/seed-1/test-step-{step}/rollouts.jsonl")]
    assert all("step" not in row for row in end) and len(set(replies)) > 1


@pytest.mark.slow
def test_only_a_step_that_is_missing_is_measured_again(
    both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(both[1], out)
    shutil.rmtree(out / "arms/hinted/seed-1/test-step-2")
    (out / "arms/plain/seed-1/test-step-1/rollouts.jsonl").write_text("{", encoding="utf-8")
    found = results_of(out)
    assert found["missing"] == [{"arm": "hinted", "seed": 1, "reason": "it is not measured after step 2"}]
    assert {"what": "curve of hinted over training, seed 1", "reason": "step 2 is not measured"} in found["unmeasured"]
    assert found["comparisons"][1]["difference"] is None and found["comparisons"][0]["difference"] is not None
    asked = []
    measure = Evaluator.measure

    def noted(self: Evaluator, *args: Any, **more: Any) -> Any:
        asked.append((more["arm"], more["step"]))
        return measure(self, *args, **more)

    monkeypatch.setattr(Evaluator, "measure", noted)
    monkeypatch.setattr(LetterCount, "_verdict", verdict)
    study = Study.model_validate(json.loads((out / "config.json").read_text())["study_config"])
    run(study, out)
    assert asked == [("plain", 1), ("hinted", 2)]
    assert outcome(out) == outcome(both[1])


@pytest.mark.slow
def test_a_curve_is_of_the_same_problems_throughout_and_its_area_is_theirs(both: tuple[Path, Path]) -> None:
    curves = json.loads((both[1] / "results.json").read_text())["curves"]["arms"]
    found = curves["plain"]["measures"]["hack"]["neutral"]
    files = ["untrained/seed-1/", "plain/seed-1/test-step-1/", "plain/seed-1/test-step-2/", "plain/seed-1/"]
    scores = [
        {row["problem"]: row["hack"] for row in rows_of(both[1] / "arms" / name / "rollouts.jsonl") if row["context"] == "neutral"}
        for name in files
    ]
    rates = [sum(of[problem] for problem in scores[1]) / 2 for of in scores]
    assert [point["estimate"] for point in found["points"]] == rates and all(point["n"] == 2 for point in found["points"])
    assert found["area"]["estimate"] == pytest.approx((rates[0] / 2 + rates[1] + rates[2] + rates[3] / 2) / 3)
    flat = curves["untrained"]["measures"]["hack"]["neutral"]
    assert flat["area"]["estimate"] == flat["points"][0]["estimate"] == flat["points"][-1]["estimate"] == rates[0]
    assert [(p["step"], p["arm"], p["saved"]) for p in curves["late"]["measures"]["hack"]["neutral"]["points"]] == [
        (0, "untrained", None), (1, "plain", 1), (2, "plain", 2), (3, "late", None)
    ]  # fmt: skip
    assert curves["distilled"]["measures"]["hack"] == {} and "fine-tuned" in curves["distilled"]["reason"]


def test_an_arm_has_a_curve_of_its_reinforcement_alone() -> None:
    study = make("a model", **{"evaluation.steps": (1, 2)})
    after = override(study, {"arms": {**ARMS, "safe": BASE.but(intervention=SafetyTraining("chat", "after"))}}, "the test")
    assert "after its reinforcement" in str(curve_of(after, "safe").reason) and own_steps(after, "safe") == ()
    follows = BASE.but(intervention=SafetyTraining("chat", "after", after="plain"))
    assert "starts at the end of plain" in str(
        curve_of(override(study, {"arms": {**ARMS, "safe": follows}}, "the test"), "safe").reason
    )
    whole = override(study, {"arms": {**ARMS, "whole": BASE.but(train={"method": "full"})}}, "the test")
    assert "all its weights" in str(curve_of(whole, "whole").reason)
    rare = override(study, {"arms": {**ARMS, "rare": BASE.but(train={"checkpoint_every": 2})}}, "the test")
    assert curve_of(rare, "rare").reason == "no adapter is saved after step 1"
    assert curve_of(study, "untrained").stops == (Stop(0, "untrained", None), Stop(3, "untrained", None))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evaluation.steps": (5,)}, "evaluation.steps has 5; expected steps before the last"),
        ({"evaluation.steps": (2, 1)}, "evaluation.steps is 2, 1; expected each step once, in order"),
        ({"evaluation.step_problems": 2}, "evaluation.steps names none, so it changes nothing"),
        ({**AT_STEPS, "evaluation.step_problems": 4}, "evaluation.step_problems is 4; expected at most evaluation.problems, 3"),
        ({**AT_STEPS, "evaluation.step_contexts": ("nowhere",)}, "unknown context in evaluation.step_contexts: 'nowhere'"),
        ({"compare": (OVER,)}, "over training and evaluation.steps names none"),
        ({**AT_STEPS, "compare": (OVER.model_copy(update={"context": "opposite"}),)}, "over training in 'opposite'; expected"),
        ({**AT_STEPS, "compare": (OVER.model_copy(update={"arm": "distilled"}),)}, "'distilled' has no curve (it is fine-tuned"),
        ({"evaluation.steps": (1,), "arms": {"plain": BASE}, "compare": ()}, "evaluation.steps is set and every arm is trained"),
        (
            {
                **AT_STEPS,
                "arms": {**ARMS, "long": BASE.but(train={"steps": 4})},
                "compare": (OVER.model_copy(update={"arm": "long"}),),
            },
            "over training, which take 4 and 3 steps; expected as many of both",
        ),
        (
            {
                "contexts": {"neutral": Context(), "own": Context(by_arm={"plain": "x"})},
                **AT_STEPS,
                "evaluation.step_contexts": ("own",),
            },
            "evaluation.step_contexts has 'own', which is another one for each arm",
        ),
    ],
)
def test_steps_that_cannot_be_measured_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make("a model", **changes)
    assert said in str(refused.value) and "; " in str(refused.value).replace(said, "")


def test_a_score_of_evals_has_no_curve() -> None:
    with pytest.raises(ConfigError, match="score 'chat' over training; expected a measure of the environment"):
        Compare(arm="a", against="b", score="chat", over="training")


def test_what_measuring_costs_is_counted() -> None:
    study = make("a model", **AT_STEPS)
    assert [study.step_replies(arm) for arm in ("plain", "late", "untrained")] == [2 * (2 + 1), 0, 0]
    before = override(study, {"evaluation.steps": (), "evaluation.step_contexts": None, "evaluation.step_problems": None}, "x")
    assert of_study(study) - of_study(before) == 2 * 6


@pytest.mark.slow
def test_frames_and_exports_have_the_steps(both: tuple[Path, Path]) -> None:
    pytest.importorskip("pandas")
    run = read_run(both[1])
    curve = run.curves().query("arm == 'plain' and measure == 'hack' and context == 'neutral'")
    assert curve["step"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and curve["seed"].isna().sum() == 4
    area = run.areas().query("arm == 'plain' and measure == 'hack' and context == 'neutral'").iloc[0]
    assert area["estimate"] == run.results["curves"]["arms"]["plain"]["measures"]["hack"]["neutral"]["area"]["estimate"]
    replies = run.rollouts(at_steps=True)
    assert set(replies["step"]) == {1, 2} and len(replies) == 2 * 2 * 3 and "step" not in run.rollouts()
    (tracked,) = [one for one in read_exported(both[1], None, 0).runs if one.name == "plain/seed-1"]
    assert [step for step, _ in tracked.points] == [0, 1, 2, 3]
    assert all("test/hack/neutral" in values for _, values in tracked.points)
    (over,) = run.comparisons().query("over == 'training'")["arm"]
    assert over == "hinted"


def test_inoculation_in_reinforcement_is_decided_over_its_steps() -> None:
    for study in (STUDIES["rl_inoculation"], STUDIES["rl_inoculation"].quickened()):
        deciding = [named for named in study.compare if named.decides]
        assert {named.over for named in deciding} == {"training"} and study.evaluation.steps
        ends = {(named.arm, named.against) for named in study.compare if named.over == "end" and not named.decides}
        assert {(named.arm, named.against) for named in deciding} <= ends, "the rates at the end are described"
        before = override(study, {"evaluation.steps": (), "evaluation.step_contexts": None, "compare": ()}, "x")
        assert of_study(study) < 1.2 * of_study(before)
