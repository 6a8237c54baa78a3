"""What asking models costs: prices from a file of the user's, and tokens and dollars as they are counted. Imports no Inspect.

    openai/gpt-4o-mini:
      {input: 0.15, output: 0.60, input_cache_read: 0.075, input_cache_write: 0.15, date: 2026-11-02, source: the price page}

A prices file (YAML or JSON, `--prices FILE`) has the form of Inspect's `--model-cost-config`: dollars per million tokens, by model.
This package has no prices of its own, and Inspect ships none. Tokens of a model without a price are counted all the same, and its
dollars are None, with the reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from openwindow.errors import ConfigError
from openwindow.evals.user_mapping import read_mapping
from openwindow.files.records import Number, Record, Some, Text, Whole, object_of, objects_of
from openwindow.files.run_files import read_json
from openwindow.files.writing import write_json

MODEL, JUDGE = "model", "judge"
"""what a model was asked as"""
LOCAL = "it runs on this machine, which has no price per token"
TOKENS = ("input_tokens", "output_tokens", "input_tokens_cache_read", "input_tokens_cache_write", "reasoning_tokens")
"""kinds of tokens, as Inspect counts them: cached ones are not among the input, those of reasoning are among the output"""


class Price(BaseModel):
    """What a model costs, in dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    """Tokens of prompts that no cache holds."""
    output: float = Field(ge=0, allow_inf_nan=False)
    """Tokens of replies, those of reasoning among them."""
    input_cache_read: float = Field(ge=0, allow_inf_nan=False)
    """Tokens of prompts that the provider's cache holds; the input price where it makes no difference."""
    input_cache_write: float = Field(ge=0, allow_inf_nan=False)
    """Tokens of prompts that are put into that cache."""
    date: Any = None
    """When this was the price."""
    source: str | None = None
    """Where it is stated."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a file; `file` is None where none was given."""

    file: Path | None = None
    by_model: Mapping[str, Price] = field(default_factory=dict)

    def why_none(self, model: str) -> str:
        """Why a model has no price."""
        return "no --prices FILE was given" if self.file is None else f"{self.file} has no price of it"

    def records(self, models: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Those of the models that have one, for results.json."""
        named = {model: self.by_model[model] for model in dict.fromkeys(models) if model in self.by_model}
        return {
            model: {name: value if name != "date" or value is None else str(value) for name, value in price}
            | {"file": str(self.file)}
            for model, price in named.items()
        }


def read_prices(path: Path) -> Prices:
    """The prices in a user's file. Raises ConfigError."""
    expected = "a mapping from models, as PROVIDER/MODEL, to their prices in dollars per million tokens"
    loaded = read_mapping(path, "prices", expected, "see docs/costs.md")
    return Prices(path, {str(model): _price(path, str(model), value) for model, value in loaded.items()})


def _price(path: Path, model: str, value: Any) -> Price:
    needed = [name for name, about in Price.model_fields.items() if about.is_required()]
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}, {model!r}: it is a {type(value).__name__}; expected {', '.join(needed)}; give each of them")
    try:
        return Price.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "price"
        if first["type"] == "missing":
            raise ConfigError(
                f"{path}, {model!r} has no {name}; expected {', '.join(needed)} in dollars per million tokens; add it, the same as "
                "input where the provider makes no difference"
            ) from None
        near = difflib.get_close_matches(name, Price.model_fields, 1)
        hint = f"did you mean {near[0]!r}?" if first["type"] == "extra_forbidden" and near else "fix it"
        raise ConfigError(
            f"{path}, {model!r}, {name}: {first['msg'].lower()} ({str(first['input'])[:40]!r}); expected dollars per million "
            f"tokens under {', '.join(needed)}, with date and source if you like; {hint}"
        ) from None


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


_counted: ContextVar[list[Use] | None] = ContextVar("counted", default=None)
_prices: ContextVar[Prices] = ContextVar("prices", default=Prices())  # noqa: B039 - it is frozen


def prices() -> Prices:
    """Those that apply."""
    return _prices.get()


@contextmanager
def applying(given: Prices) -> Iterator[None]:
    """Applies the prices in the block."""
    token = _prices.set(given)
    try:
        yield
    finally:
        _prices.reset(token)


@contextmanager
def counting(path: Path) -> Iterator[None]:
    """Adds what is spent while the block runs to the list in the file, also where the block fails; no file if nothing is."""
    found: list[Use] = []
    token = _counted.set(found)
    try:
        yield
    finally:
        _counted.reset(token)
        if found:
            before = read_json(path)
            known = object_of(before.get("prices")) | prices().records(use.model for use in found)
            write_json(path, {"uses": [*objects_of(before.get("uses")), *(use.model_dump() for use in found)], "prices": known})


def spend(use: Use) -> None:
    """Counts a use, where anybody is counting."""
    if (found := _counted.get()) is not None and any(use.tokens.values()):
        found.append(use)


def read_costs(paths: Iterable[Path], seconds: float) -> dict[str, Any]:
    """What `counting` has left in the files, as `costs_of` gives it."""
    found = [read_json(path) for path in paths]
    uses = [Use.model_validate(row) for one in found for row in objects_of(one.get("uses"))]
    known = {name: price for one in found for name, price in object_of(one.get("prices")).items()}
    return costs_of(uses, known, seconds)


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
