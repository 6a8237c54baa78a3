"""The run folder: the only interface between running and reporting.

    DIR/config.json            the resolved study
    DIR/provenance.json        commit, package versions, machine, command
    DIR/code.diff              uncommitted changes, if there were any
    DIR/status.json            running, done, interrupted, failed or unfinished
    DIR/.claims/               which process has which unit, while any is at work
    DIR/metrics.jsonl          one line per optimiser step
    DIR/rollouts.jsonl         one line per rollout of the arms, `stage` training or test; the numbers count those of `test`
    DIR/safety/MIX.json        what a mix of safety training has in common with the study's evals
    DIR/start/...              what the model did before any arm, and the stages before all arms, trained once with the first seed
                               or, in folders of their own, once per seed
    DIR/arms/ARM/seed-S/       train_rows.jsonl or training.jsonl, metrics.jsonl, rollouts.jsonl, adapter/, done.json
    DIR/.../evals/             evals.jsonl, probes.jsonl, logs/, done.json: answers to the study's evals
    DIR/costs/UNIT.json        tokens and dollars of judges and of the models that evals asked, also of attempts that were stopped
    DIR/results.json           estimates, comparisons, verdict
    DIR/report.html            the same for people

Every unit of work is written to a scratch folder and moved into place when it is complete, so a run that was killed at any
moment resumes from its last finished unit. Several processes may run parts of one study into one folder: each claims a unit before
it writes it (`files/claims.py`), and what belongs to all of them is changed by one at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from openwindow.errors import ConfigError, DataError, RunError
from openwindow.evals.costs import counting
from openwindow.evals.judged import remembering
from openwindow.files.bounded import load_json, usable
from openwindow.files.claims import NAME as CLAIMS
from openwindow.files.claims import Claims, Holder
from openwindow.files.kept import refuse_kept
from openwindow.files.locking import NAME as LOCK
from openwindow.files.locking import Lock
from openwindow.files.run_files import damage, in_units, read_json, rows_in
from openwindow.files.writing import storing, write_json, write_jsonl
from openwindow.progress import Reporter

ROWS, PROBES = "evals.jsonl", "probes.jsonl"
"""what an evals folder holds: a row per reply and a row per probe"""
COSTS = "costs"
WHOLE = "run"
"""the claim of whoever changes what belongs to all units: configuration, provenance, start/summary.json, results and report"""
FIRST_POLL, LAST_POLL = 0.1, 5.0
"""seconds between two looks at what another process is doing, at first and in the end"""
SILENT = 2.0
"""seconds of waiting of which nothing is said"""


def unit_of(arm: str, seed: int) -> str:
    """The folder of one arm at one seed, relative to the run folder."""
    return f"arms/{arm}/seed-{seed}"


class Waiting:
    """Pauses between looks at what another process is doing, ever longer ones, and shows what is waited for."""

    def __init__(self, reporter: Reporter | None) -> None:
        self.reporter = reporter
        self._shown = contextlib.ExitStack()
        self.over()

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over()

    def over(self) -> None:
        """What was waited for is there."""
        self._shown.close()
        self._said, self._pause, self._began = "", FIRST_POLL, time.monotonic()

    def pause(self, what: str) -> None:
        """Waits a little for `what`, which is shown once it has taken two seconds."""
        if self.reporter is not None and what != self._said and time.monotonic() - self._began > SILENT:
            self._shown.close()
            self._said = what
            self.reporter.say(f"  {what}")
            self._shown.enter_context(self.reporter.step(what, 1))
        time.sleep(self._pause)
        self._pause = min(LAST_POLL, 1.5 * self._pause)


class RunFolder:
    """One run on disk; from `open` until `close` (or the end of the process) nobody else can open it, unless both share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.claims = Claims(path / CLAIMS)
        self._reporter: Reporter | None = None
        self._lock: Lock | None = None
        self._damage: dict[str, str | None] = {}

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def report_to(self, reporter: Reporter) -> None:
        """From now on `reporter` shows what is waited for, and tells others who wait for this process what it is doing."""
        self._reporter = reporter
        self.claims.doing = lambda: reporter.doing  # without a reference to this object, whose end ends its lock

    def close(self) -> None:
        """Lets others open the folder."""
        self.claims.tidy()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def open(self, config: Mapping[str, Any], provenance: Mapping[str, Any], *, overwrite: bool, shared: bool = False) -> bool:
        """Starts the run, or resumes the same one; True if it was there before. If `shared`, others may open the same run too.

        Another run that has finished nothing is replaced. Raises ConfigError if the folder holds another run or anything else, or
        is in use, StorageError if it cannot be written.
        """
        wanted = json.loads(json.dumps(config))
        self._existing(wanted, overwrite)  # a folder that is refused is not written to, not even for the lock
        if not shared:
            if self._lock is None:
                self._check_alone()
                self._lock = Lock(self.path)
            return self._opened(wanted, provenance, overwrite)
        if (self.path / LOCK).exists():
            Lock(self.path).release()  # refused while somebody has the folder for themselves
        with self.turn(WHOLE):
            return self._opened(wanted, provenance, overwrite)

    def _opened(self, wanted: dict[str, Any], provenance: Mapping[str, Any], overwrite: bool) -> bool:
        existing = self._existing(wanted, overwrite)  # the one who held it until now may have changed it
        if overwrite and existing is not None:
            self._check_alone()
            self._empty()
            existing = None
        if existing is not None:
            if existing == wanted:
                if self._lock is not None:
                    self.drop_scratch()
                return True
            self._check_alone()
            self.drop_scratch()
            shutil.rmtree(self.path / "checkpoints", ignore_errors=True)  # else an arm would resume from the other run's state
        write_json(self.path / "config.json", wanted)
        write_json(self.path / "provenance.json", {k: v for k, v in provenance.items() if k != "diff"})
        if provenance.get("diff"):
            with storing(self.path):
                (self.path / "code.diff").write_text(str(provenance["diff"]), encoding="utf-8")
        return False

    def _check_alone(self) -> None:
        """Raises ConfigError if another process is at work in the folder."""
        if others := self.claims.others():
            raise ConfigError(
                f"{self.path} is being written by {others[0]}, which has {others[0].name}; expected nobody else, since this is "
                "another run or deletes it; wait until it has ended, or choose another --out"
            )

    @contextlib.contextmanager
    def turn(self, name: str, finished: Callable[[], bool] = bool) -> Iterator[bool]:
        """Claims `name` for the block, after waiting for whoever has it; gives False, without a claim, once it is finished."""
        with Waiting(self._reporter) as waiting:
            while not finished():
                with self.claims.attempt(name) as holder:
                    if holder is None:
                        waiting.over()
                        self._damage.pop(name, None)  # another may have made it again
                        yield not finished()
                        return
                waiting.pause(f"waiting for {name}, which {holder} has")
        yield False

    def attempt(self, name: str) -> contextlib.AbstractContextManager[Holder | None]:
        """As `Claims.attempt`: None while this process has the claim."""
        self._damage.pop(name, None)
        return self.claims.attempt(name)

    def status(self, state: str, message: str = "") -> None:
        """Records the state of the run: running, done, interrupted, failed, or unfinished after a part of it."""
        write_json(self.path / "status.json", {"state": state, "message": message})

    def resolved(self, found: Mapping[str, str]) -> None:
        """Records in provenance.json what the machine decided, such as the precision and device that `auto` resolved to.

        Raises ConfigError if the folder was run with others before.
        """
        if read_json(self.path / "provenance.json").get("resolved") != dict(found):
            with self.turn(WHOLE):
                self._resolve(found)

    def _resolve(self, found: Mapping[str, str]) -> None:
        noted = read_json(self.path / "provenance.json")
        before = noted.get("resolved")
        if before == dict(found):
            return
        if before and (any(self.path.glob("*/**/done.json")) or any(self.path.glob("checkpoints/**/*"))):
            was, now = (", ".join(f"{name} {value}" for name, value in these.items()) for these in (before, found))
            raise ConfigError(
                f"{self.path} was begun with {was}, and would resume with {now}; expected the same for all arms; resume where it "
                "was begun, or choose another --out"
            )
        write_json(self.path / "provenance.json", noted | {"resolved": dict(found)})

    def is_done(self, unit: str) -> bool:
        """Whether a cell such as `arms/clean/seed-1` is finished and everything in it can be read."""
        if not (self.path / unit / "done.json").is_file():
            return False
        if unit not in self._damage:
            self._damage[unit] = damage(self.path / unit)
        return self._damage[unit] is None

    def damaged(self, units: Collection[str] | None = None) -> dict[str, str]:
        """The cells that had been finished and no longer are, each with what cannot be read: all, or some units and their evals."""
        if units is None:
            done = in_units(self.path, "done.json")
        else:
            done = [
                path for unit in units for depth in ("", "evals*/") for path in sorted(self.path.glob(f"{unit}/{depth}done.json"))
            ]
        there = [path.parent.relative_to(self.path).as_posix() for path in done]
        return {unit: str(self._damage[unit]) for unit in there if not self.is_done(unit) and unit in self._damage}

    @contextlib.contextmanager
    def asking(self, unit: str) -> Iterator[None]:
        """Counts what the block spends on asking models for a cell, and keeps what a judge says until the cell is finished."""
        with counting(self.path / COSTS / f"{unit}.json"), remembering(self.path / "checkpoints" / "judged" / f"{unit}.jsonl"):
            yield

    def done(self, unit: str) -> dict[str, Any]:
        """The done.json of a finished cell."""
        return read_json(self.path / unit / "done.json")

    @contextlib.contextmanager
    def unit(self, unit: str) -> Iterator[Path]:
        """A scratch folder for one cell, moved into place if the block succeeds, deleted if it does not.

        Raises RunError if somebody replaced the folder; its content is then not taken for the cell's.
        """
        target = self.path / unit
        scratch = target.with_name(f".{target.name}.partial")
        with storing(target):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            made = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # an open folder's inode number is not reused
        try:
            yield scratch
            if not _same(scratch, made):
                raise RunError(
                    f"{scratch} was removed or replaced while it was written; expected no other process to change {self.path}; see "
                    "what does, then run the same command again: what is finished is kept"
                )
            with storing(target):
                shutil.rmtree(target, ignore_errors=True)
                scratch.rename(target)
            self._damage.pop(unit, None)
        finally:
            if _same(scratch, made):
                shutil.rmtree(scratch, ignore_errors=True)
            os.close(made)

    def gather(self) -> None:
        """Rebuilds metrics.jsonl (start and arms) and rollouts.jsonl (arms) from the cells, in a fixed order.

        What is damaged is left out.
        """
        parts = in_units(self.path, "metrics.jsonl")
        write_jsonl(self.path / "metrics.jsonl", (row for part in parts for row in rows_in(part)))
        stages = [
            (stage, unit / file)
            for unit in sorted(self.path.glob("arms/*/seed-*"))
            for stage, file in (("training", "training.jsonl"), ("test", "rollouts.jsonl"))
            if (unit / file).is_file()
        ]
        write_jsonl(self.path / "rollouts.jsonl", ({"stage": stage, **row} for stage, part in stages for row in rows_in(part)))

    def _existing(self, wanted: Mapping[str, Any], overwrite: bool) -> dict[str, Any] | None:
        """The configuration of the run in the folder, or None. Raises ConfigError if the folder must not be touched."""
        usable(self.path)
        refuse_kept(self.path, "or an empty one to run in")
        existing = self._existing_config()
        if existing is None:
            if self.path.is_dir() and any(
                path.name not in (LOCK, CLAIMS) and not path.name.startswith(".config.json.") for path in self.path.iterdir()
            ):
                raise ConfigError(f"{self.path} is not empty and holds no run; expected an empty folder; choose another --out")
        elif not overwrite and existing != wanted and any(self.path.glob("*/**/done.json")):
            raise ConfigError(
                f"{self.path} already holds another run ({_first_difference(existing, wanted)}); expected an empty "
                "folder or the same run; choose another --out, or give --overwrite to delete it"
            )
        return existing

    def _empty(self) -> None:
        """Deletes everything in the folder except its lock; the configuration last, since until then the run can be resumed."""
        with storing(self.path):
            for path in sorted(self.path.iterdir(), key=lambda path: path.name == "config.json"):
                if path.is_dir() and not path.is_symlink():
                    if path.name != CLAIMS:
                        shutil.rmtree(path)
                elif path.name != LOCK:
                    path.unlink()

    def _existing_config(self) -> dict[str, Any] | None:
        path = self.path / "config.json"
        if not os.path.lexists(path):
            return None
        try:
            loaded: dict[str, Any] = load_json(path)
        except DataError as error:
            raise ConfigError(f"{error}: not a run's configuration that can be read; choose another --out") from error
        if not isinstance(loaded, dict) or "study_config" not in loaded:
            raise ConfigError(f"{path} is not of a run; expected an empty folder or a run; choose another --out")
        return loaded

    def drop_scratch(self) -> None:
        """Deletes what killed processes left unfinished; nobody else may be at work."""
        self.claims.forget_dead()
        for partial in [*self.path.glob("**/.*.partial")]:
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)


def _same(path: Path, made: int) -> bool:
    """Whether the folder at the path is the one that was made, which is open as `made`."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(made))
    except OSError:
        return False


def _first_difference(a: Any, b: Any, where: str = "") -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(k for k in b if k not in a)]:
            if a.get(key) != b.get(key):
                return _first_difference(a.get(key), b.get(key), f"{where}.{key}" if where else key)
    return f"its {where} is {json.dumps(a)[:60]}, not {json.dumps(b)[:60]}"
