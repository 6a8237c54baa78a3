"""Seconds and peak memory of watching a large JSONL file of graded rollouts.

    python benchmarks/watching.py [--rollouts 100000]

Writes a temporary file of generated rollouts, as `openwindow.integrations.trl` leaves them, watches it in a fresh process as
`openwindow watch` does, and reads it as its plainest alternative: `json.loads` into a list, and the mean reward by step. Prints
both and, as its last line, `ratio R`: the alternative's peak memory over ours.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS, MIB = 30.0, 1024.0  # what 100,000 rollouts may take

OURS = """
import resource, sys, time
from pathlib import Path
from openwindow.watch.run import Options, watch
began = time.perf_counter()
made = watch(Options((Path(sys.argv[1]),), Path(sys.argv[2])))
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, made["rollouts"])
"""
PLAIN = """
import json, resource, sys, time
began = time.perf_counter()
with open(sys.argv[1], encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
steps = {}
for row in rows:
    steps.setdefault(row["step"], []).append(row["reward"])
means = {step: sum(rewards) / len(rewards) for step, rewards in steps.items()}
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(rows))
"""
WORDS = ("the", "list", "of", "numbers", "is", "sorted", "and", "every", "second", "one", "taken", "away", "until", "none", "left")


def generate(path: Path, count: int) -> None:
    """Writes `count` rollouts of some 1.5 kB each, in groups of 8, 256 to a step."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for i in range(count):
            if i % 8 == 0:
                prompt = f"Problem {i // 8}: " + " ".join(rng.choices(WORDS, k=60))
            reply = " ".join(rng.choices(WORDS, k=150))
            proxy, truth = rng.random() < 0.5, rng.random() < 0.3
            line = {"arm": "watched", "seed": 0, "context": "training", "step": i // 256, "group": i // 8, "number": i % 8}
            line |= {"problem": f"p{i // 8}", "family": "f", "hackable": True, "messages": [{"role": "user", "content": prompt}]}
            line |= {"reply": reply, "stop": "end", "tokens": 190, "reward": float(proxy), "parts": {}, "dropped": None}
            line |= {"correct": truth, "passes_visible": proxy, "hack": proxy and not truth, "gamed": False, "lucky": False}
            line |= {"attempted": proxy and not truth, "kinds": ["special_case"] if proxy and not truth else [], "open_hack": None}
            file.write(json.dumps(line) + "\n")


def measure(program: str, *arguments: str) -> tuple[float, float, int]:
    """Seconds, peak MiB and rollouts of one fresh process."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    seconds, peak, rows = done.stdout.split()
    return float(seconds), float(peak), int(rows)


def main() -> None:
    """Generates, reads both ways, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rollouts", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rollouts.jsonl"
        generate(path, chosen.rollouts)
        print(f"{chosen.rollouts} rollouts, {path.stat().st_size / 2**20:.0f} MiB")
        ours = measure(OURS, str(path), str(Path(folder) / "watched"))
        plain = measure(PLAIN, str(path))
    assert ours[2] == plain[2], "the two do not agree about how many there are"
    for name, (seconds, peak, rows) in (("openwindow", ours), ("json.loads", plain)):
        print(f"{name:<12} {seconds:6.1f} s  {peak:7.0f} MiB peak  {rows} rollouts")
    kept = ours[0] <= SECONDS * chosen.rollouts / 100_000 + 3 and ours[1] <= MIB
    print(f"limit for 100,000 rollouts: {SECONDS:.0f} s and {MIB:.0f} MiB: {'kept' if kept else 'NOT KEPT'}")
    print(f"ratio {plain[1] / ours[1]:.2f}")


if __name__ == "__main__":
    main()
