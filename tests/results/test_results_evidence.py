"""What results.json, the page and the terminal say of how much the numbers can carry."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from test_results import rollout, study_of

from openwindow.cli.study_table import print_results
from openwindow.experiment.compare import Compare
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.runner import describe
from openwindow.experiment.study import Study
from openwindow.files.writing import write_json, write_jsonl
from openwindow.report.study_page import build_report
from openwindow.results.build import build_results, intervals_in_words


def write_families(out: Path, study: Study, marks: dict[str, list[str]], each: int) -> dict[str, Any]:
    """A run in which every `each` problems in a row are of one family, the same families at every seed; ids have the seed."""
    folder = RunFolder(out)
    folder.open(describe(study), {"openwindow": "0.1.0", "commit": "abc"}, overwrite=False)
    for arm in study.arms:
        for seed, line in zip(study.seeds, marks[arm], strict=True):
            with folder.unit(f"arms/{arm}/seed-{seed}") as path:
                rows = [rollout(arm, seed, "neutral", n, mark) for n, mark in enumerate(line)]
                ids = [{"problem": f"f{n // each}/s{seed}/{n}", "family": f"f{n // each}"} for n in range(len(rows))]
                write_jsonl(path / "rollouts.jsonl", [row | id for row, id in zip(rows, ids, strict=True)])
                write_json(path / "done.json", {"timing": {}, "train_rows": 8})
    return build_results(out)


def printed(results: dict[str, Any], folder: Path) -> str:
    text = io.StringIO()
    print_results(results, folder, Console(file=text, width=160))
    return text.getvalue()


def test_s2_rates_and_differences_are_of_families(tmp_path: Path) -> None:
    study = study_of("a", "b", seeds=tuple(range(1, 11)), compare=(Compare(arm="a", against="b"),))
    marks = {"a": ["C" * 16 + "GGGG" * 4] * 10, "b": ["G" * 20 + "CCCC" * 3] * 10}
    apart = write_families(tmp_path / "apart", study, marks, each=1)
    together = write_families(tmp_path / "together", study, marks, each=4)
    for results, families in ((apart, 32), (together, 8)):
        cell, (compared,) = results["arms"]["a"]["measures"]["hack"]["neutral"], results["comparisons"]
        assert (cell["n"], cell["families"], compared["families"], compared["n_pairs"]) == (320, families, families, 320)
        assert f"n 320 of {families} families" in build_report(tmp_path / results_name(results, apart)).read_text("utf-8")
        assert f"(n = 320 of {families} families)" in printed(results, tmp_path / results_name(results, apart))
    one, other = (r["arms"]["a"]["measures"]["hack"]["neutral"] for r in (apart, together))
    assert one["estimate"] == other["estimate"] == 0.5
    # Ten seeds that are alike add nothing: 32 coins are about 0.5 -+ 0.18, eight about 0.5 -+ 0.38.
    assert other["high"] - other["low"] > 1.7 * (one["high"] - one["low"])
    assert together["comparisons"][0]["p"] > 1.2 * apart["comparisons"][0]["p"]


def results_name(results: dict[str, Any], apart: dict[str, Any]) -> str:
    return "apart" if results is apart else "together"


def test_s2_too_few_families_are_no_sample_of_families(tmp_path: Path) -> None:
    study = study_of("a", seeds=(1, 2, 3), compare=())
    results = write_families(tmp_path / "run", study, {"a": ["CCGCGCGCCCCG"] * 3}, each=4)
    cell = results["arms"]["a"]["measures"]["hack"]["neutral"]
    assert cell["families"] == 3 and 0 < cell["low"] < cell["high"] < 0.8
    assert "only the 3 families tested, too few" in results["intervals"]


def test_s1_a_ceiling_is_said_and_refutes_nothing(tmp_path: Path) -> None:
    study = study_of("a", "b", seeds=(1, 2, 3), compare=(Compare(arm="a", against="b", expect="more"),))
    results = write_families(tmp_path / "run", study, {"a": ["G" * 24] * 3, "b": ["G" * 24] * 3}, each=1)
    (compared,) = results["comparisons"]
    assert compared["low"] < -0.15 and compared["high"] > 0.15
    said = (
        "`a` is at the ceiling in 3 of 3 seeds and `b` is at the ceiling in 3 of 3 seeds; up to 63 % of seeds may behave otherwise"
    )
    assert compared["ceiling"] == said
    assert results["verdict"] == "inconclusive"
    page = build_report(tmp_path / "run").read_text("utf-8")
    assert "is at the ceiling in 3 of 3 seeds; up to 63 % of seeds may behave otherwise." in page
    assert f"{said}." in printed(results, tmp_path / "run").replace("\n", " ")


def test_s1_many_pairs_at_the_ceiling_are_inconclusive_for_that_reason(tmp_path: Path) -> None:
    study = study_of("a", "b", seeds=(1, 2, 3), compare=(Compare(arm="a", against="b", expect="more"),))
    results = write_families(tmp_path / "run", study, {"a": ["G" * 96] * 3, "b": ["G" * 96] * 3}, each=1)
    assert results["comparisons"][0]["high"] < 0.1 and results["verdict"] == "inconclusive"
    assert results["verdict_reason"].endswith("up to 63 % of seeds may behave otherwise, so a difference is not ruled out")


@pytest.mark.parametrize(("seeds", "said"), [((1,), "1 seed was measured"), ((1, 2), "2 seeds were measured")])
def test_s1_few_seeds_give_no_verdict_and_say_so(tmp_path: Path, seeds: tuple[int, ...], said: str) -> None:
    study = study_of("a", "b", seeds=seeds, compare=(Compare(arm="a", against="b"),))
    results = write_families(tmp_path / "run", study, {"a": ["C" * 40] * len(seeds), "b": ["G" * 40] * len(seeds)}, each=1)
    assert results["verdict"] == "inconclusive" and results["verdict_reason"].startswith(said)
    page = build_report(tmp_path / "run").read_text("utf-8")
    assert f"Inconclusive: {said}" in page and f"Inconclusive: {said}" in printed(results, tmp_path / "run")


def test_s10_the_p_of_what_is_kept_is_of_its_margin(tmp_path: Path) -> None:
    kept = Compare(arm="a", against="b", measure="correct", expect="kept", margin=0.3)
    study = study_of("a", "b", seeds=(1, 2, 3), compare=(kept,))
    marks = {"a": ["C" * 30 + "W" * 10] * 3, "b": ["C" * 28 + "W" * 12, "C" * 30 + "W" * 10, "C" * 32 + "W" * 8]}
    results = write_families(tmp_path / "run", study, marks, each=1)
    (compared,) = results["comparisons"]
    assert results["verdict"] == "supported" and compared["difference"] == 0.0 and compared["p"] < 0.05
    assert "kept, less than 30 points lost" in build_report(tmp_path / "run").read_text("utf-8")


def test_s13_the_page_says_how_holm_and_the_verdict_go_together(tmp_path: Path) -> None:
    named = (Compare(arm="a", against="b"), Compare(arm="a", against="b", measure="correct", expect="none"))
    study = study_of("a", "b", seeds=(1, 2, 3), compare=named)
    results = write_families(tmp_path / "run", study, {"a": ["C" * 20] * 3, "b": ["G" * 20] * 3}, each=1)
    assert "may be above 0.05 although the claim is supported" in results["holm"]
    assert "may be above 0.05 although the claim is supported" in build_report(tmp_path / "run").read_text("utf-8")


def test_s22_results_say_the_smallest_effect_that_could_be_found(tmp_path: Path) -> None:
    named = (Compare(arm="a", against="b"), Compare(arm="a", against="b", measure="correct", expect="none"))
    study = study_of("a", "b", seeds=(1, 2, 3), compare=named)
    marks = {"a": ["C" * 30 + "G" * 10, "C" * 26 + "G" * 14, "C" * 28 + "G" * 12], "b": ["G" * 20 + "C" * 20] * 3}
    decides, describes = write_families(tmp_path / "run", study, marks, each=1)["comparisons"]
    half = decides["high"] - decides["difference"]
    # Noncentral t with 2 degrees of freedom passes 4.3027 with 80 % at 5.65 standard errors or so.
    assert half * 1.2 < decides["detectable"] < half * 1.45
    assert describes["detectable"] is None
    assert f">{100 * decides['detectable']:.0f}</td>" in build_report(tmp_path / "run").read_text("utf-8")
    assert "detectable: the smallest effect, in points" in printed(build_results(tmp_path / "run"), tmp_path / "run")


def test_bounds_stand_beside_a_rate_of_which_much_is_not_scored(tmp_path: Path) -> None:
    study = study_of("a", seeds=(1, 2), compare=())
    results = write_families(tmp_path / "run", study, {"a": ["GGCCCCUUUU", "GCCCCCCCCC"]}, each=1)
    cell = results["arms"]["a"]["measures"]["hack"]["neutral"]
    assert (cell["n"], cell["unscored"]) == (16, 4)
    assert cell["bounds"] == pytest.approx([(2 / 10 + 1 / 10) / 2, (6 / 10 + 1 / 10) / 2])
    assert results["arms"]["a"]["measures"]["attempted"]["neutral"]["bounds"] is None
    assert "15.0% to 35.0% with these counted as no and as yes" in build_report(tmp_path / "run").read_text("utf-8")
    assert "4 of 20 unscored; 15 % with these as no, 35 % as yes" in printed(results, tmp_path / "run")


def test_few_unscored_replies_need_no_bounds(tmp_path: Path) -> None:
    study = study_of("a", seeds=(1,), compare=())
    results = write_families(tmp_path / "run", study, {"a": ["GGCCCCCCCU"]}, each=1)
    assert results["arms"]["a"]["measures"]["hack"]["neutral"]["bounds"] is None


def test_s8_what_intervals_cover_is_said() -> None:
    said = intervals_in_words(["f1", "f2", "f3", "f4"], 3, "one")
    assert "the 4 families tested and others like them" in said and "not seeds that tip" in said
    assert said.endswith("they are conditional on one start, the same for all seeds")
    assert "not how seeds vary (one was run)" in intervals_in_words(["f"], 1, "one")
    assert intervals_in_words(["f"], 3, "per_seed").endswith("starts vary with the seeds")
