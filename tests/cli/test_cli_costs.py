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


@pytest.mark.slow
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


@pytest.mark.slow
def test_without_a_price_tokens_are_counted_and_dollars_are_not(openwindow: CLI, tmp_path: Path) -> None:
    done, made = evaluated(openwindow, tmp_path / "out", suite="goals")
    assert done.code == 0, done.err
    costs = made["costs"]
    assert costs["dollars"] is None and "no --prices FILE was given" in costs["reason"]
    assert {row["role"] for row in costs["totals"]} == {"model", "judge"}
    assert all(row["input_tokens"] > 0 and row["dollars"] is None and row["reason"] for row in costs["rows"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What it cost" in page and "No sum in dollars" in page


@pytest.mark.slow
def test_a_limit_in_tokens_needs_no_prices(openwindow: CLI, tmp_path: Path) -> None:
    done, made = evaluated(openwindow, tmp_path / "out", "--token-limit", 200, suite="goals")
    assert done.code == 3 and "--token-limit 200 is used up" in done.err, done.err
    assert "tokens by this command" in made["stopped"]


@pytest.mark.slow
def test_logs_are_priced_again(openwindow: CLI, tmp_path: Path, prices: Path) -> None:
    done, made = evaluated(openwindow, tmp_path / "out", suite="goals")
    assert done.code == 0, done.err
    again = openwindow(
        "eval", "--logs", tmp_path / "out" / "logs", "--out", tmp_path / "again", "--suite", "goals", "--prices", prices, "--json"
    )
    assert again.code == 0, again.err
    costs = json.loads(again.out)["costs"]
    assert costs["dollars"] is not None and costs["prices"]["scripted/saint"]["file"] == str(prices)
    tokens = [{k: v for k, v in row.items() if k not in ("dollars", "reason")} for row in costs["rows"]]
    assert tokens == [{k: v for k, v in row.items() if k not in ("dollars", "reason")} for row in made["costs"]["rows"]]


@pytest.mark.slow
def test_a_dry_run_says_what_it_would_cost_and_asks_nothing(openwindow: CLI, tmp_path: Path, prices: Path) -> None:
    asked = (
        "eval",
        "scripted/saint",
        "--suite",
        "goals,honesty",
        "--judge",
        "scripted/judge",
        "--prices",
        prices,
        "--out",
        tmp_path / "out",
    )
    plan = openwindow(*asked, "--dry-run", "--json")
    assert plan.code == 0, plan.err
    assert not (tmp_path / "out").exists()
    rows = json.loads(plan.out)["costs"]["rows"]
    done = openwindow(*asked, "--json")
    assert done.code == 0, done.err
    spent = {(row["role"], row["eval"]): row for row in json.loads(done.out)["costs"]["rows"]}
    for row in rows:
        if (row["role"], row["eval"]) in spent:
            found = spent[row["role"], row["eval"]]
            assert row["input_tokens"][0] / 4 <= found["input_tokens"] <= row["input_tokens"][1], (row, found)
            assert found["output_tokens"] <= row["output_tokens"][1] and found["dollars"] <= row["dollars"][1], (row, found)
    assert {(row["role"], row["eval"]) for row in rows} >= set(spent)
    said = openwindow(*asked, "--dry-run")
    assert "Judge scripted/judge" in said.out and "$" in said.out and "Nothing was asked." in said.out


def test_a_study_says_what_its_judge_would_cost(openwindow: CLI, prices: Path) -> None:
    done = openwindow(
        "run",
        "inoculation_toxic",
        "--set",
        'evals=["goals"]',
        "--set",
        "eval_plan.judge=scripted/judge",
        "--judge",
        "scripted/judge",
        "--prices",
        prices,
        "--dry-run",
        "--json",
    )
    assert done.code == 0, done.err
    totals = {row["role"]: row for row in json.loads(done.out)["costs"]["totals"]}
    assert totals["judge"]["dollars"][0] > 0 and totals["model"]["dollars"] is None and "this machine" in totals["model"]["reason"]


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (None, ("--cost-limit", "5"), "without --prices"),
        ("scripted/saint: 3", (), "it is a int; expected input, output"),
        ("scripted/saint: {input: 1, output: 2}", (), "has no input_cache_read"),
        ("scripted/saint: {input: 1, output: -2, input_cache_read: 0, input_cache_write: 0}", (), "greater than or equal to 0"),
        (
            "scripted/saint: {inputs: 1, input: 1, output: 2, input_cache_read: 0, input_cache_write: 0}",
            (),
            "did you mean 'input'?",
        ),
        ("[1, 2", (), "is not YAML or JSON"),
        ("- a", (), "holds no prices"),
        ("", (), "holds no prices"),
        (f"openai/other: {PRICE}", ("--cost-limit", "5"), "has no price of scripted/saint"),
        (f"scripted/saint: {PRICE}", ("--cost-limit", "0"), "--cost-limit is 0; expected dollars above 0"),
        (f"scripted/saint: {PRICE}", ("--cost-limit", "nan"), "--cost-limit is nan"),
        (f"scripted/saint: {PRICE}", ("--token-limit", "0"), "--token-limit is 0"),
        (f"scripted/saint: {PRICE}", ("--token-limit", "lots"), "--token-limit is 'lots'"),
        (f"scripted/saint: {PRICE}", ("--cost-limit", "5", "--judge", "scripted/judge"), "has no price of scripted/judge"),
    ],
)
def test_wrong_prices_and_limits_are_one_line(
    openwindow: CLI, tmp_path: Path, content: str | None, options: tuple[str, ...], says: str
) -> None:
    given: list[object] = []
    if content is not None:
        (tmp_path / "p.yaml").write_text(content)
        given = ["--prices", tmp_path / "p.yaml"]
    done = openwindow("eval", "scripted/saint", "--suite", "honesty", "--out", tmp_path / "out", *given, *options)
    assert done.code == 2 and says in done.err and done.err.count("\n") == 1, done.err
    assert not (tmp_path / "out" / "logs").exists(), "nothing was asked"


def test_a_prices_file_that_is_not_there_is_one_line(openwindow: CLI, tmp_path: Path) -> None:
    done = openwindow("eval", "scripted/saint", "--suite", "honesty", "--prices", tmp_path / "none.yaml")
    assert done.code == 2 and "cannot read prices" in done.err and done.err.count("\n") == 1
