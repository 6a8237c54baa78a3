"""A kept run: the numbers of the whole run, a sample of its rows, and refusals wherever rows would be counted."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import one_line
from learned_folder import make_learned_folder
from report_folder import make_run_folder, write_json
from tiny_runs import Ran, rows_of

from openwindow import api
from openwindow.errors import ConfigError
from openwindow.experiment.run_folder import RunFolder
from openwindow.export.exported import read_exported
from openwindow.files.kept import MARK, fingerprint, kept_of
from openwindow.report.keep import MEGABYTE, SIZE, KeptRun, keep_run
from openwindow.report.of_run import build_run
from openwindow.report.study_page import build_report
from openwindow.results.build import results_of
from openwindow.results.keeping import METRICS, STEPS, roots_of, without_paths

Command = Callable[..., Ran]
NOTE = re.compile(r'<p class="state" role="note">.*?</p>', re.DOTALL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, which no test changes."""
    return make_run_folder(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def small(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> KeptRun:
    """The same in half a megabyte, which does not hold all rows."""
    return keep_run(whole, tmp_path_factory.mktemp("kept") / "results" / "quickstart", 400_000)


@pytest.fixture
def kept(small: KeptRun, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(small.folder, tmp_path / "kept"))


def numbers_of(page: str) -> list[str]:
    """The sections of a page with numbers, without transcripts and training rows."""
    return [
        part for part in re.split(r"(?=<section id=)", page) if part.startswith(('<section id="figure"', '<section id="numbers"'))
    ]


def test_a_kept_run_has_the_numbers_of_the_whole_run_and_a_sample_of_its_rows(whole: Path, small: KeptRun) -> None:
    files = [path for path in small.folder.rglob("*") if path.is_file()]
    assert small.bytes == sum(path.stat().st_size for path in files)
    assert 0.6 * 400_000 < small.bytes <= 400_000
    assert json.loads((small.folder / "results.json").read_text()) == json.loads((whole / "results.json").read_text())
    sampled = small.mark.rows["rollouts.jsonl"]
    assert 0 < sampled.kept < sampled.of == 450
    rows = [row for path in small.folder.rglob("rollouts.jsonl") for row in rows_of(path)]
    assert len(rows) == sampled.kept
    assert all(row in rows_of(whole / "arms" / row["arm"] / f"seed-{row['seed']}" / "rollouts.jsonl") for row in rows)
    by_place = Counter((row["arm"], row["seed"], row["context"]) for row in rows)
    assert max(by_place.values()) - min(by_place.values()) <= 1 or len(by_place) == len(rows)
    page = (small.folder / "report.html").read_text(encoding="utf-8")
    assert f"{sampled.kept} of 450 test replies" in page
    assert numbers_of(page) == numbers_of(build_report(whole).read_text(encoding="utf-8"))
    for said in ("<dd>450</dd>", "288 rows over 3 seeds: 252 gamed, 36 honest, 0 inoculated", "of 450 replies not scored"):
        assert said in page, said


def test_a_page_is_rebuilt_with_the_same_bytes(kept: Path) -> None:
    page, results = (kept / "report.html").read_bytes(), (kept / "results.json").read_bytes()
    (kept / "report.html").unlink()
    assert build_run(kept)["verdict"] == "supported"
    assert (kept / "report.html").read_bytes() == page
    assert (kept / "results.json").read_bytes() == results


def test_the_same_run_is_kept_the_same_way_and_all_of_it_if_it_fits(whole: Path, small: KeptRun, tmp_path: Path) -> None:
    again = keep_run(whole, tmp_path / "again", 400_000)
    names = sorted(path.relative_to(small.folder) for path in small.folder.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again.folder) for path in again.folder.rglob("*") if path.is_file())
    assert all((small.folder / name).read_bytes() == (again.folder / name).read_bytes() for name in names)
    everything = keep_run(whole, tmp_path / "again", SIZE)  # in place of the smaller one
    assert all(one.kept == one.of for one in everything.mark.rows.values())
    page = (everything.folder / "report.html").read_text(encoding="utf-8")
    assert "All rows are kept" in page
    assert NOTE.sub("", page).split() == build_report(whole).read_text(encoding="utf-8").split()


def test_evals_and_curves_of_reinforcement_are_those_of_the_whole_run(tmp_path: Path) -> None:
    run = make_learned_folder(tmp_path, seeds=(1, 2), per_step=1)
    made = keep_run(run, tmp_path / "kept", 1_200_000)
    assert made.mark.rows["evals.jsonl"].kept < made.mark.rows["evals.jsonl"].of == made.mark.counts.evals
    page, of_all = ((folder / "report.html").read_text(encoding="utf-8") for folder in (made.folder, build_report(run).parent))
    assert numbers_of(page) == numbers_of(of_all)
    learned = [re.findall(r'<section id="learned".*?</section>', text, re.DOTALL) for text in (page, of_all)]
    assert learned[0] and [re.sub(r"[\d,]+ of [\d,]+|all [\d,]+", "", one) for one in learned[0]] == [
        re.sub(r"[\d,]+ of [\d,]+|all [\d,]+", "", one) for one in learned[1]
    ]


def test_long_curves_are_thinned_to_steps_that_are_there_with_the_onsets(tmp_path: Path) -> None:
    run = make_run_folder(tmp_path, rows=45)
    found = json.loads((run / "results.json").read_text())
    write_json(run / "results.json", {**found, "training": {"hackable": {"onset": [77, 501, None]}}})
    lines = [
        {"arm": arm, "seed": seed, "stage": "rl", "step": step, "monitor/hack": step / 2000}
        for arm in ("hackable", "hardened")
        for seed in (0, 1, 2)
        for step in range(1, 1001)
    ]
    (run / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = keep_run(run, tmp_path / "kept", 600_000)
    kept = rows_of(made.folder / METRICS)
    assert all(row in lines for row in kept)
    for arm in ("hackable", "hardened"):
        steps = {seed: [row["step"] for row in kept if row["arm"] == arm and row["seed"] == seed] for seed in (0, 1, 2)}
        assert steps[0] == steps[1] == steps[2]
        assert len(steps[0]) <= STEPS and {1, 1000} <= set(steps[0])
        assert ({77, 501} <= set(steps[0])) == (arm == "hackable")
    assert "steps of training curves" in made.mark.in_words


def test_nothing_names_the_machine(tmp_path: Path) -> None:
    run = make_run_folder(tmp_path / "ada", rows=45)
    home = str(tmp_path / "ada")
    told = json.loads((run / "provenance.json").read_text())
    told |= {"command": f"{home}/bin/openwindow run quickstart --model {home}/models/tiny --out {run}", "platform": "Linux"}
    write_json(
        run / "provenance.json", {**told, "test_runs": {"before": 2, "same_study": 0, "ledger": f"{home}/.cache/runs.jsonl"}}
    )
    config = json.loads((run / "config.json").read_text())
    write_json(
        run / "config.json", {**config, "model": {"name": f"{home}/models/tiny"}, "study_config": {"model": f"{home}/models/tiny"}}
    )
    (run / "code.diff").write_text(f"+ open('{home}/x.py') # {run}\n")
    results = json.loads((run / "results.json").read_text())
    write_json(
        run / "results.json",
        {**results, "model": f"{home}/models/tiny", "unmeasured": [{"what": "x", "reason": f"{run}/a.txt: no"}]},
    )
    made = keep_run(run, tmp_path / "kept")
    for path in made.folder.rglob("*"):
        if path.is_file():
            assert home not in path.read_text(encoding="utf-8") and str(tmp_path) not in path.read_text(encoding="utf-8"), path
    kept = {name: json.loads((made.folder / name).read_text()) for name in ("provenance.json", "config.json", "results.json")}
    assert kept["provenance.json"]["command"] == "openwindow run quickstart --model tiny --out run"
    assert kept["provenance.json"]["test_runs"] == {"before": 2, "same_study": 0}
    assert kept["config.json"]["model"]["name"] == kept["results.json"]["model"] == "tiny"
    assert kept["results.json"]["unmeasured"] == [{"what": "x", "reason": "a.txt: no"}]
    assert without_paths("read /etc/passwd and a/b", roots_of({}, run)) == "read /etc/passwd and a/b"


def test_whatever_counts_rows_refuses_a_kept_run(whole: Path, kept: Path, openwindow: Command, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"kept run.*whole run folder to compute results from"):
        results_of(kept)
    with pytest.raises(ConfigError, match=r"kept run.*to export"):
        read_exported(kept, None, None)
    with pytest.raises(ConfigError, match=r"kept run.*or an empty one to run in"), RunFolder(kept) as folder:
        folder.open({"study_config": {}}, {}, overwrite=True)
    one_line(openwindow("compare", whole, kept), 2, "kept run", "to compare")
    one_line(openwindow("export", kept, "--to", "tensorboard"), 2, "kept run", "to export")
    one_line(openwindow("push", kept, "a/b", "--dry-run"), 2, "kept run", "adapter")
    one_line(openwindow("keep", kept, "--out", tmp_path / "twice"), 2, "kept run", "to keep")
    one_line(openwindow("run", "quickstart", "--out", kept, "--overwrite"), 2, "kept run", "empty one to run in")
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


def test_frames_of_a_kept_run_say_that_rows_are_a_sample(kept: Path) -> None:
    pytest.importorskip("pandas")
    run = api.read_run(kept)
    assert run.verdict == "supported" and len(run.rates())
    with pytest.warns(UserWarning, match="of 450 test replies"):
        assert len(run.rollouts()) < 450


def test_numbers_that_were_changed_after_keeping_are_refused(kept: Path, openwindow: Command) -> None:
    found = json.loads((kept / "results.json").read_text())
    found["comparisons"][0]["difference"] = -0.99
    write_json(kept / "results.json", found)
    one_line(openwindow("report", kept), 2, "results.json has been changed since the run was kept")
    with pytest.raises(ConfigError, match="has been changed"):
        api.read_run(kept)
    (kept / MARK).write_text("{")
    one_line(openwindow("report", kept), 2, "kept.json")


def test_mistakes_are_one_line(whole: Path, openwindow: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one_line(openwindow("keep", tmp_path / "none", "--out", out), 2, "holds no run", "check the path")
    one_line(openwindow("keep", whole, "--out", out, "--size", "big"), 2, "--size is 'big'", "expected megabytes")
    one_line(openwindow("keep", whole, "--out", out, "--size", "0"), 2, "--size is '0'")
    one_line(openwindow("keep", whole, "--out", out, "--size", "0.1"), 2, r"--size leaves 0\.10 MB for", "raise it by 0")
    one_line(openwindow("keep", whole, "--out", whole), 2, "is not empty and holds no kept run")
    assert not out.exists() and not list(tmp_path.iterdir())
    bare = Path(shutil.copytree(whole, tmp_path / "bare"))
    (bare / "results.json").unlink()
    one_line(openwindow("keep", bare, "--out", out), 2, "no results.json", "openwindow report")


def test_the_command_says_what_it_kept(whole: Path, openwindow: Command, tmp_path: Path) -> None:
    ran = openwindow("keep", whole, "--out", tmp_path / "q", "--size", "0.4", "--json")
    said = json.loads(ran.out)
    mark = kept_of(tmp_path / "q")
    assert ran.code == 0 and mark is not None
    assert said["rows"]["rollouts.jsonl"] == mark.rows["rollouts.jsonl"].written()
    assert said["bytes"] <= 0.4 * MEGABYTE and said["unfinished"] == 0
    assert mark.results == fingerprint(json.loads((whole / "results.json").read_text()))
    plain = openwindow("keep", whole, "--out", tmp_path / "q")
    assert plain.code == 0 and re.search(r"450 of +450  rollouts\.jsonl", plain.out)
    assert openwindow("report", tmp_path / "q").code == 0
