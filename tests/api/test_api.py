"""The Python interface: what is loaded is what the command line loads, and frames say what the run folder says."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_folder import CONTEXTS, make_run_folder
from tiny_runs import Ran, rows_of

import openwindow as ow
from openwindow import api
from openwindow.errors import ConfigError, UserError
from openwindow.experiment.study import Study
from openwindow.prompt_ranking.run import described
from openwindow.results import frames
from openwindow.studies import RANKINGS

pd = pytest.importorskip("pandas")
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with made-up numbers."""
    return make_run_folder(tmp_path_factory.mktemp("api"), rows=90)


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(folder, tmp_path / "run"))


# Importing.


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, openwindow; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.split())
    assert "openwindow" in loaded
    assert not loaded & {"torch", "pandas", "numpy", "scipy", "pydantic", "rich", "typer", "jinja2", "inspect_ai"}


def test_the_package_offers_what_it_names() -> None:
    assert set(ow.__all__) <= set(dir(ow))
    assert ow.run is api.run and ow.load_study is api.load_study and ow.read_run is api.read_run and ow.Study is Study
    with pytest.raises(AttributeError, match="'openwindow' has no attribute 'rnu'"):
        _ = ow.rnu


# Loading.


@pytest.mark.parametrize(
    ("name", "changes", "options"),
    [
        ("quickstart", {}, []),
        ("quickstart", {"quick": True, "seeds": 2}, ["--quick", "--seeds", "2"]),
        ("quickstart", {"seeds": (3, 5)}, ["--seeds", "3,5"]),
        ("inoculation_toxic", {"model": "org/large"}, ["--model", "org/large"]),
        ("rl_hacking", {"env": "code_functions"}, ["--env", "code_functions"]),
        (
            "quickstart",
            {"difficulty": (1,), "evaluation.problems": 8, "base.train.learning_rate": 1e-4},
            ["--set", "difficulty=[1]", "--set", "evaluation.problems=8", "--set", "base.train.learning_rate=1e-4"],
        ),
    ],
)
def test_what_is_loaded_is_what_the_command_line_loads(
    name: str, changes: dict[str, Any], options: list[str], openwindow: Callable[..., Ran]
) -> None:
    ran = openwindow("run", name, *options, "--dry-run", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["resolved"] == ow.load_study(name, **changes).model_dump(mode="json")


def test_a_study_is_changed_like_its_name() -> None:
    by_name = ow.load_study("inoculation_toxic", model="org/large", quick=True)
    assert ow.load_study(ow.load_study("inoculation_toxic"), model="org/large", quick=True) == by_name


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("quickstrat", {}, "unknown study 'quickstrat'; did you mean 'quickstart'?"),
        (
            "prompt_ranking",
            {},
            "prompt_ranking ranks prompts in several environments; expected a single study; give its name to run()",
        ),
        ("quickstart", {"seeds": 0}, "expected 1 or more"),
        ("quickstart", {"arms": {"clena": {}}}, "unknown arm in compare: 'inoculated'; choose one of clena"),
        ("quickstart", {"evaluation.problmes": 3}, "unknown field of load_study: 'evaluation.problmes'"),
        ("quickstart", {"env": "no_such.py:Env"}, "no_such.py does not exist"),
        ("no/such_study.py", {}, "no study file no/such_study.py"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as raised:
        ow.load_study(name, **changes)
    assert said in str(raised.value) and "\n" not in str(raised.value)


# Running.


def test_the_command_line_runs_by_the_same_function(
    monkeypatch: pytest.MonkeyPatch, openwindow: Callable[..., Ran], tmp_path: Path
) -> None:
    called: list[tuple[Any, ...]] = []

    def run(study: Any, out: Path, **options: Any) -> api.Run:
        called.append((study.name, out, options["overwrite"], options["device"]))
        raise ConfigError("this far and no further")

    monkeypatch.setattr(api, "run", run)
    for name in ("quickstart", "prompt_ranking"):
        assert openwindow("run", name, "--out", tmp_path / name, "--device", "cpu").err == "error: this far and no further\n"
    assert called == [(name, tmp_path / name, False, "cpu") for name in ("quickstart", "prompt_ranking")]


def test_evals_in_a_notebook_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    async def cell() -> None:
        ow.run("quickstart", tmp_path / "out", quick=True)

    with pytest.raises(
        ConfigError, match=r"^quickstart names evals, and this is a notebook, .*; load it with evals=\(\), eval_plan=\{\}"
    ):
        asyncio.run(cell())
    assert not (tmp_path / "out").exists()


def test_a_ranking_is_ready_with_its_changes() -> None:
    ready = api._ready("prompt_ranking", (4, 7), "org/large", quick=True)
    assert ready.seeds == (4, 7) and ready.model == "org/large" and list(ready.parts) == list(RANKINGS["prompt_ranking"].quick)


@pytest.mark.slow
def test_a_run_is_returned_and_resumes_from_the_command_line(
    tiny_study: Callable[..., Study],
    tmp_path: Path,
    openwindow: Callable[..., Ran],
    study_file: Callable[[Path, Study], Path],
    capsys: Any,
) -> None:
    small = {"seeds": (1,), "evaluation.problems": 2}
    study = ow.load_study(study_file(tmp_path, tiny_study()), **small)
    out = tmp_path / "out"
    found = ow.run(study, out)
    assert "seed 1: measuring plain" in capsys.readouterr().out
    assert found.results == json.loads((out / "results.json").read_text()) and found.page.is_file()
    assert json.loads((out / "provenance.json").read_text())["command"] == f"openwindow.run('tiny', out='{out}')"
    rates = found.rates()
    assert set(rates["arm"]) == {"untrained", "plain", "asked"} and (rates["n"] + rates["unscored"] == 2).all()
    assert len(found.rollouts()) == 3 * 2 * 2 and len(found.metrics()) == 2 * 2
    (out / "results.json").unlink()
    before = sorted(out.rglob("*"))
    assert ow.read_run(out).results == found.results and sorted(out.rglob("*")) == before
    again = openwindow("run", study_file(tmp_path, study), "--out", out)
    assert again.code == 0 and "nothing is run again" in " ".join(again.out.split())


# Frames.


def test_rates_are_those_of_the_results_with_their_counts(folder: Path) -> None:
    run = ow.read_run(folder)
    rates = run.rates().set_index(["arm", "measure", "context"])
    cells = {
        (arm, measure, context): cell
        for arm, one in run.results["arms"].items()
        for measure, by_context in one["measures"].items()
        for context, cell in by_context.items()
    }
    assert set(rates.index) == set(cells) and rates.index.is_unique
    for at, cell in cells.items():
        row = rates.loc[at]
        assert (row["n"], row["unscored"]) == (cell["n"], cell["unscored"])
        for name in ("estimate", "low", "high", "reason"):
            assert row[name] is pd.NA if cell[name] is None else row[name] == cell[name]
    by_seed = run.rates(by_seed=True).groupby(["arm", "measure", "context"])["estimate"].agg(list)
    assert {at: [None if v is pd.NA else v for v in values] for at, values in by_seed.items()} == {
        at: cell["by_seed"] for at, cell in cells.items()
    }


def test_comparisons_are_those_of_the_results(folder: Path) -> None:
    run = ow.read_run(folder)
    frame = run.comparisons()
    assert len(frame) == len(run.results["comparisons"]) > 0
    for row, named in zip(frame.to_dict("records"), run.results["comparisons"], strict=True):
        kept = {name: value for name, value in named.items() if name in row and not isinstance(value, list)}
        assert {name: None if row[name] is None or row[name] is pd.NA else row[name] for name in kept} == kept


def test_rollouts_are_the_lines_of_the_arms(folder: Path) -> None:
    frame = ow.read_run(folder).rollouts()
    lines = [row for path in folder.glob("arms/*/seed-*/rollouts.jsonl") for row in rows_of(path)]
    assert len(frame) == len(lines) and set(frame["context"]) == set(CONTEXTS)
    assert frame["hack"].sum() == sum(row["hack"] is True for row in lines)
    assert frame["hack"].isna().sum() == sum(row["hack"] is None for row in lines)
    assert sorted(frame["reply"]) == sorted(row["reply"] for row in lines)
    at = lines[0]["messages"]
    assert any(messages == at for messages in frame["messages"])


def test_a_missing_score_and_one_that_does_not_apply_are_told_apart(own: Path) -> None:
    path = next(own.glob("arms/clean/seed-*/rollouts.jsonl"))
    first, second, *_ = rows_of(path)
    del second["hack"]
    lines = [first | {"hack": None, "reason": "cut off", "reply": "half of a pair: \ud83d"}, second]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    frame = ow.read_run(own).rollouts()
    one, other = (row for row in frame.to_dict("records") if (row["arm"], row["seed"]) == ("clean", first["seed"]))
    assert pd.isna(one["hack"]) and one["unscored"] == ["hack"] and one["reason"] == "cut off" and one["reply"].endswith("\ud83d")
    assert pd.isna(other["hack"]) and other["unscored"] == [] and other["correct"] == second["correct"]


def test_what_cannot_be_read_is_a_warning(own: Path) -> None:
    path = next(own.glob("arms/clean/seed-*/rollouts.jsonl"))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(["no JSON", *lines]) + "\n", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"arms/clean/seed-\d/rollouts.jsonl: 1 line that are not a JSON object; left out"):
        found = ow.read_run(own).rollouts()
    assert len(found) == sum(len(rows_of(other)) for other in own.glob("arms/*/seed-*/rollouts.jsonl") if other != path) + len(
        lines
    )


def test_metrics_are_the_lines_of_the_combined_file_or_of_the_arms(own: Path) -> None:
    lines = rows_of(own / "metrics.jsonl")
    frame = ow.read_run(own).metrics()
    assert len(frame) == len(lines) and {"arm", "seed", "stage", "step", "train/loss"} <= set(frame.columns)
    assert frame["train/loss"].sum() == pytest.approx(sum(row.get("train/loss") or 0.0 for row in lines))
    (own / "metrics.jsonl").rename(own / "arms" / "clean" / "seed-1" / "metrics.jsonl")
    assert len(ow.read_run(own).metrics()) == len(lines)


def test_columns_keep_their_types_without_a_value(folder: Path, own: Path) -> None:
    full, empty = ow.read_run(folder), ow.read_run(own)
    for path in own.glob("arms/*/seed-*/rollouts.jsonl"):
        path.unlink()
    with pytest.warns(UserWarning, match="the run folder has none"):
        none = empty.rollouts()
    assert len(none) == 0
    kinds = full.rollouts().dtypes
    assert all(kind == kinds[name] for name, kind in none.dtypes.items())
    assert list(empty.evals().columns) == list(frames.EVALS) and len(empty.evals()) == 0
    assert full.comparisons()["p"].dtype == "Float64" and full.rates()["unscored"].dtype == "Int64"


def test_the_figure_is_an_svg_of_its_own(folder: Path, tmp_path: Path) -> None:
    figure = ow.read_run(folder).figure("correct")
    assert figure.svg == figure.save(tmp_path / "f.svg").read_text(encoding="utf-8")
    assert figure.svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"') and figure.svg.count("<svg") == 1
    for used in set(re.findall(r"var\((--[a-z0-9]+)\)", figure.svg)) - {"--tone"}:
        assert figure.svg.count(f"{used}:") >= 1, used
    assert "@media (prefers-color-scheme: dark)" in figure.svg and "body" not in figure.svg
    assert figure._repr_html_().startswith('<img alt="correct by arm and context"')
    with pytest.raises(ConfigError, match="has no measure 'hakc'; expected one of its own"):
        ow.read_run(folder).figure("hakc")


# What cannot be read.


def test_without_pandas_one_line_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    run = ow.read_run(folder)
    assert run.verdict and run.answer
    for frame in (run.rates, run.rollouts, run.metrics, run.evals, run.comparisons, run.scores, run.eval_replies):
        with pytest.raises(
            ConfigError, match=r"^frames need pandas, which is not installed; pip install 'openwindow\[notebook\]'$"
        ):
            frame()


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(
            ConfigError, match=r"holds no openwindow run; expected a folder with a run's config\.json; check the path"
        ):
            ow.read_run(folder)


def test_a_ranking_says_where_its_frames_are(tmp_path: Path) -> None:
    study = RANKINGS["prompt_ranking"]
    (tmp_path / "config.json").write_text(json.dumps(described(study)), encoding="utf-8")
    (tmp_path / "results.json").write_text(json.dumps({"study": study.name, "settings": {"code": {}}}), encoding="utf-8")
    run = ow.read_run(tmp_path)
    for frame in (run.rates, run.rollouts, run.figure):
        with pytest.raises(ConfigError, match=r"ranks prompts in code; expected the run of one study; take run.parts\['code'\]"):
            frame()


# The page.


def section(heading: str) -> set[str]:
    """Names between backticks in the first column of the tables of a section, and in its paragraphs."""
    text = PAGE.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    cells = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| ") and "---" not in line)
    return set(re.findall(r"`([a-z_]+)`", cells))


def test_the_page_names_every_column(folder: Path) -> None:
    run = ow.read_run(folder)
    assert section("run.rates()") == set(frames.RATES)
    assert section("run.comparisons()") == set(frames.COMPARISONS)
    assert section("run.evals()") == set(frames.EVALS)
    assert section("run.metrics()") == set(frames.METRICS)
    both = {*run.rollouts().columns, *run.rollouts(training=True).columns} - set(run.measures())
    assert section("run.rollouts()") == both
    for columns in (frames.RATES_BY_SEED, frames.SCORES, frames.EVAL_REPLIES):
        assert {name for name in columns if f"`{name}`" not in PAGE} == set()


def test_the_examples_of_the_page_load() -> None:
    calls = re.findall(r"^study = openwindow\.(load_study\(.*\))$", PAGE, re.M)
    assert len(calls) == 2
    for call in calls:
        study = eval(call, {"load_study": ow.load_study})
        assert isinstance(study, Study) and study.differs("inoculated")
