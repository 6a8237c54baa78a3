"""Parts of a study in several processes, in one folder: together they leave what one process leaves."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tiny_runs import Ran, make_study, outcome, run, wait_for

from openwindow.errors import ConfigError, OpenWindowError
from openwindow.experiment import execution, starting_point
from openwindow.experiment.arm_training import train_arm
from openwindow.experiment.parts import Part, needs
from openwindow.experiment.run_folder import WHOLE, RunFolder
from openwindow.experiment.runner import finish, run_study
from openwindow.experiment.study import Context, Data, Evaluation, SFTArm, Study
from openwindow.interventions.safety_training import SafetyTraining
from openwindow.report.of_run import build_run
from openwindow.training.config import SFT

MakeStudy = Callable[..., Study]
FORK = multiprocessing.get_context("fork")
pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True, slots=True)
class Whole:
    """A study, and the folder in which one process ran it."""

    study: Study
    out: Path


def in_one(study: Study, out: Path) -> Whole:
    run(study, out)
    return Whole(study, out)


@pytest.fixture(scope="module")
def whole(tiny_study: MakeStudy, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Three arms at two seeds, behind a request stage."""
    return in_one(tiny_study(stage=True), tmp_path_factory.mktemp("whole") / "out")


def share(study: Study, out: Path, part: Part | None, log: Path, stop_in: str = "") -> None:
    """Runs a part in this process, notes in `log` what is trained, and dies while it trains `stop_in`."""
    train, tune = execution.train_arm, starting_point.fine_tune

    def noted(name: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    def training(given: Any, arm: Any) -> Any:
        noted(f"{given.name} {given.seed}")
        found = train(given, arm)
        if given.name == stop_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    def tuning(*given: Any, **named: Any) -> Any:
        noted("start")
        return tune(*given, **named)

    execution.train_arm, starting_point.fine_tune = training, tuning
    with (log.parent / f"{os.getpid()}.said").open("w", encoding="utf-8") as said:
        console = Console(file=said, width=200)
        try:
            if not run_study(study, out, overwrite=False, command=["openwindow"], console=console, part=part, wait=0):
                finish(out, build_run)
        except OpenWindowError as error:
            console.print(error)
            os._exit(error.exit_code)


def started(*given: Any) -> BaseProcess:
    process = FORK.Process(target=share, args=given)
    process.start()
    return process


def ended(processes: list[BaseProcess]) -> list[int | None]:
    for process in processes:
        process.join(240)
    return [process.exitcode for process in processes]


def equal(out: Path, whole: Whole) -> None:
    """Byte for byte, apart from times."""
    assert outcome(out) == outcome(whole.out)
    for name in ("rollouts.jsonl", "config.json"):
        assert (out / name).read_bytes() == (whole.out / name).read_bytes()
    one, other = (json.loads((folder / "results.json").read_text()) for folder in (out, whole.out))
    timed = {"timing": {}}
    assert json.dumps(one | timed) == json.dumps(other | timed) and list(one["timing"]) == list(other["timing"])
    for path in sorted(whole.out.rglob("adapter_model.safetensors")):
        assert (out / path.relative_to(whole.out)).read_bytes() == path.read_bytes(), path
    assert json.loads((out / "status.json").read_text())["state"] == "done"
    assert [str(path) for path in out.rglob(".*")] == []


@pytest.mark.slow
def test_two_parts_leave_what_one_run_leaves(whole: Whole, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    parts = [Part.of(whole.study, ["untrained", "asked"]), Part.of(whole.study, ["plain"])]
    assert ended([started(whole.study, out, part, log) for part in parts]) == [0, 0]
    equal(out, whole)
    trained = sorted(log.read_text().splitlines())
    assert trained == sorted(["start", *(f"{arm} {seed}" for arm in whole.study.arms for seed in whole.study.seeds)])


@pytest.mark.slow
def test_the_same_command_twice_shares_the_work_and_what_a_killed_process_had_is_taken_over(whole: Whole, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    seed = Part.of(whole.study, None, [2])
    killed = started(whole.study, out, Part.of(whole.study, ["asked"], [2]), log, "asked")
    assert ended([killed]) == [-signal.SIGKILL]
    left = RunFolder(out)
    assert not left.is_done("arms/asked/seed-2") and left.claims.others() == []
    assert ended([started(whole.study, out, part, log) for part in (None, seed)]) == [0, 0]
    equal(out, whole)
    trained = log.read_text().splitlines()
    assert trained.count("start") == 1 and trained.count("asked 2") == 2 and len(trained) == 2 + 6


@pytest.mark.slow
def test_the_last_to_finish_concludes_although_another_is_concluding(whole: Whole, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    assert ended([started(whole.study, out, Part.of(whole.study, ["untrained", "asked"]), log)]) == [0]
    done = [out / "arms/plain" / f"seed-{seed}" / "done.json" for seed in whole.study.seeds]
    with RunFolder(out) as concluding:
        last = started(whole.study, out, Part.of(whole.study, ["plain"]), log)
        wait_for(done[0].exists, 60)
        with concluding.turn(WHOLE):  # as whoever finished the other part, and has not seen the end of this one
            wait_for(done[1].exists, 60)
            last.join(1)
            assert last.is_alive()
    assert ended([last]) == [0]
    equal(out, whole)


@pytest.mark.slow
def test_results_of_a_part_say_what_is_missing(
    whole: Whole, tmp_path: Path, study_file: Any, openwindow: Callable[..., Ran]
) -> None:
    file, out = study_file(tmp_path, whole.study), tmp_path / "out"
    ran = openwindow("run", file, "--arms", "plain,untrained", "--only-seeds", "2,", "--out", out)
    assert ran.code == 0, ran.err
    assert "2 arms, seeds [2]" in " ".join(ran.out.split()) and "arm 2 of 2" in ran.out
    assert "Not finished: untrained at seed 1, plain at seed 1, asked at seed 1, asked at seed 2." in " ".join(ran.out.split())
    found = json.loads((out / "results.json").read_text())
    assert [(unit["arm"], unit["seed"]) for unit in found["missing"]] == [
        ("untrained", 1), ("plain", 1), ("asked", 1), ("asked", 2)
    ]  # fmt: skip
    assert found["verdict"] == "inconclusive" and "4 of 6 arms and seeds are not finished" in found["verdict_reason"]
    assert found["arms"]["plain"]["measures"]["hack"]["neutral"]["by_seed"][0] is None
    assert json.loads((out / "status.json").read_text())["state"] == "unfinished"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "This run is unfinished." in page and "arms/asked/seed-2" in page
    again = openwindow("run", file, "--arms", "plain", "--only-seeds", "2,", "--out", out)
    assert "holds this part of the run already, finished" in " ".join(again.out.split())
    rest = openwindow("run", file, "--out", out)
    assert rest.code == 0 and "Not finished" not in rest.out
    equal(out, whole)


def following(tiny_study: MakeStudy) -> Study:
    tuning = SFT(learning_rate=1e-2, batch_size=4, micro_batch_size=4, warmup_steps=0, lora_rank=4, lora_alpha=8)
    after = SafetyTraining("chat", "after", rows=4, train=tuning, after="plain")
    return tiny_study(
        base=SFTArm(data=Data(rows=4), train=tuning),
        arms={"plain": {}, "followed": {"intervention": after}},
        seeds=(1,),
        contexts={"neutral": Context()},
        about={},
        compare=(),
        evaluation=Evaluation(problems=2, max_new_tokens=4, hidden=4),
    )


@pytest.mark.slow
def test_an_arm_waits_for_the_one_it_needs(tiny_study: MakeStudy, tmp_path: Path) -> None:
    study = following(tiny_study)
    assert needs(study, "followed", 1) == ["arms/plain/seed-1"] and needs(study, "plain", 1) == []
    alone, out, log = tmp_path / "alone", tmp_path / "out", tmp_path / "log"
    assert ended([started(study, alone, Part.of(study, ["followed"]), log)]) == [2]
    (said,) = [path.read_text() for path in tmp_path.glob("*.said")]
    assert "arm 'followed' at seed 1 needs arms/plain/seed-1, which is not finished and which nobody is training" in said
    assert "--arms plain --only-seeds 1," in said and not (alone / "arms").exists()
    first = started(study, out, Part.of(study, ["plain"]), log)
    wait_for(lambda: "arms/plain/seed-1" in [holder.name for holder in RunFolder(out).claims.others()] or not first.is_alive(), 60)
    assert ended([first, started(study, out, Part.of(study, ["followed"]), log)]) == [0, 0]
    equal(out, in_one(study, tmp_path / "whole"))


@pytest.mark.slow
def test_starts_of_their_own_are_trained_by_those_who_need_them(tiny_study: MakeStudy, tmp_path: Path) -> None:
    study = tiny_study(stage=True, starts="per_seed", arms={"untrained": {"train.epochs": 0}, "plain": {}}, about={}, compare=())
    out, log = tmp_path / "out", tmp_path / "log"
    parts = [Part.of(study, None, [1]), Part.of(study, None, [2])]
    assert ended([started(study, out, part, log) for part in parts]) == [0, 0]
    equal(out, in_one(study, tmp_path / "whole"))
    assert log.read_text().splitlines().count("start") == 2


def test_another_study_is_refused_while_somebody_is_at_work(tmp_path: Path) -> None:
    study, other = make_study("no/model"), make_study("no/model", seeds=(1, 2, 3))
    folder = RunFolder(tmp_path / "run")
    configs = [{"study_config": made.model_dump(mode="json")} for made in (study, other)]
    assert folder.open(configs[0], {}, overwrite=False, shared=True) is False
    second = RunFolder(tmp_path / "run")
    assert second.open(configs[0], {}, overwrite=False, shared=True) is True
    with folder.attempt("arms/plain/seed-1") as holder:
        assert holder is None
        for config, overwrite in ((configs[1], False), (configs[0], True)):
            with pytest.raises(ConfigError, match=rf"is being written by process {os.getpid()} on .*which has arms/plain/seed-1"):
                second.open(config, {}, overwrite=overwrite, shared=True)
        with pytest.raises(ConfigError, match="is being written by"):
            second.open(configs[0], {}, overwrite=False)  # for itself alone
        scratch = tmp_path / "run/arms/plain/.seed-1.partial"
        scratch.mkdir(parents=True)
        assert second.open(configs[0], {}, overwrite=False, shared=True) is True and scratch.exists()
    assert second.open(configs[1], {}, overwrite=False, shared=True) is False  # nothing was finished
    assert not scratch.exists()


def test_a_turn_waits_for_whoever_has_it_unless_it_is_finished_meanwhile(tmp_path: Path) -> None:
    def work() -> None:
        with RunFolder(tmp_path).attempt("start"):
            (tmp_path / "begun").touch()
            time.sleep(0.3)
            (tmp_path / "finished").touch()
            time.sleep(60)

    process = FORK.Process(target=work)
    process.start()
    wait_for((tmp_path / "begun").exists, 30)
    with RunFolder(tmp_path).turn("start", (tmp_path / "finished").exists) as mine:
        assert not mine
    process.kill()
    process.join()
    with RunFolder(tmp_path).turn("start") as mine:
        assert mine


def test_an_arm_that_is_not_in_the_study_is_one_line(openwindow: Callable[..., Ran], tmp_path: Path, study_file: Any) -> None:
    file = study_file(tmp_path, make_study("no/model"))
    ran = openwindow("run", file, "--arms", "plian", "--out", tmp_path / "out")
    assert (ran.code, ran.err) == (2, "error: unknown arm in --arms: 'plian'; did you mean 'plain'?\n")
    assert not (tmp_path / "out").exists() and train_arm is execution.train_arm
