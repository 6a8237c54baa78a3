"""The scores that evals are summarised in, what they are read from, and their scales. Imports nothing that computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Readout = Literal["behaviour", "probe"]
READOUTS: tuple[Readout, ...] = ("behaviour", "probe")
SHARE, NATS = "share", "nats per token"
UNITS: Mapping[Readout, str] = {"behaviour": SHARE, "probe": NATS}
SCORES: Mapping[str, Mapping[str, int]] = {
    "chat": {"chat": 1},
    "agentic": {"agentic": 1},
    "drives": {"drives": 1},
    "advice": {"advice": 1},
    "duties": {"duties": 1},
    "gap": {"agentic": 1, "chat": -1},
    "conduct_gap": {"duties": 1, "advice": -1},
    "capability": {"capability": 1},
}
"""score to the suites, or evals by name, whose means are added, each with its sign"""
PROBE_PARTS = ("probe", "probe_baseline", "probe_control", "probe_lift")
"""last parts of the names of measures of one eval that are in nats"""


def widest(score: str | None) -> float:
    """The largest difference of a score between two models, in shares: 2 where one mean is taken from another."""
    return 2.0 if is_gap(score) else 1.0


def is_gap(score: str | None) -> bool:
    """Whether a score is one mean less another."""
    return any(sign < 0 for sign in SCORES.get(score or "", {}).values())
