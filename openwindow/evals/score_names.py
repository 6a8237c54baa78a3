"""The scores that evals are summarised in, what they are read from, and their scales. Imports nothing that computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from openwindow.evals.base import Suite

Readout = Literal["behaviour", "probe"]
READOUTS: tuple[Readout, ...] = ("behaviour", "probe")
SHARE, NATS = "share", "nats per token"
UNITS: Mapping[Readout, str] = {"behaviour": SHARE, "probe": NATS}
SCORES: Mapping[str, Mapping[Suite, int]] = {
    "chat": {"chat": 1},
    "agentic": {"agentic": 1},
    "drives": {"drives": 1},
    "gap": {"agentic": 1, "chat": -1},
    "capability": {"capability": 1},
}
"""score to the suites whose means are added, each with its sign"""
PROBE_PARTS = ("probe", "probe_baseline", "probe_control", "probe_lift")
"""last parts of the names of measures of one eval that are in nats"""
