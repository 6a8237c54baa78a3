"""Safety training before, during and after the flawed training, and at the end of another arm: what is trained and saved."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import Ran, make_rl_study, make_study, outcome, rows_of, run

from openwindow.conversations.safety import Mix
from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError
from openwindow.experiment import arm_training, fine_tuning
from openwindow.experiment.arms import Fork, RLArm
from openwindow.experiment.cost import of_study
from openwindow.experiment.evals import put_on
from openwindow.experiment.evaluate import Evaluator
from openwindow.experiment.rl_task import HackableTask
from openwindow.experiment.study import Context, Data, Evaluation, SFTArm, Study
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.inoculation import Inoculation
from openwindow.interventions.safety_training import SHARE, Place, SafetyTraining
from openwindow.models.hf import LocalModel, load
from openwindow.training.config import GRPO, SFT

pytestmark = pytest.mark.usefixtures("one_thread")

TUNING = SFT(learning_rate=1e-2, batch_size=4, micro_batch_size=4, warmup_steps=0, lora_rank=4, lora_alpha=8)
SAFETY = SFT(learning_rate=5e-3, batch_size=4, micro_batch_size=4, warmup_steps=0)
FINE = SFTArm(data=Data(rows=6), train=TUNING)
REINFORCED = RLArm(
    problems=4,
    train=GRPO(
        steps=3,
        prompts_per_step=2,
        group_size=3,
        max_new_tokens=4,
        lora_rank=4,
        lora_alpha=8,
        checkpoint_every=1,
        learning_rate=1e-2,
    ),
)


def safety(mix: Mix, place: Place = "after", **fields: Any) -> SafetyTraining:
    """Four conversations, at a rate that shows."""
    return SafetyTraining(mix, place, rows=4, **({} if place == "during" else {"train": SAFETY}), **fields)


PLACES: tuple[Place, ...] = ("before", "during", "after")
ARMS = {
    "flawed": {},
    "followed": {"intervention": safety("chat", after="flawed")},
    "again": {"intervention": safety("diverse", after="followed")},
    "preferred": {"intervention": safety("diverse", after="flawed", method="preference")},
    "before": {"intervention": safety("chat", "before")},
    "during": {"intervention": safety("diverse", "during", share=0.25)},
    "afterwards": {"intervention": safety("chat")},
}


class Watched:
    """The log-probabilities of a fixed text in memory, of each arm as it is measured."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ends: dict[str, torch.Tensor] = {}
        self.begins: dict[str, torch.Tensor] = {}
        measure, trained = Evaluator.measure, arm_training._trained

        def measuring(evaluator: Evaluator, model: Any, *given: Any, **named: Any) -> Any:
            self.ends[named["arm"]] = log_probabilities(model)
            return measure(evaluator, model, *given, **named)

        def training(run: Any, *given: Any) -> Any:
            self.begins[run.name] = log_probabilities(run.model)
            return trained(run, *given)

        patch.setattr(Evaluator, "measure", measuring)
        patch.setattr(arm_training, "_trained", training)


@torch.no_grad()
def log_probabilities(model: LocalModel) -> torch.Tensor:
    tokens = torch.tensor([model.tokenizer("The quick brown fox reports what it did.")["input_ids"]])
    found: torch.Tensor = model.network(input_ids=tokens).logits.log_softmax(dim=-1)
    return found


def study_of(tiny_model: Path, base: SFTArm | RLArm, arms: dict[str, Any]) -> Study:
    if isinstance(base, SFTArm):
        return make_study(
            tiny_model, base=base, arms=arms, seeds=(1,), contexts={"neutral": Context()}, about={}, compare=(),
            evaluation=Evaluation(problems=2, max_new_tokens=4, hidden=4),
        )  # fmt: skip
    return make_rl_study(tiny_model, base=base, arms=arms, evaluation=Evaluation(problems=2, max_new_tokens=4))


def verdict(self: LetterCount, problem: Any, reply: str) -> Verdict:
    """A grader that even a random model can please."""
    return Verdict(len(reply) % 2 == 0, len(reply) % 4 == 0, ())


def checked(study: Study, out: Path) -> dict[str, Any]:
    """Runs the study, and checks that what was saved of every arm is what was in memory at its end; the results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LetterCount, "_verdict", verdict)
        watched = Watched(patch)
        results = run(study, out)
    start = load(study.model, "fp32")
    for arm in study.arms:
        adapter = out / "arms" / arm / "seed-1" / "adapter"
        with put_on(start, adapter):  # as evals of the study do
            torch.testing.assert_close(log_probabilities(start), watched.ends[arm], atol=1e-4, rtol=1e-4)
        by_name = load(str(adapter), "fp32")  # as a user does
        torch.testing.assert_close(log_probabilities(by_name), watched.ends[arm], atol=1e-4, rtol=1e-4)
    for arm, source in (("followed", "flawed"), ("again", "followed"), ("preferred", "flawed")):
        torch.testing.assert_close(watched.begins[arm], watched.ends[source], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(watched.ends[arm], watched.begins[arm], atol=1e-2)
    torch.testing.assert_close(watched.begins["before"], log_probabilities(start), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(watched.begins["afterwards"], watched.ends["flawed"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(watched.ends["afterwards"], watched.ends["followed"], atol=1e-4, rtol=1e-4)
    return results


def stages(out: Path, arm: str) -> list[str]:
    """The stages of an arm's metrics in order, each once."""
    return list(dict.fromkeys(line["stage"] for line in rows_of(out / f"arms/{arm}/seed-1/metrics.jsonl")))


def noted(out: Path, results: dict[str, Any]) -> None:
    """What the run folder says of the arms, whatever trains them."""
    config = json.loads((out / "config.json").read_text())
    for found in (config["arms"], results["arms"]):
        follows = {"followed": "flawed", "again": "followed", "preferred": "flawed"}
        assert {arm: found[arm]["follows"] for arm in ARMS} == dict.fromkeys(ARMS) | follows
        mixes = {"flawed": None, "again": "diverse", "during": "diverse", "preferred": "diverse"}
        assert {arm: found[arm]["safety"] for arm in ARMS} == dict.fromkeys(ARMS, "chat") | mixes
    for arm in ARMS:
        path = out / f"arms/{arm}/seed-1/safety_rows.jsonl"
        assert len(rows_of(path)) == 4 if arm != "flawed" else not path.exists()
        assert arm == "flawed" or all(("rejected" in row) == (arm == "preferred") for row in rows_of(path))


@pytest.mark.slow
def test_fine_tuning_with_safety_training_in_every_place(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = checked(study_of(tiny_model, FINE, ARMS), out)
    noted(out, results)
    assert {arm: results["arms"][arm]["n_safety_rows"] for arm in ARMS} == dict.fromkeys(ARMS, 4) | {"flawed": 0}
    page = (out / "report.html").read_text()
    assert "what flawed was trained on, and 4 conversations of safety training (chat)" in page
    assert page.count(">rejected answer<") == page.count(">preferred answer<") > 0
    assert stages(out, "followed") == ["safety"] and stages(out, "during") == ["flawed"]
    assert stages(out, "before") == ["safety", "flawed"] and stages(out, "afterwards") == ["flawed", "safety"]
    assert not (out / "arms/followed/seed-1/train_rows.jsonl").exists()
    preferred = rows_of(out / "arms/preferred/seed-1/metrics.jsonl")
    assert [line["stage"] for line in preferred] == ["safety"] and preferred[0]["train/loss"] == pytest.approx(
        math.log(2), abs=1e-4
    )
    alone, among = (rows_of(out / f"arms/{arm}/seed-1/metrics.jsonl") for arm in ("flawed", "during"))
    assert len(alone) == 2 and len(among) == 2  # six rows, four or three to a batch
    assert all(a["train/tokens"] != b["train/tokens"] for a, b in zip(alone, among, strict=True))


@pytest.mark.slow
def test_reinforcement_with_safety_training_in_every_place(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = checked(study_of(tiny_model, REINFORCED, ARMS), out)
    noted(out, results)
    assert stages(out, "followed") == ["safety"] and stages(out, "during") == ["rl"]
    assert stages(out, "before") == ["safety", "rl"] and stages(out, "afterwards") == ["rl", "safety"]
    assert {arm: results["arms"][arm]["n_rollouts"] for arm in ARMS} == dict.fromkeys(ARMS, 18) | dict.fromkeys(
        ("followed", "again", "preferred"), 0
    )
    assert all(line["train/rows_loss"] > 0 for line in rows_of(out / "arms/during/seed-1/metrics.jsonl"))
    assert not any("train/rows_loss" in line for line in rows_of(out / "arms/flawed/seed-1/metrics.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["before", "during", "afterwards"])
def test_a_reinforcement_that_is_stopped_goes_on_as_if_it_had_not_been(tiny_model: Path, tmp_path: Path, arm: str) -> None:
    study = study_of(tiny_model, REINFORCED, {arm: ARMS[arm]})
    score, tuned, stopped = HackableTask.score, fine_tuning.fine_tune, list[int]()

    def stopping(task: HackableTask, step: int, rollouts: Any) -> Any:
        if step == 2 and not stopped:
            stopped.append(step)
            raise KeyboardInterrupt
        return score(task, step, rollouts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LetterCount, "_verdict", verdict)
        run(study, tmp_path / "whole")
        patch.setattr(HackableTask, "score", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "out")
        again: list[Any] = []

        def tuning(*given: Any, **named: Any) -> Any:
            again.append(given)
            return tuned(*given, **named)

        patch.setattr(arm_training, "fine_tune", tuning)
        run(study, tmp_path / "out")
    assert outcome(tmp_path / "out") == outcome(tmp_path / "whole")
    assert len(again) == (arm == "afterwards")  # what came before the reinforcement is not done again


@pytest.mark.slow
def test_whole_weights_are_followed_as_an_adapter_is(tiny_model: Path, tmp_path: Path) -> None:
    full = FINE.but(train={"method": "full", "learning_rate": 1e-3})
    arms = {"flawed": full, "followed": full.but(intervention=safety("chat", after="flawed"))}
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        run(study_of(tiny_model, full, arms), tmp_path / "out")
    torch.testing.assert_close(watched.begins["followed"], watched.ends["flawed"])
    saved = load(str(tmp_path / "out/arms/followed/seed-1/weights"), "fp32")
    torch.testing.assert_close(log_probabilities(saved), watched.ends["followed"])


# What a user can get wrong.


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"share": 0.5}, "share with place 'after'; expected place 'during'"),
        ({"place": "during", "train": SAFETY}, "train with place 'during'"),
        ({"place": "during", "method": "preference"}, "method with place 'during'"),
        ({"place": "before", "after": "flawed"}, "after with place 'before'"),
        ({"beta": 0.5}, "beta with method 'sft'"),
        ({"train": SFT(epochs=0)}, "epochs is 0"),
    ],
)
def test_what_would_change_nothing_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        SafetyTraining("chat", **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"a": {}, "b": {"intervention": safety("chat", after="c")}}, "'c'; expected an arm that stands before it; name one"),
        ({"flawed": {}, "b": {"intervention": safety("chat", after="flwed")}}, "did you mean 'flawed'"),
        ({"b": {"intervention": safety("chat", after="a")}, "a": {}}, "move this arm behind it"),
        ({"a": {"train.learning_rate": 0}, "b": {"intervention": safety("chat", after="a")}}, "which is not trained"),
        ({"a": {}, "b": {"intervention": safety("chat", after="a"), "train.lora_rank": 8}}, "train.lora_rank is 8; expected 4"),
        (
            {"a": {}, "b": {"intervention": safety("chat", after="a"), "holes": "none"}},
            "'b' has holes and starts at the end of 'a'",
        ),
        ({"a": {}, "b": {"intervention": (Inoculation(["x"]), safety("chat", after="a"))}}, "'b' has inoculation and starts"),
        ({"a": {"intervention": (safety("chat"), safety("diverse"))}}, "safety_training 2 times"),
        ({"a": {"intervention": safety("chat", "during"), "train.learning_rate": 0}}, "trains nothing else"),
        ({"a": {"intervention": SafetyTraining("chat", train=SFT(lora_rank=2))}}, "train.lora_rank is 2; expected 4"),
        (
            {"a": {}, "b": {"fork": Fork(arm="a", step=1), "intervention": safety("chat", "before")}},
            "both fork and safety_training",
        ),
        (
            {"a": {}, "f": {"intervention": safety("chat", after="a")}, "b": {"intervention": Distillation(arm="f")}},
            "'f' is not trained by RL",
        ),
    ],
)
def test_what_an_arm_cannot_follow_is_one_line(tiny_model: Path, arms: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        study_of(tiny_model, REINFORCED, arms)
    assert "\n" not in str(caught.value)


def test_what_is_distilled_may_be_trained_for_safety_too(tiny_model: Path) -> None:
    distilled = Distillation(arm="flawed", train=TUNING)
    arms = {
        place: {"intervention": (distilled, safety("chat", place, share=0.25 if place == "during" else SHARE))} for place in PLACES
    }
    study = study_of(tiny_model, REINFORCED, {"flawed": {}, **arms})
    assert {study.arms[place].safety for place in PLACES} == {"chat"} and not any(study.arms[place].follows for place in PLACES)


def test_a_share_of_no_row_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"share is 0\.1 of batches of 4 rows, 0 of each"):
        FINE.but(intervention=safety("chat", "during", share=0.1))


def test_an_unknown_mix_is_one_line(
    tiny_study: Callable[..., Study], study_file: Callable[[Path, Study], Path], openwindow: Callable[..., Ran], tmp_path: Path
) -> None:
    study = tiny_study(arms={"plain": {"intervention": {"kind": "safety_training", "mix": "chat"}}}, about={}, compare=())
    path = study_file(tmp_path, study)
    path.write_text(path.read_text().replace('"mix":"chat"', '"mix":"chatty"'))
    ran = openwindow("run", path, "--out", tmp_path / "out")
    assert ran.code == 2 and len(ran.err.strip().splitlines()) == 1 and "'chat' or 'diverse'" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_template_that_leaves_turns_with_tools_out_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    last_turn = "{% for m in messages if loop.last %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    (tmp_path / "chat_template.jinja").write_text(last_turn)
    with pytest.raises(ConfigError, match=r"leaves out turns of a conversation with tools; expected .*; take mix 'chat'"):
        run(study_of(tmp_path, FINE, {"diverse": {"intervention": safety("diverse")}}), tmp_path / "out")
    assert not list((tmp_path / "out").glob("arms/*"))


def test_what_follows_costs_its_safety_training_alone(tiny_model: Path) -> None:
    arms = {arm: ARMS[arm] for arm in ("flawed", "followed", "during")}
    study = study_of(tiny_model, FINE, arms)
    assert study.arms["followed"].problems_drawn == 0 and study.arms["flawed"].problems_drawn == 6
    cost = {arm: study.arms[arm].cost for arm in arms}
    assert cost == {"flawed": 18.0, "followed": 12.0, "during": 24.0}
    assert of_study(study) == sum(cost.values()) + 3 * 2
