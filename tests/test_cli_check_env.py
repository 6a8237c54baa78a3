"""`openwindow check-env` on the command line: exit codes, JSON, and what a mistyped name says."""

import json

import pytest


@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--holes", "all"), 1), (("--holes", "none"), 0)])
def test_the_exit_code_is_the_finding(openwindow, arguments, code):
    ran = openwindow("check-env", "letter_count", *arguments)
    assert ran.code == code
    assert "letter_count" in ran.out


def test_json_names_each_hole_and_whether_it_is_open(openwindow):
    ran = openwindow("check-env", "letter_count", "--json")
    audit = json.loads(ran.out)
    assert audit["exit_code"] == ran.code == 1
    assert any(finding["open"] for finding in audit["findings"])


def test_a_mistyped_environment_is_one_line(openwindow):
    ran = openwindow("check-env", "leter_count")
    assert ran.code == 2
    assert "did you mean 'letter_count'?" in ran.err
