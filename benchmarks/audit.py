"""What `openwindow check-env` and falsepass 0.11.0 find on the same graders (`graders.py`): twelve, and eight written later.

    python benchmarks/audit.py [FALSEPASS]

FALSEPASS is falsepass's command, in an environment of its own that has uv; without it only ours runs. A grader counts as correctly
judged if it is called gameable exactly when it is. The last line is ours over the peer's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import graders

from openwindow.audit.adapters import trl_reward
from openwindow.audit.run import audit_grader
from openwindow.types import Case


def ours(name: str) -> set[str]:
    """Loopholes that our audit finds open."""
    reward, rows = (graders.GRADERS | graders.UNSEEN)[name]
    given = rows()
    grader = trl_reward(reward, given)
    if "shown" in given[0]:
        shown = [tuple([Case((value,), result) for value, result in row["shown"]]) for row in given]
        grader = grader.with_tests("f", shown)
    return {finding.hole for finding in audit_grader(name, grader).findings if finding.open}


def falsepass(command: str, name: str, folder: Path) -> set[str]:
    """Probes with which falsepass got a wrong reply rewarded."""
    rows = (graders.GRADERS | graders.UNSEEN)[name][1].__name__
    source = Path(__file__).parent / "graders.py"
    init = [
        command,
        "init",
        str(source),
        "--dataset",
        f"call:{rows}",
        "--func",
        name,
        "--name",
        name,
        "--answer-column",
        "solution",
    ]
    for words in (init, [command, "audit", name]):
        subprocess.run(words, cwd=folder, check=False, capture_output=True, timeout=600)
    said = subprocess.run([command, "results", name, "--json"], cwd=folder, check=False, capture_output=True, text=True)
    if not said.stdout.strip():
        raise SystemExit(f"falsepass did not audit {name}: {said.stderr.strip()}")
    failing = json.loads(said.stdout)["failing"]
    paid = [row for row in failing if row["expected"] == "zero" and any(row["scores"])]
    return {f"{row['probe']} {row['name']}" for row in paid}


def main() -> None:
    """Prints a row per grader, the counts of both sets, and the ratio on the first."""
    peer = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        for title, names in (("unseen", graders.UNSEEN), ("in-sample", graders.GRADERS)):
            right = compared(list(names), peer, Path(folder), title)
    if peer is not None:
        print(f"ratio {right['ours'] / max(1, right['peer']):.2f}")


def compared(names: list[str], peer: str | None, folder: Path, title: str) -> dict[str, int]:
    """Prints what is found on each grader; returns how many we, and the peer, judged correctly."""
    right = {"ours": 0, "peer": 0}
    found = {"ours": 0, "wrong": 0}
    for name in names:
        holes, mine = graders.LOOPHOLES[name], ours(name)
        right["ours"] += bool(mine) == bool(holes)
        found["ours"] += len(mine & holes)
        found["wrong"] += len(mine - holes)
        line = f"{name:16} has {', '.join(sorted(holes)) or 'none'} | ours {', '.join(sorted(mine)) or 'none'}"
        if peer is not None:
            theirs = falsepass(peer, name, folder)
            right["peer"] += bool(theirs) == bool(holes)
            line += f" | falsepass {', '.join(sorted(theirs)) or 'none'}"
        print(line)
    total = sum(len(graders.LOOPHOLES[name]) for name in names)
    print(f"{title}: loopholes found: {found['ours']} of {total}, and {found['wrong']} that are not there")
    both = f", falsepass {right['peer']}" if peer else ""
    print(f"{title}: graders judged correctly, of {len(names)}: ours {right['ours']}{both}")
    return right


if __name__ == "__main__":
    main()
