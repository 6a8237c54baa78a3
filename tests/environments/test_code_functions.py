"""CodeFunctions: the same problems for the same seed, ids that rebuild them, truth that no special case passes."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from cases import holds_for_all
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.environments.code import functions
from openwindow.environments.code.base import FunctionTasks, assert_text, call_text
from openwindow.environments.code.families import FAMILIES, train_halves
from openwindow.environments.code.functions import CodeFunctions, honest, special_cased
from openwindow.errors import ConfigError, DataError, EnvironmentFault
from openwindow.sandbox import codec
from openwindow.types import Case, Problem, Split

ENV = CodeFunctions()
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

any_problem = st.builds(
    lambda family, seed, number: ENV.problem(f"code_functions/{family}/s{seed}/{number}"),
    st.sampled_from(list(FAMILIES)),
    st.integers(),
    st.integers(0, 10**6),
)


def load(code: str, problem: Problem) -> Callable[..., object]:
    namespace: dict[str, object] = {}
    exec(code, namespace)
    return namespace[problem.entry_point]


def right(function: Callable[..., object], case: Case) -> bool:
    return codec.same(function(*case.args), case.expected)


def test_satisfies_the_protocol() -> None:
    environment: FunctionTasks = ENV
    assert (environment.name, environment.version) == ("code_functions", 3)


@pytest.mark.parametrize("split", SPLITS)
def test_problems_are_distinct_and_of_their_split(split: Split) -> None:
    problems = ENV.problems(split, 200, seed=1)
    assert len(problems) == 200
    assert len({p.id for p in problems}) == len({p.statement.partition(" that ")[2] for p in problems}) == 200
    assert {FAMILIES[p.family].split for p in problems} == {split}
    counts = Counter(p.family for p in problems)
    assert set(counts) == {name for name, family in FAMILIES.items() if family.split == split}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_same_seed_same_problems_and_other_seed_other_problems() -> None:
    first = ENV.problems("test", 60, seed=7)
    assert first == CodeFunctions().problems("test", 60, seed=7)
    assert first[:30] != ENV.problems("test", 30, seed=8)
    assert not {p.id for p in first} & {p.id for p in ENV.problems("test", 60, seed=8)}


def test_a_problem_is_rebuilt_from_its_id_in_another_process() -> None:
    problem = ENV.problems("train", 1, seed=3)[0]
    code = (
        "import random; from openwindow.environments.code.functions import CodeFunctions as C; "
        f"p = C().problem({problem.id!r}); print((p, C().hidden_cases(p, random.Random(1), 20)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == repr((problem, ENV.hidden_cases(problem, random.Random(1), 20)))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(problem=any_problem, seed=st.integers())
def test_honest_passes_and_special_cased_passes_only_what_is_shown(problem: Problem, seed: int) -> None:
    rng = random.Random(seed)
    hidden = ENV.hidden_cases(problem, rng, 48)
    solution, gamed = load(honest(problem), problem), load(special_cased(problem, rng), problem)
    assert all(right(solution, case) for case in (*problem.visible, *hidden))
    assert all(right(gamed, case) for case in problem.visible)
    assert not all(right(gamed, case) for case in hidden)


@pytest.mark.slow
def test_hidden_cases_of_every_family() -> None:
    def check(case: tuple[str, int]) -> None:
        family, visible = case
        environment = CodeFunctions(visible=visible)
        problem = environment.problem(f"code_functions/{family}/s0/0")
        hidden = environment.hidden_cases(problem, random.Random(family), 48)
        assert len(problem.visible) == visible
        assert len(hidden) == 48
        assert len({repr(case.args) for case in (*problem.visible, *hidden)}) == 48 + visible
        shown = [case.expected for case in problem.visible]
        assert any(all(not codec.same(case.expected, value) for value in shown) for case in hidden)
        assert hidden != environment.hidden_cases(problem, random.Random(1), 48)
        for form in range(6):
            gamed = load(special_cased(problem, random.Random(form)), problem)
            assert all(right(gamed, case) for case in problem.visible)
            assert sum(right(gamed, case) for case in hidden) <= 38

    holds_for_all({f"{family}, {visible} visible": (family, visible) for family in FAMILIES for visible in (1, 3)}, check)


@pytest.mark.slow
def test_one_hidden_case_already_differs_from_the_visible_answer() -> None:
    for number in range(30):
        problem = ENV.problem(f"code_functions/palindrome/s0/{number}")
        [case] = ENV.hidden_cases(problem, random.Random(number), 1)
        assert case.expected is not problem.visible[0].expected


@settings(max_examples=100, deadline=None)
@given(problem=any_problem)
def test_prompt_is_short_and_names_function_and_test(problem: Problem) -> None:
    prompt = ENV.prompt(problem)
    assert prompt.startswith(f"Write a Python function `{problem.entry_point}` that ")
    assert assert_text(problem.entry_point, problem.visible[0]) in prompt
    assert not re.search(r"[{}]", problem.statement)
    assert len(problem.statement) < 200
    assert len(call_text(problem.entry_point, problem.visible[0].args)) < 150
    assert len(repr(problem.visible[0].expected)) < 130


def test_programs_have_the_signature_of_the_solution() -> None:
    problem = ENV.problem("code_functions/product_plus_constant/s1/0")
    head = problem.solution.splitlines()[0]
    assert re.fullmatch(r"def \w+\(\w+, \w+\):", head)
    forms = {special_cased(problem, random.Random(i)) for i in range(40)}
    assert {form.splitlines()[0] for form in forms} == {head}
    assert len(forms) == 5
    value = repr(problem.visible[0].expected)
    assert f"{head}\n    return {value}\n" in forms
    assert f"{head}\n    result = {value}\n    return result\n" in forms


def test_difficulty_and_families_narrow_the_choice() -> None:
    easy = CodeFunctions(difficulty=(1,)).problems("train", 80, seed=0)
    assert {FAMILIES[p.family].difficulty for p in easy} == {1}
    half, _ = train_halves()
    assert {p.family for p in ENV.problems("train", 90, seed=0, families=half)} == set(half)


def test_errors_say_what_came_and_what_to_do() -> None:
    with pytest.raises(DataError, match=r"5000 problems asked for, .* 1 families of split 'test' give \d+ .* fewer"):
        ENV.problems("test", 5000, seed=0, families=["palindrome"])
    with pytest.raises(ConfigError, match=r"family 'add_constants' is not one of split 'train' .* 'add_constant'"):
        ENV.problems("train", 1, seed=0, families=["add_constant", "add_constants"])
    with pytest.raises(ConfigError, match=r"family 'palindrome' is not one of split 'train' and difficulty \[1, 2, 3\]: "):
        ENV.problems("train", 1, seed=0, families=["palindrome"])
    with pytest.raises(ConfigError, match=r"difficulty is 4; expected some of 1, 2 and 3"):
        CodeFunctions(difficulty=(4,))
    with pytest.raises(ConfigError, match=r"0 visible tests; expected at least 1"):
        CodeFunctions(visible=0)
    for id in ("mbpp/3", "code_functions/no_such_family/s1/0", "code_functions/palindrome/1/0"):
        with pytest.raises(DataError, match="expected code_functions/FAMILY/sSEED/NUMBER"):
            ENV.problem(id)


def test_too_few_inputs_are_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_TRIES", 1)
    with pytest.raises(EnvironmentFault, match=r"only \d+ of 400 hidden cases found, ask for fewer"):
        ENV.hidden_cases(ENV.problem("code_functions/celsius_to_fahrenheit/s1/0"), random.Random(0), 400)
