"""Names of studies, arms, contexts, settings and measures are those of files, and numbers have ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_lines import ARMS, OPEN, STUDY, one_line
from tiny_runs import Ran, make_study

from openwindow.errors import ConfigError
from openwindow.evals.contexts import read_contexts
from openwindow.files.names import check_names, safe
from openwindow.studies import RANKINGS, STUDIES

Command = Callable[..., Ran]
BAD = (
    "", ".", "..", "...", ".hidden", "a/b", "../../../escaped", "cl/ean", "a b", "a\nb", "a\0b", "a\\b", "x" * 81, "é" * 120,
    "a\udc80", "[/b]", "<b>", "a:b", "*", "~", "a'b", 'a"b', "a;b",
)  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's own folder."""
    monkeypatch.chdir(tmp_path)


def test_l8_names_that_are_safe() -> None:
    for name in ("a", "no_mitigation", "seed-1", "v1.2+rc", "étude", "日本", "x" * 80, "-", "_"):
        assert safe(name), name
    for name in BAD:
        assert not safe(name), name
        with pytest.raises(ConfigError, match="cannot be a file's name; expected 1 to 80 letters"):
            check_names({"arm": [name]})
    for study in STUDIES.values():
        check_names({"": (study.name, *study.arms, *study.places)})
    for ranking in RANKINGS.values():
        check_names({"": (ranking.name, *ranking.parts)})


@pytest.mark.parametrize("name", BAD)
def test_l8_a_study_with_another_name_is_refused(openwindow: Command, name: str) -> None:
    for what, source in (
        ("arm", STUDY.replace(ARMS, f'arms={{"plain": {{}}, {name!a}: {{"data.gamed_share": 0.0}}}},')),
        ("context", STUDY.replace('"requested":', f"{name!a}:")),
        ("the study", STUDY.replace('name="mine"', f"name={name!a}")),
    ):
        Path("mine.py").write_text(source, encoding="utf-8")
        one_line(openwindow("run", "mine.py"), 2, f"{what} .*cannot be a file's name", "choose another name")
        assert not Path("runs").exists()


def test_l8_contexts_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text('"../x": {text: "a"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"c\.yaml: context '\.\./x' cannot be a file's name"):
        read_contexts(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "quickstart", "--seeds", "1000000000"], "--seeds is 1000000000; expected .*at most 1,000"),
        (["run", "quickstart", "--seeds", "1" + "0" * 30], "--seeds is 10+; expected .*at most 1,000"),
        (["run", "quickstart", "--seeds", "9" * 5000], "--seeds is '9{60}'; expected a whole number"),
        (["run", "prompt_ranking", "--seeds", "1000000000"], "expected .*at most 1,000"),
        (["check-env", "letter_count", "--set", "length=99999999999"], "less than or equal to 1000"),
        (["check-env", "unit_report", "--set", "lines=100000"], "less than or equal to 200"),
        (["inoculate", "x", "--trait", "praises", "--rows", "1" + "0" * 20], "--rows is 10+; expected at most 10,000,000"),
        (["eval", "scripted/saint", "--temperature", "nan"], "--temperature is nan; expected at least 0, and finite"),
        (["eval", "scripted/saint", "--temperature", "inf"], "--temperature is inf; expected at least 0, and finite"),
        (["eval", "scripted/saint", "--temperature", "101"], "--temperature is 101; expected at most 100"),
    ],
)
def test_l11_numbers_have_upper_ends(openwindow: Command, arguments: list[str], said: str) -> None:
    one_line(openwindow(*arguments), 2, said)


def test_l11_seeds_of_a_study_have_ends(openwindow: Command) -> None:
    for seeds in ("[-1]", "[2**31]", "range(1001)", "[10**400]"):
        Path("mine.py").write_text(STUDY.replace(OPEN, OPEN + f"seeds={seeds}, "), encoding="utf-8")
        one_line(openwindow("run", "mine.py"), 2, "seeds")
    assert make_study("m", seeds=(0, 2**31 - 1)).seeds == (0, 2**31 - 1)
