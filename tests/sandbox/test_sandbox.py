"""The sandbox runs programs as an interpreter would, says how each ended, and says what this machine keeps them from."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from openwindow.errors import ConfigError, SandboxError
from openwindow.sandbox import pool
from openwindow.sandbox.jobs import brief, cut
from openwindow.sandbox.sandbox import ALWAYS, GUARANTEES, Calls, Limits, Outcome, Raised, Returned, Sandbox, Script, Status

SQUARE = "def f(x):\n    return x * x\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(2, Limits(wall_seconds=6.0, cpu_seconds=3)) as started:
        yield started


@pytest.fixture(scope="module")
def brisk() -> Iterator[Sandbox]:
    """Waits for nobody long."""
    with Sandbox(2, Limits(wall_seconds=0.6, cpu_seconds=1)) as started:
        yield started


def one(sandbox: Sandbox, source: str, *inputs: tuple[object, ...]) -> Outcome:
    return sandbox.run([Calls(source, "f", inputs) if inputs else Script(source)])[0]


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("pass", Status.OK, 0),
        ("assert False", Status.EXIT, 1),
        ("1/0", Status.EXIT, 1),
        ("def f(:", Status.EXIT, 1),
        ("import sys; sys.exit()", Status.OK, 0),
        ("import sys; sys.exit(3)", Status.EXIT, 3),
        ("import sys; sys.exit(256)", Status.OK, 0),
        ("import sys; sys.exit(-1)", Status.EXIT, 255),
        ("import sys; sys.exit('words')", Status.EXIT, 1),
        ("import sys; sys.exit(True)", Status.EXIT, 1),
        ("exit()", Status.OK, 0),
        ("raise SystemExit", Status.OK, 0),
        ("import os; os._exit(7)", Status.EXIT, 7),
        ("import os; os._exit(97)", Status.EXIT, 97),
        ("import os; os.abort()", Status.KILLED, None),
        ("import atexit, os; atexit.register(os._exit, 0); 1/0", Status.OK, 0),
        ("import sys; sys.excepthook = lambda *a: None; 1/0", Status.EXIT, 1),
        ("import threading, os; threading.Thread(target=os._exit, args=(5,)).start()", Status.EXIT, 5),
        ("a = 'x' * (1 << 40)", Status.MEMORY, 1),
        ("print('a' * 70_000)", Status.OUTPUT, 0),
        ("assert __name__ == '__main__'", Status.OK, 0),
        ("import sys; assert sys.argv == [__file__]; assert open(__file__).read().startswith('import sys')", Status.OK, 0),
        ("input()", Status.EXIT, 1),
        ("import random, json, decimal, dataclasses, typing, re, hashlib, datetime, unittest, asyncio", Status.OK, 0),
        ("from __future__ import annotations\ndef g(x: nothing): pass\n", Status.OK, 0),
        ("import asyncio\nasync def g(): await asyncio.sleep(0.001)\nasyncio.run(g())", Status.OK, 0),
        ("import os\npid = os.fork()\nif pid: assert os.waitpid(pid, 0)[1] == 0", Status.OK, 0),
        ("from concurrent.futures import ThreadPoolExecutor as T\nassert list(T(3).map(abs, [-1])) == [1]", Status.OK, 0),
    ],
)
def test_scripts_end_as_they_would_elsewhere(sandbox: Sandbox, source: str, status: Status, code: int | None) -> None:
    outcome = one(sandbox, source)
    assert (outcome.status, outcome.exit_code) == (status, code), outcome
    assert outcome.detail
    assert outcome.values == ()


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    ],
)
def test_scripts_that_do_not_end(brisk: Sandbox, source: str) -> None:
    outcome = one(brisk, source)
    assert (outcome.status, outcome.exit_code) == (Status.TIMEOUT, None)


def test_processor_time_is_limited() -> None:
    with Sandbox(1, Limits(wall_seconds=60.0, cpu_seconds=1)) as patient:
        outcome = one(patient, "def f(x):\n    while True: pass", (1,))
        assert (outcome.status, outcome.detail) == (Status.TIMEOUT, "used 1 s of processor time")


def test_what_is_printed_comes_back_harmless(sandbox: Sandbox) -> None:
    source = "import sys\nprint('tab\\tnul\\0esc\\x1b[2J')\nsys.stderr.write('error\\n')\n"
    assert one(sandbox, source).stdout == "error\ntab\tnul\\x00esc\\x1b[2J\n"
    assert one(sandbox, "import sys\nsys.stdout.buffer.write(b'\\xff\\xc3\\xa9')").stdout == "\\xffé"


def test_a_traceback_shows_the_program_and_nothing_of_the_runner(sandbox: Sandbox) -> None:
    text = one(sandbox, "def g():\n    raise ValueError('no')\ng()\n").stdout
    assert text.startswith('Traceback (most recent call last):\n  File "')
    assert "raise ValueError('no')" in text
    assert "openwindow" not in text.replace("openwindow-", "")


def test_calls_give_a_value_each(sandbox: Sandbox) -> None:
    outcome = one(sandbox, SQUARE, (3,), (2.5,), ("a",), (10**5000,))
    assert outcome.status is Status.OK
    assert outcome.values[:2] == (Returned(9), Returned(6.25))
    assert outcome.values[2] == Raised("TypeError: can't multiply sequence by non-int of type 'str'")
    assert outcome.values[3] == Returned(10**10000)
    assert "too long to print" in repr(outcome)


def test_inputs_arrive_as_they_are(sandbox: Sandbox) -> None:
    value = [None, True, -(10**30), 0.1, float("inf"), "\ud800é\0", b"\0", (1, [2]), {3, "a"}, {(1,): {}}, frozenset({1})]
    assert one(sandbox, "def f(x): return x", (value,)).values == (Returned(value),)


def test_calls_do_not_share_their_arguments(sandbox: Sandbox) -> None:
    shared = [1]
    outcome = one(sandbox, "def f(x):\n    x.append(2)\n    return x\n", (shared,), (shared,))
    assert outcome.values == (Returned([1, 2]), Returned([1, 2]))
    assert shared == [1]


@pytest.mark.parametrize(
    ("source", "status", "detail"),
    [
        ("x = 1", Status.RAISED, "while it was defined: NameError: no function named f"),
        ("def f(x) return x", Status.RAISED, "while it was defined: SyntaxError"),
        ("1/0", Status.RAISED, "while it was defined: ZeroDivisionError: division by zero"),
        ("def f(x): return '\0'", Status.RAISED, "while it was defined: SyntaxError"),
        ("import sys\nsys.exit(0)", Status.EXIT, "before every call was answered"),
        ("import os\ndef f(x): os._exit(0)", Status.EXIT, "before every call was answered"),
        ("import os\ndef f(x): os.kill(os.getpid(), 9)", Status.KILLED, "ended by signal 9"),
        ("def f(x): return 'a' * 2_000_000", Status.OUTPUT, "returned more than 1024 KiB"),
        ("x = 'a' * (1 << 40)", Status.MEMORY, "MemoryError"),
    ],
)
def test_calls_that_are_not_all_answered(sandbox: Sandbox, source: str, status: Status, detail: str) -> None:
    outcome = one(sandbox, source, (1,), (2,))
    assert outcome.status is status, outcome
    assert detail in outcome.detail
    assert outcome.values == (None, None)


def test_what_was_answered_before_the_end_is_kept(sandbox: Sandbox) -> None:
    source = "import os\ndef f(x):\n    return x if x < 3 else os._exit(0)\n"
    assert one(sandbox, source, (1,), (2,), (3,), (4,)).values == (Returned(1), Returned(2), None, None)


def test_outcomes_come_in_order(sandbox: Sandbox) -> None:
    jobs = [
        Calls(f"import time\ndef f(x):\n    time.sleep({(7 * i % 5) / 1000})\n    return x + {i}", "f", ((1,),)) for i in range(60)
    ]
    assert [o.values for o in sandbox.run(jobs)] == [(Returned(1 + i),) for i in range(60)]
    assert sandbox.run([]) == []


def test_sets_come_out_alike_in_every_worker(sandbox: Sandbox) -> None:
    jobs = [Calls("def f(x): return list({'a', 'b', 'c', 'd', 'e', 'f'})", "f", ((1,),))] * 8
    assert len({o.values for o in map(_hashable, sandbox.run(jobs))}) == 1


def _hashable(outcome: Outcome) -> Outcome:
    return Outcome(outcome.status, outcome.exit_code, tuple(map(repr, outcome.values)), "", 0.0, "")  # type: ignore[arg-type]


def test_threads_may_share_a_sandbox(sandbox: Sandbox) -> None:
    seen: list[bool] = []

    def work(k: int) -> None:
        outcomes = sandbox.run([Calls(SQUARE, "f", ((k + i,),)) for i in range(20)])
        seen.append([o.values for o in outcomes] == [(Returned((k + i) ** 2),) for i in range(20)])

    threads = [threading.Thread(target=work, args=(100 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 4


def test_an_input_that_is_no_data_is_named() -> None:
    with Sandbox(1) as sandbox:
        with pytest.raises(SandboxError, match="is not plain data"):
            sandbox.run([Script("pass"), Calls(SQUARE, "f", ((object(),),))])
        assert one(sandbox, SQUARE, (3,)).values == (Returned(9),)


def test_a_worker_that_is_killed_is_replaced() -> None:
    with Sandbox(1) as sandbox:
        process = sandbox._workers[0].process
        assert process is not None
        process.kill()
        assert one(sandbox, SQUARE, (3,)).values == (Returned(9),)
        worker = psutil.Process(sandbox._workers[0].process.pid).children()[0]  # type: ignore[union-attr]
        threading.Timer(0.05, worker.kill).start()
        jobs = [Calls("import time\ndef f(x):\n    time.sleep(0.02)\n    return x", "f", ((i,),)) for i in range(10)]
        assert [o.values for o in sandbox.run(jobs)] == [(Returned(i),) for i in range(10)]


def test_a_worker_that_does_not_answer_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_GRACE_SECONDS", 0.3)
    with Sandbox(1, Limits(wall_seconds=0.5)) as sandbox:
        worker = psutil.Process(sandbox._workers[0].process.pid).children()[0]  # type: ignore[union-attr]
        worker.suspend()
        assert one(sandbox, SQUARE, (3,)).values == (Returned(9),)


def test_what_takes_its_worker_along_is_blamed_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(1) as sandbox:
        read = pool.Worker.read

        def lossy(worker: pool.Worker) -> bool:
            return read(worker) and not (worker.pending and worker.pending[0] == 1)

        monkeypatch.setattr(pool.Worker, "read", lossy)
        outcomes = sandbox.run([Script("import time; time.sleep(0.2)")] * 3)  # apart in time: no read takes in two answers
    assert [o.status for o in outcomes] == [Status.OK, Status.KILLED, Status.OK]
    assert outcomes[1].detail == "took its worker down twice: it died"


def test_workers_that_cannot_start_again_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(1) as sandbox:
        sandbox._workers[0].stop()
        monkeypatch.setattr(pool, "_BOOT", "raise SystemExit('out of order')")
        outcomes = sandbox.run([Script("pass"), Calls(SQUARE, "f", ((1,),))])
    assert [o.status for o in outcomes] == [Status.FAULT] * 2
    assert "a worker did not start: out of order" in outcomes[0].detail
    assert outcomes[1].values == (None,)


def test_an_interrupted_run_leaves_nothing_to_the_next() -> None:
    with Sandbox(1) as sandbox:
        handler = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            sandbox.run([Script("import time; time.sleep(1)")] * 3)
        signal.signal(signal.SIGALRM, handler)
        assert one(sandbox, SQUARE, (3,)).values == (Returned(9),)


@pytest.mark.slow
def test_closing_leaves_no_process_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tmp_path.chmod(0o755)
    before = set(psutil.Process().children(recursive=True))
    with Sandbox(2) as sandbox:
        below = list(set(psutil.Process().children(recursive=True)) - before)
        assert len(below) == 4
        sandbox.run([Script("pass")] * 4)
    assert not psutil.wait_procs(below, timeout=30)[1]
    assert list(tmp_path.iterdir()) == []
    sandbox.close()


def test_nothing_of_the_supervisor_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWINDOW_SECRET", "1")
    fd = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(fd, True)
    source = """
import os
def is_open(fd):
    try: os.fstat(fd)
    except OSError: return False
    return True
def f(x): return sorted(os.environ), [fd for fd in range(200) if is_open(fd)]
"""
    with Sandbox(1) as sandbox:
        outcome = one(sandbox, source, (1,))
    os.close(fd)
    names = ["HOME", "LANG", "PATH", "PYTHONHASHSEED", "TMPDIR"]
    assert outcome.values == (Returned((names, [0, 1, 2, 3])),)


def test_a_folder_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("answer = 42\n")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    with Sandbox(1, readable=(tmp_path,)) as sandbox:
        assert one(sandbox, "import helper\ndef f(x): return helper.answer", (1,)).values == (Returned(42),)
        assert one(sandbox, f"open({str(tmp_path / 'new')!r}, 'w')").status is Status.EXIT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["helper.py"]


def test_descriptions(sandbox: Sandbox) -> None:
    host = sandbox.describe()
    assert "network" in host.guarantees
    assert host.guarantees <= set(GUARANTEES)
    assert len(host.not_stopped) == len(GUARANTEES) - len(host.guarantees) + len(ALWAYS)
    assert host.not_stopped[-len(ALWAYS) :] == ALWAYS
    assert all(sentence.endswith(".") for sentence in host.not_stopped)


FALLBACKS = [
    {"user"}, {"mount"}, {"pid"}, {"seccomp"}, {"landlock"}, {"network"}, {"ipc"}, {"uts"},
    {"pid", "mount"}, {"seccomp", "landlock"},
    {"user", "pid", "mount", "network", "ipc"}, {"user", "pid", "mount", "network", "ipc", "landlock"},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("without", FALLBACKS, ids=lambda names: "-".join(sorted(names)))
def test_each_measure_can_be_missing(without: set[str]) -> None:
    with Sandbox(1, Limits(wall_seconds=2.0), without=frozenset(without)) as sandbox:
        host = sandbox.describe()
        assert not without & set(host.in_force)
        assert all(any(line.startswith(name) for line in host.missing) for name in without)
        source = "import os\nopen('left', 'w').write('x')\nos.makedirs('a/b')\ndef f(x): return sorted(os.listdir('.'))"
        assert one(sandbox, source, (1,)).values == (Returned(["a", "left", "submission.py"]),)
        assert one(sandbox, "import os\ndef f(x): return os.listdir('.')", (1,)).values == (Returned(["submission.py"]),)
        assert one(sandbox, "while True: pass").status is Status.TIMEOUT
        reads = one(sandbox, "open('/etc/passwd')").status is Status.OK
        assert reads is ("files" not in host.guarantees)
        opens = one(sandbox, "import socket; socket.socket()").status is Status.OK
        assert opens is ("seccomp" in without)  # it leads nowhere: the namespace has no network
        lasts = one(sandbox, "import ctypes; assert ctypes.CDLL(None).shmget(4242, 4096, 0o1666) >= 0").status is Status.OK
        finds = one(sandbox, "import ctypes; assert ctypes.CDLL(None).shmget(4242, 0, 0) >= 0").status is Status.OK
        assert (lasts, finds) == ("seccomp" in without, False)


def test_no_network_at_all_is_refused() -> None:
    with pytest.raises(SandboxError, match=r"this host does not give network \(network: left out on request; .*run elsewhere"):
        Sandbox(1, without=frozenset({"network", "seccomp"}))


def test_less_than_required_is_refused() -> None:
    everything = frozenset(GUARANTEES)
    with pytest.raises(SandboxError, match=r"does not give disk, sight \(.*mount: left out on request"):
        Sandbox(1, require=everything - {"process_limit", "identity"}, without=frozenset({"mount"}))
    with pytest.raises(SandboxError, match="cannot require netwrok: the guarantees are network, hypervisor, files"):
        Sandbox(1, require=frozenset({"netwrok"}))


def test_requirements_that_are_met() -> None:
    with Sandbox(1) as sandbox:
        given = sandbox.describe().guarantees
    with Sandbox(1, require=given) as sandbox:
        assert sandbox.describe().guarantees == given


def test_limits_that_make_no_sense_are_named() -> None:
    with pytest.raises(ConfigError, match="the limit memory_mb is 0: give a number above 0"):
        Sandbox(1, Limits(memory_mb=0))
    with pytest.raises(SandboxError, match="a worker did not start"):
        Sandbox(1, Limits(memory_mb=4))


def test_limits_are_those_given() -> None:
    limits = Limits(file_mb=3, result_kb=4096, open_files=30, processes=3, output_kb=2000)
    with Sandbox(1, limits) as sandbox:
        assert one(sandbox, "def f(x): return 'a' * 1_500_000", (1,)).status is Status.OK
        assert one(sandbox, "print('a' * 1_900_000)").status is Status.OK
        assert one(sandbox, "open('x', 'w').write('a' * 2_900_000)").status is Status.OK
        assert one(sandbox, "open('x', 'w').write('a' * 3_200_000)").status is Status.EXIT
        assert one(sandbox, "a = [open('/dev/null') for _ in range(24)]").status is Status.OK
        assert one(sandbox, "a = [open('/dev/null') for _ in range(30)]").status is Status.EXIT


def test_brief() -> None:
    assert brief([1, 2]) == "[1, 2]"
    assert brief("a" * 200) == "'" + "a" * 76 + "..."
    assert brief(10**9999) == "an integer too long to print"
    assert brief([10**9999]) == "a value too long to print"
    for value in ((), (1,), [], {}, "it's", b"x", 1.5, None, {"b": [(1, "x")], "a": (2.0,)}, list(range(30)), [[[[[[[[1]]]]]]]]):
        assert brief(value) == cut(repr(value), 80)


def test_a_set_is_shown_in_the_same_order_in_every_process() -> None:
    assert brief([{"vit", "rudis", "fer"}, frozenset({9, 1, 17})]) == "[{'fer', 'rudis', 'vit'}, frozenset({1, 9, 17})]"
    assert brief(set()) == "set()"
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert brief(deep) == "a value too deep to print"


def test_time_is_kept(sandbox: Sandbox) -> None:
    start = time.perf_counter()
    outcome = one(sandbox, "import time; time.sleep(0.2)")
    assert 0.2 <= outcome.seconds <= time.perf_counter() - start
