"""A limit stops the evals of a study; what was asked and trained is kept, and the same command goes on to the same results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import outcome, run

pytest.importorskip("inspect_ai")

from openwindow.errors import ConfigError, LimitReached
from openwindow.evals.costs import Price, Prices
from openwindow.evals.inspect.spending import Limits, spending
from openwindow.experiment.study import EvalPlan, Study

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
PRICE = Price(input=1000, output=1000, input_cache_read=0, input_cache_write=0)


def ordered(found: dict[str, Any]) -> dict[str, Any]:
    """Rows of evals by what was asked: several attempts leave them in another order than one."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["eval"], row["context"], row["id"], row["epoch"]

    return {name: sorted(rows, key=key) if name.endswith("evals.jsonl") else rows for name, rows in found.items()}


@pytest.mark.slow
def test_a_stopped_study_goes_on(tiny_study: Callable[..., Study], tmp_path: Path) -> None:
    study = tiny_study(evals=("exfil_offer", "honesty"), eval_plan=EvalPlan(scenarios=2, judge="scripted/judge"), seeds=(1,))
    prices = Prices(Path("p.yaml"), {"scripted/judge": PRICE})
    with spending(Limits(prices)):
        whole = run(study, tmp_path / "whole")
    costs = whole["costs"]
    assert {row["role"] for row in costs["totals"]} == {"model", "judge"} and costs["dollars"] > 0
    assert [row["local"] for row in costs["totals"] if row["role"] == "model"] == [True]
    assert costs["prices"]["scripted/judge"]["input"] == 1000
    assert "What it cost" in (tmp_path / "whole" / "report.html").read_text()

    out = tmp_path / "out"
    with pytest.raises(LimitReached, match="is used up"), spending(Limits(prices, dollars=costs["dollars"] / 2)):
        run(study, out)
    assert json.loads((out / "status.json").read_text())["state"] == "interrupted"
    with spending(Limits(prices)):
        resumed = run(study, out)
    assert ordered(outcome(out)) == ordered(outcome(tmp_path / "whole"))
    assert resumed["costs"]["dollars"] >= costs["dollars"]
    assert not list((out / "checkpoints").rglob("*.eval")), "logs are where those of a finished run are"


def test_a_judge_without_a_price_is_refused_before_anything_is_trained(tiny_study: Callable[..., Study], tmp_path: Path) -> None:
    study = tiny_study(evals=("goals",), eval_plan=EvalPlan(scenarios=2, judge="scripted/judge"))
    limits = Limits(Prices(Path("p.yaml"), {"openai/other": PRICE}), dollars=1.0)
    with pytest.raises(ConfigError, match="has no price of scripted/judge"), spending(limits):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()
