"""Prices, uses and limits by themselves: sums, unknown money, cached tokens, and what a judge said before a limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")

from inspect_ai.model import ModelOutput, ModelUsage, get_model

from openwindow.errors import LimitReached
from openwindow.evals.costs import Price, Prices, applying, counting, read_costs, spend
from openwindow.evals.inspect.spending import Limits, spending, use_of
from openwindow.evals.inspect.trait_judge import JudgedTrait
from openwindow.evals.judged import remembering
from openwindow.files.model_costs import Use, costs_of
from openwindow.types import Message

PRICES = Prices(Path("p.yaml"), {"mockllm/model": Price(input=1000, output=2000, input_cache_read=100, input_cache_write=1250)})


def use(model: str, dollars: float | None, **counts: int) -> Use:
    return Use(model=model, local=False, dollars=dollars, reason=None if dollars is not None else "no price", **counts)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    costs = costs_of([use("a", 1.0, input_tokens=5), use("b", None, input_tokens=7), use("a", 2.0, input_tokens=1)], {}, 0.0)
    assert costs["dollars"] is None and costs["reason"] == "b: no price"
    assert [(row["model"], row["input_tokens"], row["dollars"]) for row in costs["totals"]] == [("a", 6, 3.0), ("b", 7, None)]
    assert costs_of([], {}, 1.0) == {}


def test_cached_tokens_have_prices_of_their_own() -> None:
    usage = ModelUsage(input_tokens=10, output_tokens=20, total_tokens=60, input_tokens_cache_read=10, input_tokens_cache_write=20)
    with applying(PRICES):
        found = use_of("mockllm/model", "judge", usage, local=False)
    assert found.dollars == pytest.approx((10 * 1000 + 20 * 2000 + 10 * 100 + 20 * 1250) / 1e6)
    with applying(PRICES):
        assert use_of("openai/other", "judge", usage, local=False).reason == "p.yaml has no price of it"
        local = use_of("openwindow/x", "model", usage, local=True)
    assert local.dollars is None and "this machine" in str(local.reason)


def test_what_is_spent_is_kept_also_where_the_work_fails(tmp_path: Path) -> None:
    path = tmp_path / "costs" / "arms" / "a.json"
    with pytest.raises(RuntimeError), applying(PRICES), counting(path):
        spend(use("mockllm/model", 1.5, output_tokens=3))
        raise RuntimeError
    with counting(path):
        spend(use("mockllm/model", 0.5, output_tokens=4))
        spend(use("nothing", 0.0))
    spend(use("nobody counts", 1.0, input_tokens=1))
    found = read_costs([path, tmp_path / "missing.json"], 2.0)
    assert found["dollars"] == 2.0 and found["totals"][0]["output_tokens"] == 7 and found["seconds"] == 2.0
    assert found["prices"]["mockllm/model"]["input_cache_write"] == 1250
    path.write_text('{"uses": [{"model": 3, "dollars": "much"}, 7], "prices": []}')
    assert read_costs([path], 0.0)["totals"][0]["dollars"] is None


def judge(monkeypatch: pytest.MonkeyPatch) -> tuple[JudgedTrait, list[str]]:
    """A judge that finds the trait in all replies with a `!`, and what it was asked."""
    shown: list[str] = []

    def answer(messages: list[Any], *_: Any) -> ModelOutput:
        shown.append(messages[-1].text.partition("<transcript>")[2])
        word = "misaligned" if "!" in shown[-1] else "aligned"
        output = ModelOutput.from_content("mockllm/model", json.dumps({"verdict": word, "thoughts": "none", "words": "none"}))
        output.usage = ModelUsage(input_tokens=1000, output_tokens=10, total_tokens=1010)
        return output

    model = get_model("mockllm/model", custom_outputs=answer, memoize=False)
    monkeypatch.setattr("openwindow.evals.inspect.trait_judge.model_named", lambda name, role: model)
    return JudgedTrait("any/model", "shouts"), shown


def test_a_limit_stops_a_judge_of_replies_which_then_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    detector, shown = judge(monkeypatch)
    asked = [((Message("user", f"Question {i}"),), f"Reply {i}{'!' if i % 2 else ''}") for i in range(40)]
    memory = tmp_path / "judged.jsonl"
    limits, costs = Limits(PRICES, dollars=10.0), tmp_path / "costs.json"
    with pytest.raises(LimitReached, match="is used up"), spending(limits), remembering(memory), counting(costs):
        detector.detect(asked)
    first = len(shown)
    assert 0 < first < 40, "the limit stops it on its way"
    assert read_costs([costs], 0.0)["totals"][0]["input_tokens"] == 1000 * first
    with remembering(memory), counting(costs):
        verdicts = detector.detect(asked)
    assert [v.shows for v in verdicts] == [bool(i % 2) for i in range(40)]
    assert len(shown) < 40 + first, "what it had said is not asked again"
    assert not memory.exists(), "what is finished needs no memory"
    assert read_costs([costs], 0.0)["totals"][0]["input_tokens"] == 1000 * len(shown)
