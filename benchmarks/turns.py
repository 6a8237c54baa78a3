"""Runs several ways of doing the same work in turn, and prints what they measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

from rich.console import Console

Way = Callable[[], tuple[list[float], str]]
"""does the work once, and returns the speeds that it measured and a description"""


def rate(work: Callable[[], int]) -> Way:
    """A way whose speed is how much `work` says it did, per second."""

    def way() -> tuple[list[float], str]:
        began = time.perf_counter()
        done = work()
        return [done / (time.perf_counter() - began)], ""

    return way


def by_turns(ways: Mapping[str, Way], turns: int, unit: str) -> None:
    """Prints each way's speeds in `unit`, and as the last line `ratio R`: the first way's median over the last way's.

    The ways take turns, so that other load on the machine affects all of them.
    """
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    width = max(len(name) for name in ways)
    console = Console()
    with console.status("by turns") as status:
        for turn in range(1, turns + 1):
            for name, way in ways.items():
                status.update(f"turn {turn} of {turns}: {name}")
                seen, said = way()
                speeds[name] += seen
                line = f"turn {turn}  {name:<{width}} {statistics.mean(seen):8.1f} {unit}  {said}"
                console.print(line.rstrip(), highlight=False, soft_wrap=True)
    medians = {name: statistics.median(seen) for name, seen in speeds.items()}
    print(f"{unit:<{width}} {'median':>8} {'lowest':>8} {'highest':>8}")
    for name, seen in speeds.items():
        print(f"{name:<{width}} {medians[name]:8.1f} {min(seen):8.1f} {max(seen):8.1f}")
    first, *_, last = medians.values()
    print(f"ratio {first / last:.2f}")
