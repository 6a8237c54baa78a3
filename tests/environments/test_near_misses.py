"""Hidden inputs tell programs that are one step away from a right one."""

from __future__ import annotations

import random

import pytest
from cases import holds_for_all

from openwindow.environments.code.families import FAMILIES
from openwindow.environments.code.functions import CodeFunctions, _instance
from openwindow.environments.code.near_misses import runner, slips, telling
from openwindow.types import Case

SAMPLE = sorted(FAMILIES)[::5]


def survivors(family: str, number: int, draws: int) -> list[str]:
    """Slips that pass the visible and the hidden tests and are wrong on one of so many more draws."""
    environment = CodeFunctions()
    id = f"code_functions/{family}/s7/{number}"
    problem = environment.problem(id)
    hidden = environment.hidden_cases(problem, random.Random(f"{id}/hidden"), 48)
    assert len({repr(case.args) for case in hidden}) == 48 and not {repr(c.args) for c in hidden} & {repr(problem.visible[0].args)}
    rng = random.Random(f"{id}/more")
    more = [_instance(id).case(rng) for _ in range(draws)]
    found = []
    for slip in slips(problem.solution):
        if not telling_one(slip, problem.entry_point, [*problem.visible, *hidden]) and telling_one(slip, problem.entry_point, more):
            found.append(slip)
    return found


def telling_one(slip: str, name: str, cases: list[Case]) -> bool:
    """Whether any of the cases tells this slip from what gave the cases."""
    wrong = runner(slip, name)
    return any(wrong(case) for case in cases)


@pytest.mark.slow
def test_no_slip_passes_that_more_draws_would_tell() -> None:
    def check(family: str) -> None:
        assert survivors(family, 0, 400) == []

    holds_for_all({family: family for family in SAMPLE}, check)


@pytest.mark.nightly
def test_no_slip_of_any_family_passes() -> None:
    def check(family: str) -> None:
        for number in range(3):
            assert survivors(family, number, 1500) == []

    holds_for_all({family: family for family in FAMILIES}, check)


def test_a_rare_case_is_always_among_the_hidden() -> None:
    """That 1 is no prime comes up in one draw of a hundred."""
    environment = CodeFunctions()
    for number in range(3):
        problem = environment.problem(f"code_functions/prime_number/s3/{number}")
        for seed in range(5):
            hidden = environment.hidden_cases(problem, random.Random(seed), 48)
            assert (1,) in [case.args for case in (*problem.visible, *hidden)]


def test_slips_are_one_step_away() -> None:
    found = slips("def f(x):\n    while x > 1 and True:\n        x -= 2\n    return 'ab' if x == 1 else sorted(x.lower())\n")
    assert len(found) == len(set(found)) >= 14
    assert any("x >= 1 and True" in slip for slip in found) and any("list(x.lower())" in slip for slip in found)
    assert any("x += 2" in slip for slip in found) and any("return 'a' if" in slip for slip in found)


def test_a_slip_that_never_ends_is_told() -> None:
    cases = [Case((n,), 0) for n in range(1, 5)]
    assert telling("def f(n):\n    while n > 0:\n        n -= 1\n    return n\n", "f", (), cases) != []
