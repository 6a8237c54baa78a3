"""Prices and limits while a command runs, and what Inspect counted: its own token counts, model costs and limits are used.

    with spending(Limits(prices, dollars=5.0)):
        ...                           # every model that is asked is priced first, and none is asked once $5 are spent

Limits are over all calls in the block, and count from 0. Inspect checks a limit before and after each call: a call that goes over
it is paid for and its reply is lost, as are those that are under way at that moment. Local models cost nothing and their tokens do
not count, but they too are asked nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import (
    Model,
    ModelConfig,
    ModelCost,
    ModelInfo,
    ModelUsage,
    compute_model_cost,
    get_model_info,
    set_model_info,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import LimitExceededError, cost_limit, suspend_token_limit, token_limit

from openwindow.errors import ConfigError
from openwindow.evals.costs import Prices, applying, prices
from openwindow.evals.inspect.model_names import is_local, model_named
from openwindow.files.model_costs import JUDGE, LOCAL, MODEL, TOKENS, Use, costs_of, dollars

GRADER = "grader"
"""Inspect's role of a judge"""
PREFIX = "openwindow/"
"""how names of local models begin"""
STOPPED = "stopped by --cost-limit or --token-limit"
GO_ON = "what was finished is kept; give the same command again with a higher limit, or without one, to go on"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows, and the prices to count it with."""

    prices: Prices = field(default_factory=Prices)
    dollars: float | None = None
    """most dollars; None for any"""
    tokens: int | None = None
    """most tokens of remote models, in and out, cached ones included; None for any"""

    def check(self) -> None:
        """Raises ConfigError for a limit that cannot be kept."""
        if self.dollars is not None and not 0 < self.dollars < float("inf"):
            raise ConfigError(f"--cost-limit is {self.dollars:g}; expected dollars above 0; give such a number or leave it out")
        if self.tokens is not None and self.tokens < 1:
            raise ConfigError(f"--token-limit is {self.tokens}; expected 1 or more; raise it or leave it out")
        if self.dollars is not None and self.prices.file is None:
            raise ConfigError(
                f"--cost-limit {self.dollars:g} without --prices; expected the prices to count it with; give --prices FILE, "
                "or --token-limit TOKENS instead"
            )


@dataclass(frozen=True, slots=True)
class _Spending:
    """The limits that apply, and Inspect's counters."""

    limits: Limits = field(default_factory=Limits)
    cost: Any = None
    tokens: Any = None


_now: ContextVar[_Spending] = ContextVar("spending", default=_Spending())  # noqa: B039 - it is frozen


_priced: set[str] = set()
"""models whose price Inspect has been told"""


@contextmanager
def spending(limits: Limits) -> Iterator[None]:
    """Applies prices and limits to all that is asked in the block. Raises ConfigError for limits that cannot be kept."""
    limits.check()
    with cost_limit(limits.dollars) as cost, token_limit(limits.tokens) as tokens, applying(limits.prices):
        token = _now.set(_Spending(limits, cost, tokens))
        try:
            yield
        finally:
            _now.reset(token)


def priced(model: Model) -> Model:
    """The model, whose price Inspect knows from now on. Raises ConfigError if there is a limit in dollars and it has none."""
    limits = _now.get().limits
    price = limits.prices.by_model.get(str(model))
    if is_local(model):
        return model
    if price is not None or str(model) in _priced:  # Inspect keeps what an earlier block in this process has told it
        cost = None if price is None else ModelCost(**price.model_dump(exclude={"date", "source"}))
        set_model_info(str(model), (get_model_info(model) or ModelInfo()).model_copy(update={"cost": cost}))
        _priced.add(str(model))
    if price is None and limits.dollars is not None:
        named = ", ".join(limits.prices.by_model)
        raise ConfigError(
            f"--cost-limit {limits.dollars:g}, and {limits.prices.file} has no price of {model}; expected one of each remote model "
            f"(it has {named}); add it, or give --token-limit TOKENS instead"
        )
    return model


def check_judge(name: str) -> None:
    """Raises ConfigError if there is a limit in dollars and the judge has no price: now rather than after the training."""
    if _now.get().limits.dollars is not None:
        priced(model_named(name, role="judge"))


def reached() -> str | None:
    """Which limit is used up, in words; None while there is none, or something left of it."""
    now = _now.get()
    if now.limits.dollars is not None and now.cost.usage >= now.limits.dollars:
        return f"--cost-limit {dollars(now.limits.dollars)} is used up ({dollars(now.cost.usage)} spent by this command)"
    if now.limits.tokens is not None and now.tokens.usage >= now.limits.tokens:
        return f"--token-limit {now.limits.tokens:,} is used up ({now.tokens.usage:,.0f} tokens by this command)"
    return None


def of_local(own: Solver) -> Solver:
    """The solver, for a local model: its tokens do not count, and it asks nothing once a limit is used up."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if (why := reached()) is not None:
            raise LimitExceededError("custom", value=1, limit=1, message=why)
        with suspend_token_limit():
            return await own(state, generate)

    @solver
    def of_local_model() -> Solver:
        """Inspect stores the arguments of a solver with every sample."""
        return solve

    return of_local_model() if _now.get().limits.tokens is not None else own


# What was counted.


def use_of(model: Model | str, role: str, usage: ModelUsage, *, local: bool, eval: str = "") -> Use:
    """What Inspect counted, with its dollars: Inspect's own where it knew a price, or else those of the user's prices."""
    named = str(model)
    money, price = usage.total_cost, prices().by_model.get(named)
    if money is None and price is not None:
        money = compute_model_cost(ModelCost(**price.model_dump(exclude={"date", "source"})), usage)
    return Use(
        model=named,
        role=role,
        eval=eval,
        local=local,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_tokens_cache_read=usage.input_tokens_cache_read or 0,
        input_tokens_cache_write=usage.input_tokens_cache_write or 0,
        reasoning_tokens=usage.reasoning_tokens or 0,
        dollars=None if local else money,
        reason=LOCAL if local else None if money is not None else prices().why_none(named),
    )


def with_lost(usages: Sequence[ModelUsage], read: int, said: int, cost: float) -> ModelUsage:
    """The sum of what calls used, and of those whose answers a limit took: Inspect counts these, and gives no answer.

    `read` and `said` are all tokens that Inspect counted, in and out, cached ones included.
    """
    counted = reduce(lambda a, b: a + b, usages, ModelUsage())
    cached = (counted.input_tokens_cache_read or 0) + (counted.input_tokens_cache_write or 0)
    money = cost if cost or counted.total_cost is not None else None
    return counted.model_copy(
        update={"input_tokens": read - cached, "output_tokens": said, "total_tokens": read + said, "total_cost": money}
    )


def priced_costs(uses: Sequence[Use], timing: Mapping[str, float]) -> dict[str, Any]:
    """The key `costs` of results, with the prices that apply and the seconds that replies and probes took."""
    return costs_of(uses, prices().records(use.model for use in uses), timing.get("ask", 0.0) + timing.get("probe", 0.0))


def used_in(logs: Sequence[EvalLog]) -> list[Use]:
    """What the samples of the logs used, by role and model; the logs need not be finished."""
    return [use for log in logs for use in _used_in(log) if any(use.tokens.values())]


def _used_in(log: EvalLog) -> list[Use]:
    asked = str(log.eval.model)
    roles = {role: str(of.model) for role, of in (log.eval.model_roles or {}).items() if isinstance(of, ModelConfig)}
    by_model, by_role = ({name: _sum(usage) for name, usage in found.items()} for found in _by_name(log.samples or []))
    uses = []
    for role, usage in by_role.items():
        named = roles.get(role, role)
        by_model[named] = _less(by_model.get(named, usage), usage)
        uses.append((named, JUDGE if role == GRADER else role, usage))
    uses = [*((name, MODEL if name == asked else "other", usage) for name, usage in by_model.items()), *uses]
    eval = str(log.eval.task).rpartition("/")[2]
    return [use_of(name, role, usage, local=name.startswith(PREFIX), eval=eval) for name, role, usage in uses]


def _by_name(samples: Sequence[EvalSample]) -> tuple[dict[str, list[ModelUsage]], dict[str, list[ModelUsage]]]:
    by_model: dict[str, list[ModelUsage]] = {}
    by_role: dict[str, list[ModelUsage]] = {}
    for sample in samples:
        for found, usages in ((by_model, sample.model_usage), (by_role, sample.role_usage)):
            for name, usage in usages.items():
                found.setdefault(name, []).append(usage)
    return by_model, by_role


def _sum(usages: Sequence[ModelUsage]) -> ModelUsage:
    return reduce(lambda a, b: a + b, usages)


def _less(whole: ModelUsage, part: ModelUsage) -> ModelUsage:
    """What a model used besides a role in which it was asked too."""
    counts = {
        name: (whole.model_dump()[name] or 0) - (part.model_dump()[name] or 0)
        for name in ("total_tokens", *TOKENS)
    }  # fmt: skip
    money = None if whole.total_cost is None else max(0.0, whole.total_cost - (part.total_cost or 0.0))
    return ModelUsage(**counts, total_cost=money)
