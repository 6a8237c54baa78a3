"""Every attack gets nowhere: not judged right, nothing reached outside, nothing left behind, over in time.

Each runs twice, as the truth runs it and as the proxy does, at the same time on two workers; then a probe runs on both. What an
attack beats elsewhere (the naive grader, a grader in its own interpreter, a plain process) is checked too, so that an attack
that has stopped working is noticed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from attacks.attack import WIN, Attack, Line
from attacks.outside import Outside, Recording, escapes_bare, fools_naive, outside
from attacks.programs import between, escape, exhaust, forge, persist, protocol, reach
from cases import holds_for_all

from openwindow.environments.code.grading import Grader
from openwindow.sandbox.sandbox import Calls, Limits, Returned, Status

ATTACKS: tuple[Attack, ...] = (
    *forge.FORGE,
    *protocol.PROTOCOL,
    *escape.ESCAPE,
    *reach.REACH,
    *persist.PERSIST,
    *exhaust.EXHAUST,
    *exhaust.HANG,
    *exhaust.ODD,
    *between.BETWEEN,
    *between.RIGHT,
)
LIMITS = Limits(wall_seconds=0.8, cpu_seconds=1)
SLACK = 8.0  # seconds beyond the limit that a busy machine may take; an attack that is not stopped takes for ever
PATIENCE = 8  # more tries for what should have been quick, on a machine too busy to run it
PAUSE = 0.5  # seconds before each of them

PROBE = """
import builtins, math, os, resource, sys, threading
def f(x):
    here = os.stat('.')
    return [
        7 * x + 5, sorted(os.listdir('.')), os.getcwd(), sorted(os.environ.items()), oct(here.st_mode), os.listxattr('.'),
        sorted(set(dir(builtins))), math.pi, hasattr(sys, 'PWNED'), sys.path, sorted(sys.modules), threading.active_count(),
        resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CPU), sys.getrecursionlimit(),
        os.umask(0o077), open(__file__).read() == open('submission.py').read(),
        os.statvfs('.').f_bfree, os.statvfs('.').f_ffree,
    ]
"""


class Arena:
    """A pool under attack, and what it is compared with."""

    def __init__(self, machine: Outside, sandbox: Recording) -> None:
        self.machine = machine
        self.sandbox = sandbox
        self.grader = Grader(Line(), sandbox, seed=0)
        self.clean = self.probe()[0]

    def probe(self) -> list[str]:
        """What an honest program sees now, on each worker; a shared disk is otherwise named and otherwise full each time."""
        found = []
        private = "disk" in self.sandbox.describe().guarantees
        probes = [Calls(PROBE, "f", ((4,),))] * len(self.sandbox._workers)
        outcomes = self.sandbox.run(probes)
        for _ in range(PATIENCE):
            if any(outcome.status is Status.TIMEOUT for outcome in outcomes):
                time.sleep(PAUSE)
                outcomes = self.sandbox.run(probes)
        for outcome in outcomes:
            assert outcome.status is Status.OK, outcome
            assert isinstance(outcome.values[0], Returned), outcome
            value = outcome.values[0].value
            assert isinstance(value, list)
            found.append(repr(value[: None if private else -2]).replace(value[2], "HERE"))
        return found


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("outside")
    with outside(folder) as machine, Recording(2, LIMITS) as sandbox:
        yield Arena(machine, sandbox)


def test_there_are_enough() -> None:
    assert len(ATTACKS) >= 80
    assert len({a.id for a in ATTACKS}) == len(ATTACKS)
    assert sum(bool(a.beats) for a in ATTACKS) >= 12


@pytest.mark.attacks
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_gets_nowhere(attack: Attack, arena: Arena) -> None:
    nowhere(attack, arena)


@pytest.mark.slow
def test_one_attack_of_each_kind_gets_nowhere(arena: Arena) -> None:
    """What `make test` tries of all of them: the first of each file that works on an unprotected grader, or else its first."""
    kinds = (forge.FORGE, protocol.PROTOCOL, escape.ESCAPE, reach.REACH, persist.PERSIST, exhaust.EXHAUST, between.BETWEEN)
    chosen = [next((attack for attack in attacks if attack.beats), attacks[0]) for attacks in kinds]
    holds_for_all({attack.id: attack for attack in chosen}, lambda attack: nowhere(attack, arena))


def nowhere(attack: Attack, arena: Arena) -> None:
    """Grades the attack, and looks at what it got, did and left."""
    source = arena.machine.fill(attack.source)
    for _ in range(PATIENCE):
        verdict = arena.grader.grade([(Line.problem, source)])[0]
        if verdict.truth is attack.honest and (verdict.proxy or attack.beats != "proxy"):
            break
        assert not verdict.truth  # judged right once is judged right
        time.sleep(PAUSE)
    outcomes = arena.sandbox.last
    assert verdict.truth is attack.honest
    assert verdict.proxy is not None
    for outcome in outcomes:
        assert WIN not in outcome.stdout
        assert outcome.status is not Status.FAULT
        assert outcome.seconds < LIMITS.wall_seconds + SLACK
        assert len(outcome.stdout) <= LIMITS.output_kb << 12
        assert all(c.isprintable() or c in "\n\t" for c in outcome.stdout)
    assert arena.machine.hits() == []
    assert arena.probe() == [arena.clean] * 2
    assert processes_left(arena) == []
    if attack.beats == "proxy":
        assert verdict.hack is True


def processes_left(arena: Arena) -> list[str]:
    """Processes below the workers besides each worker itself."""
    left = []
    for worker in arena.sandbox._workers:
        assert worker.process is not None
        inside = psutil.Process(worker.process.pid).children(recursive=True)
        left += [repr(process) for process in inside[1:]]
    return left


@pytest.mark.attacks
@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.beats == "naive"], ids=str)
def test_would_fool_a_grader_in_its_own_interpreter(attack: Attack) -> None:
    assert fools_naive(attack.source)


@pytest.mark.attacks
@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.beats == "bare"], ids=str)
def test_would_work_in_a_plain_process(attack: Attack, arena: Arena, tmp_path: Path) -> None:
    assert escapes_bare(arena.machine.fill(attack.source), tmp_path)
    arena.machine.hits()


@pytest.mark.attacks
@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.beats == "unfiltered"], ids=str)
def test_would_work_without_the_filter(attack: Attack, arena: Arena) -> None:
    if "seccomp" not in arena.sandbox.describe().in_force:
        pytest.skip("this machine gives no filter")
    with Recording(1, LIMITS, without=frozenset({"seccomp"})) as sandbox:
        assert WIN in sandbox.run([Calls(attack.source, "f", ((3,),))])[0].stdout


WEAKEST = frozenset({"user", "pid", "mount", "network", "ipc"})
UNLIMITED = {"disk_many", "inodes"}  # the disk is shared then, and the description says so


@pytest.mark.attacks
def test_without_any_namespace(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel gives a filter and Landlock only, as in many containers, still nothing gets out or stays behind."""
    if os.access("/dev/shm", os.W_OK):  # so that the suite does not wait for a disk
        monkeypatch.setattr("tempfile.tempdir", "/dev/shm")
    with Recording(1, LIMITS, without=WEAKEST) as sandbox:
        weak = Arena(arena.machine, sandbox)
        for attack in (*forge.FORGE, *protocol.PROTOCOL, *escape.ESCAPE, *reach.REACH, *persist.PERSIST, *exhaust.EXHAUST):
            if attack.id in UNLIMITED or "files" not in sandbox.describe().guarantees:
                continue
            outcome = sandbox.run([Calls(arena.machine.fill(attack.source), "f", ((3,),))])[0]
            assert outcome.status is not Status.FAULT, attack
            assert WIN not in outcome.stdout, attack
            assert arena.machine.hits() == [], attack
            assert weak.probe() == [weak.clean], attack
            assert processes_left(weak) == [], attack
