"""The parts of a study as tasks of a Ray cluster: each where there is room, started again where its machine is lost.

The tasks write one run folder, which all machines see, as any other processes that share one (`run_folder.py`): so a part that is
started again goes on from the checkpoint that the lost one left, and what is finished is not run again. Ray knows which part needs
which, and starts none before. No part is ever stopped for what it has found so far, since that would bias the study.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openwindow.errors import ConfigError, OpenWindowError, RunError
from openwindow.experiment.evals import start_left
from openwindow.experiment.parts import Part, needs, start_seed
from openwindow.experiment.run_folder import RunFolder, unit_of
from openwindow.experiment.start_units import is_trained
from openwindow.experiment.step_tests import is_finished
from openwindow.experiment.study import Study
from openwindow.progress import Reporter

NEEDS_RAY = 'Ray is not installed; expected the packages of the extra `ray`: pip install "openwindow[ray]"'
RETRIES = 10
"""how often a part is started again after its worker or machine was lost"""
CLAIM = "cluster"
"""what the process that watches over the tasks claims, so that none of them takes itself for the last"""
_ADDRESS = re.compile(r"auto|local|(?:ray://)?(\[[0-9A-Fa-f:]+\]|[\w.-]+):(\d{1,5})")
_ANSWER = 15.0  # seconds to wait for a sign of a server
_LOOK = 2.0  # seconds between two looks at what the tasks are doing
# An HTTP/2 client's first words, as gRPC has them: a server answers with its settings.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))

Run = Callable[[Part], None]
Failure = tuple[str, int] | None  # what is said of it, and the exit code


@dataclass(frozen=True, slots=True)
class Job:
    """A part that is one task, and the jobs that must be over before it starts."""

    name: str
    part: Part
    after: tuple[str, ...] = ()


def jobs_of(study: Study, folder: RunFolder, part: Part) -> list[Job]:
    """What is left of the part, in an order that can be run: the stages before the arms of each start, then each arm and seed."""
    starts = {
        seed: Job(f"start, seed {seed}", Part((), (seed,)))
        for seed in part.start_seeds(study)
        if not is_trained(study, folder, seed) or start_left(study, folder, seed)
    }
    jobs = [*starts.values()]
    for arm, seed in part.units:
        if is_finished(study, folder, arm, seed):
            continue
        before = [starts[first].name] if (first := start_seed(study, seed)) in starts else []
        inside = [unit for unit in needs(study, arm, seed) if unit in {job.name for job in jobs}]
        jobs.append(Job(unit_of(arm, seed), Part((arm,), (seed,)), (*before, *inside)))
    return jobs


def run_jobs(jobs: Sequence[Job], run: Run, folder: RunFolder, reporter: Reporter, address: str | None, gpus: float | None) -> None:
    """Runs each job by `run`, which is pickled, on a cluster, and shows in one place what all of them are doing.

    `address` is that of the cluster; None is what `RAY_ADDRESS` names, a cluster on this machine, or this machine alone. `gpus` are
    those for each job; None is one where the cluster has any. Raises ConfigError, also for an address that does not answer; and for
    jobs that failed, after all others have ended, RunError, or ConfigError where the user can fix it.
    """
    with connected(address) as ray, folder.attempt(CLAIM) as holder:
        if holder is not None:
            raise ConfigError(f"{folder.path} is being written by {holder}; expected one --ray at a time; wait until it has ended")
        here = ray.cluster_resources()
        each = float(here.get("GPU", 0) > 0) if gpus is None else gpus
        if each > here.get("GPU", 0):
            reporter.say(f"  each arm asks for {each:g} GPUs, and the cluster has {here.get('GPU', 0):g} now: they wait for more")
        task = ray.remote(num_cpus=1, num_gpus=each, max_retries=RETRIES)(_task)
        tasks: dict[str, Any] = {}
        for job in jobs:
            tasks[job.name] = task.options(name=job.name).remote(run, job, *(tasks[name] for name in job.after))
        failed = _watched(ray, tasks, folder, reporter)
    if failed:
        name, (said, code) = next(iter(failed.items()))
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        kind = ConfigError if code == ConfigError.exit_code else RunError
        raise kind(f"{name}: {said}{more}")


def _task(run: Run, job: Job, *before: Failure) -> Failure:
    """What a worker does. What a user can fix comes back as a value, since not every error survives being pickled."""
    if any(before):
        return "not run, since what it needs failed", RunError.exit_code
    try:
        run(job.part)
    except OpenWindowError as error:
        return str(error), error.exit_code
    return None


def _watched(ray: Any, tasks: Mapping[str, Any], folder: RunFolder, reporter: Reporter) -> dict[str, tuple[str, int]]:
    """Waits for all tasks and shows how far they are; those that failed, the causes before what follows from them."""
    names = {ref: name for name, ref in tasks.items()}
    failed: dict[str, tuple[str, int]] = {}
    left = list(names)
    try:
        with reporter.step("arms on the cluster", len(left)) as advance:
            while left:
                done, left = ray.wait(left, num_returns=len(left), timeout=_LOOK)
                for ref in done:
                    if (failure := _outcome(ray, ref)) is not None:
                        failed[names[ref]] = failure
                    reporter.say(f"  {names[ref]}: {'finished' if failure is None else failure[0]}")
                    advance(1)
                reporter.beside({holder.name: holder.doing for holder in folder.claims.others()})
    finally:
        reporter.beside({})
        for ref in left:
            ray.cancel(ref, force=True)
    return failed


def _outcome(ray: Any, ref: Any) -> Failure:
    try:
        found: Failure = ray.get(ref)
        return found
    except ray.exceptions.RayError as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        return lines[-1].strip()[:300], RunError.exit_code


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module `ray` while it is connected to a cluster. Raises ConfigError."""
    import ray

    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, namespace="openwindow")
    except Exception as error:  # Ray raises what it likes: ConnectionError, RuntimeError, ValueError, AssertionError
        said = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise ConfigError(
            f"--ray {address or ''}: Ray cannot be reached or started ({said}); expected a cluster that this machine is part of; "
            "start one with `ray start --head`, or give its address"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_cluster(address: str | None) -> None:
    """Raises ConfigError where Ray is not installed, for what is no address, or where nothing answers in a quarter of a minute."""
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise ConfigError(NEEDS_RAY) from error
    if named := address or os.environ.get("RAY_ADDRESS"):
        _check_address(named)


def _check_address(address: str) -> None:
    fits = _ADDRESS.fullmatch(address)
    if fits is None or int(fits[2] or 0) >= 2**16:
        raise ConfigError(
            f"--ray is {address[:80]!r}; expected HOST:PORT of a cluster's head, or ray://HOST:PORT; give that, or --ray alone"
        )
    if fits[1] is None:
        return
    found: list[str] = []
    asking = threading.Thread(target=_ask, args=(fits[1].strip("[]"), int(fits[2]), found), daemon=True)
    asking.start()
    asking.join(_ANSWER)  # a name server may take longer than any time limit of a socket
    if found != [""]:
        raise ConfigError(
            f"--ray {address} does not answer ({found[0] if found else f'nothing in {_ANSWER:.0f} s'}); expected the head of a Ray "
            "cluster; start one with `ray start --head`, or give --ray alone to use this machine"
        )


def _ask(host: str, port: int, found: list[str]) -> None:
    """Adds an empty text if a server that speaks Ray's protocol answers, else why not."""
    until = time.monotonic() + _ANSWER
    try:
        with socket.create_connection((host, port), timeout=_ANSWER) as server:
            server.sendall(_HELLO)
            server.settimeout(max(0.1, until - time.monotonic()))
            answer = server.recv(9)
            found.append("" if len(answer) > 3 and answer[3] == 4 else "it is no Ray cluster")
    except (OSError, OverflowError, UnicodeError) as error:
        found.append(str(error) or "nothing")
