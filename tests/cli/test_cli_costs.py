"""What judges and remote models cost: counted, limited, and gone on with; scripted models count their words as tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import Ran

pytest.importorskip("inspect_ai")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

CLI = Callable[..., Ran]
PRICE = "{input: 1000, output: 2000, input_cache_read: 0, input_cache_write: 0, date: 2026-11-02, source: a test}"


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(f"scripted/saint: {PRICE}\nscripted/judge: {PRICE}\n")
    return path


def evaluated(openwindow: CLI, out: Path, *options: object, suite: str = "honesty,goals") -> tuple[Ran, dict[str, Any]]:
    done = openwindow("eval", "scripted/saint", "--suite", suite, "--judge", "scripted/judge", "--out", out, "--json", *options)
    return done, json.loads((out / "results.json").read_text())


def test_a_limit_stops_cleanly_and_the_same_command_goes_on(openwindow: CLI, tmp_path: Path, prices: Path) -> None:
    whole, expected = evaluated(openwindow, tmp_path / "whole", "--prices", prices)
    assert whole.code == 0, whole.err
    costs = expected["costs"]
    rows = {(row["role"], row["eval"]): row for row in costs["rows"]}
    assert set(rows) == {("model", "honesty"), ("model", "goals"), ("judge", "goals")}
    for row in costs["rows"]:
        assert row["dollars"] == pytest.approx((1000 * row["input_tokens"] + 2000 * row["output_tokens"]) / 1e6)
    assert costs["dollars"] == pytest.approx(sum(row["dollars"] for row in costs["rows"])) and costs["reason"] is None
    assert costs["prices"]["scripted/judge"]["source"] == "a test" and costs["prices"]["scripted/judge"]["date"] == "2026-11-02"

    out, limit = tmp_path / "out", costs["dollars"] / 3
    stopped, partial = evaluated(openwindow, out, "--prices", prices, "--cost-limit", limit)
    assert stopped.code == 3 and stopped.err.count("\n") == 1, stopped.err
    assert "--cost-limit" in stopped.err and "is used up" in stopped.err and "higher limit" in stopped.err
    assert limit <= partial["costs"]["dollars"] < expected["costs"]["dollars"]
    assert any("limit" in str(cell["by_seed"]) or cell["unscored"] for by in partial["measures"].values() for cell in by.values())

    again, resumed = evaluated(openwindow, out, "--prices", prices)
    assert again.code == 0, again.err
    moved = {"costs", "timing", "stopped"}
    assert {k: v for k, v in resumed.items() if k not in moved} == {k: v for k, v in expected.items() if k not in moved}
    once, paid = expected["costs"]["dollars"], resumed["costs"]["dollars"]
    assert once <= paid < once + limit, "little is paid twice"
    assert not (out / "asking.json").exists()
