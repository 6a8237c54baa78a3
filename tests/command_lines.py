"""A study file to be spoilt, and what every mistake at the command line must look like."""

from __future__ import annotations

import re

from tiny_runs import Ran

STUDY = """
from openwindow.experiment.study import Compare, Context, RequestStage, Study

study = Study(
    name="mine", question="Is it?", claim="It is.", model="no/such-model",
    contexts={"neutral": Context(), "requested": Context(text="Cheat.", asks=True)},
    arms={"plain": {}, "clean": {"data.gamed_share": 0.0}},
)
"""
OPEN = "study = Study("
ARMS = 'arms={"plain": {}, "clean": {"data.gamed_share": 0.0}},'


def one_line(ran: Ran, code: int, *patterns: str) -> None:
    """The command ended with `code`, notes and one line that says all of `patterns`, and without a traceback."""
    assert ran.code == code, ran
    [said] = [line for line in ran.err.splitlines() if not line.startswith("note: ")]
    assert ran.err.endswith("\n"), ran.err
    assert said.startswith("error: ") and "Traceback" not in ran.err + ran.out
    assert len(said) < 600
    for pattern in patterns:
        assert re.search(pattern, ran.err), f"{pattern!r} is not in {ran.err!r}"
