"""What is damaged in a run folder costs what it held: report notes it, and run makes the unit again that it belongs to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import one_line
from test_results import write_run
from tiny_runs import Ran, make_study

from openwindow.errors import RunError
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.study import Compare, Context, Study
from openwindow.files.run_files import Reader, damage, noticed
from openwindow.files.writing import read_jsonl, write_json, write_jsonl

Command = Callable[..., Ran]
UNIT = "arms/plain/seed-1"
STEP = {
    "arm": "plain", "seed": 1, "stage": "rl", "step": 3, "monitor/hack": 0.5, "monitor/proxy": 0.5, "monitor/truth": 0.0,
    "rollout/groups_without_signal": 0, "rollout/groups": 2, "rollout/unscored": 0, "rollout/count": 4,
}  # fmt: skip
DIGITS = 4 * "9" * 100  # no float has as many


def study(**changes: object) -> Study:
    return make_study(
        "no/such-model",
        arms={"plain": {}, "clean": {"data.gamed_share": 0.0}},
        about={},
        contexts={"neutral": Context()},
        seeds=(1,),
        compare=(Compare(arm="clean", against="plain"),),
        **changes,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two arms, as a study of the file `mine.py` beside it leaves it."""
    root = tmp_path_factory.mktemp("damage")
    (root / "mine.py").write_text(
        f"from openwindow.experiment.study import Study\nstudy = Study.model_validate_json({study().model_dump_json()!r})\n",
        encoding="utf-8",
    )
    write_run(root / "r", study(), {(arm, "neutral"): ["GGCWGC"] for arm in ("plain", "clean")})
    for arm in ("plain", "clean"):
        write_jsonl(root / f"r/arms/{arm}/seed-1/metrics.jsonl", [STEP | {"arm": arm}, STEP | {"arm": arm, "step": 4}])
        write_jsonl(root / f"r/arms/{arm}/seed-1/train_rows.jsonl", [])
    RunFolder(root / "r").gather()
    return root


@pytest.fixture
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as `r` in the folder that commands are given in."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "r"


def cut(path: Path) -> None:
    """Takes the end away, as a disk that was full does."""
    path.write_bytes(path.read_bytes()[:-30])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "a list": lambda path: path.write_text("[1, 2]\n", encoding="utf-8"),
    "deep": lambda path: path.write_text("[" * 100_000, encoding="utf-8"),
    "nested": lambda path: path.write_text('{"a":' * 900 + "1" + "}" * 900, encoding="utf-8"),
    "odd fields": lambda path: path.write_text(
        '{"timing": 5, "rates": null, "train_rows": "many", "kinds": 7, "hack": "x", "step": null, "monitor/hack": "x", "stop": 1}',
        encoding="utf-8",
    ),
    "digits": lambda path: path.write_text(f'{{"seed": {DIGITS}, "train_rows": {DIGITS}, "step": {DIGITS}}}\n', encoding="utf-8"),
    "more digits": lambda path: path.write_text(f'{{"seed": {"9" * 5000}}}', encoding="utf-8"),
    "nan": lambda path: path.write_text('{"seed": NaN, "train/loss": Infinity, "train_rows": NaN}', encoding="utf-8"),
    "a folder": lambda path: (path.unlink(missing_ok=True), path.mkdir()),
    "a pipe": lambda path: (path.unlink(missing_ok=True), os.mkfifo(path)),
    "zeros": lambda path: (path.unlink(missing_ok=True), path.symlink_to("/dev/zero")),
    "a loop": lambda path: (path.unlink(missing_ok=True), path.symlink_to(path)),
    "gone": lambda path: path.unlink(missing_ok=True),
}
FILES = (
    "metrics.jsonl", "rollouts.jsonl", "status.json", "provenance.json", "results.json", "code.diff", "start/summary.json",
    *(f"{UNIT}/{name}" for name in ("metrics.jsonl", "rollouts.jsonl", "train_rows.jsonl", "training.jsonl", "done.json")),
)  # fmt: skip
NOTED = [file for file in FILES if file.endswith((".jsonl", "done.json", "summary.json")) and file != "rollouts.jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_l4_report_notes_what_is_damaged(openwindow: Command, run: Path, file: str) -> None:
    whole = shutil.copytree(run, run.with_name("whole"))
    for kind, harm in DAMAGE.items():
        shutil.rmtree(run)
        shutil.copytree(whole, run)
        (run / file).parent.mkdir(exist_ok=True)
        (run / file).touch()
        harm(run / file)
        ran = openwindow("report", "r")
        if file == "results.json" and kind in ("a folder",):  # which it is to write
            one_line(ran, 3, "cannot write r/results.json")
            continue
        assert (ran.code, ran.err) == (0, ""), (kind, ran)
        assert json.loads((run / "results.json").read_text())["arms"]["clean"]["measures"]["hack"]["neutral"]["n"] == 6
        page = (run / "report.html").read_text(encoding="utf-8")
        number = kind == "digits" and file.endswith(("train_rows.jsonl", "summary.json"))  # which are not asked for one
        if kind in ("binary", "a list", "deep", "digits", "more digits") and file in NOTED and not number:
            assert file in page, kind


@pytest.mark.slow
@pytest.mark.parametrize("file", ["metrics.jsonl", "rollouts.jsonl", "done.json"])
def test_l4_run_makes_a_damaged_unit_again(openwindow: Command, run: Path, file: str) -> None:
    ran = openwindow("run", "mine.py", "--out", "r")
    assert ran.code == 0 and "finished: nothing is run again" in ran.out
    for harm in (cut, DAMAGE["odd fields"], DAMAGE["deep"]):
        before = (run / UNIT / file).read_bytes()
        harm(run / UNIT / file)
        ran = openwindow("run", "mine.py", "--out", "r")
        assert ran.code == 2, ran  # the model that it would train anew is not there
        assert f"r/{UNIT} is damaged ({file}: " in " ".join(ran.out.split()) and "running it again" in ran.out
        assert ran.err.count("\n") == 1 and "no/such-model" in ran.err
        assert (run / UNIT / "done.json").exists()  # until then nothing is thrown away
        (run / UNIT / file).write_bytes(before)
    assert openwindow("run", "mine.py", "--out", "r").code == 0


def test_l4_a_finished_unit_is_one_that_can_be_read(run: Path) -> None:
    folder = RunFolder(run)
    assert folder.is_done(UNIT) and folder.damaged() == {}
    cut(run / UNIT / "metrics.jsonl")
    assert RunFolder(run).damaged() == {UNIT: "metrics.jsonl: 1 truncated line at the end, as a killed run leaves; it is left out"}
    assert folder.is_done(UNIT)  # as it was found when it was opened
    with folder.unit(UNIT) as path:
        write_json(path / "done.json", {"rates": {}})
    assert folder.is_done(UNIT)


def test_l4_what_needs_every_line_says_which_unit_to_delete(run: Path) -> None:
    cut(run / UNIT / "rollouts.jsonl")
    with pytest.raises(RunError, match=rf"{UNIT}/rollouts.jsonl is damaged .1 truncated.*delete .*{UNIT} "):
        read_jsonl(run / UNIT / "rollouts.jsonl")
    assert read_jsonl(run / UNIT / "nothing.jsonl") == []


def test_lines_of_another_form_are_counted(run: Path) -> None:
    path = run / UNIT / "metrics.jsonl"
    rows = [STEP, {k: v for k, v in STEP.items() if k != "rollout/count"}, STEP | {"monitor/proxy": "high"}, {"train/loss": None}]
    write_jsonl(path, rows)
    reader = Reader(run)
    assert len(list(reader.rows(path))) == 3
    assert [note.reason for note in reader.notes] == ["1 line with fields in a form that no run writes; left out"]
    assert damage(run / UNIT) == "metrics.jsonl: 2 lines with fields in a form that no run writes; left out"
    assert [note.what for note in noticed(run)] == [f"{UNIT}/metrics.jsonl"]


@pytest.mark.parametrize(
    "config",
    [
        {
            "measures": "x",
            "contexts": [1],
            "arms": 7,
            "meanings": [],
            "primary": "no",
            "model": None,
            "question": 5,
            "setting": "s",
        },
        {
            "measures": [],
            "contexts": {"neutral": 1},
            "arms": {"plain": 1},
            "meanings": {"hack": 5},
            "claim": {"a": []},
            "train": "x",
        },
    ],
)
def test_l4_a_configuration_with_odd_fields_is_reported(openwindow: Command, run: Path, config: dict[str, object]) -> None:
    found = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(found | config), encoding="utf-8")
    ran = openwindow("report", "r")
    assert ran.code == 0 and ran.err == "", ran


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_l4_what_may_not_be_read_is_noted(openwindow: Command, run: Path) -> None:
    (run / UNIT).chmod(0)
    ran = openwindow("report", "r")
    (run / UNIT).chmod(0o755)
    assert ran.code == 0 and ran.err == ""
