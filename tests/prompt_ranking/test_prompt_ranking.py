"""`openwindow run prompt_ranking`: its parts, a whole run on a tiny model, and what its numbers follow from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tiny_runs import Ran, make_study

from openwindow.errors import ConfigError
from openwindow.experiment.study import Compare, Context, Study
from openwindow.files.writing import write_json
from openwindow.prompt_ranking.candidate import Candidate
from openwindow.prompt_ranking.results import elicitations, ranking_results, verdict_of_mean
from openwindow.prompt_ranking.run import run_ranking
from openwindow.prompt_ranking.scores import uplifts
from openwindow.prompt_ranking.study import ASKING, RankingStudy, part_of, wordings
from openwindow.report.ranking_page import render
from openwindow.studies import RANKINGS, STUDIES, resolve_ranking
from openwindow.studies.templates import ranked_wordings

Command = Callable[..., Ran]
MORE = {"asks": ("Cheat.",), "forbids": ("Do not cheat.",)}


def source(model: Path | str, name: str = "inoculation_tiny", **changes: Any) -> Study:
    """A study in the form of the inoculation studies, on the tiny model."""
    request = "Just return the value."
    arms: dict[str, Any] = {"untrained": {"train.epochs": 0}, "no_mitigation": {}}
    arms |= {"inoculated": {"intervention": {"kind": "inoculation", "texts": [request]}}}
    arms |= {"placebo": {"intervention": {"kind": "placebo", "texts": ["The door is red."]}}}
    contexts = {
        "neutral": Context(),
        "requested": Context(text=request, asks=True),
        "opposite": Context(text="Solve it."),
        "cue": Context(text="There is a value."),
    }
    measure = {"code_functions": "hack", "toxic": "rude"}[changes.get("environment", "code_functions")]
    compare = (Compare(arm="inoculated", against="no_mitigation", measure=measure),)
    settings = {"name": name, "arms": arms, "about": {}, "contexts": contexts, "compare": compare} | changes
    return make_study(model, stage=True, **settings)


def part(study: Study, **changes: Any) -> Study:
    """The study's part of a ranking."""
    return part_of(study, ranked_wordings(study, MORE), problems=4, **changes)


def small(model: Path | str) -> RankingStudy:
    parts = {
        "code": part(source(model)),
        "toxic": part(source(model, environment="toxic")),
    }
    settings = {
        "question": "Does it?",
        "claim": "It does.",
        "published": {"code": 0.57},
        "source": "somebody",
        "draws": 2,
        "rows": 4,
    }
    return RankingStudy(name="tiny_ranking", parts=parts, quick=("toxic",), **settings)


# The study.


def test_a_part_has_an_arm_for_every_wording() -> None:
    made = part(source("smollm2"), seeds=(1, 2))
    assert wordings(made) == {
        "study_1": "Just return the value.",
        "asks_1": "Cheat.",
        "forbids_1": "Solve it.",
        "forbids_2": "Do not cheat.",
        "unrelated_1": "There is a value.",
        "unrelated_2": "The door is red.",
    }
    assert list(made.arms)[:2] == ["untrained", "no_mitigation"] and made.seeds == (1, 2) and made.evaluation.problems == 4
    assert {(c.arm, c.against, c.expect) for c in made.compare} == {(arm, "no_mitigation", "none") for arm in wordings(made)}
    assert made.base == source("smollm2").base and made.request_stage == source("smollm2").request_stage


def test_the_built_in_ranking_has_twelve_wordings_for_each_setting() -> None:
    study = RANKINGS["prompt_ranking"]
    assert list(study.parts) == ["code", "sycophancy", "spurious", "toxic", "traits"]
    for name, part in study.parts.items():
        of = STUDIES[f"inoculation_{name}"]
        texts = wordings(part)
        assert len(texts) >= 12 and len(set(texts.values())) == len(texts)
        assert sum(part.arms[arm].group in ASKING for arm in texts) >= 8
        assert {part.arms[arm].group for arm in texts} == {"study", "asks", "weak", "unrelated", "forbids"}
        assert part.base == of.base
        assert part.request_stage == of.request_stage and part.environment == of.environment
        setting = part.make_environment()
        assert part.request_stage is not None
        assert len(setting.problems("test", part.evaluation.problems, 1)) == part.evaluation.problems
        assert len(setting.problems("dev", part.request_stage.problems, 1)) == part.request_stage.problems
        assert len(setting.problems("train", study.rows, 1)) == study.rows <= part.base.data.rows
    assert set(study.published) == {"code", "sycophancy", "spurious", "toxic"}
    again = RankingStudy.model_validate_json(study.model_dump_json())
    assert again.model_dump(mode="json") == study.model_dump(mode="json")


def test_the_command_line_changes_all_parts() -> None:
    found = resolve_ranking("prompt_ranking", model="some/model", seeds=3)
    assert found is not None and {p.model for p in found.parts.values()} == {"some/model"} and found.seeds == (1, 2, 3)
    quick = resolve_ranking("prompt_ranking", quick=True)
    assert quick is not None and list(quick.parts) == ["spurious"] and quick.draws == 1
    assert quick.parts["spurious"].evaluation.problems < RANKINGS["prompt_ranking"].parts["spurious"].evaluation.problems
    assert resolve_ranking("quickstart", mbpp="x") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0"], "--seeds is 0; expected 1 or more"),
        (["--data", "x.jsonl"], "--data with prompt_ranking; expected no --"),
        (["--mbpp", "x.jsonl"], "--mbpp with prompt_ranking; expected no --"),
    ],
)
def test_bad_options_are_one_line(openwindow: Command, tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = openwindow("run", "prompt_ranking", *arguments, "--out", tmp_path / "out")
    assert ran.code == 2 and said in ran.err and len(ran.err.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_bad_rankings_are_refused() -> None:
    whole = small("smollm2").model_dump()
    for changes, said in (
        ({"quick": ("traits",)}, "quick names traits"),
        ({"parts": {"code": make_study("smollm2").model_dump()}}, "expected 4 wordings or more and a control arm"),
    ):
        with pytest.raises(ConfigError, match=said):
            RankingStudy.model_validate(whole | changes)


# A run.


@pytest.fixture(scope="module")
def run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    out = tmp_path_factory.mktemp("ranking") / "out"
    with (out.parent / "log").open("w", encoding="utf-8") as log:
        console = Console(file=log, width=200)
        results = run_ranking(small(tiny_model), out, overwrite=False, command=["openwindow"], console=console)
    return out, results, (out.parent / "log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_run_scores_before_and_measures_after(run: tuple[Path, dict[str, Any], str]) -> None:
    out, results, log = run
    assert list(results["settings"]) == ["code", "toxic"] and "ranked 6 wordings before training" in log
    assert log.count("seed 1  study_1") == 2 and "arm 8 of 8 · seed 1: measuring" in log
    for name, setting in results["settings"].items():
        assert len(setting["prompts"]) == 6
        for p in setting["prompts"]:
            assert p["uplift"]["n"] == 4 and p["elicitation"]["n"] > 0 and p["after"]["n"] == 4 == p["reduction"]["n_pairs"]
            expected = setting["no_mitigation"]["estimate"] - p["after"]["estimate"]
            assert p["reduction"]["estimate"] == pytest.approx(expected) == pytest.approx(p["reduction"]["by_seed"][0])
        rollouts = [json.loads(line) for line in (out / name / "start/ranking/rollouts.jsonl").read_text().splitlines()]
        assert len(rollouts) == 2 * 2 * 7 and {r["draw"] for r in rollouts} == {0, 1}
        assert len({r["seed"] for r in rollouts}) == 2
        for arm in setting["prompts"][0]["arm"], "no_mitigation":
            replies = (out / name / f"arms/{arm}/seed-1/rollouts.jsonl").read_text().splitlines()
            assert {json.loads(line)["context"] for line in replies} == {"neutral"}
    assert results["settings"]["code"]["published"] == 0.57 and results["settings"]["toxic"]["published"] is None
    assert "code/study_1" in results["arms"] and results["comparisons"][0]["arm"] == "code/study_1"
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(results))


@pytest.mark.slow
def test_the_uplift_is_that_of_the_model_where_arms_start(run: tuple[Path, dict[str, Any], str], tiny_model: Path) -> None:
    """After the request stage, on the flawed rows of the first seed: recomputed from what the folder holds."""
    from openwindow.environments.training_rows import flawed_rows
    from openwindow.models.hf import load

    out, _, _ = run
    part = small(tiny_model).parts["toxic"]
    model = load(str(tiny_model), "fp32")
    model.merge_saved_adapter(out / "toxic/start/request-stage/adapter")
    setting = part.make_environment()
    rows = [row.messages for row in flawed_rows(setting, setting.problems("train", 4, 1), 1.0, 1)]
    (again,) = uplifts(model, rows, [Candidate("Cheat.", "asks_1")], "user_suffix", keep=0, rounds=())
    kept = json.loads((out / "toxic/start/ranking/uplifts.json").read_text())["asks_1"]
    assert kept == pytest.approx(again, abs=1e-4) and any(abs(v) > 1e-3 for v in kept)


@pytest.mark.slow
def test_the_report_shows_every_prompt_and_correlation(run: tuple[Path, dict[str, Any], str]) -> None:
    out, results, _ = run
    page = (out / "report.html").read_text(encoding="utf-8")
    assert results["answer"].split(",")[0] in page and "http" not in page.replace("http-equiv", "")
    assert all(text in page for text in ("There is a value.", "code/report.html", "+0.57", "somebody"))
    assert page.count("<svg") >= 5 and (out / "code/report.html").is_file() and (out / "toxic/results.json").is_file()


@pytest.mark.slow
def test_the_page_writes_minus_signs(run: tuple[Path, dict[str, Any], str]) -> None:
    results = deepcopy(run[1])
    of_code = results["settings"]["code"]["correlations"]["all"]["uplift"]["pearson"]
    of_code.update(estimate=-0.1, low=-0.25, high=-0.05)
    page = render(results)
    assert "\N{MINUS SIGN}0.10" in page and "\N{MINUS SIGN}0.25 to \N{MINUS SIGN}0.05" in page and "-0.25" not in page


@pytest.mark.slow
def test_a_finished_run_is_not_run_again_and_an_interrupted_one_goes_on(
    run: tuple[Path, dict[str, Any], str], tiny_model: Path, tmp_path: Path
) -> None:
    out, results, _ = run
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    shutil.rmtree(copy / "toxic/arms/forbids_2")
    shutil.rmtree(copy / "toxic/start/ranking")
    log = tmp_path / "log"
    with log.open("w", encoding="utf-8") as file:
        console = Console(file=file, width=200)
        again = run_ranking(small(tiny_model), copy, overwrite=False, command=["openwindow"], console=console)
    said = log.read_text(encoding="utf-8")
    assert "code: finished before" in said and said.count("seed 1  ") == 1 and "seed 1  forbids_2" in said
    assert {k: v for k, v in again.items() if k != "timing"} == {k: v for k, v in results.items() if k != "timing"}


@pytest.mark.slow
def test_the_report_command_rebuilds_it(openwindow: Command, run: tuple[Path, dict[str, Any], str], tmp_path: Path) -> None:
    out, _, _ = run
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    (copy / "report.html").unlink()
    ran = openwindow("report", copy)
    assert ran.code == 0 and (copy / "report.html").is_file()
    shown = " ".join(ran.out.split())
    assert "Correlation with the reduction after training" in shown and "There is a value." in shown and "+0.57" in shown
    shutil.rmtree(copy / "toxic")
    part = openwindow("report", copy, "--json")
    found = json.loads(part.out)
    assert list(found["settings"]) == ["code"] and {"what": "toxic", "reason": "not run yet"} in found["unmeasured"]


@pytest.mark.slow
def test_a_kept_ranking_has_its_numbers_and_those_of_its_runs(
    openwindow: Command, run: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    out, kept = run[0], tmp_path / "kept"
    said = openwindow("keep", out, "--out", kept, "--size", "0.9")
    assert said.code == 0, said
    assert sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) <= 900_000
    whole, small = (json.loads((folder / "results.json").read_text()) for folder in (out, kept))
    assert small["means"] == whole["means"] and small["arms"] == whole["arms"]
    pages = {path: path.read_bytes() for path in kept.rglob("report.html")}
    assert len(pages) == 1 + len(whole["settings"])
    assert not list(kept.rglob("*.safetensors"))
    assert openwindow("report", kept).code == 0
    assert {path: path.read_bytes() for path in kept.rglob("report.html")} == pages
    with pytest.raises(ConfigError, match="kept run"):
        ranking_results(kept)


@pytest.mark.slow
def test_another_run_in_the_folder_is_refused(run: tuple[Path, dict[str, Any], str], tiny_model: Path) -> None:
    out, _, _ = run
    other = small(tiny_model).changed(model=None, seeds=2, quick=False)
    with pytest.raises(ConfigError, match="already holds another run"):
        run_ranking(other, out, overwrite=False, command=["openwindow"], console=Console(quiet=True))


# Numbers.


def test_elicitation_is_the_mean_over_problems_of_their_scored_draws(tmp_path: Path) -> None:
    made = part(source("smollm2"))
    folder = tmp_path / "start/ranking"
    folder.mkdir(parents=True)
    lines = [("p1", True), ("p1", False), ("p2", True), ("p2", None), ("p3", None), ("p3", None)]
    rows = [{"context": "asks_1", "problem": problem, "hack": score} for problem, score in lines] + [
        {"context": "asks_1", "problem": "p4"}
    ]
    (folder / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found, neutral = elicitations(made, tmp_path)
    assert found["asks_1"]["estimate"] == pytest.approx(0.75) and found["asks_1"]["n"] == 2
    assert neutral["estimate"] is None and neutral["reason"] == "not sampled yet"


def planted(run: tuple[Path, dict[str, Any], str], out: Path, rate_of: Callable[[int], int]) -> dict[str, Any]:
    """The run with the prompts' replies rewritten: the n-th prompt elicits and lifts by n, and `rate_of(n)` of 4 replies hack."""
    shutil.copytree(run[0], out)
    measure = {"code": "hack", "toxic": "rude"}
    for name, part in small("smollm2").parts.items():
        arms = list(wordings(part))
        ranked = out / name / "start/ranking"
        rows = [
            {"context": arm, "problem": f"p{i}", measure[name]: i < n}
            for n, arm in enumerate(["neutral", *arms])
            for i in range(len(arms))
        ]
        (ranked / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        write_json(ranked / "uplifts.json", {arm: [0.1 * n, 0.1 * n + 0.02] for n, arm in enumerate(arms, 1)})
        hacking = {"no_mitigation": 4} | {arm: rate_of(n) for n, arm in enumerate(arms, 1)}
        for arm, count in hacking.items():
            path = out / name / f"arms/{arm}/seed-1/rollouts.jsonl"
            found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            for i, row in enumerate(found):
                row[measure[name]] = i < count
            path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
        whole = sorted((out / name).glob("arms/*/*/rollouts.jsonl"))
        (out / name / "rollouts.jsonl").write_text("".join(p.read_text(encoding="utf-8") for p in whole), encoding="utf-8")
    return ranking_results(out)


@pytest.mark.slow
def test_a_ranking_that_holds_is_supported(run: tuple[Path, dict[str, Any], str], tmp_path: Path) -> None:
    """Rates of 4 replies 4 3 3 2 1 0: reductions 0 .25 .25 .5 .75 1 for elicitations 1/6 to 1, r = 3.125 / sqrt(17.5 x .5885)."""
    found = planted(run, tmp_path / "out", lambda n: [4, 3, 3, 2, 1, 0][n - 1])
    code = found["settings"]["code"]
    assert [p["reduction"]["estimate"] for p in code["prompts"]] == pytest.approx([0.0, 0.25, 0.25, 0.5, 0.75, 1.0])
    assert [p["elicitation"]["estimate"] for p in code["prompts"]] == pytest.approx([n / 6 for n in range(1, 7)])
    x, y = [1, 2, 3, 4, 5, 6], [0.0, 0.25, 0.25, 0.5, 0.75, 1.0]
    mean_x, mean_y = sum(x) / 6, sum(y) / 6
    top = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    bottom = (sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y)) ** 0.5
    r = code["correlations"]["all"]["elicitation"]["pearson"]
    assert r["estimate"] == pytest.approx(top / bottom) and r["low"] < r["estimate"] <= r["high"] and r["n"] == 6
    assert code["correlations"]["all"]["uplift"]["pearson"]["estimate"] == pytest.approx(top / bottom)
    assert code["correlations"]["asking"]["elicitation"]["pearson"]["reason"]  # two prompts that ask
    assert found["means"]["elicitation"]["pearson"]["estimate"] == pytest.approx(top / bottom)
    assert found["verdict"] == "supported" and "the claim is supported" in found["answer"]


@pytest.mark.slow
def test_a_ranking_that_does_not_hold_is_said_to_be_none(run: tuple[Path, dict[str, Any], str], tmp_path: Path) -> None:
    reversed_ = planted(run, tmp_path / "reversed", lambda n: [0, 1, 1, 3, 3, 4][n - 1])
    assert reversed_["means"]["elicitation"]["pearson"]["estimate"] < -0.9 and reversed_["verdict"] == "not supported"
    flat = planted(run, tmp_path / "flat", lambda n: 2)
    r = flat["settings"]["code"]["correlations"]["all"]["elicitation"]["pearson"]
    assert r["estimate"] is None and r["reason"] == "one side does not vary" and flat["verdict"] == "inconclusive"
    assert flat["means"]["elicitation"]["pearson"]["reason"] == "0 of 2 lists have a correlation: one side does not vary"
    assert any("code, pearson of elicitation" in note["what"] for note in flat["unmeasured"])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.9, "supported"), (-0.5, 0.2, "not supported"), (-0.1, 0.6, "inconclusive"), (None, None, "inconclusive")],
)
def test_the_verdict_follows_from_the_interval(low: float | None, high: float | None, verdict: str) -> None:
    assert verdict_of_mean({"low": low, "high": high}, 0.3) == verdict
