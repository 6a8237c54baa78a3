"""What every environment promises about its splits, checked in one place before anything is trained: they share nothing.

A family in two splits would be both trained on and tested, and so would a question asked in another order; the environment says
what its problems ask (`Environment.canonical`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openwindow.environments.base import Environment
from openwindow.errors import EnvironmentFault
from openwindow.types import Split


def check_apart(environment: Environment, counts: Mapping[Split, int], seeds: Iterable[int]) -> None:
    """Draws `counts` problems of each split at each seed and compares the splits.

    Raises EnvironmentFault if two splits share a family or a question, and whatever `Environment.problems` raises.
    """
    drawn = {split: [p for seed in seeds for p in environment.problems(split, count, seed)] for split, count in counts.items()}
    of: dict[str, Callable[[Any], str]] = {"family": lambda problem: str(problem.family), "question": environment.canonical}
    for what, key in of.items():
        owner: dict[str, Split] = {}
        for split, problems in drawn.items():
            for name in map(key, problems):
                if owner.setdefault(name, split) != split:
                    raise EnvironmentFault(
                        f"environment {environment.name} has the {what} {name[:60]!r} in the splits {owner[name]!r} and {split!r}; "
                        f"expected each {what} in one, so that nothing is tested that was trained on; fix its `problems`"
                    )
