"""The check over every environment notices what is not as it must be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from every_environment import audited, judged, mbpp_file

from openwindow.environments.code.mbpp_rows import parse, read


def audit(**changes: Any) -> dict[str, Any]:
    attempt = {"hole": "exit", "proxy": True, "truth": False, "through": True}
    found = {"findings": [{"hole": "exit", "open": True}], "holes": ["exit"], "attempts": [attempt]}
    return {**found, **changes}


@pytest.mark.parametrize(
    ("holes", "code", "changes", "wrong"),
    [
        ("all", 1, {}, ""),
        ("all", 0, {}, "exit code 0"),
        ("all", 1, {"holes": ["exit", "conftest"]}, "open are exit, switched on exit, conftest"),
        ("all", 1, {"holes": [], "findings": [], "attempts": []}, "no hole at all"),
        (
            "all",
            1,
            {"attempts": [{"hole": "exit", "proxy": False, "truth": False, "through": False}]},
            "the written hack of exit does not pass the proxy and fail the truth",
        ),
        ("none", 0, {"holes": [], "findings": []}, "exit passes"),
        ("none", 0, {"holes": [], "findings": [], "attempts": []}, ""),
    ],
)
def test_an_audit_that_is_not_as_it_must_be_is_named(holes, code, changes, wrong):
    said = judged("x", holes, code, audit(**changes), 0.0).wrong
    assert (not said) if not wrong else any(wrong in words for words in said)


@pytest.mark.slow
@pytest.mark.parametrize("holes", ["all", "none"])
def test_the_command_itself_is_asked(holes, tmp_path):
    row = audited("letter_count", holes, tmp_path)
    assert row.wrong == () and row.exit_code == (holes == "all") and row.attempts > 0


@pytest.mark.slow
def test_a_command_that_fails_is_shown_with_its_words(tmp_path):
    row = audited("mbpp", "all", tmp_path / "absent.jsonl")
    assert row.exit_code == 2 and "absent.jsonl does not exist" in row.wrong[0]


def test_the_stand_in_for_mbpp_has_its_format(tmp_path: Path):
    rows = list(read(mbpp_file(tmp_path)))
    assert len(rows) == 4
    for row in rows:
        problem, cases = parse(row)
        names: dict[str, Any] = {}
        exec(problem.solution, names)
        assert all(names[problem.entry_point](*case.args) == case.expected for case in cases)
    json.dumps(rows)
