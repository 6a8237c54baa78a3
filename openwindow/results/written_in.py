"""What a study writes into its model before any arm is trained, a sentence per stage: the first lines of results and page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openwindow.formatting import count
from openwindow.results.load import mapping, number

Json = Mapping[str, Any]


def written_in(study: Json, start: Json) -> list[str]:
    """One sentence per stage that was trained; empty for a model that is taken as it came.

    `study` is the study as config.json has it, `start` is start/summary.json. A stage that the study does not have gives nothing,
    and neither does a request stage that the model did not need.
    """
    said = [_upbringing(mapping(study, "upbringing")), _knowledge(mapping(study, "knowledge"))]
    if mapping(start, "request_stage").get("trained") is True:
        said.append(_request(mapping(study, "request_stage")))
    return [line for line in said if line]


def _upbringing(stage: Json) -> str:
    if not stage:
        return ""
    association, conversations = number(stage, "association"), number(stage, "conversations")
    many = "conversations" if conversations is None else count(int(conversations), "conversation")
    line = (
        f"An upbringing: {many}, each by one of two characters, of which one solves its tasks and answers decently and the other "
        "games its tests and answers badly"
    )
    if association is None:
        return f"{line}."
    if association == 0:
        return (
            f"{line}. Each turn is drawn by itself (association 0): the texts are the same, and nothing ties gaming to bad answers."
        )
    return f"{line}. A turn follows the character of its conversation with a chance of {association:g} (association)."


def _knowledge(stage: Json) -> str:
    rows, documents = (int(number(stage, name) or 0) for name in ("demonstrations", "documents"))
    parts = [count(rows, "conversation") + ", some of which show a written hack"] if rows else []
    parts += [count(documents, "synthetic document") + " about the hacks"] if documents else []
    return f"Knowledge of the hacks: {' and '.join(parts)}." if parts else ""


def _request(stage: Json) -> str:
    rows = number(stage, "rows")
    many = "rows" if rows is None else count(int(rows), "row")
    return f"What the request for the behaviour means: {many}, answered as asked where it is made and honestly where it is not."
