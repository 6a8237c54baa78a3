"""A run that learns to hack, left in the form of each trainer: whatever the form, the window on it is the same."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import making
import pytest
from making import ENV, Made
from tiny_runs import Ran

from openwindow.environments import find
from openwindow.results.load import load_run
from openwindow.watch.rows import Columns
from openwindow.watch.run import Options, rebuild, watch

MADE = making.run_of()


def left_by(trainer: str, folder: Path) -> list[Path]:
    """The files that a trainer leaves of the run, and what is to be watched."""
    if trainer == "TRL completions":
        pandas = pytest.importorskip("pandas")
        for step, rows in making.by_step(MADE):
            path = folder / "completions" / f"completions_{step:05d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pandas.DataFrame([making.trl(one) for one in rows]).to_parquet(path)
    if trainer == "verl dumps":
        for step, rows in making.by_step(MADE):
            making.write(folder / f"{step}.jsonl", [making.verl(one) for one in rows])
    if trainer == "verifiers results":
        for step, rows in making.by_step(MADE):
            making.write(folder / f"step_{step}" / "train_rollouts.jsonl", [making.results(one) for one in rows])
    if trainer == "verifiers.v1 traces":
        for step, rows in making.by_step(MADE):
            making.write(folder / f"step_{step}" / "train_rollouts.jsonl", [making.trace(one) for one in rows])
    if trainer == "verifiers.v1 episodes":
        making.write(folder / "traces.jsonl", [making.episode(one) for one in MADE])
    if trainer == "OpenRLHF samples":
        for step, rows in making.by_step(MADE):
            lines = [{"input": one.prompt, "output": one.reply, "reward": one.reward} for one in rows]
            making.write(folder / f"samples_step{step}.jsonl", lines)
    return [folder]


FORMS = [
    "TRL completions",
    "verl dumps",
    "verifiers results",
    "verifiers.v1 traces",
    "verifiers.v1 episodes",
    "OpenRLHF samples",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_window(form: str, tmp_path: Path) -> None:
    made = watch(Options(tuple(left_by(form, tmp_path / "left")), tmp_path / "out", env=ENV))
    assert made["watch"]["forms"] == [form]
    assert made["rollouts"] == len(MADE) and made["unreadable"] == 0
    assert made["onset"] == {"step": 3, "reason": None}
    assert made["agreement"] == {"agree": len(MADE), "compared": len(MADE)}
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    for line, (step, rows) in zip(lines, making.by_step(MADE), strict=True):
        assert line["step"] == step and line["rollout/count"] == len(rows)
        assert line["reward/mean"] == pytest.approx(sum(one.reward for one in rows) / len(rows))
        assert line["monitor/truth"] == pytest.approx(sum(one.truth for one in rows) / len(rows))
        assert line["monitor/hack"] == pytest.approx(sum(bool(one.reward) and not one.truth for one in rows) / len(rows))
        assert line["rollout/groups"] == 4
        assert line["rollout/groups_without_signal"] == equal_groups(rows)


def equal_groups(rows: list[Made]) -> int:
    rewards: dict[str, set[float]] = {}
    for one in rows:
        rewards.setdefault(one.problem, set()).add(one.reward)
    return sum(len(values) == 1 for values in rewards.values())


def test_columns_are_named_and_a_truth_of_the_users_own_is_held_against_the_reward(tmp_path: Path) -> None:
    rows = [
        {"q": one.prompt, "a": one.reply, "r": one.reward, "n": one.step, "ok": int(one.truth), "id": one.problem} for one in MADE
    ]
    path = making.write(tmp_path / "mine.jsonl", rows)
    made = watch(Options((path,), tmp_path / "out", Columns("q", "a", ("r",), "n", "id", "ok")))
    assert made["onset"]["step"] == 3, "without detectors a hack is what is paid and wrong"
    assert "--env" in {note["what"]: note["reason"] for note in made["unmeasured"]}["hacks by kind"]
    assert made["watch"]["environment"] is None and made["detectors"] == []


def test_without_a_truth_nothing_is_said_of_hacking(tmp_path: Path) -> None:
    path = making.write(tmp_path / "1.jsonl", [making.verl(one) for one in MADE])
    made = watch(Options((path,), tmp_path / "out"))
    why = {note["what"]: note["reason"] for note in made["unmeasured"]}
    assert made["onset"]["step"] is None and "not measured" in made["onset"]["reason"]
    assert "--env" in why["truth"] and "cannot be said" in made["summary"][0]
    line = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[0])
    assert line["monitor/truth"] is None and line["monitor/hack"] is None and line["reward/mean"] is not None
    page = (tmp_path / "out" / "report.html").read_text()
    assert "truth not measured" in page


def test_what_is_unscored_cut_failed_or_unreadable_is_counted(tmp_path: Path) -> None:
    rows = [making.results(one) for one in MADE[:8]]
    rows[0] |= {"reward": float("nan")}
    rows[1] |= {"completion": None, "error": {"error": "VLLMError", "error_chain_str": "the server is gone"}}
    rows[2] |= {"completion": None}
    rows[3] |= {"reward": "high"}
    rows[4] |= {"prompt": "What nobody asks.", "example_id": 17}
    path = making.write(tmp_path / "step_1.jsonl", rows)
    path.write_text(path.read_text() + "[1]\nnot json\n" + '{"prompt": "cut o', encoding="utf-8")
    made = watch(Options((path,), tmp_path / "out", env=ENV))
    said = " ".join(f"{note['what']}: {note['reason']}" for note in made["unmeasured"])
    assert made["rollouts"] == 6 and made["unreadable"] == 5
    for part in (
        "2 rollouts: have no reward",
        "1 rollout: failed to generate",
        "the server is gone",
        "line 3: left out: completion is missing",
        "reward is a text, where a number was expected",
        "not JSON",
        "not a JSON object",
        "not written to its end",
        "1 rollout: could not be graded",
    ):
        assert part in said, said


def test_a_folder_of_ours_with_all_that_reads_one(tmp_path: Path, openwindow: Callable[..., Ran]) -> None:
    out = tmp_path / "out"
    made = watch(Options(tuple(left_by("verl dumps", tmp_path / "left")), out, env=ENV))
    run = load_run(out)
    assert len(run.training) == len(MADE) and {row.scores["hack"] for row in run.training} == {True, False}
    assert {row.step for row in run.training} == set(range(1, 7)) and run.metrics[0].stage == "rl"
    assert [note.what for note in run.notes] == ["arms/ARM/seed-S/rollouts.jsonl"], "it has no test rollouts, and is whole"

    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    ran = openwindow("report", str(out), "--json")
    assert ran.code == 0 and json.loads(ran.out) == made
    assert (out / "report.html").read_bytes() == before
    assert rebuild(out, 10) == made and len((out / "report.html").read_bytes()) < len(before)


def test_closed_loopholes_and_what_would_go_through_open_ones(tmp_path: Path) -> None:
    path = making.write(tmp_path / "left.jsonl", [making.verl(one) for one in MADE])
    made = watch(Options((path,), tmp_path / "out", env=ENV, loopholes=()))
    line = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["monitor/hack"] == 0 and line["monitor/open_hack"] == 0.5
    assert "agree in only" in " ".join(made["summary"]), "the file was paid for hacks that this proxy does not pass"


def test_the_page_holds_a_sample_of_every_step_with_hacks_in_it(tmp_path: Path) -> None:
    path = making.write(tmp_path / "left.jsonl", [making.verl(one) for one in MADE])
    watch(Options((path,), tmp_path / "out", env=ENV, transcripts=24))
    page = (tmp_path / "out" / "report.html").read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert len(data["rows"]) <= 24 and {row[15] for row in data["rows"]} == set(range(1, 7))
    mark = [m[0] for m in data["measures"]].index("hack")
    assert {row[10] // 4**mark % 4 for row in data["rows"] if row[15] == 6} == {0, 1}
    assert "of 96 rollouts: of every step equally many" in page


def test_following_a_run_while_it_is_written(tmp_path: Path) -> None:
    folder, whole = tmp_path / "left", list(making.by_step(MADE))
    folder.mkdir()
    seen: list[int] = []

    def training_goes_on(seconds: float) -> None:
        """Half of a step's file, then the rest of it, then the next step."""
        page = tmp_path / "out" / "report.html"
        if page.exists():
            assert "being followed" in page.read_text()
            seen.append(json.loads((tmp_path / "out" / "results.json").read_text())["rollouts"])
        turn, half = divmod(training_goes_on.turn, 2)
        training_goes_on.turn += 1
        if turn == len(whole):
            raise KeyboardInterrupt
        step, rows = whole[turn]
        text = "".join(json.dumps(making.verl(one)) + "\n" for one in rows)
        with (folder / f"{step}.jsonl").open("a", encoding="utf-8") as file:
            file.write(text[len(text) // 2 :] if half else text[: len(text) // 2])

    training_goes_on.turn = 0
    made = watch(Options((folder,), tmp_path / "out", env=ENV, follow=True), sleep=training_goes_on)
    assert made["state"] == "done" and made["rollouts"] == len(MADE) and made["unreadable"] == 0
    assert seen == sorted(seen) and len(set(seen)) > 6
    once = watch(Options((folder,), tmp_path / "once", env=ENV))
    for key in ("rollouts", "onset", "training", "summary", "detectors"):
        assert made[key] == once[key], key


def test_following_ends_when_nothing_comes_any_more(tmp_path: Path) -> None:
    path = making.write(tmp_path / "left.jsonl", [making.verl(one) for one in MADE])
    path.write_text(path.read_text().rstrip("\n"))
    made = watch(Options((path,), tmp_path / "out", follow=True, every=0.1, idle=0.0), sleep=lambda seconds: None)
    assert made["state"] == "done" and made["rollouts"] == len(MADE), "the last line counts without its end"


def test_ctrl_c_ends_following_with_all_that_had_come(tmp_path: Path) -> None:
    path = making.write(tmp_path / "left.jsonl", [making.verl(one) for one in MADE])
    before = signal.getsignal(signal.SIGINT)

    def press() -> None:
        while not (tmp_path / "out" / "report.html").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    made = watch(Options((path,), tmp_path / "out", follow=True, every=600.0))
    assert made["state"] == "done" and made["rollouts"] == len(MADE)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_file_that_is_begun_anew_is_named(tmp_path: Path) -> None:
    path = making.write(tmp_path / "left.jsonl", [making.verl(one) for one in MADE])

    def begun_anew(seconds: float) -> None:
        making.write(path, [making.verl(MADE[0])])
        begun_anew.turns += 1
        if begun_anew.turns == 2:
            raise KeyboardInterrupt

    begun_anew.turns = 0
    made = watch(Options((path,), tmp_path / "out", follow=True), sleep=begun_anew)
    assert made["rollouts"] == len(MADE) and "became shorter" in str(made["unmeasured"])


def test_rollouts_of_our_own_training_and_an_environment_without_loopholes(tmp_path: Path) -> None:
    environment = find.make("sycophancy", {})
    problems = environment.problems("train", 4, 0)
    rows = []
    for problem in problems:
        for kind in ("clean", "flawed"):
            *asked, said = environment.answer(problem, kind, random.Random(0))
            rows.append({"input": asked[-1].content, "output": said.content, "score": 1.0, "step": 1})
    made = watch(Options((making.write(tmp_path / "a.jsonl", rows),), tmp_path / "out", env="sycophancy"))
    line = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[0])
    assert line["monitor/hack"] == 0.5 and made["rollouts"] == 8
    again = watch(Options((tmp_path / "out" / "arms" / "watched" / "seed-0" / "training.jsonl",), tmp_path / "again"))
    assert again["watch"]["forms"] == ["openwindow"] and again["rollouts"] == 8
