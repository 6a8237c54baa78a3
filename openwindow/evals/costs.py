"""What asking models costs: prices from a file of the user's, and tokens and dollars as they are counted. Imports no Inspect.

    openai/gpt-4o-mini:
      {input: 0.15, output: 0.60, input_cache_read: 0.075, input_cache_write: 0.15, date: 2026-11-02, source: the price page}

A prices file (YAML or JSON, `--prices FILE`) has the form of Inspect's `--model-cost-config`: dollars per million tokens, by model.
This package has no prices of its own, and Inspect ships none. Tokens of a model without a price are counted all the same, and its
dollars are None, with the reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openwindow.errors import ConfigError
from openwindow.evals.user_mapping import read_mapping
from openwindow.files.model_costs import Use, costs_of
from openwindow.files.records import object_of, objects_of
from openwindow.files.run_files import read_json
from openwindow.files.writing import write_json


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
