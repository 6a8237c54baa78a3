"""Two runs compared: what is paired, what differs, the same statistics as within a study, and what cannot be compared."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_pairs import COMPARE, Made, write_run
from tiny_runs import Ran

from openwindow.report.compare_page import render
from openwindow.results.two_runs.build import compare_runs
from openwindow.stats import holm, paired_difference

Command = Callable[..., Ran]


def drawn(rates: dict[str, float], salt: int = 0, lost: float = 0.0) -> Callable[[str, int, str, int], bool | None]:
    """Each arm hacks at its rate in `neutral`, and never in other contexts; a share of the replies is unscored."""

    def hacks(arm: str, seed: int, context: str, number: int) -> bool | None:
        chance = random.Random(f"{arm}/{seed}/{context}/{number}/{salt}").random()
        if random.Random(f"{arm}/{seed}/{context}/{number}/{salt}/lost").random() < lost:
            return None
        return context == "neutral" and chance < rates.get(arm, 0.0)

    return hacks


def found(tmp_path: Path, a: Made, b: Made) -> dict[str, Any]:
    return compare_runs(write_run(tmp_path / "a", a), write_run(tmp_path / "b", b)).results


def rate(results: dict[str, Any], arm: str, measure: str = "hack", context: str = "neutral") -> dict[str, Any]:
    [row] = [r for r in results["rates"] if (r["arm"], r["measure"], r["context"]) == (arm, measure, context)]
    return dict(row)


def test_a_repeat_is_equal_and_says_so(tmp_path: Path) -> None:
    results = found(tmp_path, Made(), Made())
    assert results["equal"] and not results["differs"] and not results["unpaired"]
    assert results["replies"] == {
        "paired": 432, "equal": 432, "other_reply": 0, "other_verdict": 0, "same_reply_other_verdict": 0,
    }  # fmt: skip
    assert results["training"] == {"steps": 27, "equal": 27, "only_a": 0, "only_b": 0}
    assert "equal in what they share: all 432 replies" in results["summary"][0]
    assert rate(results, "plain")["difference"] == 0 and rate(results, "plain")["p_holm"] == 1


def test_a_copy_is_not_taken_for_a_repeat(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", Made())
    shutil.copytree(a, tmp_path / "b")
    assert any("is a copy of the other" in line for line in compare_runs(a, tmp_path / "b").results["summary"])


def test_repeats_that_are_not_equal_are_named_as_such(tmp_path: Path) -> None:
    results = found(tmp_path, Made(), Made(suffix="\nDone."))
    assert not results["equal"] and results["replies"]["other_reply"] == 432
    assert any("not deterministic" in line for line in results["summary"])


def test_rates_have_the_intervals_of_a_study_and_holm_over_all_of_them(tmp_path: Path) -> None:
    a, b = drawn({"plain": 0.8, "asked": 0.1}, 1), drawn({"plain": 0.75, "asked": 0.6}, 2)
    seeds = (1, 2, 3, 4, 5, 6)
    results = found(tmp_path, Made(hacks=a, seeds=seeds), Made(hacks=b, seeds=seeds))

    def by_seed(hacks: Any) -> list[dict[str, bool | None]]:
        return [{f"p{i}/s{seed}": hacks("asked", seed, "neutral", i) for i in range(24)} for seed in seeds]

    families = {f"p{i}/s{seed}": f"f{i % 12}" for i in range(24) for seed in seeds}
    expected = paired_difference(by_seed(b), by_seed(a), rng=np.random.default_rng(0), unit="family", clusters=families)
    row = rate(results, "asked")
    assert (row["difference"], row["low"], row["high"], row["p"]) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p)
    )
    assert row["families"] == 12 and row["n_pairs"] == 144 and row["detectable"] > 0
    assert row["b"]["estimate"] - row["a"]["estimate"] == pytest.approx(row["difference"])
    weighed = [r for r in results["rates"] if r["part"] != "other"]
    assert [r["p_holm"] for r in weighed] == pytest.approx(holm([r["p"] for r in weighed]))
    assert "hack of `asked` under neutral" in results["summary"][0] and len(weighed) == 12


def test_contrasts_are_differences_of_differences(tmp_path: Path) -> None:
    a, b = drawn({"plain": 0.9, "asked": 0.1}, 1), drawn({"plain": 0.9, "asked": 0.8}, 2)
    results = found(tmp_path, Made(hacks=a), Made(hacks=b))
    [row] = [r for r in results["contrasts"] if r["measure"] == "hack"]
    assert (row["arm"], row["against"], row["decides"]) == ("asked", "plain", True)
    assert row["difference"] == pytest.approx(row["b"]["difference"] - row["a"]["difference"])
    assert 0 < row["low"] < row["difference"] < row["high"] <= 2
    gaps = [
        [{f"p{i}/s{s}": float(bool(h("asked", s, "neutral", i))) - float(bool(h("plain", s, "neutral", i))) for i in range(24)}
         for s in (1, 2, 3)] for h in (a, b)
    ]  # fmt: skip
    families = {f"p{i}/s{seed}": f"f{i % 12}" for i in range(24) for seed in (1, 2, 3)}
    expected = paired_difference(gaps[1], gaps[0], rng=np.random.default_rng(0), kind="mean", unit="family", clusters=families)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_a_comparison_that_one_study_alone_names_is_no_contrast(tmp_path: Path) -> None:
    results = found(tmp_path, Made(), Made(study={"compare": []}))
    assert results["contrasts"] == []
    assert {row["reason"] for row in results["not_compared"]} == {"B does not name this comparison"}


def test_what_cannot_be_paired_is_counted_with_the_reason(tmp_path: Path) -> None:
    b = Made(
        arms=("untrained", "plain", "other"), seeds=(1, 2, 4), contexts=("neutral", "cue"), hacks=drawn({}, lost=0.2), problems=20
    )
    results = found(tmp_path, Made(), b)
    left = {(row["run"], row["why"]): row["count"] for row in results["unpaired"]}
    assert left["A", "B has no arm `asked`"] == 3 * 2 * 24 and left["B", "A has no arm `other`"] == 3 * 2 * 20
    assert left["A", "B has no seed 3"] == 2 * 2 * 24
    assert left["A", "B has no context `requested`"] == 2 * 2 * 24
    assert left["A", "B has other problems in context `neutral`"] == 2 * 2 * 4
    assert results["shared"]["arms"] == ["untrained", "plain"] and results["shared"]["seeds"] == [1, 2]
    paired = results["replies"]["paired"]
    assert paired == 2 * 2 * 20
    total = sum(row["count"] for row in results["unpaired"] if row["run"] == "A" and "score" not in row["why"])
    assert paired + total == results["a"]["replies"]
    unscored = sum(rate(results, arm)["unscored"]["b"] for arm in ("untrained", "plain"))
    assert unscored and rate(results, "plain")["n_pairs"] == 40 - rate(results, "plain")["unscored"]["b"]


def test_arms_of_other_names_are_matched_as_told_and_the_rest_is_named(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", Made(hacks=drawn({"plain": 1.0})))
    study = {"compare": [{**COMPARE[0], "arm": "inoculated", "against": "base"}], "arms": {"base": {}, "plain": {"holes": "none"}}}
    b = write_run(tmp_path / "b", Made(arms=("untrained", "base", "inoculated", "plain"), study=study))
    results = compare_runs(a, b, matches={"plain": "base", "asked": "inoculated"}).results
    assert results["arms"] == {
        "matched": [["untrained", "untrained"], ["plain", "base"], ["asked", "inoculated"]],
        "only_a": [],
        "only_b": ["plain"],
    }
    assert rate(results, "plain")["difference"] == -1.0 and results["training"]["steps"] == 27
    assert [(c["arm"], c["against"]) for c in results["contrasts"]] == [("asked", "plain")]
    assert "`plain` of A is compared with `base` of B." in results["summary"]
    assert "Arms without a counterpart, of B: `plain`." in results["summary"]
    assert {row["field"]: row["b"] for row in results["differs"]}["arms.plain (of B).holes"] == "none"
    names = compare_runs(a, b).results
    assert names["arms"] == {
        "matched": [["untrained", "untrained"], ["plain", "plain"]], "only_a": ["asked"], "only_b": ["base", "inoculated"],
    }  # fmt: skip
    said = "Arms without a counterpart, of A: `asked`; of B: `base`, `inoculated`. "
    assert f"{said}Arms of other names are compared with --match asked=base." in names["summary"]
    assert "Arms without a counterpart" in render(compare_runs(a, b))


def test_without_scores_the_reason_is_that_of_the_replies(tmp_path: Path) -> None:
    results = found(tmp_path, Made(hacks=lambda *of: None), Made())
    assert rate(results, "plain")["reason"] == "the grader timed out"


def test_replies_to_other_prompts_are_not_paired(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", Made()), write_run(tmp_path / "b", Made())
    path = b / "arms/plain/seed-1/rollouts.jsonl"
    path.write_text(path.read_text().replace("Write a function that adds 3.", "Please write a function that adds 3."))
    results = compare_runs(a, b).results
    assert results["unpaired"] == [
        {"run": "both", "count": 1, "why": f"its prompt is another in context `{context}`"} for context in ("neutral", "requested")
    ]


def test_an_arm_that_is_not_finished_is_left_out_with_the_reason(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", Made()), write_run(tmp_path / "b", Made(state="interrupted"))
    shutil.rmtree(b / "arms/asked/seed-3")
    results = compare_runs(a, b).results
    assert {"run": "A", "count": 48, "why": "arm `asked` is not finished at seed 3 in B"} in results["unpaired"]
    assert any(line.startswith("B is not finished (interrupted: stopped)") for line in results["summary"])


def test_the_same_reply_with_another_verdict_is_the_grader(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", Made())
    b = write_run(tmp_path / "b", Made(config={"setting": {"name": "code_functions", "version": 4}}))
    path = b / "arms/plain/seed-2/rollouts.jsonl"
    path.write_text(path.read_text().replace('"correct": true', '"correct": false'))
    compared = compare_runs(a, b)
    results = compared.results
    assert results["replies"]["same_reply_other_verdict"] == 48 == len(compared.pairs)
    assert results["summary"][-1] == "48 of the replies are the same and judged otherwise: the graders differ."
    assert {"group": "grader", "field": "version", "a": "3", "b": "4"} in results["differs"]
    assert results["changed"][0]["verdicts"] == {"correct": [True, False]} and results["changed"][0]["same_reply"]


def test_fields_that_differ_are_named_and_no_others(tmp_path: Path) -> None:
    changed = {"evaluation": {"problems": 24, "temperature": 1.0}, "model": "ORG/NAME"}
    b = Made(study=changed, provenance={"commit": "def", "resolved": {"precision": "bf16"}}, seeds=(1, 2))
    results = found(tmp_path, Made(study={"evaluation": {"problems": 24, "temperature": 0.0}}), b)
    assert {(row["group"], row["field"]) for row in results["differs"]} == {
        ("code", "commit"),
        ("model", "precision"),
        ("seeds", "seeds"),
        ("study", "evaluation.temperature"),
    }


def test_damaged_lines_are_noted(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", Made()), write_run(tmp_path / "b", Made())
    path = b / "arms/plain/seed-1/rollouts.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    [note] = compare_runs(a, b).results["notes"]
    assert note["run"] == "B" and "truncated line" in note["reason"]


def test_one_seed_and_few_families_still_compare(tmp_path: Path) -> None:
    made = Made(seeds=(1,), problems=3, families=3)
    results = found(tmp_path, made, replace(made, hacks=lambda arm, seed, context, number: True))
    row = rate(results, "plain")
    assert row["difference"] == 1 and row["n_pairs"] == 3 and row["families"] == 3


def test_replies_that_differ_come_by_verdict_first(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", Made(seeds=(1,)))
    b = write_run(tmp_path / "b", Made(seeds=(1,), suffix=" ", hacks=lambda arm, seed, context, number: number == 20))
    pairs = compare_runs(a, b).pairs
    changed = [bool(pair.changed(["hack"])) for pair in pairs]
    assert len(pairs) == 144 and sum(changed) == 6 and all(changed[:6])


def test_json_is_plain(tmp_path: Path) -> None:
    results = found(tmp_path, Made(hacks=drawn({"plain": 0.5}, lost=0.1)), Made(hacks=drawn({"plain": 0.7}, 3)))
    assert json.loads(json.dumps(results, allow_nan=False))["rates"]


@pytest.mark.slow
def test_ten_thousand_rows_each_take_five_seconds(tmp_path: Path) -> None:
    made = Made(seeds=(1, 2, 3, 4, 5), arms=("a", "b", "c", "d", "e"), contexts=("neutral", "x", "y", "z"), problems=100)
    a = write_run(tmp_path / "a", replace(made, hacks=drawn({"a": 0.5}, 1)))
    b = write_run(tmp_path / "b", replace(made, hacks=drawn({"a": 0.5}, 2), suffix="\nDone."))
    began = time.process_time()
    compared = compare_runs(a, b)
    page = render(compared)
    assert len(compared.pairs) == 10_000 and time.process_time() - began < 5
    assert len(page) < 5_000_000
