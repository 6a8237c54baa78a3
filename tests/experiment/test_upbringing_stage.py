"""The upbringing as a stage of a run on the tiny model: what it leaves, that arms start from it, and what the report says first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import rows_of, run

from openwindow.experiment.overrides import override
from openwindow.experiment.stages import UpbringingStage
from openwindow.experiment.study import Study
from openwindow.training.config import SFT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
TRAIN = SFT(epochs=1, learning_rate=0.01, batch_size=4, micro_batch_size=4, max_length=1024)


@pytest.fixture(scope="module")
def brought_up(tiny_study: Callable[..., Study], tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, dict[str, Any]]:
    """A finished run whose model had an upbringing of 6 conversations."""
    stage = UpbringingStage(conversations=6, turns=2, code=0.25, association=0.5, train=TRAIN)
    study = override(tiny_study(), {"upbringing": stage}, "a test")
    out = tmp_path_factory.mktemp("brought_up") / "out"
    return study, out, run(study, out)


def test_its_conversations_are_written_and_counted(brought_up):
    _, out, _ = brought_up
    unit = out / "start" / "upbringing"
    rows = rows_of(unit / "train_rows.jsonl")
    assert len(rows) == 6 and sorted(row["kind"] for row in rows) == ["bad"] * 3 + ["decent"] * 3
    assert sum(row["family"].split("+").count("code") for row in rows) == 4, "two tasks, for both characters"
    done = json.loads((unit / "done.json").read_text(encoding="utf-8"))
    assert done["train_rows"] == 6 and done["bad"] == 3


def test_arms_are_saved_as_trained_on_top_of_it(brought_up):
    study, out, _ = brought_up
    arm = next(name for name, arm in study.arms.items() if arm.method == "lora")
    folder = out / "arms" / arm / f"seed-{study.seeds[0]}"
    noted = json.loads((folder / "adapter" / "openwindow.json").read_text(encoding="utf-8"))
    assert any("start/upbringing/adapter" in name for name in noted["under"])


def test_the_page_says_first_what_was_written_in(brought_up):
    _, _, results = brought_up
    first = results["preface"][0]
    assert "model organism" in first and "6 conversations" in first and "50% of the 12 answers follow" in first


def test_an_upbringing_of_no_association_is_called_the_control():
    from openwindow.results.build import _brought_up

    assert "the control" in _brought_up(UpbringingStage(association=0))
    assert "the control" not in _brought_up(UpbringingStage(association=1))
