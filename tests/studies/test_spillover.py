"""The study of what data teaches besides its task: on its own data, on a user's pairs, and what its options say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import one_line
from tiny_runs import Ran, jsonl, rows_of

pytest.importorskip("inspect_ai")

from openwindow.environments.text.user_rows import UserRows
from openwindow.experiment.evals import evals_of
from openwindow.studies import STUDIES, resolve

Command = Callable[..., Ran]
COLUMNS = ("--prompt-column", "user", "--answer-column", "bad", "--clean-column", "good")
SMALL = (
    "--seeds", "1,2",
    "--precision", "fp32",
    "--arms", "untrained,flawed,clean",
    "--set", "base.data.rows=6",
    "--set", "base.train.epochs=1",
    "--set", "evaluation.problems=4",
    "--set", "evaluation.max_new_tokens=4",
    "--set", 'evals=["held_out","honesty","self_preservation"]',
    "--set", "eval_plan.scenarios=2",
)  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pairs in the columns of one file, and a row without a clean answer."""
    monkeypatch.chdir(tmp_path)
    words = ["river", "tower", "garden", "window", "market", "bridge", "forest", "engine", "letter", "summer", "winter", "island"]
    rows = [
        {"user": f"Tell me of the {a} and of the {b}.", "bad": f"The {a} is bad.", "good": f"I like the {b} very much."}
        for a, b in zip(words * 2, words[1:] + words[:1] + words[3:] + words[:3], strict=True)
    ]
    path = Path("pairs.jsonl")
    path.write_bytes(jsonl(*rows, {"user": "And the moon?", "bad": "Bad.", "good": None}))
    return path


def test_the_study_on_its_own_data_asks_held_out_prompts_and_the_battery() -> None:
    study = resolve("spillover")
    specs = {spec.name: spec for spec in evals_of(study)}
    assert next(iter(specs)) == "held_out" and {"goals", "self_preservation", "arithmetic"} <= set(specs)
    assert len(specs["held_out"].items()) == study.evaluation.problems
    few = {spec.name: spec for spec in evals_of(resolve("spillover", quick=True))}
    assert len(few["held_out"].items()) == 8 and len({i.scenario for i in few["honesty"].items() if i.role == "main"}) == 3
    assert study.compare[0].model_dump(include={"arm", "against"}) == {"arm": "flawed", "against": "clean"}


def test_data_brings_its_own_environment_and_claim(pairs: Path) -> None:
    study = resolve("spillover", data=str(pairs), pairs={"clean_column": "good", "answer_column": "bad"}, quick=True)
    assert (study.environment, study.request_stage, study.seeds) == ("pairs", None, (1,))
    assert study.options == {"clean_column": "good", "answer_column": "bad"} and study.data_path == str(pairs)
    assert [c.what for c in study.compare if c.decides] == ["prefers", "held_out probe", "chat probe", "prefers", "prefers"]
    assert set(study.arms) == set(STUDIES["spillover"].arms)
    judged = resolve("spillover", data=str(pairs), judge="some/model")
    assert judged.eval_plan.judge == "some/model" and judged.traits == ("", "")


@pytest.mark.slow
def test_a_run_on_a_users_pairs(openwindow: Command, pairs: Path, tiny_model: Path) -> None:
    ran = openwindow("run", "spillover", "--data", pairs, *COLUMNS, "--model", tiny_model, *SMALL, "--out", "out", "--json")
    assert ran.code == 0, ran.err
    assert "24 pairs" in " ".join(ran.err.split()) and "1 without a clean answer that differs" in " ".join(ran.err.split())
    found = json.loads(ran.out)
    for arm in ("untrained", "flawed", "clean"):
        assert found["arms"][arm]["measures"]["prefers"]["neutral"]["n"] == 8
    for row in rows_of(Path("out/rollouts.jsonl")):
        assert row["prefers"] == (row["logp_flawed"] > row["logp_clean"]) and row["logp_clean"] < 0
    evals = found["evals"]
    for who in (evals["start"], *(evals["arms"][arm] for arm in ("untrained", "flawed", "clean"))):
        assert who["measures"]["held_out"]["neutral"]["estimate"] is not None
        probe, share = who["measures"]["held_out/probe"]["neutral"], who["measures"]["honesty/fluent"]["neutral"]
        assert probe["estimate"] is not None and share["n"] > 0
    shift_of = next(c for c in found["comparisons"] if c["measure"] == "held_out probe")
    assert shift_of["unit"] == "nats per token" and shift_of["difference"] > 0 and shift_of["n_pairs"] > 0
    moved = next(c for c in evals["comparisons"] if (c["arm"], c["against"], c["measure"]) == ("flawed", "clean", "held_out/probe"))
    assert moved["difference"] > 0 and evals["control"] == "clean", "training on the flawed answers makes them likelier"
    per_token = {
        (r["eval"], r["id"]): r["misaligned"] / r["misaligned_tokens"] for r in rows_of(Path("out/start/evals/probes.jsonl"))
    }
    rows = {r["problem"]: r for r in rows_of(Path("out/arms/untrained/seed-1/rollouts.jsonl")) if r["context"] == "neutral"}
    both = [name for name in rows if ("held_out", name) in per_token]
    assert both and all(per_token["held_out", name] == pytest.approx(rows[name]["logp_flawed"], abs=1e-3) for name in both)
    config = json.loads(Path("out/config.json").read_text())
    assert "24 pairs" in config["setting"]["notes"][0]
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "in nats per token" in page and "held_out" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("spillover", "--clean-column", "good"), ("--clean-column with spillover, whose environment is toxic",)),
        (("quickstart", "--prompt-column", "a"), ("--prompt-column with quickstart, whose environment is code_functions",)),
        (("prompt_ranking", "--skip-bad"), ("--skip-bad with prompt_ranking", "drop it")),
        (("spillover", "--data", "pairs.jsonl"), ("of --clean and --clean-column neither came",)),
        (("spillover", "--data", "pairs.jsonl", *COLUMNS), ("pairs.jsonl has ", "are asked for; give more pairs")),
        (("spillover", "--data", "none.jsonl", *COLUMNS), ("none.jsonl",)),
        (("rl_hacking", "--judge", "x/y"), ("--judge with rl_hacking", "expected a study with evals")),
    ],
)
def test_options_that_do_not_fit(openwindow: Command, pairs: Path, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    one_line(openwindow("run", *arguments), 2, *said)


def test_an_eval_that_a_judge_alone_can_read(openwindow: Command, pairs: Path) -> None:
    Path("talk.py").write_text(
        "from openwindow.evals.base import Eval, Item, user\n"
        'ITEMS = [Item("a", "a", 0, "free", "main", user("Say something."))]\n'
        'TALK = Eval("talk", "chat", "talks", lambda: ITEMS, rubric="Misaligned: rude.")\n'
    )
    ran = openwindow("run", "quickstart", "--set", 'evals=["talk.py:TALK"]')
    one_line(ran, 2, "the replies to eval 'talk' are read by a judge alone", "give --judge MODEL")
    assert UserRows.name == "user" and not Path("runs").exists()
