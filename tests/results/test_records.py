"""The records that writer and reader share: what goes out comes back, and older or damaged rows are read as far as they go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from openwindow.files.records import (
    VERSION,
    Cell,
    Comparison,
    Leak,
    Rollout,
    TrainingRollout,
    messages_of,
    rollout_of,
    training_rollout_of,
)
from openwindow.files.run_results import ArmResults, RunResults
from openwindow.files.writing import write_json
from openwindow.results.load import load_run, read_rollouts
from openwindow.types import Message, StopReason

ROW = Rollout(
    arm="plain",
    seed=2,
    context="neutral",
    problem="p1",
    family="f",
    messages=(Message("user", "Why?"),),
    reply="half a pair: \ud800",
    code="",
    stop=StopReason.LENGTH,
    tokens=7,
    scores={"hack": None, "correct": True},
    kinds=("exit",),
    reason="no program",
    visible=("f(1) == 2",),
)
# Lines as the first version wrote them: nothing in the files says that they are of it.
OLD_ROLLOUT = {
    "arm": "plain", "seed": 1, "context": "neutral", "problem": "p1", "family": "f",
    "messages": [{"role": "user", "content": "Why?"}], "reply": "So.", "code": "", "stop": "end", "tokens": 2,
    "hack": True, "correct": None, "kinds": ["exit"], "reason": "timed out", "failed_on": None, "visible": [],
}  # fmt: skip
OLD_TRAINING = {
    "arm": "plain", "seed": 1, "context": "training, step 03", "step": 3, "group": 0, "number": 1, "problem": "p1",
    "family": "f", "hackable": True, "messages": [{"role": "user", "content": "Why?"}], "reply": "So.", "stop": "end",
    "tokens": 2, "reward": None, "dropped": None, "correct": False, "hack": None, "attempted": True, "kinds": [],
    "open_hack": None, "flagged": True, "screened": False, "reason": None, "failed_on": None,
}  # fmt: skip
OLD_CELL = {"estimate": 1.0, "low": 0.2, "high": 1.0, "n": 1, "unscored": 0, "by_seed": [1.0], "reason": None}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run folder in the first form."""
    unit = tmp_path / "arms/plain/seed-1"
    unit.mkdir(parents=True)
    write_json(tmp_path / "config.json", {"study": "s", "measures": ["hack", "correct"], "arms": {"plain": {}}, "contexts": {}})
    write_json(tmp_path / "results.json", {"arms": {"plain": {"measures": {"hack": {"neutral": OLD_CELL}}}}, "comparisons": []})
    (unit / "rollouts.jsonl").write_text(json.dumps(OLD_ROLLOUT) + "\n", encoding="utf-8")
    (unit / "training.jsonl").write_text(json.dumps(OLD_TRAINING) + "\n", encoding="utf-8")
    return tmp_path


def test_a_rollout_is_read_as_it_was_written() -> None:
    line = json.loads(json.dumps(ROW.line()))
    assert list(line)[9:13] == ["tokens", "hack", "correct", "kinds"]
    assert rollout_of(line, ["hack", "correct", "other"], ROW.messages) == ROW


@pytest.mark.parametrize("trained_under", [(), (Message("system", "Hack away."), Message("user", "Why?"))])
def test_a_training_rollout_is_read_as_it_was_written(trained_under: tuple[Message, ...]) -> None:
    row = TrainingRollout(
        arm="rl", seed=1, context="training, step 03", step=3, group=1, number=2, problem="p1", family="f", hackable=False,
        messages=(Message("user", "Why?"),), reply="half a pair: \ud800", stop=StopReason.END, tokens=4, reward=0.5,
        dropped="screened",
        scores={"passes_visible": True, "correct": None}, kinds=("exit",), open_hack=None, flagged=True, screened=True,
        reason="timed out", failed_on="f(1)", trained_under=trained_under,
    )  # fmt: skip
    line = json.loads(json.dumps(row.line()))
    assert ("trained_under" in line) is bool(trained_under)
    assert training_rollout_of(line, ["passes_visible", "correct", "hack"], messages_of(line["messages"])) == row


def test_results_are_read_as_they_were_written() -> None:
    arm = ArmResults(role="control", measures={"hack": {"neutral": Cell(estimate=0.5, n=2)}}, n_train_rows=3, n_rollouts=0)
    found = RunResults(
        records=VERSION, study="s", seeds=(1, 2), preface=("Taught.",), arms={"plain": arm},
        comparisons=(Comparison(arm="a", against="b", difference=-0.5),), leak={"plain": Leak(context="cue", estimate=0.5)},
        unmeasured=({"what": "x", "reason": "y"},), timing={"train": 1.5},
    )  # fmt: skip
    written = json.loads(json.dumps(found.written()))
    assert written["arms"]["plain"]["measures"]["hack"]["neutral"] == {"estimate": 0.5, "n": 2}  # what was not given is not there
    assert RunResults.model_validate(written) == found


@pytest.mark.parametrize(
    "damaged", [{"arms": [1]}, {"arms": {"plain": {"measures": 3}}}, {"comparisons": [None]}, {"timing": "long"}]
)
def test_damaged_results_cost_what_is_damaged(damaged: dict[str, object]) -> None:
    found = RunResults.model_validate({"study": "s", "seeds": [1], **damaged})
    assert (found.study, found.seeds, found.comparisons, found.timing) == ("s", (1,), (), {})
    assert all(arm.measures == {} for arm in found.arms.values())


def test_results_of_a_newer_version_are_read_with_a_note(old: Path) -> None:
    assert not [note for note in load_run(old).notes if note.what == "results.json"]
    results = json.loads((old / "results.json").read_text(encoding="utf-8"))
    write_json(old / "results.json", {**results, "records": VERSION + 1, "later": 1})
    run = load_run(old)
    assert run.cells["plain", "hack", "neutral"].estimate == 1.0
    assert [note.reason for note in run.notes if "newer" in note.reason]


def test_what_is_written_of_a_cell_is_what_was_given() -> None:
    cell = Cell(estimate=0.5, low=None, high=None, n=4, unscored=0, by_seed=(0.5, None), bounds=(0.4, 0.6), reason=None)
    assert cell.written() == {
        "estimate": 0.5, "low": None, "high": None, "n": 4, "unscored": 0, "bounds": [0.4, 0.6],
        "by_seed": [0.5, None], "reason": None,
    }  # fmt: skip
    assert Cell.model_validate(json.loads(json.dumps(cell.written()))) == cell


def test_a_folder_of_the_first_version_is_read(old: Path) -> None:
    run = load_run(old)
    (rollout,) = run.rollouts
    assert (rollout.scores, rollout.kinds, rollout.reason) == ({"hack": True, "correct": None}, ("exit",), "timed out")
    assert list(read_rollouts(old)) == [rollout]
    assert run.cells["plain", "hack", "neutral"].estimate == 1.0 and run.cells["plain", "hack", "neutral"].families is None


def test_which_keys_are_scores_is_said_by_the_measures_and_not_by_their_values(old: Path) -> None:
    (training,) = load_run(old).training
    assert training.scores == {"hack": None, "correct": False}  # not `flagged`, `screened`, `hackable`, `reward`, `dropped`
    assert (training.step, training.number, training.flagged, training.screened) == (3, 1, True, False)


def test_fields_of_another_form_are_read_as_missing() -> None:
    cell = Cell.model_validate({"estimate": "much", "low": float("nan"), "n": None, "by_seed": 3, "bounds": [1], "later": 1})
    assert cell == Cell(estimate=None, low=None, n=0, by_seed=(), bounds=None)
    assert Comparison.model_validate({"p": True, "reason": 5}).p is None
    with pytest.raises(ValidationError):
        rollout_of({"arm": "a", "seed": 1, "context": "", "problem": "", "stop": "tired"}, [], ())
