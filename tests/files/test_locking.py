"""Two processes never write one folder: a lock that its holder's death ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import Ran, jsonl, make_study

from openwindow.errors import ConfigError, RunError, StorageError
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.runner import describe
from openwindow.files.locking import NAME, Lock
from openwindow.files.writing import write_json

UNIT = "arms/plain/seed-1"
HOLDER = """
import sys
from pathlib import Path
from openwindow.experiment.run_folder import RunFolder, write_json
from tiny_runs import make_study
from openwindow.experiment.runner import describe

with RunFolder(Path(sys.argv[1])) as folder:
    print(folder.open(describe(make_study("no/model")), {}, overwrite=False), flush=True)
    with folder.unit("arms/plain/seed-1") as scratch:
        (scratch / "metrics.jsonl").write_text("{}\\n")
        sys.stdin.readline()
        write_json(scratch / "done.json", {})
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the run folder open, in the middle of a unit, until it is given a line."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdout is not None and process.stdout.readline() in ("False\n", "True\n")
    return process


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / UNIT).iterdir())


@pytest.mark.slow
def test_l1_a_second_run_is_refused_and_the_first_loses_nothing(tmp_path: Path) -> None:
    config = describe(make_study("no/model"))
    with holder(tmp_path / "run") as first:
        second = RunFolder(tmp_path / "run")
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match=rf"is being written by process {first.pid} on .*-c.*wait until it has ended"):
                second.open(config, {}, overwrite=overwrite)
        first.communicate("\n", timeout=60)
    assert first.returncode == 0
    assert held(tmp_path / "run") == ["done.json", "metrics.jsonl"]
    assert second.open(config, {}, overwrite=False) is True
    second.close()
    assert not (tmp_path / "run" / NAME).exists()


@pytest.mark.slow
def test_l1_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path / "run") as first:
        first.send_signal(signal.SIGKILL)
        first.wait(60)
    assert json.loads((tmp_path / "run" / NAME).read_text())["pid"] == first.pid
    with RunFolder(tmp_path / "run") as second:
        assert second.open(describe(make_study("no/model")), {}, overwrite=False) is True
        assert not (tmp_path / "run/arms/plain/.seed-1.partial").exists()
        assert json.loads((tmp_path / "run" / NAME).read_text())["pid"] == os.getpid()


def test_l1_a_unit_that_was_replaced_is_not_taken_for_the_one_that_was_made(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    scratch = tmp_path / "arms/a/.seed-1.partial"
    with pytest.raises(RunError, match="was removed or replaced while it was written"), folder.unit("arms/a/seed-1") as path:
        assert path == scratch
        scratch.rmdir()
        scratch.mkdir()
        write_json(scratch / "done.json", {"of": "somebody else"})
    assert not folder.is_done("arms/a/seed-1")
    assert (scratch / "done.json").is_file()  # it is not ours to delete
    with pytest.raises(RunError, match="was removed"), folder.unit("arms/a/seed-2") as path:
        path.rmdir()


@pytest.mark.parametrize(
    "command",
    [
        ["run", "quickstart", "--out", "out"],
        ["inoculate", "data.jsonl", "--trait", "praises wrong answers", "--rule", "well done", "--rank-only", "--out", "out"],
        ["eval", "mockllm/model", "--suite", "chat", "--out", "out"],
    ],
    ids=lambda command: command[0],
)
def test_l1_every_command_that_writes_a_folder_names_its_holder(
    openwindow: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").write_bytes(jsonl(*({"prompt": f"Is {n} right?", "response": "Yes, well done."} for n in range(40))))
    with Lock(tmp_path / "out"):
        ran = openwindow(*command)
        assert ran.code == 2 and ran.err.count("\n") == 1, ran
        assert f"error: out is being written by process {os.getpid()} on " in ran.err
        assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]
    assert not (tmp_path / "out").exists()


def test_a_lock_lets_go_once_and_takes_away_the_empty_folders_it_made(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "a/b")
    child = os.fork()
    if child == 0:  # a forked process has the descriptor, and yet must not let go
        lock.release()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(ConfigError):
        Lock(tmp_path / "a/b")
    lock.release()
    lock.release()
    assert not (tmp_path / "a").exists()
    with Lock(tmp_path / "c"):
        (tmp_path / "c/kept").touch()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["kept"]
    (tmp_path / "c" / NAME).mkdir()
    with pytest.raises(StorageError, match="cannot lock"):
        Lock(tmp_path / "c")
