"""Starts TRL's processes, talks to the first of them, and ends them.

    FOLDER/job.json          what is to be done
    FOLDER/accelerate.yaml   how many processes, where the user gave no file
    FOLDER/output.log        what the processes print

Messages are lines of JSON over a Unix socket in a folder that only this user can enter. Whichever side ends, the other notices:
the socket is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

import openwindow
from openwindow.errors import ConfigError, RunError
from openwindow.files.writing import storing
from openwindow.models.hf import LocalModel
from openwindow.training.trl_engine.options import Launch

WORKER = "openwindow.training.trl_engine.worker"
_LOOK = 0.5  # seconds between two looks at whether the processes still run
_GRACE = 10  # seconds in which they may end by themselves


class Line:
    """One end of the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rwb")

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends one message. Raises OSError if the other end is gone."""
        self._file.write(json.dumps(message).encode() + b"\n")
        self._file.flush()

    def receive(self) -> dict[str, Any] | None:
        """The next message; None once the other end is closed."""
        line = self._file.readline()
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Hangs up."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._connection.close()


class Processes:
    """TRL's processes on one job, as a context manager: they run within the block and never after it."""

    def __init__(self, launch: Launch, folder: Path, job: Mapping[str, Any], model: LocalModel) -> None:
        """`folder` is theirs; `job` what `worker` expects beside what is known here. Raises StorageError."""
        self.folder = folder
        self._launch = launch
        self._device = model.device
        self._scratch = Path(tempfile.mkdtemp(prefix="openwindow-"))  # a socket's path has at most 107 bytes
        self._line: Line | None = None
        self._process: subprocess.Popen[bytes] | None = None
        known = {
            "source": model.source,
            "name": model.name,
            "precision": model.precision,
            "under": [str(path) for path in launch.under],
            "socket": str(self._scratch / "line"),
            "vllm": launch.options.vllm,
            "arguments": dict(launch.options.arguments),
        }
        with storing(folder):
            (folder / "job.json").write_text(json.dumps(known | dict(job)), encoding="utf-8")

    def __enter__(self) -> Processes:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._scratch / "line"))
        self._listening.listen(1)
        self._listening.settimeout(_LOOK)
        with storing(self.folder), (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,  # so that they can be ended together, and a key pressed here ends them only through here
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._line is not None:
            self._line.close()
        self._listening.close()
        self._end()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the first process says, until it has done its job. Raises ConfigError for what it refuses, RunError if it fails."""
        connection = self._accepted()
        connection.settimeout(None)
        self._line = Line(connection)
        finished = False
        while (message := self._line.receive()) is not None:
            if message["kind"] == "refused":
                raise ConfigError(message["why"])
            if message["kind"] == "finished":
                finished = True
                break
            yield message
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE if finished else 10 * _GRACE)
        if not finished:
            raise self._failed()

    def answer(self, message: Mapping[str, Any]) -> None:
        """Answers the last message; a process that is gone is noticed with the next one."""
        assert self._line is not None
        with contextlib.suppress(OSError):
            self._line.send(message)

    def _accepted(self) -> socket.socket:
        assert self._process is not None
        while True:
            try:
                return self._listening.accept()[0]
            except TimeoutError:
                if self._process.poll() is not None:
                    raise self._failed() from None

    def _failed(self) -> RunError:
        log = self.folder / "output.log"
        code = None if self._process is None else self._process.poll()
        return RunError(
            f"TRL's processes ended early (exit status {'unknown' if code is None else code}): {_last_error(log)}; expected them "
            f"to train to the end; see {log}, then give the same command again"
        )

    def _end(self) -> None:
        if self._process is None:
            return
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
                if how == signal.SIGTERM and _alive(self._process.pid):
                    continue
                return

    def _command(self) -> list[str]:
        options = self._launch.options
        config = options.accelerate
        if config is None:
            config = self.folder / "accelerate.yaml"
            with storing(self.folder):
                config.write_text(json.dumps(_plain(options.world(), self._device.type == "cpu")), encoding="utf-8")
        many = [] if options.processes is None else ["--num_processes", str(options.processes)]
        job = str(self.folder / "job.json")
        return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), *many, "-m", WORKER, job]

    def _environment(self) -> dict[str, str]:
        root = str(Path(openwindow.__file__).resolve().parent.parent)
        known = {**os.environ, "TRL_EXPERIMENTAL_SILENCE": "1", "TOKENIZERS_PARALLELISM": "false"}
        known["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        if self._device.type == "cpu":
            known["ACCELERATE_USE_CPU"] = "true"
        elif self._launch.options.world() == 1 and "CUDA_VISIBLE_DEVICES" not in known:
            known["CUDA_VISIBLE_DEVICES"] = str(self._device.index or 0)  # with several in sight TRL refuses one process
        return known


@contextlib.contextmanager
def aside(model: LocalModel) -> Iterator[None]:
    """The model off its GPU while others train there; back at the end."""
    device = model.device
    if device.type == "cpu":
        yield
        return
    model.network.to("cpu")
    torch.cuda.empty_cache()
    try:
        yield
    finally:
        model.network.to(device)


def hand_over(model: LocalModel, folder: Path) -> str | None:
    """Saves the adapter that is to be trained into `folder`; None where all weights are trained."""
    if not model.adapted:
        return None
    with storing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        model.save(folder, [])
    return str(folder)


def take_back(model: LocalModel, folder: Path) -> None:
    """Gives the model what TRL has saved in `folder`, in place of the adapter that it was handed, or of all weights."""
    if model.adapted:
        model.detach_adapter(merge=False)
        model.attach_saved_adapter(folder)
    else:
        model.load_weights(folder)
    model.network.requires_grad_(False).eval()


def _plain(processes: int, on_cpu: bool) -> dict[str, Any]:
    """The configuration of processes on this machine; JSON is YAML."""
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU" if processes > 1 else "NO",  # on CPUs as well: torchrun starts them, gloo connects them
        "num_processes": processes,
        "num_machines": 1,
        "machine_rank": 0,
        "mixed_precision": "no",
        "use_cpu": on_cpu,
    }


def _alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _last_error(log: Path) -> str:
    """The last line that looks like an exception's, at most 300 characters of it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace")[-100_000:].splitlines()
    except OSError:
        return "no output"
    own = [line.split(": ", 1)[-1] if line.startswith("[rank") else line for line in lines]
    errors = [line for line in own if line.partition(":")[0].endswith(("Error", "Exception", "Interrupt")) and ":" in line]
    told = [line for line in errors if not line.startswith(("subprocess.CalledProcessError", "torch.distributed.elastic"))]
    return (told or errors or [line for line in lines if line.strip()] or ["no output"])[-1].strip()[:300]
