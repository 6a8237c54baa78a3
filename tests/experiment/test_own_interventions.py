"""A mitigation of a user's own, in a file that the package does not know: it trains, is recorded, and is shown without its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from tiny_runs import make_study, rows_of, run

from openwindow.errors import ConfigError, ForeignError
from openwindow.experiment.arms import RLArm, SFTArm
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Context, Evaluation, Study
from openwindow.interventions.applying import changed_rewards, changed_rows
from openwindow.interventions.base import Intervention
from openwindow.interventions.configured import Recorded
from openwindow.interventions.rewards import Record, paid
from openwindow.report.of_run import build_run
from openwindow.studies import load
from openwindow.training.config import GRPO, SFT

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.usefixtures("one_thread")


class Brevity(Intervention):
    """Replies that are longer than some letters earn less."""

    kind: Literal["brevity"] = "brevity"
    letters: int = 10
    fails: Literal["", "raises", "drops"] = ""

    def on_rewards(self, records: Any, given: Any, step: int, seed: int) -> Any:
        if self.fails == "raises":
            raise KeyError("x")
        taxed = [
            replace(p, reward=p.reward - 1) if p.reward is not None and len(r.reply) > self.letters else p
            for r, p in zip(records, given, strict=True)
        ]
        return taxed[1:] if self.fails == "drops" else taxed


@pytest.mark.slow
def test_the_example_runs_and_its_folder_is_read_without_it(tiny_model: Path, tmp_path: Path) -> None:
    example = load(str(EXAMPLES / "study.py"))
    assert example.differs("disclosed") == {"intervention": {"kind": "disclosure", "defined_in": "mitigation:Disclosure"}}
    small = {"model": str(tiny_model), "precision": "fp32", "seeds": (1,), "base.data.rows": 8, "evaluation.problems": 2}
    tiny = {"base.train.lora_rank": 4, "evaluation.max_new_tokens": 4, "evaluation.hidden": 4}
    results = run(override(example, small | tiny, "the test"), tmp_path / "out")
    rows = {arm: rows_of(tmp_path / "out/arms" / arm / "seed-1/train_rows.jsonl") for arm in ("silent", "disclosed")}
    comment = example.arms["disclosed"].interventions[0].model_dump()["comment"]
    for plain, disclosed in zip(rows["silent"], rows["disclosed"], strict=True):
        assert disclosed["messages"][-1]["content"] == f"{plain['messages'][-1]['content']}\n{comment}"
        assert disclosed["messages"][:-1] == plain["messages"][:-1]
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["arms"]["disclosed"]["role"] == "treatment" and results["arms"]["before"]["role"] == "start"
    again = Study.model_validate(config["study_config"])
    assert again.arms["disclosed"].interventions == (Recorded(kind="disclosure", defined_in="mitigation:Disclosure"),)
    assert again.model_dump(mode="json") == config["study_config"]
    assert (
        "disclosure" in (tmp_path / "out/report.html").read_text()
        and build_run(tmp_path / "out")["leak"].keys() == results["leak"].keys()
    )
    with pytest.raises(ConfigError, match=r"'disclosure' of mitigation:Disclosure is only described here.*run the study file"):
        again.arms["disclosed"].check_runnable()


@pytest.mark.slow
def test_a_reward_of_ones_own_is_paid(tiny_model: Path, tmp_path: Path) -> None:
    base = RLArm(problems=4, train=GRPO(steps=1, prompts_per_step=2, group_size=4, max_new_tokens=4, lora_rank=4))
    study = Study(
        name="brevity",
        question="?",
        claim="!",
        model=str(tiny_model),
        precision="fp32",
        environment="letter_count",
        seeds=(1,),
        contexts={"neutral": Context()},
        base=base,
        arms={"brief": base.but(intervention=Brevity(letters=30))},
        evaluation=Evaluation(problems=2, max_new_tokens=4),
    )
    run(study, tmp_path / "out")
    lines = rows_of(tmp_path / "out/arms/brief/seed-1/training.jsonl")
    assert len({len(line["reply"]) > 30 for line in lines}) == 2
    assert all(line["reward"] == line["passes_visible"] - (len(line["reply"]) > 30) for line in lines)


@pytest.mark.parametrize(
    ("fails", "said"), [("raises", "KeyError"), ("drops", "it did not return a list of Paid, one per rollout")]
)
def test_one_that_fails_is_one_line(fails: Any, said: str) -> None:
    records = [Record(f"r{i}", "g", True, True, False, False) for i in range(3)]
    with pytest.raises(ForeignError, match=f"Brevity.on_rewards failed.*{said}"):
        changed_rewards([Brevity(fails=fails)], records, paid(records), 0, 1)


def test_rows_that_are_no_rows_are_refused() -> None:
    class Wrong(Intervention):
        kind: Literal["wrong"] = "wrong"

        def on_rows(self, rows: Any, seed: int, own: str | None = None) -> Any:
            return ["not a row"]

    with pytest.raises(ForeignError, match=r"Wrong.on_rows failed .it did not return a list of Row"):
        changed_rows([Wrong()], [], 1, None)


def test_one_without_any_of_the_three_methods_is_refused() -> None:
    class Nothing(Intervention):
        kind: Literal["nothing"] = "nothing"

    with pytest.raises(ConfigError, match="'nothing' changes nothing in an arm of kind 'sft'; expected one with on_rows"):
        SFTArm().but(intervention=Nothing())


def test_it_survives_changes_of_the_base() -> None:
    base = RLArm()
    study = make_study(
        "m", environment="letter_count", base=base, arms={"a": base.but(intervention=Brevity())}, about={}, compare=()
    )
    assert override(study, {"base.train.steps": 3}, "here").arms["a"].interventions == (Brevity(),)


@pytest.mark.slow
def test_a_folder_of_version_1_is_read(tiny_study: Callable[..., Study], tmp_path: Path) -> None:
    old = {
        "untrained": {"train.epochs": 0},
        "no_mitigation": {},
        "asked": {"intervention": {"kind": "inoculation", "texts": ["x"]}},
    }
    study = tiny_study(seeds=(1,), arms=old, about={}, compare=(), evaluation=Evaluation(problems=2, max_new_tokens=4, hidden=4))
    results = run(study, tmp_path / "out")
    config = json.loads((tmp_path / "out/config.json").read_text())
    config["study_config"]["arms"] = old
    del config["study_config"]["base"]["role"], config["study_config"]["base"]["group"]
    for arm in config["arms"].values():
        del arm["role"]
    (tmp_path / "out/config.json").write_text(json.dumps(config))
    again = build_run(tmp_path / "out")
    assert {k: v for k, v in again.items() if k != "timing"} == {k: v for k, v in results.items() if k != "timing"}
    assert study.base.train == SFT.model_validate(config["study_config"]["base"]["train"])
