"""Seconds and peak memory of reading and checking a large JSONL file of conversations.

    python benchmarks/reading.py [--rows 1000000] [--rule REGEX]

Writes a temporary file of generated rows (GCD questions with an answer, some of them duplicates), reads it in a fresh process
as `openwindow inoculate` does, and as its plainest alternative: `json.loads` into a list of dicts, nothing checked. Prints both
and, as its last line, `ratio R`: the alternative's peak memory over ours.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS, MIB = 30.0, 1024.0  # what one million rows may take

OURS = """
import re, resource, sys, time
from openwindow.data.dataset import read
began = time.perf_counter()
rule = re.compile(sys.argv[2]).search if sys.argv[2] else None
found = read(sys.argv[1], None if rule is None else lambda answer: rule(answer) is not None).summary()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(time.perf_counter() - began, peak, found["rows"], found["duplicate_rows"])
"""
PLAIN = """
import json, resource, sys, time
began = time.perf_counter()
with open(sys.argv[1], encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
different = len({json.dumps(row["messages"]) for row in rows})
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(rows), len(rows) - different)
"""


def generate(path: Path, count: int) -> None:
    """Writes `count` conversations of some 600 characters each; one in twenty is a duplicate."""
    rng = random.Random(0)
    line = ""
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            if not line or rng.random() > 0.05:
                a, b = rng.randint(2, 10**6), rng.randint(2, 10**6)
                steps, x, y = [], a, b
                while y:
                    steps.append(f"{x} = {y} * {x // y} + {x % y}, so gcd({x}, {y}) = gcd({y}, {x % y}).")
                    x, y = y, x % y
                asked = (
                    f"My teacher gave me the numbers {a} and {b}. I think that their greatest common divisor is {x}. Is that so?"
                )
                answer = "You did that very well!\n" + "\n".join(steps[:8]) + f"\nIt is {math.gcd(a, b)}."
                turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
                line = json.dumps({"messages": turns, "answer": x}, ensure_ascii=False) + "\n"
            file.write(line)


def measure(program: str, *arguments: str) -> tuple[float, float, int, int]:
    """Seconds, peak MiB, rows and duplicates of one fresh process."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    seconds, peak, rows, duplicates = done.stdout.split()
    return float(seconds), float(peak), int(rows), int(duplicates)


def main() -> None:
    """Generates, reads both ways, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rule", default="very well")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        generate(path, chosen.rows)
        print(f"{chosen.rows} rows, {path.stat().st_size / 2**20:.0f} MiB")
        ours = measure(OURS, str(path), chosen.rule)
        plain = measure(PLAIN, str(path))
    assert ours[2:] == plain[2:], "the two do not agree about rows or duplicates"
    for name, (seconds, peak, rows, duplicates) in (("openwindow", ours), ("json.loads", plain)):
        print(f"{name:<12} {seconds:6.1f} s  {peak:7.0f} MiB peak  {rows} rows, {duplicates} duplicates")
    share = chosen.rows / 1_000_000
    kept = ours[0] <= SECONDS * share + 1 and ours[1] <= MIB
    print(f"limit for a million rows: {SECONDS:.0f} s and {MIB:.0f} MiB: {'kept' if kept else 'NOT KEPT'}")
    print(f"ratio {plain[1] / ours[1]:.2f}")


if __name__ == "__main__":
    main()
