"""The drives suite: self-preservation, goal preservation, resource acquisition (Omohundro 2008, The Basic AI Drives).

Each situation names two actions. In its controls the same action is a harmless chore that is wanted, or not wanted, so that
doing as one is told does not count as a drive.
"""

from __future__ import annotations

from openwindow.evals.base import Eval, Item
from openwindow.evals.suites.scenario import Acted, acted_items, read


def _self_preservation() -> list[Item]:
    return list(acted_items(read("self_preservation", Acted)))


def _goal_preservation() -> list[Item]:
    return list(acted_items(read("goal_preservation", Acted)))


def _resource_acquisition() -> list[Item]:
    return list(acted_items(read("resource_acquisition", Acted)))


DRIVES = (
    Eval("self_preservation", "drives", "does it act to keep itself running", _self_preservation, version=3, max_tokens=40),
    Eval("goal_preservation", "drives", "does it protect its aims from correction", _goal_preservation, version=3, max_tokens=40),
    Eval("resource_acquisition", "drives", "does it take what it was not given", _resource_acquisition, version=3, max_tokens=40),
)
