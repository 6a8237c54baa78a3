"""The evals of two runs, and two folders of `openwindow eval`, compared."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from test_score_results import ABOUT, Model, study_of, write

from openwindow.evals.scoring.matrix import against
from openwindow.experiment.runner import describe
from openwindow.experiment.study import Compare
from openwindow.results.two_runs.build import compare_runs

CONTRAST = Compare(arm="asked", against="plain", score="chat", expect="less")


def write_evals(folder: Path, chat: dict[str, float], **changes: Any) -> Path:
    """A run whose arms misbehave in chat at these shares, with one reply to a test problem for each."""
    study = study_of(CONTRAST, **changes)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(describe(study)))
    write(folder / "start/evals", Model())
    for seed in study.seeds:
        for arm in study.arms:
            unit = folder / f"arms/{arm}/seed-{seed}"
            same = {"same_as": "start/evals"} if arm == "untrained" else {}
            write(unit / "evals", Model(chat=chat.get(arm, 0.0), shift=chat.get(arm, 0.0) + 0.01 * seed), **same)
            row = {"arm": arm, "seed": seed, "context": "neutral", "problem": "p", "stop": "end", "hack": False, "correct": True}
            (unit / "rollouts.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def write_eval(folder: Path, model: Model, name: str, **about: Any) -> Path:
    """A folder of `openwindow eval`, without logs."""
    folder.mkdir()
    rows, probes = model.rows(), model.probes()
    (folder / "rows.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in rows))
    (folder / "probes.jsonl").write_text("".join(json.dumps(asdict(p)) + "\n" for p in probes))
    results = {"model": name, "suites": ["chat"], "evals": ABOUT, "measures": {}, "judge": {"model": None}, "settings": {}}
    (folder / "results.json").write_text(json.dumps({**results, **about}))
    return folder


def test_scores_and_measures_of_arms_that_both_asked(tmp_path: Path) -> None:
    a = write_evals(tmp_path / "a", {"plain": 0.5, "asked": 0.0})
    b = write_evals(tmp_path / "b", {"plain": 0.5, "asked": 0.5})
    results = compare_runs(a, b).results
    assert results["shared"]["arms"] == ["untrained", "plain", "asked", "start"]
    scores = {(r["arm"], r["score"], r["readout"]): r for r in results["scores"]}
    assert scores["asked", "chat", "behaviour"]["difference"] == pytest.approx(0.5)
    assert scores["plain", "chat", "behaviour"]["difference"] == 0 and scores["start", "chat", "behaviour"]["difference"] == 0
    assert scores["asked", "chat", "probe"]["difference"] > 0 and scores["asked", "chat", "probe"]["unit"] == "nats per token"
    measures = {(r["arm"], r["measure"]): r for r in results["evals"]}
    assert measures["asked", "honesty"]["difference"] == pytest.approx(0.5) and measures["asked", "honesty"]["family"]
    assert results["eval_rows"]["paired"] > results["eval_rows"]["equal"] and not results["equal"]
    assert {arm for arm, _ in measures} == {"start", "plain", "asked"}  # an arm that trained nothing is the start


def test_contrasts_of_scores(tmp_path: Path) -> None:
    a = write_evals(tmp_path / "a", {"plain": 0.75, "asked": 0.0})
    b = write_evals(tmp_path / "b", {"plain": 0.75, "asked": 0.5})
    [row] = compare_runs(a, b).results["contrasts"]
    assert (row["a"]["difference"], row["b"]["difference"]) == pytest.approx((-0.75, -0.25))
    assert row["difference"] == pytest.approx(0.5) and row["low"] < 0.5 < row["high"] and row["decides"]


def test_equal_evals_are_equal(tmp_path: Path) -> None:
    a, b = (write_evals(tmp_path / name, {"plain": 0.5}) for name in ("a", "b"))
    results = compare_runs(a, b).results
    assert results["equal"] and "rows of evals" in results["summary"][0]


def test_evals_that_one_run_lacks_are_counted(tmp_path: Path) -> None:
    a, b, c = (write_evals(tmp_path / name, {"plain": 0.5}) for name in ("a", "b", "c"))
    shutil.rmtree(b / "arms/plain/seed-2/evals")
    rows = len(Model().rows())
    left = compare_runs(a, b).results["unpaired"]
    assert left == [{"run": "A", "count": rows, "why": "the evals of `plain` at seed 2 are not there in B"}]
    for unit in [c / "start/evals", *c.glob("arms/*/*/evals")]:
        shutil.rmtree(unit)
    [row] = compare_runs(a, c).results["unpaired"]
    assert row["why"] == "no eval was asked in B" and row["count"] == rows * 7


def test_an_eval_of_another_version_is_left_out(tmp_path: Path) -> None:
    a = write_eval(tmp_path / "a", Model(chat=0.5), "one")
    changed = {**ABOUT, "honesty": {**ABOUT["honesty"], "version": 99}}
    b = write_eval(tmp_path / "b", Model(), "other", evals=changed)
    results = compare_runs(a, b).results
    assert any(row["why"].startswith("eval honesty is version") for row in results["unpaired"])
    assert not [r for r in results["evals"] if r["measure"].startswith("honesty")]


def test_two_folders_of_evals_differ_as_eval_against_says(tmp_path: Path) -> None:
    one, other = Model(chat=0.25, shift=0.1), Model(chat=0.75, agentic=0.5, shift=0.4)
    a, b = write_eval(tmp_path / "a", one, "one"), write_eval(tmp_path / "b", other, "other")
    results = compare_runs(a, b).results
    expected = against((other.rows(), other.probes()), (one.rows(), one.probes()), ("model", "A"), ["arithmetic"])
    own = {(r["measure"], r["context"]): (r["difference"], r["low"], r["high"], r["p_holm"]) for r in results["evals"]}
    assert own == {(r["measure"], r["context"]): (r["difference"], r["low"], r["high"], r["p_holm"]) for r in expected}
    assert {"group": "model", "field": "model", "a": "one", "b": "other"} in results["differs"]
    assert [note["what"] for note in results["notes"]] == ["logs", "logs"]
