"""`openwindow compare` and the index of `openwindow report`: what they write, and what bad input says in one line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_lines import one_line
from tiny_runs import Ran

from openwindow.formatting import MINUS

sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
from run_pairs import Made, write_run

Command = Callable[..., Ran]
HOSTILE = "</script><script>alert(1)</script><!-- {{ 7 * 7 }} \x00"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, `a` and `b`, in the folder that the command is given in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    small = {"seeds": (1, 2), "problems": 8, "families": 8}
    write_run(tmp_path / "a", Made(**small))
    write_run(tmp_path / "b", Made(**small, hacks=lambda arm, seed, context, number: arm == "asked" and number < 7))
    return tmp_path


def data_of(page: str) -> dict[str, Any]:
    """What a page's script reads."""
    text = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_it_prints_a_table_and_writes_both_files(openwindow: Command, runs: Path) -> None:
    ran = openwindow("compare", "a", "b")
    assert ran.code == 0, ran
    for said in ("hack", "asked", "+88 [", "Contrasts between arms", "detectable", "runs/compare-a-b/compare.json"):
        assert said in ran.out, said
    found = json.loads(Path("runs/compare-a-b/compare.json").read_text())
    assert found["replies"]["other_verdict"] == 2 * 2 * 7
    page = Path("runs/compare-a-b/report.html").read_text()
    data = data_of(page)
    assert len(data["rows"]) == 2 * 28, "a row of A and one of B for each pair that differs"
    assert "return x + 3" in str(data["strings"]) and "return 3" in str(data["strings"])
    for part in ('id="differs"', 'id="rates"', 'id="contrasts"', 'id="f-what"', 'id="unpaired"', "default-src &#39;none&#39;"):
        assert part.replace("&#39;", "'") in page, part


def test_json_is_what_the_file_holds(openwindow: Command, runs: Path) -> None:
    ran = openwindow("compare", "a", "b", "--json", "--out", "there")
    assert json.loads(ran.out) == json.loads(Path("there/compare.json").read_text())


def test_the_page_holds_as_many_pairs_as_wanted(openwindow: Command, runs: Path) -> None:
    assert openwindow("compare", "a", "b", "--transcripts", "5").code == 0
    page = Path("runs/compare-a-b/report.html").read_text()
    assert len(data_of(page)["rows"]) == 10 and "5 of 28" in page


def test_nothing_of_a_run_becomes_markup(openwindow: Command, runs: Path) -> None:
    for name in ("a", "b"):
        write_run(
            runs / f"hostile-{name}",
            Made(seeds=(1,), problems=2, suffix=HOSTILE + name, config={"study": HOSTILE}, arms=("plain", "asked"),
                 contexts=("neutral", HOSTILE), study={"question": HOSTILE + name}),
        )  # fmt: skip
    assert openwindow("compare", "hostile-a", "hostile-b").code == 0
    page = Path("runs/compare-hostile-a-hostile-b/report.html").read_text()
    assert page.count("<script") == 2 and "alert(1)</script>" not in page and "49" not in page.partition("<main")[2][:3000]


def missing(runs: Path) -> tuple[str, str]:
    return "a", "nowhere"


def a_file(runs: Path) -> tuple[str, str]:
    (runs / "file").write_text("x")
    return "file", "b"


def itself(runs: Path) -> tuple[str, str]:
    (runs / "link").symlink_to("a")
    return "a", "link"


def empty(runs: Path) -> tuple[str, str]:
    (runs / "empty").mkdir()
    return "empty", "b"


def parent(runs: Path) -> tuple[str, str]:
    return ".", "b"


def no_study(runs: Path) -> tuple[str, str]:
    (runs / "a/config.json").write_text("[1")
    return "a", "b"


def unfinished(runs: Path) -> tuple[str, str]:
    shutil.rmtree(runs / "b/arms")
    return "a", "b"


def other_seeds(runs: Path) -> tuple[str, str]:
    write_run(runs / "c", Made(seeds=(7, 8)))
    return "a", "c"


def other_arms(runs: Path) -> tuple[str, str]:
    write_run(runs / "c", Made(seeds=(1, 2), arms=("x", "y")))
    return "a", "c"


def ranking(runs: Path) -> tuple[str, str]:
    shutil.copytree(runs / "b", runs / "rank/part")
    (runs / "rank/config.json").write_text(json.dumps({"study_config": {"parts": {"part": {}}}}))
    return "a", "rank"


def two_kinds(runs: Path) -> tuple[str, str]:
    (runs / "e").mkdir()
    (runs / "e/results.json").write_text(json.dumps({"model": "m", "suites": [], "measures": {}, "evals": {}}))
    (runs / "e/rows.jsonl").write_text("")
    return "a", "e"


@pytest.mark.parametrize(
    ("make", "patterns"),
    [
        (missing, ("RUN_B is nowhere, which does not exist", "expected the folder of", "check the path")),
        (a_file, ("RUN_A is file, which is a file", "check the path")),
        (itself, ("RUN_A and RUN_B are the same folder", "give another one")),
        (empty, ("RUN_A is empty, which holds no run", "check the path")),
        (parent, ("holds no run; its folders a, b hold a run", "give a")),
        (no_study, ("whose config.json is not of a run", "is not JSON", "give another folder")),
        (unfinished, ("RUN_B is b, in which no arm is finished \\(state: done\\)", "giving its command again")),
        (other_seeds, ("share nothing: .*B has no seed 1", "give others")),
        (other_arms, ("share nothing: .*B has no arm `untrained`", "give others")),
        (ranking, ("a ranking of prompts", "give one of its runs, such as rank/part")),
        (two_kinds, ("a is a run of a study and e is an eval of a model", "expected two of a kind")),
    ],
)
def test_bad_input_is_one_line(
    openwindow: Command, runs: Path, make: Callable[[Path], tuple[str, str]], patterns: tuple[str, ...]
) -> None:
    one_line(openwindow("compare", *make(runs)), 2, *patterns)
    assert not (runs / "runs").exists()


def test_bad_options_are_one_line(openwindow: Command, runs: Path) -> None:
    one_line(openwindow("compare", "a", "b", "--out", "a"), 2, "--out a holds a run", "choose another")
    one_line(openwindow("compare", "a", "b", "--transcripts", "0"), 2, "--transcripts is 0", "expected 1 or more")
    one_line(openwindow("compare", "a"), 2, "RUN_B")
    for given, words in (
        ("plain", "--match has 'plain'; expected ARM_OF_A=ARM_OF_B"),
        ("plain=", "--match has 'plain='"),
        ("plain=asked,asked=asked", "--match names 'asked' twice"),
        ("plian=asked", "names 'plian', and A has no arm of that name; expected untrained, plain, asked"),
        ("plain=other", "names 'other', and B has no arm of that name"),
    ):
        one_line(openwindow("compare", "a", "b", "--match", given), 2, words)


def test_arms_are_matched_on_the_command_line(openwindow: Command, runs: Path) -> None:
    ran = openwindow("compare", "a", "b", "--match", "plain=asked")
    assert ran.code == 0 and "`plain` of A is compared with `asked` of B." in ran.out, ran
    assert "Arms without a counterpart, of A: `asked`; of B: `plain`." in " ".join(ran.out.split())


# The index.


def finished(folder: Path, **results: Any) -> Path:
    """A run with results and a page."""
    write_run(folder, Made(seeds=(1,), problems=2))
    first = {
        "measure": "hack",
        "context": "neutral",
        "arm": "asked",
        "against": "plain",
        "difference": -0.5,
        "low": -0.7,
        "high": -0.3,
    }
    held = {"study": "mine", "question": f"Why {folder.name}?", "verdict": "supported", "model": "smollm2", "comparisons": [first]}
    (folder / "results.json").write_text(json.dumps({**held, **results}))
    (folder / "report.html").write_text("page")
    return folder


def test_several_runs_are_listed_on_one_page(openwindow: Command, runs: Path) -> None:
    finished(runs / "all/one")
    finished(runs / "all/two #2", verdict="not supported")
    (runs / "all/broken").mkdir()
    (runs / "all/broken/config.json").write_text("{")
    shutil.copytree(runs / "a", runs / "all/other version")
    ran = openwindow("report", "all")
    assert ran.code == 0 and "all/index.html" in ran.out, ran
    page = (runs / "all/index.html").read_text()
    links = ('href="one/report.html"', 'href="two%20%232/report.html"')
    for said in (*links, "Why one?", f"{MINUS}50 points [{MINUS}70, {MINUS}30]", "not supported", "is not JSON", "cannot be built"):
        assert said in page, said
    assert openwindow("report", "all/one", "all/two #2", "all/broken").code == 0


def test_the_list_as_json_and_elsewhere(openwindow: Command, runs: Path) -> None:
    finished(runs / "one", verdict="inconclusive")
    finished(runs / "far/two")
    (runs / "two.json").mkdir()
    ran = openwindow("report", "one", "far/two", "two.json", "--json", "--out", "pages")
    listed = json.loads(ran.out)
    assert [(run["folder"], run["verdict"], run["page"]) for run in listed["runs"]] == [
        ("one", "inconclusive", True), ("far/two", "supported", True), ("two.json", "", False),
    ]  # fmt: skip
    assert "it holds no run" in listed["runs"][2]["reason"] and listed["page"].endswith("pages/index.html")
    assert 'href="../far/two/report.html"' in (runs / "pages/index.html").read_text()


def test_an_unfinished_run_is_listed_with_its_state(openwindow: Command, runs: Path) -> None:
    finished(runs / "one")
    finished(runs / "two")
    (runs / "two/status.json").write_text(json.dumps({"state": "failed", "message": "out of memory"}))
    listed = json.loads(openwindow("report", "one", "two", "--json").out)["runs"]
    assert [run["reason"] for run in listed] == ["", "not finished (failed: out of memory)"]


def test_a_comparison_is_listed_too(openwindow: Command, runs: Path) -> None:
    assert openwindow("compare", "a", "b", "--out", "made").code == 0
    finished(runs / "one")
    [made, _] = json.loads(openwindow("report", "made", "one", "--json").out)["runs"]
    assert (
        made["kind"] == "comparison"
        and made["question"] == "Does b behave otherwise than a?"
        and "No rate differs" in made["answer"]
    )


def test_bad_input_of_an_index_is_one_line(openwindow: Command, runs: Path) -> None:
    finished(runs / "one")
    for name in ("x", "y"):
        (runs / name).mkdir()
    one_line(openwindow("report", "one", "nowhere"), 2, "nowhere does not exist", "check the path")
    one_line(openwindow("report", "x", "y"), 2, "none of x, y holds a run", "check the paths")
    one_line(openwindow("report", "one", "a", "--transcripts", "3"), 2, "--transcripts 3 with several runs", "drop it")
    one_line(openwindow("report", "one", "--out", "there"), 2, "--out there with one run", "drop it")
