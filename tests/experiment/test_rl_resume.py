"""A reinforcement that is stopped at any moment goes on as if it never had been, and no finished training is done twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny_runs import make_rl_study, outcome, rows_of, run, wait_for

from openwindow.environments.toy.letter_count import LetterCount
from openwindow.environments.verdicts import Verdict
from openwindow.errors import RunError
from openwindow.experiment import execution, reinforcing
from openwindow.experiment.arms import RLArm
from openwindow.experiment.evaluate import Evaluator
from openwindow.experiment.study import Study
from openwindow.training import checkpoint
from openwindow.training.config import GRPO

TESTS = Path(__file__).parents[1]
KEPT, UNIT = "checkpoints/first/seed-1", "arms/first/seed-1"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def stop_at(patch: pytest.MonkeyPatch, point: str, stop: Callable[[], Any]) -> None:
    """Calls `stop` at a point of the run after the arm `first` was trained, and lets a random model earn something."""
    patch.setattr(LetterCount, "_verdict", lambda self, problem, reply: Verdict(len(reply) % 2 == 0, len(reply) % 4 == 0, ()))
    measure, discard, rmtree = Evaluator.measure, checkpoint.discard, shutil.rmtree

    def measuring(*given: Any, **named: Any) -> Any:
        if named["arm"] == "first":
            stop()
        return measure(*given, **named)

    def discarding(folder: Path) -> None:
        if folder.is_dir() and folder.match(KEPT):
            stop()
        discard(folder)

    def deleting(path: Path, **named: Any) -> None:
        if Path(path).is_dir() and Path(path).match("checkpoints/first/.seed-1.partial"):
            for name in ("metrics.jsonl", "training.jsonl"):
                (Path(path) / name).unlink()
            stop()
        rmtree(path, **named)

    if point == "measuring":
        patch.setattr(Evaluator, "measure", measuring)
    elif point == "the unit is in place":
        patch.setattr(execution, "discard", discarding)
    elif point == "deleting":
        patch.setattr(shutil, "rmtree", deleting)


def in_a_process(point: str, file: str, out: str, marker: str) -> None:
    """`openwindow run FILE --out OUT`, which waits at the point for its end."""
    import torch

    from openwindow.cli.app import main

    def wait() -> None:
        Path(marker).touch()
        time.sleep(600)

    torch.set_num_threads(1)
    stop_at(pytest.MonkeyPatch(), point, wait)
    sys.argv = ["openwindow", "run", file, "--out", out]
    main()


@pytest.fixture(scope="module")
def study(tiny_model: Path) -> Study:
    """Two arms, of which the second goes on from the middle of the first."""
    train = GRPO(steps=4, prompts_per_step=2, group_size=3, max_new_tokens=4, lora_rank=4, checkpoint_every=2, learning_rate=1e-2)
    return make_rl_study(
        tiny_model,
        name="resumed",
        base=RLArm(problems=8, train=train),
        arms={"first": {}, "second": {"fork": {"arm": "first", "step": 2}}},
    )


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the run that was never stopped left."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, "never", lambda: None)
        run(study, out)
    found = outcome(out)
    assert [m["step"] for m in found[f"{UNIT}/metrics.jsonl"]] == [1, 2, 3, 4]
    assert any(m["train/grad_norm"] > 0 for m in found[f"{UNIT}/metrics.jsonl"])
    return found


def resumed(study: Study, out: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """Runs on to the end; the arms of which steps were done once more."""
    patch.undo()
    stop_at(patch, "never", lambda: None)
    real, steps = reinforcing.append_jsonl, []

    def append(path: Path, rows: Any) -> None:
        real(path, rows)
        steps.extend(f"{row['arm']} {row['step']}" for row in rows if path.name == "metrics.jsonl")

    patch.setattr(reinforcing, "append_jsonl", append)
    run(study, out)
    assert not list((out / "checkpoints").glob("*/*"))
    assert [str(p) for p in out.rglob(".*")] == []
    return steps


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("point", ["measuring", "the unit is in place", "deleting"])
def test_a_trained_arm_is_not_trained_again(
    study: Study, whole: dict[str, Any], tmp_path: Path, patch: pytest.MonkeyPatch, point: str
) -> None:
    stop_at(patch, point, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "out")
    assert (tmp_path / "out" / KEPT / "state.pt").is_file() == (point != "deleting")
    assert (tmp_path / "out" / UNIT / "done.json").is_file() == (point != "measuring")
    assert resumed(study, tmp_path / "out", patch) == ["second 3", "second 4"]
    assert outcome(tmp_path / "out") == whole


@pytest.mark.parametrize("point", ["measuring", "deleting"])
def test_a_killed_run_goes_on(
    study: Study,
    whole: dict[str, Any],
    study_file: Callable[[Path, Study], Path],
    tmp_path: Path,
    patch: pytest.MonkeyPatch,
    point: str,
) -> None:
    out, marker = tmp_path / "out", tmp_path / "marker"
    said = [point, str(study_file(tmp_path, study)), str(out), str(marker)]
    process = subprocess.Popen(
        [sys.executable, "-c", f"import test_rl_resume; test_rl_resume.in_a_process(*{said!r})"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS), str(TESTS / "experiment")]),
            "OMP_NUM_THREADS": "1",
        },
    )
    with process:
        wait_for(lambda: marker.exists() or process.poll() is not None, 300)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers), 30)
    assert resumed(study, out, patch) == ["second 3", "second 4"]
    assert outcome(out) == whole


@pytest.mark.parametrize("place", [1, 2])
def test_a_stop_while_the_logs_are_cut_loses_no_line(
    study: Study, whole: dict[str, Any], tmp_path: Path, patch: pytest.MonkeyPatch, place: int
) -> None:
    """Stopped in the third step, and once more while what that step left is taken out of the logs."""
    out = tmp_path / "out"
    stop_at(patch, "never", interrupt)
    real, written = reinforcing.append_jsonl, []

    def append(path: Path, rows: Any) -> None:
        real(path, rows)
        written.append(path)
        if len(written) == 6:
            interrupt()

    patch.setattr(reinforcing, "append_jsonl", append)
    with pytest.raises(KeyboardInterrupt):
        run(study, out)
    patch.setattr(reinforcing, "append_jsonl", real)
    cut, calls = reinforcing.write_jsonl, []

    def cutting(path: Path, rows: Any) -> None:
        calls.append(path)
        cut(path, (row if len(calls) < place or n < 1 else interrupt() for n, row in enumerate(rows)))

    patch.setattr(reinforcing, "write_jsonl", cutting)
    with pytest.raises(KeyboardInterrupt):
        run(study, out)
    assert len(calls) == place and len(rows_of(calls[-1])) > 2
    assert resumed(study, out, patch) == ["first 3", "first 4", "second 3", "second 4"]
    assert outcome(out) == whole


@pytest.mark.parametrize("name", ["metrics.jsonl", "training.jsonl"])
def test_a_training_whose_log_is_lost_is_refused(study: Study, tmp_path: Path, patch: pytest.MonkeyPatch, name: str) -> None:
    stop_at(patch, "measuring", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / KEPT / "trained")  # as if it had been stopped a moment before, at the end of its training
    (tmp_path / "out" / KEPT / name).unlink()
    with pytest.raises(
        RunError, match=rf"{name} has no line of step 1, yet .* at step 4; .*; delete .*{KEPT} to train again"
    ) as refused:
        run(study, tmp_path / "out")
    assert "\n" not in str(refused.value)
