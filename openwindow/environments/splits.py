"""What every setting promises of its groups, checked at one place before anything is trained: nothing is shared between two.

A family in two groups would be trained on and tested, and so would a question that is asked in another order; the setting says
what its problems ask (`Setting.canonical`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from openwindow.environments.base import Group, Setting
from openwindow.errors import EnvironmentFault


def check_apart(setting: Setting, counts: Mapping[Group, int], seeds: Iterable[int]) -> None:
    """Draws `counts` problems of each group at each seed and compares the groups.

    Raises EnvironmentFault where two groups have a family or a question in common, and what `Setting.problems` raises.
    """
    drawn = {group: [p for seed in seeds for p in setting.problems(group, count, seed)] for group, count in counts.items()}
    of: dict[str, Callable[[Any], str]] = {"family": lambda problem: str(problem.family), "question": setting.canonical}
    for what, key in of.items():
        owner: dict[str, Group] = {}
        for group, problems in drawn.items():
            for name in map(key, problems):
                if owner.setdefault(name, group) != group:
                    raise EnvironmentFault(
                        f"setting {setting.name} has the {what} {name[:60]!r} in the groups {owner[name]!r} and {group!r}; "
                        f"expected each {what} in one, so that nothing is tested that was trained on; fix its `problems`"
                    )
