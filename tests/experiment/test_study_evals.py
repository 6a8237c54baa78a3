"""The evals that a study names: asked of the model in memory, once each, and what they leave takes part in nothing else."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import Ran, outcome, rows_of, run

pytest.importorskip("inspect_ai")

import torch

from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import ConfigError
from openwindow.evals.contexts import parse_contexts
from openwindow.evals.inspect.model_names import in_memory
from openwindow.evals.run import Options, ask_model
from openwindow.evals.select import chosen, limited
from openwindow.experiment import evals as study_evals
from openwindow.experiment.arms import RLArm
from openwindow.experiment.evals import evals_of
from openwindow.experiment.study import Compare, Data, EvalPlan, Evaluation, SFTArm, Study
from openwindow.models import hf
from openwindow.models.hf import load
from openwindow.report.of_run import build_run
from openwindow.training.config import GRPO

EXAMPLE = Path(__file__).parents[2] / "examples" / "eval.py"
NAMES = ("honesty", "instruction_following", f"{EXAMPLE}:SHORTCUT")
PLAN = EvalPlan(scenarios=2)
MakeStudy = Callable[..., Study]
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def plain(tiny_study: MakeStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run without evals."""
    out = tmp_path_factory.mktemp("plain") / "out"
    run(tiny_study(stage=True), out)
    return out


@pytest.fixture(scope="module")
def asked(tiny_study: MakeStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with evals, two of them built in and one a user's."""
    out = tmp_path_factory.mktemp("asked") / "out"
    run(tiny_study(stage=True, evals=NAMES, eval_plan=PLAN), out)
    return out


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


@pytest.mark.slow
def test_what_a_study_finds_is_the_same_with_evals(plain: Path, asked: Path) -> None:
    before, after = outcome(plain), outcome(asked)
    assert after["results.json"].pop("evals") and before["results.json"].pop("evals") == {}
    ours = {name for name in after if "evals" in name}
    assert {name: rows for name, rows in after.items() if name not in ours} == before


def test_a_row_per_sample_lies_in_the_folder_of_the_arm_and_of_the_start(asked: Path) -> None:
    units = [asked / "start" / "evals", *sorted(asked.glob("arms/*/*/evals"))]
    assert len(units) == 1 + 3 * 2
    items = {(spec.name, item.id) for spec in evals_of(Study.model_validate(config(asked))) for item in spec.items()}
    for unit in units:
        rows = rows_of(unit / "evals.jsonl")
        assert {(row["eval"], row["id"]) for row in rows} == items
        assert all(row["messages"][-1]["role"] == "user" and isinstance(row["reply"], str) for row in rows)
        assert {row["eval"] for row in rows_of(unit / "probes.jsonl")} == {"honesty", "shortcut"}
    assert list(asked.glob("arms/plain/seed-1/evals/logs/*.eval")) and list(asked.glob("start/evals/logs/*.eval"))


def config(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "config.json").read_text())["study_config"]
    return found


@pytest.mark.slow
def test_with_one_seed_the_numbers_are_those_of_the_command(asked: Path, tiny_model: Path, tmp_path: Path) -> None:
    """The adapter of an arm, loaded by itself and asked by `openwindow eval`, against the start."""
    specs = evals_of(Study.model_validate(config(asked)))
    options = Options(contexts=parse_contexts(None))
    alone = in_memory(load(str(asked / "arms/asked/seed-1/adapter"), "fp32", keep_adapter=True))
    arm = ask_model(alone, "the arm", specs, options, tmp_path / "arm", lambda _: None)
    written = rows_of(asked / "arms/asked/seed-1/evals/evals.jsonl")
    rows = {(row["eval"], row["id"]): {k: v for k, v in row.items() if k not in ("messages", "reply")} for row in written}
    assert rows == {(row.eval, row.id): asdict(row) for row in arm.rows}
    ours = {(p["eval"], p["id"]): p["misaligned"] for p in rows_of(asked / "arms/asked/seed-1/evals/probes.jsonl")}
    assert ours == pytest.approx({(p.eval, p.id): p.misaligned for p in arm.probes}, abs=1e-3)


def test_results_have_every_measure_with_the_start_and_the_control_arm(asked: Path) -> None:
    found = results(asked)["evals"]
    assert list(found["evals"]) == ["honesty", "instruction_following", "shortcut"] and found["control"] == "plain"
    for model in (found["start"], *found["arms"].values()):
        cell = model["measures"]["honesty"]["neutral"]
        assert cell["estimate"] is None and cell["reason"].startswith("no signal"), "a random model passes no controls"
        right = model["measures"]["instruction_following"]["neutral"]
        assert right["estimate"] is not None and right["low"] <= right["estimate"] <= right["high"]
    assert [found["arms"][arm]["same_as"] for arm in ("untrained", "plain", "asked")] == ["start", None, None]
    pairs = {(row["arm"], row["against"]) for row in found["comparisons"]}
    assert pairs == {("plain", "start"), ("asked", "start"), ("asked", "plain")}
    row = next(r for r in found["comparisons"] if r["measure"] == "instruction_following" and r["arm"] == "asked")
    assert row["difference"] is not None and len(row["by_seed"]) == row["seeds"] == 2 and row["p_holm"] >= row["p"]
    assert any("not the same as aligned" in line for line in found["in_words"])
    assert any("would have been found" in line or "survive" in line for line in found["in_words"])


@pytest.mark.slow
def test_what_is_finished_is_not_asked_again_and_what_is_damaged_is(
    tiny_study: MakeStudy, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(asked, out)
    study = tiny_study(stage=True, evals=NAMES, eval_plan=PLAN)
    units: list[str] = []
    found = study_evals.StudyEvals._found
    monkeypatch.setattr(
        study_evals.StudyEvals, "_found", lambda self, path: units.append(path.parent.as_posix()) or found(self, path)
    )
    run(study, out)
    assert units == [], "all was there"
    (out / "arms/asked/seed-2/evals/evals.jsonl").write_text('{"eval": 1}\n')
    shutil.rmtree(out / "arms/plain/seed-1/evals")
    trained = (out / "arms/asked/seed-2/adapter/adapter_model.safetensors").stat().st_mtime_ns
    run(study, out)
    assert [unit.removeprefix(f"{out.as_posix()}/checkpoints/evals/") for unit in units] == [
        "arms/plain/seed-1",
        "arms/asked/seed-2",
    ]
    assert (out / "arms/asked/seed-2/adapter/adapter_model.safetensors").stat().st_mtime_ns == trained, "no training again"
    assert outcome(out) == outcome(asked)


def test_a_split_is_asked_alone_and_an_eval_of_a_file_can_be_compared(tiny_study: MakeStudy) -> None:
    plan = EvalPlan(split="dev", scenarios=3)
    named = Compare(arm="asked", against="plain", score="shortcut", readout="probe", smallest=0.1)
    study = tiny_study(evals=("honesty", "function_tasks", f"{EXAMPLE}:SHORTCUT"), eval_plan=plan, compare=(named,))
    specs = evals_of(study)
    dev = limited(chosen("honesty"), None, "dev")[0]
    assert {i.scenario for i in specs[0].items()} < {i.scenario for i in dev.items()}
    assert [len({i.scenario for i in spec.items() if i.role == "main"}) for spec in specs[:2]] == [3, 3]
    wrong = tiny_study(evals=(f"{EXAMPLE}:SHORTCUT",), compare=(named.model_copy(update={"score": "shortcuts"}),))
    with pytest.raises(ConfigError, match="unknown score: 'shortcuts'; did you mean 'shortcut'"):
        evals_of(wrong)


@pytest.mark.slow
def test_the_model_is_loaded_once(tiny_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    whole = hf._loaded
    monkeypatch.setattr(hf, "_loaded", lambda base, dtype: loads.append(base) or whole(base, dtype))
    run(tiny_study(evals=("honesty",), eval_plan=PLAN, seeds=(1,)), tmp_path / "out")
    assert len(loads) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_random_states_and_the_model_are_left_as_they_were(
    method: str, tiny_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = tiny_study().base.train
    base = SFTArm(data=Data(rows=4), train=train.model_copy(update={"method": method}))
    seen: list[Any] = []

    def look(self: study_evals.StudyEvals) -> list[Any]:
        weights = {name: value.clone() for name, value in self.model.network.state_dict().items()}
        return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), weights]

    whole = study_evals.StudyEvals.of_arm

    def of_arm(self: study_evals.StudyEvals, arm: str, seed: int) -> None:
        before = look(self)
        whole(self, arm, seed)
        after = look(self)
        assert before[:3] == after[:3]
        assert before[3].keys() == after[3].keys() and all(torch.equal(before[3][k], after[3][k]) for k in before[3])
        seen.append(arm)

    monkeypatch.setattr(study_evals.StudyEvals, "of_arm", of_arm)
    run(tiny_study(evals=("honesty",), eval_plan=PLAN, seeds=(1,), base=base), tmp_path / "out")
    assert seen == ["untrained", "plain", "asked"]


@pytest.mark.slow
def test_the_report_is_made_again_from_the_folder_alone(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the user's file, without what Inspect wrote, and without Inspect and torch."""
    out = tmp_path / "out"
    shutil.copytree(asked, out)
    for logs in out.rglob("logs"):
        shutil.rmtree(logs)
    stored = json.loads((out / "config.json").read_text())
    stored["study_config"]["evals"] = ["honesty", "instruction_following", "gone/eval.py:SHORTCUT"]
    (out / "config.json").write_text(json.dumps(stored))
    program = (
        "import sys\nclass Without:\n    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'inspect_ai', 'transformers'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        f"from pathlib import Path\nfrom openwindow.report.of_run import build_run\nbuild_run(Path({str(out)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env={"PYTHONPATH": str(EXAMPLE.parents[1])})
    ours, theirs = results(out)["evals"], results(asked)["evals"]
    assert {**ours, "names": 0} == {**theirs, "names": 0}
    page = (out / "report.html").read_text()
    assert "What else it learned" in page and page.count('data-context="eval honesty"') == 3
    assert '"eval shortcut"' in page, "its transcripts are among the others"


def test_a_unit_that_is_missing_is_said(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(asked, out)
    shutil.rmtree(out / "arms/asked/seed-2/evals")
    (out / "arms/plain/seed-2/evals/evals.jsonl").write_text("nonsense\n")
    found = build_run(out)["evals"]
    assert {"what": "evals of asked, seed 2", "reason": "not asked yet, or not readable"} in found["missing"]
    wanted = ("asked", "start", "instruction_following")
    assert [r["seeds"] for r in found["comparisons"] if (r["arm"], r["against"], r["measure"]) == wanted] == [1]


@pytest.mark.slow
def test_a_run_that_is_interrupted_while_it_is_asked_goes_on_there(tiny_study: MakeStudy, asked: Path, tmp_path: Path) -> None:
    out, study = tmp_path / "out", tiny_study(stage=True, evals=NAMES, eval_plan=PLAN)
    shutil.copytree(asked, out)
    shutil.rmtree(out / "arms/plain/seed-1/evals")
    whole = hf.LocalModel.generate

    def stopped(self: hf.LocalModel, *given: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():  # in the thread that answers Inspect
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return whole(self, *given)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(hf.LocalModel, "generate", stopped)
        run(study, out)
    assert json.loads((out / "status.json").read_text())["state"] == "interrupted"
    assert not (out / "arms/plain/seed-1/evals").exists()
    run(study, out)
    assert outcome(out) == outcome(asked)


# What is refused before anything is trained.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evals": ("hones",)}, "no suite or eval 'hones'.*did you mean 'honesty'"),
        ({"evals": ("honesty",), "eval_plan": {"contexts": ("monitord",)}}, "'monitord'.*did you mean 'monitored'"),
        ({"evals": ("honesty",), "eval_plan": {"contexts": ("neutral",)}}, "always asked"),
        ({"evals": ("honesty",), "eval_plan": {"repeats": 2}}, "asks the same thing again"),
        ({"evals": ("honesty",), "eval_plan": {"replies": False, "judge": "scripted/judge"}}, "no reply to use it on"),
        ({"evals": ("honesty",), "eval_plan": {"steps": (2,)}}, "expected steps before the last.*none"),
        ({"evals": ("honesty",), "eval_plan": {"against": "plaim"}}, "did you mean 'plain'"),
        ({"eval_plan": {"scenarios": 2}}, "evals names none"),
    ],
)
def test_a_plan_that_cannot_be_is_one_line(changes: dict[str, Any], said: str, tiny_study: MakeStudy) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        tiny_study(**changes)
    assert "\n" not in str(caught.value)


def test_a_users_file_that_there_is_not_is_refused_before_the_folder_is_made(
    tiny_study: MakeStudy, tmp_path: Path, openwindow: Callable[..., Ran], study_file: Callable[[Path, Study], Path]
) -> None:
    file = study_file(tmp_path, tiny_study(evals=("mine.py:EVAL",)))
    ran = openwindow("run", file, "--out", tmp_path / "out")
    assert ran.code == 2 and "does not exist" in ran.err and len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_limits_reach_the_items(tiny_study: MakeStudy) -> None:
    study = tiny_study(evals=("honesty",), eval_plan=EvalPlan(scenarios=1))
    assert [spec.items() for spec in evals_of(study)] == [limited(evals_of(tiny_study(evals=("honesty",))), 1)[0].items()]
    assert evals_of(tiny_study()) == []


@pytest.mark.slow
def test_a_study_of_reinforcement_is_asked_at_the_steps_named_and_when_training_is_over(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = GRPO(steps=4, prompts_per_step=2, group_size=3, max_new_tokens=4, lora_rank=4, checkpoint_every=2, learning_rate=1e-2)
    study = Study(
        name="reinforced",
        question="What else?",
        claim="Nothing.",
        model=str(tiny_model),
        precision="fp32",
        environment="letter_count",
        seeds=(1,),
        base=RLArm(problems=8, train=train),
        arms={"untrained": {"train.learning_rate": 0.0}, "open": {}, "closed": {"holes": "none"}},
        evaluation=Evaluation(problems=3, max_new_tokens=4),
        compare=(Compare(arm="open", against="closed", expect="more"),),
        evals=("honesty",),
        eval_plan=EvalPlan(scenarios=2, steps=(2,)),
    )
    monkeypatch.setattr(LetterCount, "_verdict", lambda self, problem, reply: Verdict(len(reply) % 2 == 0, len(reply) % 4 == 0, ()))
    ended: list[str] = []
    found = study_evals.StudyEvals._found
    monkeypatch.setattr(study_evals.StudyEvals, "_found", lambda self, path: ended.append(path.name) or found(self, path))
    made = run(study, tmp_path / "out")["evals"]
    assert ended == ["evals", "evals-step-2", "evals", "evals-step-2", "evals"]
    assert set(made["steps"]) == {"open", "closed"} and list(made["steps"]["open"]) == ["2"]
    assert made["control"] == "closed" and made["arms"]["untrained"]["same_as"] == "start"
    lines = [rows_of(tmp_path / f"out/arms/open/seed-1/{name}/probes.jsonl") for name in ("evals", "evals-step-2")]
    assert lines[0] != lines[1], "another adapter was asked"
    with pytest.raises(ConfigError, match=r"has 4; expected steps before the last.*\(2\)"):
        Study.model_validate(study.model_dump() | {"eval_plan": {"steps": (4,)}})
