"""No name that a user, a model or a damaged file gives becomes markup: each kind of page, cut as a browser would cut it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE, MARK, renamed, same_page
from report_folder import make_run_folder

from openwindow.report import inoculate_page, ranking_page
from openwindow.report.charts import identifier
from openwindow.report.scatter import Point, scatter
from openwindow.report.study_page import render
from openwindow.results.load import load_run


def cell(estimate: float | None = 0.5) -> dict[str, Any]:
    """An estimate with all that pages show of one."""
    return {"estimate": estimate, "low": 0.25, "high": 0.75, "n": 9, "reason": MARK, "by_seed": [0.5], "unscored": 0}


def of_ranking() -> dict[str, Any]:
    """Results of a ranking with the mark wherever a name or a text is the user's."""
    by_score = {score: {"pearson": cell(), "spearman": cell(None)} for score in ("elicitation", "uplift")}
    prompt = {"arm": MARK, "kind": MARK, "text": MARK} | {k: cell() for k in ("elicitation", "uplift", "after", "reduction")}
    setting = {
        "measure": MARK, "neutral_before": cell(), "no_mitigation": cell(), "untrained": cell(), "prompts": [prompt] * 3,
        "correlations": {"all": by_score, "asking": by_score}, "published": 0.5,
    }  # fmt: skip
    words = ("study", "question", "claim", "claim_id", "answer", "model", "source", "intervals", "openwindow", "commit")
    return dict.fromkeys(words, MARK) | {
        "verdict": "supported", "settings": {MARK: setting, "code": setting}, "seeds": [MARK], "timing": {MARK: 1.5},
        "preface": [MARK],
        "scores": {"elicitation": MARK, "uplift": MARK}, "means": by_score, "unmeasured": [{"what": MARK, "reason": MARK}],
    }  # fmt: skip


def of_inoculate() -> dict[str, Any]:
    """What the command found, with the mark wherever a name or a text is the user's."""
    prompts = [
        {"candidate": {"text": MARK, "kind": MARK, "role": role}} | {k: cell() for k in ("shown", "uplift", "contrast")}
        for role in ("inoculation", "placebo")
    ]
    measures = {MARK: {"neutral": cell(), MARK: cell()}}
    return {
        "options": {"trait": MARK, "model": MARK, MARK: [MARK]},
        "data": {"data": MARK, "rows": 9, "dropped": {MARK: 1}, MARK: MARK},
        "ranking": {"scored_by": [MARK], "neutral": cell(), "prompts": prompts, "chosen": [MARK]},
        "recommendation": {"recommended": MARK, "lines": [MARK] * 3, "training_file": MARK, "adapter": MARK},
        "contexts": {MARK: {"text": MARK, "asks": True}},
        "results": {"arms": {MARK: {"measures": measures}}, "leak": {MARK: {"context": MARK, "estimate": 0.5}}},
    }


def test_report_ranking_is_not_broken_by_names() -> None:
    found = of_ranking()
    hostile = ranking_page.render(renamed(found, HOSTILE))
    plain = ranking_page.render(found)
    same_page(plain, hostile)
    assert "code/report.html" in hostile and "in the folder of that name" in hostile
    for name in ("javascript:alert(1)", "//evil", "..", "http://x", "a/../b", "%2e%2e"):
        same_page(plain, ranking_page.render(renamed(found, name)))


def test_report_inoculate_is_not_broken_by_names() -> None:
    found = of_inoculate()
    same_page(inoculate_page.render(found, [MARK]), inoculate_page.render(renamed(found, HOSTILE), [HOSTILE]))


@pytest.mark.parametrize("mark", ["placebo", "unrelated", "add_n", "hack", "Only make", "adapter"])
def test_report_of_a_run_is_not_broken_by_names(tmp_path: Path, mark: str) -> None:
    run = make_run_folder(tmp_path, rows=45)
    plain = render(load_run(run))
    for path in [*run.rglob("*.json"), *run.rglob("*.jsonl")]:
        text = path.read_text(encoding="utf-8")
        rows = [json.loads(text)] if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        path.write_text("".join(json.dumps(renamed(row, HOSTILE, mark)) + "\n" for row in rows), encoding="utf-8")
    same_page(plain, render(load_run(run)))


def test_identifiers_are_made_of_words_and_places_alone() -> None:
    assert identifier("scatter", 2, 11) == "scatter-2-11"
    for kind in ("", "a b", 'x" onfocus="', "Ä", "-"):
        with pytest.raises(ValueError, match="not a plain word"):
            identifier(kind, 1)
    point = Point(0.5, 0.5, None, None, HOSTILE, HOSTILE)
    words = {"title": HOSTILE, "subtitle": HOSTILE, "along": HOSTILE, "up": HOSTILE}
    svg = scatter([point], ident=identifier("scatter", 0), percent=True, **words)
    assert "<img" not in svg and "<script" not in svg and svg.count("<svg") == 1
