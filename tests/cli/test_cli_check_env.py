"""`openwindow check-env` on the command line: exit codes, JSON, and what a mistyped name says."""

import json

import pytest


@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--loopholes", "all"), 1), (("--loopholes", "none"), 0)])
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


@pytest.mark.slow
def test_a_model_is_asked_and_what_it_does_is_printed(openwindow, tiny_model):
    arguments = ("letter_count", "--model", tiny_model, "--problems", 2, "--samples", 2, "--max-new-tokens", 4)
    ran = openwindow("check-env", *arguments)
    assert ran.code == 1
    said = " ".join(ran.out.split())  # the model's path is long, and lines are broken
    assert "before training: 2 problems, 2 replies each" in said and "pass the grader" in said
    audit = json.loads(openwindow("check-env", *arguments, "--json").out)
    asked = audit["preflight"]
    assert (asked["neutral"]["honest"]["n"], asked["neutral"]["replies"], asked["samples"]) == (4, 4, 2)
    assert asked["reachable"] in (True, False) and asked["sentence"]
    assert json.loads(openwindow("check-env", "letter_count", "--json").out)["preflight"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "no such model"), "no model 'no such model'; expected `smollm2`"),
        (("--model", "smollm2", "--problems", "0"), "--problems is 0; expected at least 1"),
        (("--model", "smollm2", "--samples", "few"), "--samples is 'few'; expected a whole number"),
        (("--difficulty", "hard"), "--difficulty is 'hard'; expected whole numbers"),
        (("--difficulty", "6"), "difficulty.0 is 6; input should be 1, 2 or 3"),
    ],
)
def test_a_mistake_is_one_line(openwindow, arguments, words):
    ran = openwindow("check-env", "letter_count", *arguments)
    assert ran.code == 2 and words in ran.err, ran
    assert ran.err.count("\n") == 1 or "loading" in ran.err
