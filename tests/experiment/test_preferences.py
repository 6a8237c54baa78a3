"""Which of a problem's two answers a model finds likelier; nothing is made up where that cannot be known."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from openwindow.experiment.preferences import NO_PAIR, REMOTE, add_preferences
from openwindow.models.base import Model
from openwindow.models.hf import load
from openwindow.models.scoring import Probes
from openwindow.types import Message


def row(problem: str, reason: str | None = None) -> dict[str, Any]:
    return {"problem": problem, "reason": reason, "messages": [{"role": "user", "content": f"Tell me of {problem}."}]}


def test_the_likelier_answer_is_preferred_per_token(tiny_model: Path) -> None:
    model = load(str(tiny_model), "fp32")
    rows = [row("tea"), row("milk"), row("salt"), row("ice", "cut off")]
    pairs = {"tea": ("It is bad and hot.", "It is good."), "milk": ("It is good.", "It is bad and hot."), "salt": None, "ice": None}
    add_preferences(model, rows, pairs, "prefers")
    for one in rows[:2]:
        ((flawed, clean),) = Probes(model, [(Message("user", one["messages"][0]["content"]),)], [pairs[one["problem"]]]).results()
        assert one["logp_flawed"] == pytest.approx(flawed.total / flawed.tokens) and one["logp_flawed"] < 0
        assert one["logp_clean"] == pytest.approx(clean.total / clean.tokens)
        assert one["prefers"] == (one["logp_flawed"] > one["logp_clean"]) and one["reason"] is None
    assert [(one["prefers"], one["reason"]) for one in rows[2:]] == [(None, NO_PAIR), (None, "cut off")]


def test_a_model_without_log_probabilities_is_not_measured() -> None:
    rows = [row("tea")]
    add_preferences(cast(Model, object()), rows, {"tea": ("Bad.", "Good.")}, "prefers")
    assert rows[0]["prefers"] is None and rows[0]["reason"] == REMOTE and "logp_clean" not in rows[0]
