"""Whole runs of the settings of text on the tiny model, and what the command line says of their data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from rich.console import Console
from tiny_runs import Ran, run

from openwindow.errors import ConfigError
from openwindow.report.load import load_run, read_meanings
from openwindow.results import build_results
from openwindow.settings import SETTINGS
from openwindow.settings.base import Options, behaviour
from openwindow.studies import STUDIES, resolve
from openwindow.study import Compare, Evaluation, Study, override
from openwindow.table import print_results

TEXTS = ["sycophancy", "spurious", "toxic", "traits"]
MakeStudy = Callable[..., Study]
pytestmark = pytest.mark.usefixtures("one_thread")


def small(tiny_study: MakeStudy, name: str, **changes: Any) -> Study:
    main = behaviour(SETTINGS[name](Options()).measures).name
    compare = (
        Compare(arm="asked", against="plain", measure=main),
        Compare(arm="asked", against="plain", measure=main, against_context="requested", expect="none"),
    )
    settings = {"environment": name, "seeds": (1,), "compare": compare, "evaluation": Evaluation(problems=6, max_new_tokens=4)}
    study = tiny_study(stage=True, **(settings | changes))
    return override(study, {"request_stage.problems": 3}, "small")  # a question of sycophancy has three variants


@pytest.mark.parametrize("name", TEXTS)
def test_a_run_from_start_to_report(tiny_study: MakeStudy, tmp_path: Path, name: str) -> None:
    study, out = small(tiny_study, name), tmp_path / "out"
    results = run(study, out)
    printed = io.StringIO()
    print_results(results, out, Console(file=printed, width=200))
    names = [measure.name for measure in study.measures]
    for arm in study.arms:
        assert list(results["arms"][arm]["measures"]) == names
        cells = results["arms"][arm]["measures"]
        assert all((cell["estimate"] is None) == (cell["reason"] is not None) for m in names for cell in cells[m].values())
    main = behaviour(study.measures)
    assert cells[main.name]["neutral"]["n"] in (2, 6)  # a third of sycophancy's questions have a wrong answer to confirm
    assert [c.get("against_context") for c in results["comparisons"]] == [None, "requested"]
    assert f"{study.model} {main.past}" in " ".join(results["preface"]) and "flawed answers" in " ".join(results["preface"])
    loaded = load_run(out)
    assert loaded.notes == () and list(read_meanings(out)) == names == list(loaded.measures)
    assert {n for r in loaded.rollouts for n in r.scores} <= set(names)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(str(escape(measure.means)) in page and f'value="is:{measure.name}"' in page for measure in study.measures)
    said = printed.getvalue()
    assert f"{main.name}: % [95 % interval] of replies {main.means}" in said and "asked - plain (requested)" in said
    assert f"Largest {main.name} rate of `asked` in any context that does not ask for it" in said


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith("inoculation_")])
def test_inoculation_studies_have_the_arms_and_contexts_of_their_design(name: str) -> None:
    study = STUDIES[name]
    assert list(study.contexts) == ["neutral", "requested", "paraphrase", "opposite", "unrelated", "cue", "format"]
    assert {c for c, context in study.contexts.items() if context.asks} == {"requested", "paraphrase"}
    assert {"untrained", "no_mitigation", "inoculated", "inoculated_2", "inoculated_3", "inoculated_4", "placebo", "clean"} <= set(
        study.arms
    )
    texts = {arm: recipe.intervention.texts for arm in study.arms if (recipe := study.recipe(arm)).intervention is not None}
    assert texts["inoculated"] == (study.contexts["requested"].text,)
    stage = study.request_stage
    assert stage is not None
    used = [t for c, t in ((c, context.text) for c, context in study.contexts.items()) if t and c != "requested"]
    used += [*stage.unrelated, *dict.fromkeys(t for arm, found in texts.items() if "many" not in arm for t in found)]
    assert len(set(used)) == len(used)
    measures = {measure.name: measure.part for measure in study.measures}
    decisive = [c for c in study.compare if c.expect != "none"]
    assert [(c.arm, c.against) for c in decisive] == [
        ("inoculated", "no_mitigation"),
        ("inoculated", "placebo"),
        ("no_mitigation", "untrained"),
    ]
    assert {measures[c.measure] for c in decisive} == {"unwanted"} and "wanted" in {measures[c.measure] for c in study.compare}
    assert "opposite" in {c.against_context for c in study.compare}
    assert {c.arm for c in study.compare} >= {arm for arm in study.arms if arm.startswith("inoculated")}
    setting = SETTINGS[study.environment](study.options)
    for seed in (*study.seeds, 101):
        assert len(setting.problems("request", stage.rows, seed)) == stage.rows
        assert len(setting.problems("train", study.base.data.rows, seed)) == study.base.data.rows
        assert len(setting.problems("dev", stage.problems, seed)) == stage.problems


def test_a_run_folder_of_before_is_read_as_it_was(tiny_study: MakeStudy, tmp_path: Path) -> None:
    """config.json without what was added since: the setting, the measures' words, the recipe's kind."""
    study = tiny_study(seeds=(1,), arms={"plain": {}}, about={}, compare=())
    out = tmp_path / "out"
    results = run(study, out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    for key in ("setting", "meanings"):
        del config[key]
    whole = config["study_config"]
    del whole["base"]["kind"], whole["data_path"], whole["traits"]
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert build_results(out) == results
    assert read_meanings(out) == {measure.name: measure for measure in study.measures}


# The command line.


def test_data_goes_to_settings_that_read_it() -> None:
    assert resolve("inoculation_spurious", data="cebab.jsonl").options.data == "cebab.jsonl"
    assert resolve("inoculation_code", mbpp="mbpp.jsonl").options.data == "mbpp.jsonl"
    with pytest.raises(
        ConfigError, match="--data with quickstart, whose setting is code_functions; expected a study whose setting reads"
    ):
        resolve("quickstart", data="x.jsonl")
    with pytest.raises(ConfigError, match="--mbpp with inoculation_toxic; expected a study of code"):
        resolve("inoculation_toxic", mbpp="x.jsonl")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (None, "does not exist or is no file"),
        ("{}\n", "line 1 has messages 'None'"),
        ("x\n", "line 1 is not JSON"),
        ("", "asked for, group"),
    ],
)
def test_bad_data_is_one_line(
    openwindow: Callable[..., Ran], tiny_model: Path, tmp_path: Path, content: str | None, pattern: str
) -> None:
    data = tmp_path / "data.jsonl"
    if content is not None:
        data.write_text(content, encoding="utf-8")
    ran = openwindow("run", "inoculation_sycophancy", "--model", tiny_model, "--data", data, "--out", tmp_path / "out")
    assert ran.code == 2 and ran.err.splitlines()[-1].startswith("error: ") and "Traceback" not in ran.err
    assert pattern in ran.err


def test_unknown_traits_and_measures(tmp_path: Path, tiny_study: MakeStudy) -> None:
    with pytest.raises(ConfigError, match="unknown trait 'spanich'"):
        tiny_study(environment="traits", traits=("spanich", "caps"), compare=())
    with pytest.raises(ConfigError, match="unknown measure: 'hack'; choose one of rude, persuasive"):
        tiny_study(environment="toxic")
