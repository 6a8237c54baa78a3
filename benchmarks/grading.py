"""Programs graded per second: the warm, isolated pool against one `python -I` process per program.

    python benchmarks/grading.py [--programs 200] [--rounds 5]

Both run the same scripts (a one-line function and its visible test), as many at a time as there are processors, each in an empty
folder of its own, with captured output and a time limit, and read the exit status. Only the pool isolates. Rounds are interleaved,
so that other load on the machine affects both equally; the figures are medians over the rounds. The last line is `ratio R`: ours
over theirs. Not measured: programs that take long by themselves, where the way of starting them does not matter.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from turns import Way, by_turns, rate

from openwindow.sandbox.sandbox import Calls, Sandbox, Script, Status


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=200, help="programs per round")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    arguments = parser.parse_args()
    workers = os.cpu_count() or 1
    sources = [f"def f(x):\n    return x + {i}\n\nassert f({i}) == {2 * i}\n" for i in range(arguments.programs)]
    with Sandbox(workers) as sandbox:
        ways: dict[str, Way] = {
            "pool, isolated": rate(lambda: pooled(sandbox, sources)),
            "pool, isolated, 48 calls each": rate(lambda: called(sandbox, sources)),
            "python -I per program": rate(lambda: separate(sources, workers)),
        }
        print(f"in force: {', '.join(sandbox.describe().in_force)}")
        by_turns(ways, arguments.rounds, "programs/s")


def pooled(sandbox: Sandbox, sources: list[str]) -> int:
    """Runs the scripts in the pool; returns how many."""
    assert all(outcome.status is Status.OK for outcome in sandbox.run([Script(source) for source in sources]))
    return len(sources)


def called(sandbox: Sandbox, sources: list[str]) -> int:
    """Runs the same programs as the truth does: 48 calls each, with the values sent back."""
    inputs = tuple([(i,) for i in range(48)])
    assert all(outcome.status is Status.OK for outcome in sandbox.run([Calls(s, "f", inputs) for s in sources]))
    return len(sources)


def separate(sources: list[str], workers: int) -> int:
    """Runs each script in an interpreter of its own."""
    with ThreadPoolExecutor(workers) as threads:
        assert not any(threads.map(one, sources))
    return len(sources)


def one(source: str) -> int:
    """Exit status of one fresh interpreter, as graders commonly start it."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "submission.py")
        program.write_text(source)
        command = [sys.executable, "-I", str(program)]
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=3, check=False).returncode


if __name__ == "__main__":
    main()
