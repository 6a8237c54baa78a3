"""Which evals a name means: built-in ones, suites, and a user's own from a file; what is wrong with one is a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from played import rows_of
from tiny_runs import Ran

from openwindow.errors import ConfigError, UserError
from openwindow.evals import EVALS
from openwindow.evals.base import Eval
from openwindow.evals.inspect.scripted import MODELS
from openwindow.evals.scoring.measures import eval_measures
from openwindow.evals.select import chosen, dev_scenarios, limited, split_in_words

EXAMPLE = Path(__file__).parents[2] / "examples" / "eval.py"


def test_names_are_suites_evals_and_files() -> None:
    found = [spec.name for spec in chosen(("drives", "goals", f"{EXAMPLE}:SHORTCUT"))]
    assert found == ["self_preservation", "goal_preservation", "resource_acquisition", "goals", "shortcut"]
    assert [spec.name for spec in chosen("goals, drives,goals")] == ["goals", *found[:3]]


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("X = 1", "mine.py:X", "is a int; expected an openwindow.evals.base.Eval"),
        ("X = []", "mine.py:X", "an empty list"),
        ("1 / 0", "mine.py:X", "ZeroDivisionError"),
        ("raise SystemExit", "mine.py:X", "SystemExit"),
        ("from eval import SHORTCUT", "mine.py:SHORTCUTS", "defines no 'SHORTCUTS'.*did you mean 'SHORTCUT'"),
        ("from eval import SHORTCUT", "mine.py", "expected FILE.py:OBJECT"),
        ("", "missing.py:X", "does not exist"),
        ("from eval import *\nX = Eval('goals', 'chat', '', items)", "mine.py:X", "'goals' is built in"),
        ("from eval import *\nX = Eval('a b/c', 'chat', '', items)", "mine.py:X", "cannot be a file's name"),
        ("from eval import *\nX = Eval('mine', 'chat', '', lambda: [])", "mine.py:X", "no items"),
        ("from eval import *\nX = Eval('mine', 'chat', '', lambda: [1])", "mine.py:X", "a int among its items"),
        ("from eval import *\nX = Eval('mine', 'chat', '', lambda: 1 / 0)", "mine.py:X", "ZeroDivisionError"),
        ("from eval import *\nX = Eval('mine', 'chat', '', lambda: items() * 2)", "mine.py:X", "'backup/0' twice"),
        ("from eval import *\nX = Eval('mine', 'chat', '', lambda: items()[1:3])", "mine.py:X", "no item of role 'main'"),
    ],
)
def test_what_is_wrong_with_a_users_eval_is_one_line(
    source: str, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(source)
    with pytest.raises(UserError, match=said) as caught:
        chosen(name)
    assert "\n" not in str(caught.value)


def test_two_evals_of_one_name_are_refused(tmp_path: Path) -> None:
    again = tmp_path / "again.py"
    again.write_text(EXAMPLE.read_text())
    with pytest.raises(ConfigError, match="'shortcut', as another name has"):
        chosen(f"{EXAMPLE}:SHORTCUT,{again}:SHORTCUT")


def test_a_limit_keeps_scenarios_whole_and_is_the_same_each_time() -> None:
    for spec in limited(list(EVALS.values()), 3):
        whole, kept = EVALS[spec.name].items(), spec.items()
        there = {i.scenario for i in kept if i.role == "main"}
        assert len(there) == min(3, len({i.scenario for i in whole if i.role == "main"}))
        assert [i for i in whole if i.scenario in there] == [i for i in kept if i.scenario in there]
        assert {i.form for i in kept if i.role == "control"} == {i.form for i in whole if i.role == "control"}
        assert [i.id for i in spec.items()] == [i.id for i in limited([EVALS[spec.name]], 3)[0].items()]
    assert limited([EVALS["goals"]], None)[0].items() == EVALS["goals"].items()


def scenarios(spec: Eval) -> set[str]:
    return {item.scenario for item in spec.items() if item.role == "main"}


@pytest.mark.slow
def test_dev_and_test_scenarios_are_a_third_and_the_others() -> None:
    for name, whole in EVALS.items():
        if name == "mbpp":
            continue
        (dev,), (test,) = (limited([whole], None, "dev"), limited([whole], None, "test"))
        assert not scenarios(dev) & scenarios(test) and scenarios(dev) | scenarios(test) == scenarios(whole)
        assert len(scenarios(dev)) == len(scenarios(whole)) // 3
        for spec in (dev, test):
            kept = [item for item in whole.items() if item.scenario in scenarios(spec)]
            assert list(spec.items()) == kept, "complete with their controls"
            (few,) = limited([whole], 2, "dev" if spec is dev else "test")
            assert scenarios(few) <= scenarios(spec) and len(scenarios(few)) == 2
    assert limited([EVALS["goals"]], None, "all")[0] is EVALS["goals"]


def test_the_dev_scenarios_move_little_when_one_is_added() -> None:
    whole = EVALS["goals"]
    fewer = replace(whole, items=lambda: [item for item in whole.items() if item.scenario != min(scenarios(whole))])
    assert len(dev_scenarios(whole) ^ dev_scenarios(fewer)) <= 2


def test_an_eval_with_too_few_scenarios_is_for_test_alone() -> None:
    assert [spec.name for spec in limited([EVALS["mbpp"], EVALS["goals"]], None, "dev")] == ["goals"]
    assert len(limited([EVALS["mbpp"]], None, "test")) == 1
    assert split_in_words([EVALS["mbpp"]], "dev") == [
        "Only the dev scenarios were asked, a third of those of each eval; mbpp has fewer than 3 scenarios, all of them for test."
    ]
    with pytest.raises(ConfigError, match="split is 'dev' and mbpp has fewer than 3 scenarios"):
        limited([EVALS["mbpp"]], 2, "dev")


def test_the_example_tells_a_saint_from_a_villain_and_from_noise() -> None:
    (spec,) = chosen(f"{EXAMPLE}:SHORTCUT")
    rates = {
        name: eval_measures(spec.name, rows_of(spec, MODELS[name]))["shortcut"]["estimate"] for name in ("saint", "open_villain")
    }
    assert rates == {"saint": 0.0, "open_villain": 1.0}
    for name in ("yes_sayer", "refuser", "noise"):
        cell = eval_measures(spec.name, rows_of(spec, MODELS[name]))["shortcut"]
        assert cell["estimate"] is None and cell["reason"].startswith("no signal"), name
    assert EXAMPLE.read_text().count("\n") <= 60


@pytest.mark.slow
def test_the_example_is_run_by_the_command(tiny_model: Path, tmp_path: Path, openwindow: Callable[..., Ran]) -> None:
    ran = openwindow("eval", tiny_model, "--suite", f"{EXAMPLE}:SHORTCUT", "--out", tmp_path / "out", "--json")
    assert ran.code == 0, ran.err
    made = json.loads(ran.out)
    assert made["evals"]["shortcut"]["measures"] == "misaligned" and made["measures"]["shortcut"]["neutral"]["estimate"] is None
    wrong = openwindow("eval", tiny_model, "--suite", f"{EXAMPLE}:SHORTCUTS", "--out", tmp_path / "out")
    assert (wrong.code, len(wrong.err.strip().splitlines())) == (2, 1)


@pytest.mark.slow
def test_replies_to_some_evals_and_probes_of_the_others(tiny_model: Path, tmp_path: Path) -> None:
    from openwindow.evals import run
    from openwindow.evals.contexts import parse_contexts

    specs = limited(chosen("honesty,arithmetic"), 2)
    options = run.Options(contexts=parse_contexts(None), behaviour=("capability",))
    found = run.ask(str(tiny_model), specs, options, tmp_path, lambda _: None)
    reasons = {name: {row.reason for row in found.rows if row.eval == name} for name in ("honesty", "arithmetic")}
    assert reasons["honesty"] == {run.NOT_ASKED} and run.NOT_ASKED not in reasons["arithmetic"]
    assert {probe.eval for probe in found.probes} == {"honesty"}
