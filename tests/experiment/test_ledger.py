"""The ledger of test runs: what a run's provenance says of those before it, and that it never stops a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import run

from openwindow.experiment.ledger import ledger_path, note_test_run
from openwindow.experiment.overrides import override
from openwindow.experiment.run_folder import RunFolder, read_json
from openwindow.experiment.study import Study

MakeStudy = Callable[..., Study]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "somewhere" / "test_runs.jsonl"
    monkeypatch.setenv("OPENWINDOW_LEDGER", str(path))
    return path


def noted(study: Study, out: Path) -> dict[str, Any]:
    """What the provenance of a run in that folder says."""
    folder = RunFolder(out)
    if not out.exists():
        folder.open({"study_config": {}}, {"commit": "abc"}, overwrite=False)
    note_test_run(study, folder)
    found: dict[str, Any] = read_json(out / "provenance.json")["test_runs"]
    return found


@pytest.mark.slow
def test_s11_a_run_says_how_often_its_test_problems_were_asked_before(tiny_study: MakeStudy, tmp_path: Path, ledger: Path) -> None:
    study = tiny_study(seeds=(1, 2))
    first = noted(study, tmp_path / "a")
    assert (first["before"], first["before_by_seed"], first["ledger"]) == (0, {"1": 0, "2": 0}, str(ledger))
    assert noted(study, tmp_path / "a") == first  # a run that goes on is not another one
    second = noted(override(study, {"seeds": (2, 3), "claim": "Another."}, "test"), tmp_path / "b")
    assert (second["before"], second["same_study"], second["before_by_seed"]) == (1, 0, {"2": 1, "3": 0})
    third = noted(study, tmp_path / "c")
    assert (third["before"], third["same_study"], third["before_by_seed"]) == (2, 1, {"1": 1, "2": 2})
    assert noted(override(study, {"seeds": (9,)}, "test"), tmp_path / "d")["before"] == 0
    assert noted(override(study, {"name": "other"}, "test"), tmp_path / "e")["before"] == 0
    lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 5 and {line["commit"] for line in lines} == {"abc"} and lines[0]["seeds"] == [1, 2]


@pytest.mark.slow
def test_s11_a_ledger_with_other_things_in_it_is_read_as_far_as_it_goes(
    tiny_study: MakeStudy, tmp_path: Path, ledger: Path
) -> None:
    study = tiny_study()
    noted(study, tmp_path / "a")
    with ledger.open("ab") as file:
        file.write(b'{"study": "' + study.name.encode() + b'", "seeds": "x"}\n[1]\nnull\n\xff\xfe{\n')
    assert noted(study, tmp_path / "b")["before"] == 1


@pytest.mark.slow
def test_s11_a_ledger_that_cannot_be_written_is_a_note(
    tiny_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("OPENWINDOW_LEDGER", str(tmp_path / "file" / "test_runs.jsonl"))
    found = noted(tiny_study(), tmp_path / "a")
    assert found["before"] is None and "cannot be read or written" in found["reason"]


@pytest.mark.slow
def test_s11_the_second_run_of_a_study_says_so_and_its_results_do_not_depend_on_it(
    tiny_study: MakeStudy, tmp_path: Path, ledger: Path
) -> None:
    study = tiny_study(seeds=(1,))
    results = run(study, tmp_path / "a"), run(study, tmp_path / "b")
    said = [read_json(tmp_path / name / "provenance.json")["test_runs"] for name in ("a", "b")]
    assert [(found["before"], found["same_study"]) for found in said] == [(0, 0), (1, 1)]
    run(study, tmp_path / "b")
    assert read_json(tmp_path / "b" / "provenance.json")["test_runs"] == said[1] and len(ledger.read_text().splitlines()) == 2
    assert all("test_runs" not in found for found in results)
    page = (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    assert "1 by this user, of this study on some of these seeds; 1 with the same configuration" in page


def test_s11_the_ledger_is_beside_the_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENWINDOW_LEDGER")
    monkeypatch.setenv("OPENWINDOW_CACHE", str(tmp_path))
    assert ledger_path() == tmp_path / "test_runs.jsonl"
