"""The run folder: atomic units, the same run taken up again, another one refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tiny_runs import rows_of

from openwindow.errors import ConfigError, StorageError
from openwindow.experiment.provenance import provenance
from openwindow.experiment.run_folder import RunFolder
from openwindow.files.locking import NAME as LOCK
from openwindow.files.writing import storing, write_json, write_jsonl

CONFIG = {"study": "a", "seeds": [1], "study_config": {"train": {"epochs": 1}}}


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != LOCK)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run with one finished unit."""
    run = RunFolder(tmp_path / "run")
    assert run.open(CONFIG, {"commit": "c", "diff": "+ a line"}, overwrite=False) is False
    with run.unit("arms/a/seed-1") as path:
        write_json(path / "done.json", {"rates": {}})
    return run


def test_opening_writes_what_shaped_the_run(folder: RunFolder) -> None:
    assert files(folder.path) == ["arms/a/seed-1/done.json", "code.diff", "config.json", "provenance.json"]
    assert json.loads((folder.path / "config.json").read_text()) == CONFIG
    assert json.loads((folder.path / "provenance.json").read_text()) == {"commit": "c"}
    assert (folder.path / "code.diff").read_text() == "+ a line"


def test_the_same_run_is_taken_up_again(folder: RunFolder) -> None:
    (folder.path / "arms/a/.seed-2.partial").mkdir()
    (folder.path / ".status.json.17.partial").write_text("{", encoding="utf-8")
    assert folder.open(CONFIG, {}, overwrite=False) is True
    assert "arms/a/seed-1/done.json" in files(folder.path)
    assert [path.name for path in folder.path.rglob(".*")] == [LOCK]


def test_another_run_is_refused_by_its_first_difference(folder: RunFolder) -> None:
    other = {**CONFIG, "study_config": {"train": {"epochs": 2}}}
    with pytest.raises(ConfigError, match=r"another run \(its study_config\.train\.epochs is 1, not 2\).*--overwrite"):
        folder.open(other, {}, overwrite=False)
    with pytest.raises(ConfigError, match=r"its extra is null, not true"):
        folder.open({**CONFIG, "extra": True}, {}, overwrite=False)


def test_overwriting_deletes_a_run(folder: RunFolder) -> None:
    assert folder.open({**CONFIG, "seeds": [2]}, {}, overwrite=True) is False
    assert files(folder.path) == ["config.json", "provenance.json"]


def test_a_run_that_finished_nothing_gives_way(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.open(CONFIG, {}, overwrite=False)
    run.status("failed", "no such model")
    (run.path / "checkpoints/a/seed-1").mkdir(parents=True)
    assert run.open(CONFIG, {}, overwrite=False) is True and (run.path / "checkpoints/a/seed-1").is_dir()
    assert run.open({**CONFIG, "study": "b"}, {}, overwrite=False) is False
    assert json.loads((run.path / "config.json").read_text())["study"] == "b"
    assert not (run.path / "checkpoints").exists()  # no arm of `b` resumes from what one of `a` had learnt


def test_a_run_killed_while_its_first_file_was_written_can_be_started(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.config.json.17.partial").write_text("{", encoding="utf-8")
    assert RunFolder(tmp_path / "run").open(CONFIG, {}, overwrite=False) is False


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["thesis.tex", "config.json"])
def test_what_is_not_ours_is_never_deleted(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / name).write_text('{"model_type": "llama"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="choose another --out"):
        RunFolder(tmp_path).open(CONFIG, {}, overwrite=overwrite)
    assert files(tmp_path) == [name]


def test_a_unit_is_there_whole_or_not_at_all(folder: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt), folder.unit("arms/a/seed-2") as path:
        write_json(path / "done.json", {})
        raise KeyboardInterrupt
    assert not folder.is_done("arms/a/seed-2") and not (folder.path / "arms/a/seed-2").exists()
    with folder.unit("arms/a/seed-2") as path:
        write_json(path / "done.json", {"rates": {"neutral": {}}})
        assert not folder.is_done("arms/a/seed-2")
    assert folder.is_done("arms/a/seed-2") and folder.done("arms/a/seed-2") == {"rates": {"neutral": {}}}
    assert [path.name for path in folder.path.rglob(".*")] == [LOCK]


def test_metrics_are_gathered_in_a_fixed_order(folder: RunFolder) -> None:
    for unit in ("start/seed-1", "arms/b/seed-1", "arms/a/seed-2"):
        with folder.unit(unit) as path:
            write_jsonl(path / "metrics.jsonl", [{"unit": unit}])
    for _ in range(2):
        folder.gather()
        lines = [row["unit"] for row in rows_of(folder.path / "metrics.jsonl")]
        assert lines == ["start/seed-1", "arms/a/seed-2", "arms/b/seed-1"]


def test_json_has_no_nan_and_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "deep/x.json"
    write_json(path, {"a": None, "ü": 1})
    assert json.loads(path.read_text(encoding="ascii")) == {"a": None, "ü": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": math.nan})
    assert json.loads(path.read_text()) == {"a": None, "ü": 1} and files(tmp_path) == ["deep/x.json"]


def test_lines_are_all_there_or_those_from_before(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_jsonl(path, [{"a": 1}, {"a": 2}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_jsonl(path, [{"a": 3}, {"a": math.nan}])
    assert rows_of(path) == [{"a": 1}, {"a": 2}] and files(tmp_path) == ["x.jsonl"]


def test_a_failure_to_write_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as error, storing(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert str(error.value) == (
        f"cannot write {tmp_path / 'x'} (No space left on device); a writable folder with free space is needed; make room or "
        "choose another with --out, then run the same command again: what is finished is kept"
    )


def test_provenance_names_code_packages_and_machine() -> None:
    found = provenance(["openwindow", "run", "quickstart"])
    assert {"openwindow", "commit", "dirty", "diff", "packages", "python", "platform", "cpu", "started", "command"} <= set(found)
    assert found["command"] == "openwindow run quickstart" and found["dirty"] == bool(found["diff"])
    assert {"numpy", "scipy", "pydantic"} <= set(found["packages"])


FLOAT = {"precision": "fp32", "device": "cpu"}
HALF = {"precision": "bf16", "device": "cuda"}


@pytest.mark.parametrize("left", ["arms/a/seed-1/done.json", "start/knowledge/done.json", "checkpoints/a/seed-1/state.pt"])
def test_a_run_that_was_begun_in_another_precision_is_refused_in_one_line(tmp_path: Path, left: str) -> None:
    folder = RunFolder(tmp_path / "out")
    folder.open({"study_config": {}}, {"openwindow": "1"}, overwrite=False)
    folder.resolved(FLOAT)
    noted = json.loads((folder.path / "provenance.json").read_text())
    assert noted == {"openwindow": "1", "resolved": FLOAT}
    folder.resolved(HALF)  # nothing has been run yet
    folder.resolved(FLOAT)
    write_json(folder.path / left, {})
    folder.resolved(FLOAT)
    with pytest.raises(ConfigError) as refused:
        folder.resolved(HALF)
    assert str(refused.value) == (
        f"{folder.path} was begun with precision fp32, device cpu, and would resume with precision bf16, device cuda; expected the "
        "same for all arms; resume where it was begun, or choose another --out"
    )
    assert json.loads((folder.path / "provenance.json").read_text()) == noted
