"""Tokens and dollars of models that were asked, as a run folder holds them and `results.json` sums them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import PlainValidator

from openwindow.files.records import Number, Record, Some, Text, Whole

MODEL, JUDGE = "model", "judge"
"""what a model was asked as"""
LOCAL = "it runs on this machine, which has no price per token"
TOKENS = ("input_tokens", "output_tokens", "input_tokens_cache_read", "input_tokens_cache_write", "reasoning_tokens")
"""kinds of tokens, as Inspect counts them: cached ones are not among the input, those of reasoning are among the output"""


class Use(Record):
    """The tokens and dollars of one model in one role, over the replies to one eval or to all that a study asks besides."""

    model: Text = ""
    """Its name, as Inspect has it."""
    role: Text = MODEL
    """`model` for the one that is measured, `judge`, or a role of an eval's own."""
    eval: Text = ""
    """The eval; empty for a judge of replies to a study's own problems."""
    local: Annotated[bool, PlainValidator(lambda value: value is True)] = False
    """Whether it runs on this machine."""
    input_tokens: Whole = 0
    """Tokens of prompts, without those that a cache held or took."""
    output_tokens: Whole = 0
    """Tokens of replies."""
    input_tokens_cache_read: Whole = 0
    """Tokens of prompts that the provider's cache held."""
    input_tokens_cache_write: Whole = 0
    """Tokens of prompts that were put into it."""
    reasoning_tokens: Whole = 0
    """Tokens of reasoning, which are among those of replies."""
    dollars: Number = None
    """None where there is no price."""
    reason: Some = None
    """Why it is None."""

    @property
    def tokens(self) -> dict[str, int]:
        """Kind of tokens to how many."""
        whole = self.model_dump()
        return {name: whole[name] for name in TOKENS}

    def __add__(self, other: Use) -> Use:
        """Both together; dollars that are unknown on one side are unknown of the sum."""
        known = self.dollars is not None and other.dollars is not None
        money = {
            "dollars": (self.dollars or 0.0) + (other.dollars or 0.0) if known else None,
            "reason": None if known else self.reason or other.reason,
        }
        more = other.tokens
        return self.model_copy(update={name: count + more[name] for name, count in self.tokens.items()} | money)


def combined(uses: Iterable[Use], by: Sequence[str]) -> list[Use]:
    """The uses added up by these of their fields, in the order in which each first appears."""
    found: dict[tuple[Any, ...], Use] = {}
    for use in uses:
        whole = use.model_dump()
        key = tuple(whole[name] for name in by)
        found[key] = found[key] + use if key in found else use
    return list(found.values())


def costs_of(uses: Sequence[Use], prices: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The key `costs` of results.json: rows by model, role and eval, totals by model and role, dollars, and all in words.

    `prices` are those that the dollars were computed with, `seconds` how long replies and probes took. Empty where no model was
    asked.
    """
    if not uses:
        return {}
    rows = combined(uses, ("role", "model", "eval"))
    totals = [use.model_copy(update={"eval": ""}) for use in combined(uses, ("role", "model"))]
    remote = [use for use in totals if not use.local]
    known = [use.dollars for use in remote if use.dollars is not None]
    unpriced = [use for use in remote if use.dollars is None]
    reason = None
    if not remote:
        reason = "only models on this machine were asked, which have no price per token"
    elif unpriced:
        reason = "; ".join(dict.fromkeys(f"{use.model}: {use.reason}" for use in unpriced))
    return {
        "rows": [use.model_dump() for use in rows],
        "totals": [use.model_dump() for use in totals],
        "dollars": None if reason else sum(known),
        "reason": reason,
        "seconds": round(seconds, 2),
        "prices": dict(prices),
        "in_words": [in_words(use) for use in totals],
    }


def in_words(use: Use) -> str:
    """A use in a sentence."""
    cached = use.input_tokens_cache_read + use.input_tokens_cache_write
    tokens = (
        f"{use.input_tokens + cached:,} tokens in{f' ({cached:,} of them cached)' if cached else ''}, {use.output_tokens:,} out"
    )
    money = dollars(use.dollars) if use.dollars is not None else f"dollars unknown ({use.reason})"
    return f"{use.role.capitalize()} {use.model}: {tokens}; {'no price, since ' + LOCAL if use.local else money}."


def dollars(amount: float) -> str:
    """An amount with two decimals, or as many as show two digits of it."""
    if amount == 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.001 else f"${amount:.2g}"
