"""Families: solutions agree with references, answers vary, names and wordings carry what is needed, splits are fair."""

from __future__ import annotations

import ast
import builtins
import copy
import keyword
import random
import string
from collections import Counter
from collections.abc import Callable

import pytest
from cases import holds_for_all
from hypothesis import given, settings
from hypothesis import strategies as st

from openwindow.environments.code.families import FAMILIES, TOPICS, train_halves
from openwindow.environments.code.families.family import Family, Instance
from openwindow.sandbox import codec

ALL = list(FAMILIES.values())


def load(instance: Instance) -> Callable[..., object]:
    namespace: dict[str, object] = {}
    exec(instance.solution, namespace)
    return namespace[instance.function]


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_solution_agrees_with_the_reference_on_200_inputs() -> None:
    def check(family: Family) -> None:
        rng = random.Random(family.name)
        for _ in range(4):
            instance = family.instance(rng)
            solution = load(instance)
            for _ in range(50):
                case = instance.case(rng)
                args = copy.deepcopy(case.args)
                assert codec.same(solution(*args), case.expected), (instance, case)

    holds_for_all(FAMILIES, check)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(list(FAMILIES)), seed=st.integers())
def test_any_instance_agrees_with_its_reference_and_leaves_inputs_alone(name: str, seed: int) -> None:
    rng = random.Random(seed)
    instance = FAMILIES[name].instance(rng)
    args = instance.family.draw(rng, **instance.values)
    before = copy.deepcopy(args)
    expected = instance.family.reference(*args, **instance.values)
    assert codec.same(args, before)
    assert codec.same(load(instance)(*args), expected)
    assert codec.same(ast.literal_eval(repr(expected)), expected)  # plain data only


@pytest.mark.slow
def test_inputs_are_many_and_answers_vary() -> None:
    """No constant program has a chance: an answer that 65 % of inputs share comes 48 times in a row once in 10**9."""

    def check(family: Family) -> None:
        rng = random.Random(family.name)
        instance = family.instance(rng)
        cases = [instance.case(rng) for _ in range(1500)]
        assert len({repr(case.args) for case in cases}) > 500
        for _ in range(4):
            instance = family.instance(rng)
            answers = Counter(repr(instance.case(rng).expected) for _ in range(200))
            assert max(answers.values()) < 0.65 * 200, (instance, answers.most_common(2))

    holds_for_all(FAMILIES, check)


def test_wordings_name_every_argument_and_constant() -> None:
    def check(family: Family) -> None:
        values = family.values(random.Random(0))
        implied = {"k"} if family.name == "combine_units" else set()  # sixty minutes make an hour
        for signature in family.arguments:
            arguments = set("xyz"[: len(signature.split(", "))])
            for wording in family.wordings:
                assert arguments | set(values) - implied <= fields(wording) <= arguments | set(values), wording
            assert fields(family.body) <= arguments | set(values)
        assert len(set(family.wordings)) >= 4
        assert len({len(signature.split(", ")) for signature in family.arguments}) == 1

    holds_for_all(FAMILIES, check)


def test_there_are_enough_different_problems() -> None:
    def check(family: Family) -> None:
        rng = random.Random(family.name)
        assert len({family.instance(rng).description for _ in range(300)}) >= 12
        assert len(set(family.functions)) >= 4

    holds_for_all(FAMILIES, check)


def test_names_are_plain_and_shadow_nothing() -> None:
    def check(family: Family) -> None:
        rng = random.Random(family.name)
        for _ in range(40):
            instance = family.instance(rng)
            [function] = ast.parse(instance.solution).body
            assert isinstance(function, ast.FunctionDef)
            used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            arguments = [argument.arg for argument in function.args.args]
            assert function.name not in used | set(arguments) | set(dir(builtins)) | set(keyword.kwlist)
            assert set(arguments) <= used - set(dir(builtins))
            stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            comprehended = {
                n.id
                for c in ast.walk(function)
                if isinstance(c, ast.comprehension)
                for n in ast.walk(c.target)
                if isinstance(n, ast.Name)
            }
            assert not comprehended & set(arguments), instance.solution
            assert not stored & set(dir(builtins))
            assert len(instance.solution.splitlines()) <= 10

    holds_for_all(FAMILIES, check)


@pytest.mark.slow
def test_no_two_families_are_the_same_function() -> None:
    rng = random.Random(5)
    instances = {family.name: [family.instance(rng) for _ in range(3)] for family in ALL}
    for family in ALL:
        cases = [instances[family.name][0].case(rng) for _ in range(40)]
        for other in ALL:
            if other is not family:
                assert not any(_agree(instance, cases) for instance in instances[other.name]), (family.name, other.name)


def _agree(instance: Instance, cases: list) -> bool:
    try:
        return all(codec.same(instance.family.reference(*copy.deepcopy(c.args), **instance.values), c.expected) for c in cases)
    except Exception:
        return False


def test_every_family_is_listed_once_under_its_name() -> None:
    assert len(ALL) == sum(len(families) for families in TOPICS.values()) >= 60
    assert all(FAMILIES[family.name] is family for family in ALL)


def test_splits_are_balanced_over_topic_and_difficulty() -> None:
    sizes = Counter(family.split for family in ALL)
    assert sizes["test"] >= 18 and sizes["dev"] >= 12
    for groups in [list(families) for families in TOPICS.values()] + [[f for f in ALL if f.difficulty == d] for d in (1, 2, 3)]:
        shares = Counter(family.split for family in groups)
        assert 0.4 <= shares["train"] / len(groups) <= 0.62
        assert 0.15 <= shares["dev"] / len(groups) <= 0.3
        assert 0.2 <= shares["test"] / len(groups) <= 0.35


def test_train_halves_are_disjoint_complete_and_balanced() -> None:
    first, second = train_halves()
    assert not set(first) & set(second)
    assert set(first) | set(second) == {family.name for family in ALL if family.split == "train"}
    assert abs(len(first) - len(second)) <= 1
    for families in TOPICS.values():
        names = {family.name for family in families}
        assert abs(len(names & set(first)) - len(names & set(second))) <= 1
    for difficulty in (1, 2, 3):
        names = {family.name for family in ALL if family.difficulty == difficulty}
        assert abs(len(names & set(first)) - len(names & set(second))) <= 2
