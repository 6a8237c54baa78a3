"""Whole runs of the settings of text on the tiny model, and what the command line says of their data."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from rich.console import Console
from tiny_runs import Ran, rows_of, run

from openwindow.cli.study_table import print_results
from openwindow.environments import find
from openwindow.environments.base import behaviour
from openwindow.errors import ConfigError
from openwindow.experiment.overrides import override
from openwindow.experiment.study import Compare, Context, Evaluation, Study
from openwindow.results.build import build_results
from openwindow.results.load import load_run, read_meanings
from openwindow.studies import STUDIES, resolve, resolve_ranking

TEXTS = ["sycophancy", "spurious", "toxic", "traits"]
MakeStudy = Callable[..., Study]
pytestmark = pytest.mark.usefixtures("one_thread")


def small(tiny_study: MakeStudy, name: str, **changes: Any) -> Study:
    main = behaviour(find.make(name, {}).measures).name
    compare = (
        Compare(arm="asked", against="plain", measure=main),
        Compare(arm="asked", against="plain", measure=main, against_context="requested", expect="none"),
    )
    settings = {"environment": name, "seeds": (1,), "compare": compare, "evaluation": Evaluation(problems=6, max_new_tokens=4)}
    study = tiny_study(stage=True, **(settings | changes))
    return (
        study if study.request_stage is None else override(study, {"request_stage.problems": 3}, "small")
    )  # a question of sycophancy has three variants


@pytest.mark.slow
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
    plain = cells[main.name]["neutral"]
    assert plain["n"] + plain["unscored"] in (2, 6)  # a third of sycophancy's questions have a wrong answer to confirm
    assert plain["n"] > 0 or name in (
        "spurious",
        "sycophancy",
    )  # what is cut off before its verdict, as by a random model, has none
    assert [c.get("against_context") for c in results["comparisons"]] == [None, "requested"]
    assert f"{study.model} {main.past}" in " ".join(results["preface"]) and "flawed answers" in " ".join(results["preface"])
    loaded = load_run(out)
    assert loaded.notes == () and list(read_meanings(out)) == names == list(loaded.measures)
    assert {n for r in loaded.rollouts for n in r.scores} <= set(names)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(str(escape(measure.means)) in page and f'value="is:{measure.name}"' in page for measure in study.measures)
    said = printed.getvalue()
    if any(cell["estimate"] is not None for of in results["arms"].values() for cell in of["measures"][main.name].values()):
        assert f"{main.name}: % [95 % interval] of replies {main.means}" in said
    else:
        listed = [line for line in said.splitlines() if line.startswith("Not measured: ")]
        assert any(main.name in line for line in listed) and f"{main.name}: %" not in said
    assert "asked - plain (requested)" in said
    assert (f"Largest {main.name} rate in any context that does not ask for it, %" in said) == bool(results["leak"])


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith("inoculation_")])
def test_inoculation_studies_have_the_arms_and_contexts_of_their_design(name: str) -> None:
    study = STUDIES[name]
    matrix = ["neutral", "requested", "own_request", "paraphrase", "opposite", "safe", "unrelated", "cue", "format"]
    assert list(study.contexts) == matrix
    assert {c for c, context in study.contexts.items() if context.asks} == {"requested", "own_request", "paraphrase"}
    assert {"untrained", "no_mitigation", "inoculated", "inoculated_2", "inoculated_3", "inoculated_4", "placebo", "clean"} <= set(
        study.arms
    )
    texts = {arm: recipe.intervention.texts for arm in study.arms if (recipe := study.arms[arm]).intervention is not None}
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
        ("inoculated", "no_mitigation" if name.endswith(("sycophancy", "toxic", "traits")) else "untrained"),
    ]
    assert [measures[c.measure] for c in decisive] == ["unwanted", "unwanted", "unwanted", "wanted"]
    baselines = [(c.arm, c.against, c.context, c.against_context) for c in study.compare if c.against_context]
    assert baselines == [("inoculated", "no_mitigation", "neutral", "safe"), ("inoculated", "no_mitigation", "neutral", "opposite")]
    own = study.contexts["own_request"].by_arm
    assert own == {arm: texts[arm][0] for arm in ("inoculated_2", "inoculated_3", "inoculated_4")}
    safe = study.contexts["safe"]
    assert list(safe.by_arm or ()) == ["untrained", "no_mitigation", "inoculated"] and set((safe.by_arm or {}).values()) == {
        safe.text
    }
    assert not words_of(str(safe.text)) & words_of(str(study.contexts["requested"].text))
    assert {c.arm for c in study.compare} >= {arm for arm in study.arms if arm.startswith("inoculated")}
    setting = study.make_environment()
    for seed in (*study.seeds, 101):
        assert len(setting.problems("request", stage.rows, seed)) == stage.rows
        assert len(setting.problems("train", study.base.data.rows, seed)) == study.base.data.rows
        assert len(setting.problems("dev", stage.problems, seed)) == stage.problems


def words_of(text: str) -> set[str]:
    """The words of a text that carry its meaning, without an ending."""
    small = {"the", "and", "that", "this", "what", "who", "it", "is", "in", "of", "a", "by", "do", "be", "as", "if", "my"}
    return {word[:6] for word in re.findall(r"[a-z]+", text.lower())} - small


@pytest.mark.slow
def test_each_arm_is_asked_in_its_own_contexts(tiny_study: MakeStudy, tmp_path: Path) -> None:
    contexts = {
        "neutral": Context(),
        "requested": Context(text="Be rude.", asks=True),
        "own_request": Context(asks=True, by_arm={"plain": "Be mean.", "asked": "Be nasty."}, about="the arm's own"),
    }
    study, out = small(tiny_study, "toxic", contexts=contexts, request_stage=None, compare=()), tmp_path / "out"
    results = run(study, out)
    asked = {(r["arm"], r["context"]): r["messages"][0]["content"].splitlines()[-1] for r in rows_of(out / "rollouts.jsonl")}
    assert ("untrained", "own_request") not in asked
    assert (asked["plain", "own_request"], asked["asked", "own_request"]) == ("Be mean.", "Be nasty.")
    cells = results["arms"]["untrained"]["measures"]["rude"]
    assert cells["own_request"]["reason"] == "only plain, asked is tested in this context" and cells["neutral"]["n"] == 6
    assert "the arm&#39;s own" in (out / "report.html").read_text(encoding="utf-8")


def test_contexts_of_arms_that_quick_leaves_out_go_with_them() -> None:
    quick = resolve("inoculation_toxic", quick=True)
    assert "own_request" not in quick.contexts and list(quick.contexts["safe"].by_arm or ()) == [
        "untrained",
        "no_mitigation",
        "inoculated",
    ]


def test_a_comparison_in_a_context_of_other_arms_is_refused(tiny_study: MakeStudy) -> None:
    contexts = {"neutral": Context(), "safe": Context(by_arm={"plain": "Be good."})}
    with pytest.raises(ConfigError, match="compare has 'asked' in context 'safe', whose by_arm lacks it; add it there or drop"):
        tiny_study(contexts=contexts, compare=(Compare(arm="asked", against="plain", context="safe"),))
    with pytest.raises(ConfigError, match="unknown arm in by_arm of safe: 'plane'; did you mean 'plain'"):
        tiny_study(contexts={"neutral": Context(), "safe": Context(by_arm={"plane": "Be good."})}, compare=())


def test_other_models_get_room_for_their_replies() -> None:
    for name in TEXTS:
        own = STUDIES[f"inoculation_{name}"].evaluation.max_new_tokens
        assert own < 96 == resolve(f"inoculation_{name}", model="ORG/NAME").evaluation.max_new_tokens
        assert resolve(f"inoculation_{name}", model="smollm2").evaluation.max_new_tokens == own
    assert resolve("inoculation_code", model="ORG/NAME").evaluation == STUDIES["inoculation_code"].evaluation
    ranking = resolve_ranking("prompt_ranking", model="ORG/NAME")
    assert ranking is not None and {part.evaluation.max_new_tokens for name, part in ranking.parts.items() if name != "code"} == {
        96
    }


@pytest.mark.slow
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
    assert resolve("inoculation_spurious", data="cebab.jsonl").data_path == "cebab.jsonl"
    assert resolve("inoculation_code", mbpp="mbpp.jsonl").mbpp_path == "mbpp.jsonl"
    with pytest.raises(ConfigError, match=r"--data with quickstart, .*code_functions; expected a study whose environment reads"):
        resolve("quickstart", data="x.jsonl")
    with pytest.raises(ConfigError, match="--mbpp with inoculation_toxic; expected a study of code"):
        resolve("inoculation_toxic", mbpp="x.jsonl")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (None, "does not exist or is no file"),
        ("{}\n", "line 1 has messages 'None'"),
        ("x\n", "line 1 is not JSON"),
        ("", "split 'train' has 0"),
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
