"""A run folder is read whole, and what is missing or cut off is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from openwindow.errors import ConfigError
from openwindow.results.load import load_run, read_rollouts
from openwindow.types import Message, StopReason


def notes(run: Path) -> dict[str, str]:
    return {n.what: n.reason for n in load_run(run).notes}


def test_a_finished_run_leaves_no_notes(fresh):
    run = load_run(fresh)
    assert run.notes == ()
    assert [a.name for a in run.arms] == ["untrained", "no_mitigation", "inoculated", "placebo", "clean"]
    assert [c.name for c in run.contexts] == ["neutral", "requested", "unrelated"]
    assert run.measures == ("hack", "correct", "passes_visible", "attempted")
    cell = run.cells["no_mitigation", "hack", "neutral"]
    assert (cell.estimate, cell.n, cell.unscored, len(cell.by_seed)) == (0.69, 3, 2, 3)
    assert sorted(run.train["inoculated"]) == [0, 1, 2]
    assert "untrained" not in run.train


def test_rollouts_are_read_in_order_and_frozen(fresh):
    rows = read_rollouts(fresh)
    assert len(rows) == 45
    assert [r.arm for r in rows[::9]] == ["untrained", "no_mitigation", "inoculated", "placebo", "clean"]
    assert [r.seed for r in rows[:9]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert isinstance(rows[0].messages[0], Message)
    assert isinstance(rows[0].stop, StopReason)
    with pytest.raises(FrozenInstanceError):
        rows[0].arm = "other"
    with pytest.raises(AttributeError):
        _ = rows[0].__dict__


def test_seeds_sort_as_numbers(fresh):
    source = fresh / "arms" / "clean"
    for seed in ("10", "9"):
        (source / f"seed-{seed}").mkdir()
        shutil.copy(source / "seed-0" / "train_rows.jsonl", source / f"seed-{seed}")
    assert list(load_run(fresh).train["clean"]) == [0, 1, 2, 9, 10]


def test_equal_prompts_are_one_object(fresh):
    path = fresh / "arms" / "clean" / "seed-0" / "rollouts.jsonl"
    path.write_text(path.read_text() * 2)
    rows = [r for r in read_rollouts(fresh) if (r.arm, r.seed) == ("clean", 0)]
    assert rows[0].messages is rows[3].messages


def test_a_truncated_last_line_is_left_out_and_counted(fresh):
    path = fresh / "arms" / "clean" / "seed-1" / "rollouts.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert len(read_rollouts(fresh)) == 44
    assert "1 truncated line" in notes(fresh)["arms/clean/seed-1/rollouts.jsonl"]


def test_a_last_line_without_newline_that_is_whole_counts(fresh):
    path = fresh / "metrics.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert notes(fresh) == {}


def test_lines_that_hold_no_object_are_counted(fresh):
    path = fresh / "metrics.jsonl"
    path.write_bytes(b"[1]\nnonsense\n\xff\xfe\n" + path.read_bytes())
    assert notes(fresh)["metrics.jsonl"] == "3 lines that are not a JSON object; left out"


def test_an_unknown_stop_is_named(fresh):
    path = fresh / "arms" / "clean" / "seed-1" / "rollouts.jsonl"
    path.write_text(path.read_text().replace('"stop": "end"', '"stop": "tired"'))
    assert "`stop` is none of end, length, error" in notes(fresh)["arms/clean/seed-1/rollouts.jsonl"]


@pytest.mark.parametrize("name", ["config.json", "provenance.json", "status.json", "results.json", "metrics.jsonl"])
def test_a_missing_file_is_named(fresh, name):
    (fresh / name).unlink()
    assert "no such file" in notes(fresh)[name]


@pytest.mark.parametrize("text", ["{", "[]", "", "[" * 100_000, "\x00"])
def test_an_unreadable_document_is_named(fresh, text):
    (fresh / "results.json").write_text(text)
    assert "rates, intervals and comparisons cannot be shown" in notes(fresh)["results.json"]


def test_nan_and_wrong_types_are_not_measured(fresh):
    found = json.loads((fresh / "results.json").read_text())
    cell = found["arms"]["clean"]["measures"]["hack"]["neutral"]
    cell |= {"estimate": float("nan"), "low": "0.1", "high": True, "n": None, "by_seed": [0.5, None, float("inf")]}
    (fresh / "results.json").write_text(json.dumps(found))
    read = load_run(fresh).cells["clean", "hack", "neutral"]
    assert (read.estimate, read.low, read.high, read.n, read.by_seed) == (None, None, None, 0, (0.5, None, None))


def test_a_folder_that_is_no_run_is_the_users_error(tmp_path):
    with pytest.raises(ConfigError, match=r"is not a run folder: neither config\.json nor results\.json") as caught:
        load_run(tmp_path)
    assert "\n" not in str(caught.value)
    for ask in (load_run, read_rollouts):
        with pytest.raises(ConfigError, match=r"no run folder at .*openwindow run STUDY"):
            ask(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no run folder at"):
        load_run(tmp_path / "file")


def test_the_report_needs_no_torch():
    code = "import sys, openwindow.report.study_page; sys.exit(bool({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
