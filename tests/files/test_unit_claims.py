"""Claims: one holder at a time, of any number of processes on any number of machines, and none that is dead."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import wait_for

from openwindow.errors import RunError, StorageError
from openwindow.files import claims
from openwindow.files.claims import Claims, Holder

UNIT = "arms/plain/seed-1"
FORK = multiprocessing.get_context("fork")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def alter(folder: Path, **values: Any) -> None:
    """Changes what the one claim in the folder says."""
    (path,) = folder.iterdir()
    said = json.loads(path.read_bytes())
    path.write_bytes(json.dumps(said | values).encode().ljust(4096))


def left_behind(folder: Path, name: str = UNIT) -> int:
    """The claim of a process that is killed while it holds it; its number."""

    def hold() -> None:
        with Claims(folder).attempt(name):
            os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=hold)
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


def test_one_holds_and_others_are_told_who(tmp_path: Path) -> None:
    mine, other = Claims(tmp_path / "c", lambda: "training plain, 3 of 9"), Claims(tmp_path / "c")
    with mine.attempt(UNIT) as holder:
        assert holder is None and names(tmp_path / "c") == ["arms,plain,seed-1.1"]
        with other.attempt(UNIT) as first:
            assert isinstance(first, Holder)
            assert (first.name, first.pid, first.doing) == (UNIT, os.getpid(), "training plain, 3 of 9")
            assert str(first).startswith(f"process {os.getpid()} on ")
        with other.attempt("arms/plain/seed-2") as second:
            assert second is None
            assert [found.name for found in mine.others()] == ["arms/plain/seed-2"]
            assert [found.name for found in other.others()] == [UNIT]
    assert names(tmp_path / "c") == []
    mine.tidy()
    assert not (tmp_path / "c").exists()


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    assert left_behind(tmp_path) > 0 and names(tmp_path) == ["arms,plain,seed-1.1"]
    found = Claims(tmp_path)
    assert found.others() == []
    with found.attempt(UNIT) as holder:
        assert holder is None and names(tmp_path) == ["arms,plain,seed-1.2"]
    assert names(tmp_path) == []


def test_another_process_with_the_number_of_the_dead_one_is_not_it(tmp_path: Path) -> None:
    left_behind(tmp_path)
    alter(tmp_path, pid=os.getpid())
    with Claims(tmp_path).attempt(UNIT) as holder:
        assert holder is None


def test_on_another_machine_only_silence_by_the_own_clock_is_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(tmp_path)
    alter(tmp_path, place="another machine", host="far")
    (path,) = tmp_path.iterdir()
    os.utime(path, (0, 0))  # its clock is half a century behind
    now, waiting = 1000.0, Claims(tmp_path)
    monkeypatch.setattr(claims.time, "monotonic", lambda: now)

    def is_free() -> bool:
        with waiting.attempt(UNIT) as holder:
            return holder is None

    assert not is_free()
    now += claims.DEAD - 1
    assert not is_free()
    os.utime(path, (5, 5))  # a sign of life
    now += claims.DEAD - 1
    assert not is_free() and str(waiting.others()[0]).startswith("process ")
    now += claims.DEAD + 1
    assert is_free() and names(tmp_path) == []


def test_a_claim_that_is_being_written_is_held(tmp_path: Path) -> None:
    (tmp_path / "arms,plain,seed-1.1").touch()
    with Claims(tmp_path).attempt(UNIT) as holder:
        assert str(holder) == "another process"


def test_signs_of_life_say_what_is_being_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.02)
    doing = "one"
    with Claims(tmp_path, lambda: doing).attempt(UNIT):
        doing = "an \N{LATIN SMALL LETTER E WITH ACUTE} " + "x" * 5000
        other = Claims(tmp_path)
        wait_for(lambda: other.others()[0].doing.startswith("an \N{LATIN SMALL LETTER E WITH ACUTE} xxx"), 10)


def test_a_holder_that_lost_its_claim_is_interrupted_and_takes_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with pytest.raises(RunError, match=f"another one has taken over {UNIT} since"), Claims(tmp_path).attempt(UNIT):
        (path,) = tmp_path.iterdir()
        path.unlink()
        alterer = Claims(tmp_path)
        with alterer.attempt(UNIT) as holder:
            assert holder is None
            time.sleep(10)  # until it is interrupted
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    with pytest.raises(StorageError, match=f"cannot claim {UNIT} in .*choose another --out"), Claims(tmp_path / "c").attempt(UNIT):
        pass


def test_a_claim_that_cannot_be_written_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claims.os, "pwrite", full)
    with pytest.raises(StorageError, match="No space left"), Claims(tmp_path).attempt(UNIT):
        pass
    assert names(tmp_path) == []


def contend(folder: Path, turns: int, shared: Path, seed: int) -> None:
    """Takes the claim `turns` times, checks that nobody else has it meanwhile, and dies holding it now and then."""
    mine = Claims(folder)
    for turn in range(turns):
        while True:
            with mine.attempt(UNIT) as holder:
                if holder is None:
                    descriptor = os.open(shared, os.O_CREAT | os.O_EXCL)  # FileExistsError: two hold it at once
                    os.close(descriptor)
                    time.sleep(0.001)
                    shared.unlink()
                    if (turn + seed) % 5 == 4:
                        os.kill(os.getpid(), signal.SIGKILL)
                    break
            time.sleep(0.0005)


@pytest.mark.slow
def test_processes_that_die_at_any_moment_never_hold_it_together(tmp_path: Path) -> None:
    shared = tmp_path / "held"
    (tmp_path / "c").mkdir()
    for _ in range(6):
        started = [FORK.Process(target=contend, args=(tmp_path / "c", 6, shared, seed)) for seed in range(6)]
        for process in started:
            process.start()
        for process in started:
            process.join(60)
        assert {process.exitcode for process in started} <= {0, -signal.SIGKILL}, [process.exitcode for process in started]
    assert not shared.exists()


def interleaved(folder: Path, monkeypatch: pytest.MonkeyPatch, between: Callable[[], None]) -> Holder | None:
    """Claims while `between` happens after the look at what is there and before the create."""
    real, done = claims._Held.made, threading.Event()

    def made(*arguments: Any) -> Any:
        if not done.is_set():
            done.set()
            between()
        return real(*arguments)

    monkeypatch.setattr(claims._Held, "made", staticmethod(made))
    with Claims(folder).attempt(UNIT) as holder:
        return holder


def test_what_happens_between_the_look_and_the_create_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead claim is taken over, released, and claimed anew at its old number by a process that lives."""
    left_behind(tmp_path)
    living = Claims(tmp_path)
    held = living.attempt(UNIT)

    def between() -> None:
        with Claims(tmp_path).attempt(UNIT) as holder:
            assert holder is None and names(tmp_path) == ["arms,plain,seed-1.2"]
        assert held.__enter__() is None and names(tmp_path) == ["arms,plain,seed-1.1"]

    found = interleaved(tmp_path, monkeypatch, between)
    assert found is not None and found.pid == os.getpid() and names(tmp_path) == ["arms,plain,seed-1.1"]
    held.__exit__(None, None, None)
    assert names(tmp_path) == []
