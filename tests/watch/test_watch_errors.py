"""What can be wrong with a watched run gets one line each; what can be read beside it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import making
import pytest
from command_lines import one_line
from making import ENV
from tiny_runs import Ran

Command = Callable[..., Ran]
ROW = making.verl(making.Made(1, "q?", "a.", 1.0, True, "p"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's own folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("content", "options", "patterns"),
    [
        ('{"task": 1, "text": "hi"}\n', [], ["has the columns task, text", "no form known here", "verl dumps", "--reply-column"]),
        ('{"q": "?", "a": "."}\n', ["--reply-column", "answer"], ["--reply-column is 'answer'", "has the columns q, a", "name it"]),
        (json.dumps(ROW) + "\n", ["--reward-column", "rew"], ["--reward-column is 'rew'", "input, output", "name it"]),
        (json.dumps(ROW) + "\n", ["--step-column", "n"], ["--step-column is 'n'", "expected one of them"]),
        (json.dumps(ROW) + "\n", ["--truth-column", "ok"], ["--truth-column is 'ok'"]),
        (json.dumps(ROW) + "\n", ["--reward-column", ","], ["--reward-column is ','", "expected names"]),
        (json.dumps(ROW) + "\n", ["--env", "leter_count"], ["unknown environment: 'leter_count'", "did you mean 'letter_count'"]),
        (json.dumps(ROW) + "\n", ["--env", ENV, "--loopholes", "hole"], ["no loophole 'hole'", "give any of"]),
        (
            json.dumps(ROW) + "\n",
            ["--env", "sycophancy", "--loopholes", "none"],
            ["'sycophancy' has no loopholes", "gameable one", "drop --loopholes"],
        ),
        (json.dumps(ROW) + "\n", ["--env", ENV, "--set", "width=2"], ["no option 'width'"]),
        (json.dumps(ROW) + "\n", ["--loopholes", "none"], ["options of an environment", "--env beside them"]),
        (json.dumps(ROW) + "\n", ["--env", ENV, "--env-seeds", "one"], ["--env-seeds is 'one'", "whole numbers with commas"]),
        (json.dumps(ROW) + "\n", ["--until-idle", "3"], ["--until-idle", "expected --follow beside it"]),
        (json.dumps(ROW) + "\n", ["--follow", "--every", "0"], ["--every is 0", "at least 0.1"]),
        (json.dumps(ROW) + "\n", ["--transcripts", "0"], ["--transcripts is 0", "at least 1"]),
        (json.dumps(ROW) + "\n", ["--transcripts", "many"], ["--transcripts is 'many'", "whole number"]),
        ("", [], ["holds no rollout", "there is none"]),
        ("PAR1 and no more", [], ["damaged Parquet"]),
        ("step,prompt\n1,2\n", [], ["begins with 'step,prompt'", "not a JSON object"]),
        ('{"input": 1, "output": "a", "score": 1}\n' * 3, [], ["holds no rollout", "3 rows", "input is 1"]),
        ('{"input": "q", "output": "a", "score": 1, "step": -2}\n', [], ["step is -2", "whole number from 0"]),
        (json.dumps(ROW).replace("true", "7") + "\n", ["--truth-column", "acc"], ["acc is 7", "true, false, 1 or 0"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_what_is_given_wrongly(openwindow: Command, content: str, options: list[str], patterns: list[str]) -> None:
    Path("left.jsonl").write_text(content, encoding="utf-8")
    one_line(openwindow("watch", "left.jsonl", *options), 2, *patterns)
    assert not Path("runs/watch-left/report.html").exists()


def test_places_that_cannot_be_watched(openwindow: Command, tmp_path: Path) -> None:
    one_line(openwindow("watch"), 2, "(?i)missing argument")
    one_line(openwindow("watch", "nowhere.jsonl"), 2, r"nowhere\.jsonl does not exist", "check the path")
    Path("empty").mkdir()
    one_line(openwindow("watch", "empty"), 2, "empty holds no rollout", "check that the training wrote it")
    one_line(
        openwindow("watch", "empty", "--follow", "--until-idle", "0"),
        2,
        "got no rollout while it was followed",
        "start the training",
    )
    os.mkfifo("pipe")
    one_line(openwindow("watch", "pipe"), 2, "pipe is a named pipe, not a regular file")
    making.write(Path("left.eval"), [ROW])
    one_line(openwindow("watch", "left.eval"), 2, r"cannot read the log left\.eval", "expected an Inspect log")
    one_line(openwindow("watch", "left.eval", "--step-column", "n"), 2, "an Inspect log, which has no columns", "drop the option")


def test_folders_that_are_not_written_to(openwindow: Command) -> None:
    path = making.write(Path("left.jsonl"), [ROW])
    Path("study").mkdir()
    Path("study/config.json").write_text('{"study": "quickstart"}')
    one_line(openwindow("watch", str(path), "--out", "study"), 2, "--out study holds another run", "choose another")
    assert json.loads(Path("study/config.json").read_text()) == {"study": "quickstart"}
    one_line(openwindow("watch", str(path), "--out", str(path)), 2, "is a file; expected a folder")
    assert openwindow("watch", str(path), "--out", "seen").code == 0
    inside = "seen/arms/watched/seed-0/training.jsonl"
    one_line(openwindow("watch", inside, "--out", "seen"), 2, "which is written anew", "choose another")
    assert Path(inside).read_text()
    assert openwindow("watch", str(path), "--out", "seen").code == 0, "a window is opened again"


def test_one_bad_file_of_many_is_named_and_the_others_are_read(openwindow: Command) -> None:
    for step in (9, 10):
        making.write(Path(f"left/{step}.jsonl"), [ROW | {"step": step}])
    Path("left/11.jsonl").write_text('{"strange": 1}\n')
    Path("left/12.jsonl").write_bytes(b"\xff\xfe\x00")
    Path("left/notes.txt").write_text("not rollouts")
    ran = openwindow("watch", "left", "--json")
    assert ran.code == 0, ran.err
    made = json.loads(ran.out)
    said = {note["what"]: note["reason"] for note in made["unmeasured"]}
    assert made["rollouts"] == 2 and made["steps"]["last"] == 10
    assert "has the columns strange" in said["left/11.jsonl"] and "UTF-16" in said["left/12.jsonl"]


def test_a_dump_with_nan_and_half_a_surrogate_pair_is_shown(openwindow: Command) -> None:
    row = json.dumps(ROW | {"output": "half \ud83d of a pair </script><b>"}).replace("1.0", "NaN")
    Path("left.jsonl").write_text(row + "\n")
    assert openwindow("watch", "left.jsonl", "--out", "seen").code == 0
    page = Path("seen/report.html").read_text()
    assert "</script><b>" not in page and "<b>" not in page.split('id="data">')[1].split("</script>")[0]
