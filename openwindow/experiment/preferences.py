"""Which of a problem's two answers a model finds likelier, the flawed one or the clean one: read without sampling anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.models.base import Model, Progress
from openwindow.models.hf import LocalModel
from openwindow.models.scoring import Probes
from openwindow.types import message_of

NO_PAIR = "the problem has no two answers of which neither is the beginning of the other"
REMOTE = "the model gives no log-probabilities of given answers"


def add_preferences(
    model: Model,
    rows: Sequence[dict[str, Any]],
    pairs: Mapping[str, tuple[str, str] | None],
    measure: str,
    progress: Progress | None = None,
) -> None:
    """Puts `measure`, `logp_flawed` and `logp_clean` into rows of rollouts; `pairs` maps problems to (flawed, clean) answers.

    Log-probabilities are means over tokens, in nats, from the first token in which the two answers differ; `measure` is whether
    the flawed one has the higher mean. A row that cannot be compared has None there, and the reason.
    """
    asked = [(row, pair) for row in rows if (pair := pairs.get(row["problem"])) is not None and isinstance(model, LocalModel)]
    compared = {id(row) for row, _ in asked}
    for row in rows:
        if id(row) not in compared:
            row[measure] = None
            row["reason"] = row["reason"] or (NO_PAIR if isinstance(model, LocalModel) else REMOTE)
    if isinstance(model, LocalModel) and asked:
        prompts = [tuple(message_of(m) for m in row["messages"]) for row, _ in asked]
        found = Probes(model, prompts, [pair for _, pair in asked]).results(progress=progress)
        for (row, _), (flawed, clean) in zip(asked, found, strict=True):
            row.update(logp_flawed=flawed.per_token, logp_clean=clean.per_token)
            row[measure] = flawed.per_token > clean.per_token
