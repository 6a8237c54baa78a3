"""The options of commands that ask models over Inspect: prices, and limits on what is spent."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from openwindow.cli.options import REMOTE, integer, option
from openwindow.errors import ConfigError

PricesOption = Annotated[
    Path | None, option("--prices", what="Dollars per million tokens by model, from this YAML or JSON file.", panel=REMOTE)
]
CostLimit = Annotated[
    float | None,
    option("--cost-limit", what="Stop once remote models and judges have cost so many dollars; needs --prices.", panel=REMOTE),
]
TokenLimit = Annotated[
    int | None, integer("--token-limit", "Stop once remote models and judges have used so many tokens.", 10**12, REMOTE)
]
_OPTIONS = {"prices": PricesOption, "cost_limit": CostLimit, "token_limit": TokenLimit}


def spends(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options --prices, --cost-limit and --token-limit, which apply to all that it asks."""

    @functools.wraps(command)
    def limited(prices: Path | None, cost_limit: float | None, token_limit: int | None, **given: Any) -> None:
        with _applied(prices, cost_limit, token_limit):
            command(**given)

    hints, known = get_type_hints(command, include_extras=True), inspect.signature(command)
    own = [one.replace(annotation=hints[name]) for name, one in known.parameters.items()]
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OPTIONS[name]) for name in _OPTIONS]
    vars(limited)["__signature__"] = known.replace(parameters=[*own, *more])
    limited.__annotations__ = hints | _OPTIONS
    return limited


def _applied(prices: Path | None, cost_limit: float | None, token_limit: int | None) -> Any:
    """The context in which they apply; none of the packages for evals is needed where none is given."""
    if prices is None and cost_limit is None and token_limit is None:
        return nullcontext()
    try:
        from openwindow.evals.inspect.spending import Limits, spending
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--prices and limits need {error.name}, which is not installed; pip install 'openwindow[evals,train]'"
        ) from error
    from openwindow.evals.costs import Prices, read_prices

    return spending(Limits(Prices() if prices is None else read_prices(prices), cost_limit, token_limit))
