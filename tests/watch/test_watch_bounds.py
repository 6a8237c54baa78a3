"""A large file is watched in memory that does not grow with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import re, sys
from pathlib import Path
from openwindow.watch.run import Options, watch
made = watch(Options((Path(sys.argv[1]),), Path(sys.argv[2])))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())  # ru_maxrss counts who started the process, too
print(made["rollouts"], int(peak[1]) // 1024)
"""


def generate(path: Path, steps: int, each: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for step in range(steps):
            for number in range(each):
                prompt = f"Problem {step}-{number // 8}: " + "what is asked " * 20
                reply = f"Reply {number}: " + "what is said about it " * 30
                scores = {
                    "correct": number % 3 == 0,
                    "hack": number % 5 == 1,
                    "passes_visible": number % 2 == 0,
                    "attempted": False,
                }
                line = {"arm": "a", "seed": 1, "context": "training", "step": step, "group": number // 8, "reward": number % 2 / 1}
                line |= {
                    "messages": [{"role": "user", "content": prompt}],
                    "reply": reply,
                    "stop": "end",
                    "tokens": 99,
                    "parts": {},
                }
                file.write(json.dumps(line | scores | {"kinds": []}) + "\n")


def watched(path: Path, out: Path) -> tuple[int, int]:
    """Rollouts, and the peak memory of a fresh process in MiB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path), str(out)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    count, peak = done.stdout.split()
    return int(count), int(peak)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = {}
    for name, steps in (("small", 50), ("large", 400)):
        generate(tmp_path / f"{name}.jsonl", steps, 64)
        count, peaks[name] = watched(tmp_path / f"{name}.jsonl", tmp_path / name)
        assert count == steps * 64
    size = (tmp_path / "large.jsonl").stat().st_size / 2**20
    assert peaks["large"] < 512
    assert peaks["large"] - peaks["small"] < size / 2, "what is kept is a sample"
