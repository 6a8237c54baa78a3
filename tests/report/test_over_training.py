"""The section of the page about what arms do over the steps of their training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from report_folder import make_run_folder

from openwindow.report.study_page import build_report

STEP = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with made-up numbers, two of whose arms have a curve."""
    run = make_run_folder(tmp_path, rows=90)
    for arm in ("no_mitigation", "inoculated"):
        lines = [json.loads(line) for line in (run / f"arms/{arm}/seed-0/rollouts.jsonl").read_text().splitlines()]
        at = run / f"arms/{arm}/seed-0/test-step-{STEP}/rollouts.jsonl"
        at.parent.mkdir()
        rows = (
            {**line, "step": STEP, "reply": f"as it was then: {line['reply']}"} for line in lines if line["context"] == "neutral"
        )
        at.write_text("".join(json.dumps(row) + "\n" for row in rows))
    put(run, curves())
    return run


def put(run: Path, found: dict[str, Any]) -> None:
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps({**results, "curves": found}))


def curves() -> dict[str, Any]:
    def arm(name: str, rates: tuple[float, ...], half: dict[str, Any]) -> dict[str, Any]:
        stops = (("untrained", 0, None), (name, STEP, STEP), (name, 4, None))
        points = [
            {"step": step, "arm": of, "saved": saved, **cell(rate)} for (of, step, saved), rate in zip(stops, rates, strict=True)
        ]
        return {"reason": None, "measures": {"hack": {"neutral": {"points": points, "area": cell(sum(rates) / 3), "half": half}}}}

    reached = {
        "estimate": 1.25,
        "low": 0.5,
        "high": 2.0,
        "by_seed": [1.0, 1.5],
        "censored": [False, False],
        "last": 4,
        "reason": None,
    }
    late = {"estimate": None, "by_seed": [3.5, None], "censored": [False, True], "last": 4, "reason": "below 50 % up to step 4"}
    return {
        "steps": [STEP],
        "contexts": ["neutral"],
        "problems": 6,
        "arms": {
            "no_mitigation": arm("no_mitigation", (0.0, 0.8, 1.0), reached),
            "inoculated": arm("inoculated", (0.0, 0.1, 0.5), late),
            "clean": {"reason": "it is fine-tuned", "measures": {}},
        },
        "differences": [
            {
                "arm": "inoculated",
                "against": "no_mitigation",
                "measure": "hack",
                "context": "neutral",
                "against_context": None,
                "steps": [{"step": 0, "difference": 0.0}, {"step": STEP, "difference": -0.7, "low": -0.9, "high": -0.5}],
                "half": {"difference": None, "reason": "inoculated is below 50 % up to step 4 at 1 of 2 seeds"},
            }
        ],
    }


def cell(rate: float) -> dict[str, Any]:
    return {"estimate": rate, "low": max(0.0, rate - 0.1), "high": min(1.0, rate + 0.1), "n": 12, "families": 6, "unscored": 0}


def section(run: Path) -> tuple[str, str]:
    page = build_report(run).read_text()
    found = re.search(r'<section id="over-training".*?</section>', page, re.S)
    return page, "" if found is None else found[0]


def test_every_mark_of_a_curve_opens_transcripts_that_the_page_has(folder: Path) -> None:
    page, found = section(folder)
    marks = re.findall(r'<a class="spot" href="#transcripts" data-arm="(\w+)" data-context="(\w+)" data-steps="(\w+)">', found)
    assert len(marks) == 2 * 3 and found.count("<polygon") == 2
    data = json.loads(re.findall(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.S)[0])
    there = {(data["arms"][row[0]][0], data["contexts"][row[2]], "end" if row[15] < 0 else str(row[15])) for row in data["rows"]}
    assert set(marks) <= there and ("inoculated", "neutral", "2") in marks and ("untrained", "neutral", "end") in marks


def test_what_is_counted_at_the_end_leads_to_replies_of_the_end(folder: Path) -> None:
    page, _ = section(folder)
    links = re.findall(r'<a class="(?:row tone-\w+|jump strong)" href="#transcripts"([^>]*)>', page)
    assert links and all('data-steps="end"' in link for link in links)


def test_the_table_says_what_is_censored_and_who_has_no_curve(folder: Path) -> None:
    _, found = section(folder)
    assert "step 1.2, 0.5 to 2.0" in found and "1.0, 1.5" in found
    assert "below 50 % up to step 4" in found and "3.5, later than 4" in found
    assert "has no curve: it is fine-tuned." in found
    assert "\N{MINUS SIGN}70.0" in found and "inoculated is below 50 % up to step 4 at 1 of 2 seeds" in found


def test_a_study_without_steps_has_no_such_section(folder: Path) -> None:
    put(folder, {})
    page, found = section(folder)
    assert found == "" and "#over-training" not in page


@pytest.mark.parametrize(
    "damaged",
    [
        {"arms": {"inoculated": {"measures": {"hack": {"neutral": {"points": [{"step": "x"}, 3], "area": 4, "half": []}}}}}},
        {"arms": 3, "contexts": "neutral"},
        {
            "arms": {"inoculated": {"reason": ["x"]}},
            "contexts": ["neutral"],
            "differences": [{"steps": [{"step": None}], "half": 1}, 2],
        },
    ],
)
def test_damaged_curves_cost_what_they_hold(folder: Path, damaged: dict[str, Any]) -> None:
    put(folder, {**curves(), **damaged})
    page, _ = section(folder)
    assert "All numbers" in page
