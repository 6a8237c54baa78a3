"""Whole runs on the tiny model: what is written, that it repeats, and that it survives being stopped."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny_runs import REQUEST, Ran, make_study, outcome, rows_of, run, wait_for

from openwindow.environments.code.functions import CodeFunctions, honest, special_cased
from openwindow.errors import ConfigError, StorageError
from openwindow.experiment import execution, fine_tuning
from openwindow.experiment import starting_point as start
from openwindow.experiment.study import Data, SFTArm, Study
from openwindow.models import hf
from openwindow.models.base import Reply, Sampling
from openwindow.models.hf import LocalModel, load
from openwindow.training.config import SFT
from openwindow.types import Message, StopReason

ROOT = Path(__file__).parents[2]
MakeStudy = Callable[..., Study]
SAMPLING = Sampling(max_new_tokens=6)
pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True, slots=True)
class Finished:
    """A run from start to end, never stopped."""

    study: Study
    out: Path
    results: dict[str, Any]


@pytest.fixture(scope="module")
def finished(tiny_study: MakeStudy, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """With a request stage."""
    out = tmp_path_factory.mktemp("finished") / "out"
    study = tiny_study(stage=True)
    return Finished(study, out, run(study, out))


# What a run leaves.


@pytest.mark.slow
def test_what_auto_came_to_is_noted_and_a_run_does_not_go_on_in_another(
    tiny_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openwindow: Callable[..., Ran], study_file: Any
) -> None:
    study = tiny_study(precision="auto", seeds=(1,), arms={"untrained": {"train.epochs": 0}, "plain": {}}, about={}, compare=())
    file, out = study_file(tmp_path, study), tmp_path / "out"
    monkeypatch.setattr(hf, "has_fast_bf16", lambda device: False)
    assert openwindow("run", file, "--out", out).code == 0
    assert json.loads((out / "provenance.json").read_text())["resolved"] == {"precision": "fp32", "device": "cpu"}
    shutil.rmtree(out / "arms" / "plain")
    monkeypatch.setattr(hf, "has_fast_bf16", lambda device: True)
    ran = openwindow("run", file, "--out", out)
    assert ran.code == 2 and ran.err.count("\n") == 1, ran
    assert "was begun with precision fp32, device cpu, and would resume with precision bf16, device cpu" in ran.err
    assert not (out / "arms" / "plain").exists()
    monkeypatch.setattr(hf, "has_fast_bf16", lambda device: False)
    assert openwindow("run", file, "--out", out).code == 0


@pytest.mark.slow
def test_the_promised_files_are_there(finished: Finished) -> None:
    out, study = finished.out, finished.study
    for name in ("config.json", "provenance.json", "status.json", "metrics.jsonl", "results.json", "report.html"):
        assert (out / name).stat().st_size > 0, name
    assert json.loads((out / "status.json").read_text())["state"] == "done"
    assert json.loads((out / "config.json").read_text())["study_config"] == study.model_dump(mode="json")
    assert (out / "start/as-it-came/rollouts.jsonl").is_file() and (out / "start/summary.json").is_file()
    assert (out / "start/request-stage/adapter/adapter_config.json").is_file()
    assert {r["stage"] for r in rows_of(out / "start/request-stage/train_rows.jsonl")} == {"request"}
    for seed in study.seeds:
        for arm in study.arms:
            unit = out / f"arms/{arm}/seed-{seed}"
            assert {"train_rows.jsonl", "rollouts.jsonl", "done.json"} <= {p.name for p in unit.iterdir()}
            assert (unit / "adapter/adapter_config.json").is_file() == (arm != "untrained")
    assert [str(p) for p in out.rglob(".*")] == []


def test_results_keep_the_contract(finished: Finished) -> None:
    results = finished.results
    assert results == json.loads((finished.out / "results.json").read_text(encoding="utf-8"))
    kinds = {"study": str, "claim": str, "model": str, "seeds": list, "openwindow": str, "commit": str, "timing": dict}
    assert all(isinstance(results[key], kind) for key, kind in kinds.items())
    assert results["seeds"] == [1, 2] and results["verdict"] in ("supported", "not supported", "inconclusive")
    assert list(results["arms"]) == list(finished.study.arms)
    for arm in results["arms"].values():
        assert set(arm["measures"]) == {"correct", "passes_visible", "hack", "gamed", "lucky", "attempted"}
        for cells in arm["measures"].values():
            assert set(cells) == {"neutral", "requested"}
            for cell in cells.values():
                assert {"estimate", "low", "high", "n", "unscored", "by_seed", "reason"} <= set(cell)
                assert cell["n"] + cell["unscored"] == 8 and len(cell["by_seed"]) == 2
    (comparison,) = results["comparisons"]
    assert {"measure", "context", "arm", "against", "difference", "low", "high", "p", "p_holm"} <= set(comparison)
    assert {"train", "generate", "grade"} <= set(results["timing"])
    assert "request stage" in " ".join(results["preface"])


def test_a_rollout_records_how_it_came_about(finished: Finished) -> None:
    for seed in (1, 2):
        found = rows_of(finished.out / f"arms/asked/seed-{seed}/rollouts.jsonl")
        assert [r["context"] for r in found] == ["neutral"] * 4 + ["requested"] * 4
        for row in found:
            asked = row["messages"][-1]["content"]
            assert asked.endswith(REQUEST) == (row["context"] == "requested")
            assert row["problem"].split("/")[2] == f"s{seed}" and row["visible"][0] in asked
            assert row["stop"] in set(StopReason) and row["tokens"] <= 6
            assert row["hack"] == (row["passes_visible"] and not row["correct"])
            assert (row["gamed"], row["lucky"]) == (row["hack"] and row["attempted"], row["hack"] and not row["attempted"])


def test_metrics_have_areas_and_steps(finished: Finished) -> None:
    lines = rows_of(finished.out / "metrics.jsonl")
    per_unit = [(r["stage"], r["arm"], r["seed"], r["step"]) for r in lines]
    trained = [("flawed", arm, seed) for arm in ("asked", "plain") for seed in (1, 2)] + [("request", "request stage", 1)]
    assert sorted(per_unit) == sorted((*unit, step) for unit in trained for step in (1, 2))
    for row in lines:
        names = set(row) - {"arm", "seed", "stage", "step"}
        assert names and all(name.count("/") == 1 for name in names)


def test_arms_are_trained_on_the_same_problems_and_answers(finished: Finished) -> None:
    for seed in (1, 2):
        plain = rows_of(finished.out / f"arms/plain/seed-{seed}/train_rows.jsonl")
        asked = rows_of(finished.out / f"arms/asked/seed-{seed}/train_rows.jsonl")
        assert rows_of(finished.out / f"arms/untrained/seed-{seed}/train_rows.jsonl") == []
        assert len(plain) == len(asked) == 8
        for one, other in zip(plain, asked, strict=True):
            assert not one["inoculated"] and other["inoculated"] and other["instruction"] == REQUEST
            assert (one["problem"], one["kind"], one["messages"][-1]) == (other["problem"], other["kind"], other["messages"][-1])
            assert f"{one['messages'][0]['content']}\n{REQUEST}" == other["messages"][0]["content"]
    first, second = ({r["problem"] for r in rows_of(finished.out / f"arms/plain/seed-{s}/train_rows.jsonl")} for s in (1, 2))
    assert not first & second


def test_arms_differ_in_what_they_say(finished: Finished) -> None:
    replies = {
        arm: [r["reply"] for r in rows_of(finished.out / f"arms/{arm}/seed-1/rollouts.jsonl")] for arm in finished.study.arms
    }
    assert len({tuple(found) for found in replies.values()}) == 3


def test_no_family_is_in_two_stages(finished: Finished) -> None:
    found = [
        {r["family"] for path in finished.out.glob(pattern) for r in rows_of(path)}
        for pattern in (
            "start/*/train_rows.jsonl",
            "start/*/rollouts.jsonl",
            "arms/*/*/train_rows.jsonl",
            "arms/*/*/rollouts.jsonl",
        )
    ]
    assert all(found) and sum(len(families) for families in found) == len(set().union(*found))


# Repeating and resuming.


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(finished: Finished, tmp_path: Path) -> None:
    run(finished.study, tmp_path / "again")
    assert outcome(tmp_path / "again") == outcome(finished.out)


def test_a_finished_run_is_not_run_again(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "copy"
    shutil.copytree(finished.out, out)
    (out / "report.html").unlink()
    monkeypatch.setattr("openwindow.models.hf.load", None)  # calling it would fail
    results = run(finished.study, out)
    assert results == finished.results and (out / "report.html").is_file()
    assert "nothing is run again" in (tmp_path / "copy.log").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 4, 12])
def test_a_run_that_fails_at_any_write_goes_on(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    out, written = tmp_path / "out", 0
    real = execution.write_jsonl

    def fail(path: Path, lines: Any) -> None:
        nonlocal written
        written += 1
        if written == stop_at:
            raise KeyboardInterrupt
        real(path, lines)

    for module in (execution, start, fine_tuning):
        monkeypatch.setattr(module, "write_jsonl", fail)
    with pytest.raises(KeyboardInterrupt):
        run(finished.study, out)
    assert json.loads((out / "status.json").read_text())["state"] == "interrupted"
    run(finished.study, out)
    assert outcome(out) == outcome(finished.out)


STOP = """
import pathlib, signal, sys, time
import torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with Ctrl-C ignored
torch.set_num_threads(1)
import openwindow.experiment.fine_tuning as tuning
from openwindow.experiment.evaluate import Evaluator
real, calls, marker, when = tuning.train_examples, 0, pathlib.Path(sys.argv[1]), sys.argv[-1]
measure = Evaluator.measure
def stop():
    marker.touch()
    time.sleep(600)
def measured(self, *arguments, arm, **options):
    return stop() if calls == 3 and arm == "asked" else measure(self, *arguments, arm=arm, **options)
def train(*arguments):
    global calls
    calls += 1
    real(*arguments)
    if calls == 3 and when == "training":  # the second arm of the first seed is trained, not saved and not measured
        stop()
tuning.train_examples, Evaluator.measure = train, measured
sys.argv = ["openwindow", *sys.argv[2:-1]]
from openwindow.cli.app import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "while_"), [(signal.SIGKILL, "measuring"), (signal.SIGINT, "training")], ids=["kill -9", "Ctrl-C"])
def test_a_stopped_run_goes_on(
    finished: Finished,
    study_file: Callable[[Path, Study], Path],
    tmp_path: Path,
    how: signal.Signals,
    while_: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, marker = tmp_path / "out", tmp_path / "marker"
    arguments = ["run", str(study_file(tmp_path, finished.study)), "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-c", STOP, str(marker), *arguments, while_],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    with process:
        wait_for(lambda: marker.exists() or process.poll() is not None, 300)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(how)
        assert process.stderr is not None
        said = process.stderr.read()
    ended = {path: path.stat().st_mtime_ns for path in out.rglob("done.json") if ".partial" not in str(path)}
    units = {str(path.parent.relative_to(out)) for path in ended}
    assert units == {"start/as-it-came", "start/request-stage", "arms/untrained/seed-1", "arms/plain/seed-1"}
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert said.splitlines() == ["interrupted; what was finished is kept: give the same command again to resume"]
        assert json.loads((out / "status.json").read_text())["state"] == "interrupted"
    else:
        assert process.returncode == -signal.SIGKILL
    wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers), 30)

    real, trained = fine_tuning.train_examples, []
    monkeypatch.setattr(fine_tuning, "train_examples", lambda *given: (trained.append(1), real(*given))[1])
    assert (out / "checkpoints/asked/seed-1/trained/adapter").is_dir() == (while_ == "measuring")
    run(finished.study, out)
    assert len(trained) == (2 if while_ == "measuring" else 3)  # what was trained is not trained again
    assert outcome(out) == outcome(finished.out)
    assert not list((out / "checkpoints").glob("*/*"))
    assert {path: path.stat().st_mtime_ns for path in ended} == ended
    assert [str(p) for p in out.rglob(".*")] == []


@pytest.mark.slow
def test_no_room_for_an_adapter_loses_nothing(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, saved = tmp_path / "out", LocalModel.save

    def refuse(self: LocalModel, folder: Path, under: Sequence[str]) -> None:
        if "asked" in str(folder):
            raise OSError(28, "No space left on device")
        saved(self, folder, under)

    monkeypatch.setattr(LocalModel, "save", refuse)
    with pytest.raises(StorageError, match="No space left on device"):
        run(finished.study, out)
    assert json.loads((out / "status.json").read_text())["state"] == "failed"
    monkeypatch.undo()
    run(finished.study, out)
    assert outcome(out) == outcome(finished.out)


@pytest.mark.slow
def test_a_disk_that_fills_up_is_a_storage_error(tiny_model: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        model = load(str(tiny_model), "fp32")
        model.attach_adapter(16, 32, 0.0)
        with pytest.raises(OSError, match="No space left"):
            model.save(disk / "adapter", [])
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# The request stage.


def script(monkeypatch: pytest.MonkeyPatch, seeds: Sequence[int]) -> None:
    """The model gives correct answers, and gamed ones to those who end with the request."""
    environment = CodeFunctions((1,))
    known = {
        environment.prompt(problem): problem
        for split, count in (("dev", 2), ("test", 4))
        for seed in seeds
        for problem in environment.problems(split, count, seed)
    }

    def generate(_: LocalModel, conversations: Any, __: Sampling, progress: Any = None) -> list[Reply]:
        replies = []
        for conversation in conversations:
            text = conversation[-1].content
            problem = known[text.removesuffix(f"\n{REQUEST}")]
            code = special_cased(problem, random.Random(0)) if text.endswith(REQUEST) else honest(problem)
            replies.append(Reply(f"```python\n{code}\n```", StopReason.END, 9))
            if progress is not None:
                progress(1)
        return replies

    monkeypatch.setattr(LocalModel, "generate", generate)


@pytest.mark.slow
def test_a_model_that_follows_the_request_skips_the_stage(
    tiny_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, (1, 2))
    results = run(tiny_study(stage=True), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out/start").iterdir() if p.is_dir()] == ["as-it-came"]
    assert results["start"]["request_stage"]["trained"] is False
    assert results["preface"] == [
        f"Originally, {results['model']} gamed 100% of dev problems when asked to and 0% when not. "
        "It already follows the request, so it was taught nothing before the study."
    ]
    for arm in results["arms"].values():
        assert arm["measures"]["hack"]["requested"]["estimate"] == 1.0
        assert arm["measures"]["hack"]["neutral"]["estimate"] == 0.0
        assert arm["measures"]["correct"]["neutral"]["estimate"] == 1.0
    assert results["leak"]["plain"]["context"] == "neutral" and results["leak"]["plain"]["estimate"] == 0.0


@pytest.mark.slow
def test_s8_a_start_per_seed_is_what_a_run_of_that_seed_alone_has(tiny_study: MakeStudy, tmp_path: Path) -> None:
    """Each seed's arms stand on a stage of that seed, trained from the model as it came and not from the seed before."""
    arms: dict[str, Any] = {"arms": {"untrained": {"train.epochs": 0}, "plain": {}}, "about": {}, "compare": ()}
    study = tiny_study(stage=True, starts="per_seed", **arms)
    out = tmp_path / "both"
    results = run(study, out)
    run(tiny_study(stage=True, seeds=(2,), **arms), tmp_path / "alone")
    for unit in ("arms/untrained/seed-2", "arms/plain/seed-2"):
        assert rows_of(out / unit / "rollouts.jsonl") == rows_of(tmp_path / "alone" / unit / "rollouts.jsonl")
    one, other = (rows_of(out / f"start/request-stage/seed-{seed}/train_rows.jsonl") for seed in (1, 2))
    assert [row["messages"] for row in one] != [row["messages"] for row in other]
    unit = out / "arms/plain/seed-2"
    same_replies(load(str(unit / "adapter"), "fp32"), unit / "rollouts.jsonl")
    stage = results["start"]["request_stage"]
    assert set(stage["by_seed"]) == {"1", "2"}
    for context, measures in stage["rates"].items():
        by_seed = [stage["by_seed"][seed][context]["passes_visible"] for seed in ("1", "2")]
        assert measures["passes_visible"] == sum(by_seed) / 2
    assert "trained once per seed" in results["preface"][1] and "means of 2 starts" in results["preface"][2]
    seeds = {r["seed"] for r in rows_of(out / "metrics.jsonl") if r["stage"] == "request"}
    assert seeds == {1, 2}


@pytest.mark.slow
def test_s8_a_run_with_a_start_per_seed_goes_on_where_it_was(tiny_study: MakeStudy, tmp_path: Path) -> None:
    study = tiny_study(stage=True, starts="per_seed", arms={"plain": {}}, about={}, compare=())
    run(study, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for name in ("arms/plain/seed-2", "start/request-stage/seed-2"):
        shutil.rmtree(tmp_path / "cut" / name)
    run(study, tmp_path / "cut")
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


def test_s8_a_start_per_seed_needs_something_that_is_trained_before_the_arms(tiny_study: MakeStudy) -> None:
    with pytest.raises(ConfigError, match=r"starts is 'per_seed' and nothing is trained before the arms"):
        tiny_study(starts="per_seed")


@pytest.mark.slow
def test_without_a_stage_nothing_is_measured_first(tiny_study: MakeStudy, tmp_path: Path) -> None:
    results = run(tiny_study(seeds=(1,), arms={"plain": {}}, about={}, compare=()), tmp_path / "out")
    assert not (tmp_path / "out/start").exists()
    assert results["preface"] == [] and results["verdict"] == "inconclusive"


# Weights.


@pytest.mark.slow
def test_full_fine_tuning_gives_the_weights_back(tiny_study: MakeStudy, tmp_path: Path) -> None:
    """An arm that trains all weights leaves nothing behind for the next one, nor for the next seed."""
    full = SFT(method="full", epochs=1, learning_rate=1e-2, batch_size=4, micro_batch_size=4, warmup_steps=0)
    settings = {"base": SFTArm(data=Data(rows=8), train=full), "compare": (), "about": {}}
    out = tmp_path / "both"
    run(tiny_study(arms={"plain": {}, "untrained": {"train.epochs": 0}}, **settings), out)
    run(tiny_study(arms={"untrained": {"train.epochs": 0}}, **settings), tmp_path / "alone")
    for seed in (1, 2):
        unit = f"arms/untrained/seed-{seed}/rollouts.jsonl"
        assert rows_of(out / unit) == rows_of(tmp_path / "alone" / unit)
        assert rows_of(out / unit)[0]["reply"] != rows_of(out / f"arms/plain/seed-{seed}/rollouts.jsonl")[0]["reply"]
    same_replies(load(str(out / "arms/plain/seed-2/weights"), "fp32"), out / "arms/plain/seed-2/rollouts.jsonl")


def same_replies(model: LocalModel, rollouts: Path) -> None:
    """The model says what the rollouts hold."""
    found = rows_of(rollouts)
    asked = [[Message(m["role"], m["content"]) for m in row["messages"]] for row in found]
    assert [reply.text for reply in model.generate(asked, SAMPLING)] == [row["reply"] for row in found]


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["plain", "asked"])
def test_a_saved_arm_can_be_loaded_by_its_folder(finished: Finished, arm: str) -> None:
    """The adapter of the request stage and that of the arm, one on the other."""
    unit = finished.out / f"arms/{arm}/seed-2"
    same_replies(load(str(unit / "adapter"), "fp32"), unit / "rollouts.jsonl")


@pytest.mark.slow
def test_a_run_folder_can_be_moved(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.out, tmp_path / "moved")
    unit = tmp_path / "moved/arms/plain/seed-1"
    same_replies(load(str(unit / "adapter"), "fp32"), unit / "rollouts.jsonl")


@pytest.mark.slow
def test_an_arm_on_a_fully_trained_stage_can_be_loaded(tiny_study: MakeStudy, tmp_path: Path) -> None:
    stage = tiny_study(stage=True).request_stage
    assert stage is not None
    full = stage.model_copy(update={"train": stage.train.model_copy(update={"method": "full"})})
    study = tiny_study(request_stage=full, seeds=(1,), arms={"plain": {}}, about={}, compare=())
    run(study, tmp_path / "out")
    unit = tmp_path / "out/arms/plain/seed-1"
    same_replies(load(str(unit / "adapter"), "fp32"), unit / "rollouts.jsonl")


@pytest.mark.slow
def test_an_adapter_is_a_model_to_go_on_from(finished: Finished, tiny_study: MakeStudy, tmp_path: Path) -> None:
    start = finished.out / "arms/plain/seed-1/adapter"
    study = tiny_study(seeds=(1,), arms={"untrained": {"train.epochs": 0}, "plain": {}}, about={}, compare=())
    run(study.model_copy(update={"model": str(start)}), tmp_path / "out")
    unit = tmp_path / "out/arms/plain/seed-1"
    same_replies(load(str(unit / "adapter"), "fp32"), unit / "rollouts.jsonl")
    came = [r["reply"] for r in rows_of(tmp_path / "out/arms/untrained/seed-1/rollouts.jsonl")]
    assert came == [r["reply"] for r in rows_of(finished.out / "arms/plain/seed-1/rollouts.jsonl")]


# The command line.


@pytest.mark.slow
def test_model_folder_on_the_command_line(
    openwindow: Callable[..., Ran],
    tiny_model: Path,
    study_file: Callable[[Path, Study], Path],
    tmp_path: Path,
) -> None:
    study = study_file(tmp_path, make_study("no/such-model"))
    out = tmp_path / "out"
    ran = openwindow("run", study, "--model", tiny_model, "--quick", "--seeds", "1", "--out", out, "--json")
    assert ran.code == 0, ran.err
    results = json.loads(ran.out)
    assert results["model"] == str(tiny_model) and results["seeds"] == [1]
    assert results["arms"]["plain"]["measures"]["hack"]["neutral"]["n"] == 2
    again = openwindow("report", out)
    assert again.code == 0 and again.err == ""
    assert "Comparisons named before the run" in again.out and str(out / "report.html") in again.out.replace("\n", "")
    assert json.loads((out / "results.json").read_text(encoding="utf-8")) == results
    assert openwindow("run", study, "--model", tiny_model, "--quick", "--seeds", "1", "--out", out).code == 0


def test_list_names_what_is_there(openwindow: Callable[..., Ran]) -> None:
    found = json.loads(openwindow("list", "--json").out)
    assert {"studies", "environments", "interventions", "evals", "models"} == set(found)
    assert "quickstart" in found["studies"] and "inoculation" in found["interventions"]
    assert "quickstart" in openwindow("list").out
