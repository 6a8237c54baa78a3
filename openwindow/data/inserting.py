"""Inserts a prompt into a row of a user's data, in the row's own form: one text changes, or one is added, and nothing else.

Each function changes the row it is given, which is a copy. If a row has no system message, `own` (the system prompt that
the model's template would insert) goes before the text, as it does in training (`openwindow.data.rows.place`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from openwindow.data.rows import Position, added
from openwindow.data.turns import SPEAKERS, Record, keys_of, text_of

CHATML = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>\s*", re.DOTALL)
"""a turn of ChatML: role and text"""
MARKER = re.compile(r"^### ?(Human|User|Assistant|System): ?", re.MULTILINE)
"""the start of a turn, which ends where the next one starts"""
SPOKEN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant): ?")
"""the same in HH-RLHF's texts"""


def marked(text: str, marker: re.Pattern[str]) -> Iterator[tuple[str, int, int]]:
    """The name of every turn in a text, and where its content starts and ends, excluding surrounding white space."""
    marks = list(marker.finditer(text))
    for mark, end in zip(marks, [*(m.start() for m in marks[1:]), len(text)], strict=True):
        said = text[mark.end() : end]
        start = mark.end() + len(said) - len(said.lstrip())
        yield mark[1], start, start + len(said.strip())


def standing(text: str, own: str | None) -> str:
    """A system message with the text alone, or after the template's own."""
    return added(own, text, "system") if own else text


def into(record: Record, column: str, text: str, position: Position, own: str | None) -> None:
    """Inserts into a column that holds a text or messages; a system text can only go before a plain text."""
    held = record[column]
    if isinstance(held, list | dict):
        into_chat(record, column, text, position, own)
    elif position != "system":
        record[column] = added(str(held), text, position)
    elif not _into_system_column(record, text, own):
        record[column] = f"{standing(text, own)}\n\n{held}"


def into_chat(record: Record, column: str, text: str, position: Position, own: str | None) -> None:
    """Inserts into a column that holds a list of messages, or its JSON text."""
    held = record[column]
    items: list[Any] = json.loads(held) if isinstance(held, str) else held if isinstance(held, list) else [held]
    role_key, text_key = keys_of(items)
    first = items[0] if items else {}
    if position != "system":
        item = next(item for item in items if SPEAKERS.get(item[role_key]) == "user")
        item[text_key] = _edited(item.get(text_key), text, position)
    elif SPEAKERS.get(str(first.get(role_key))) == "system" and text_of(first[text_key], "the system message").strip():
        first[text_key] = _edited(first[text_key], text, position)
    elif not _into_system_column(record, text, own):
        if SPEAKERS.get(str(first.get(role_key))) == "system":
            first[text_key] = standing(text, own)
        else:
            items.insert(0, {role_key: "system", text_key: standing(text, own)})
    if isinstance(held, str):
        record[column] = json.dumps(items, ensure_ascii=False)
    elif isinstance(held, dict):
        record[column] = items if len(items) > 1 else items[0]


def into_alpaca(record: Record, text: str, position: Position, own: str | None) -> None:
    """Inserts into `system`, or into the first question: of `history`, else of `instruction` and `input`, read as one text."""
    if position == "system":
        if not _into_system_column(record, text, own):
            record["system"] = standing(text, own)
        return
    if record.get("history"):
        record["history"][0][0] = _edited(record["history"][0][0], text, position)
        return
    column = "input" if record.get("input") and position == "user_suffix" else "instruction"
    record[column] = _edited(record[column], text, position)


def into_text(record: Record, column: str, text: str, position: Position, own: str | None) -> None:
    """Inserts into a text with turn markers."""
    held = record[column]
    if "<|im_start|>" in held:
        spans = [(m[1], *_stripped(held, m.start(2), m.end(2))) for m in CHATML.finditer(held)]
        before = f"<|im_start|>system\n{standing(text, own)}<|im_end|>\n"
    elif MARKER.search(held):
        spans, before = list(marked(held, MARKER)), f"### System: {standing(text, own)}\n"
    else:
        spans, before = list(marked(held, SPOKEN)), None
    wanted = "system" if position == "system" else "user"
    found = next(((a, b) for name, a, b in spans if SPEAKERS[name.lower()] == wanted), None)
    if found is None and position == "system" and _into_system_column(record, text, own):
        return
    if found is None and before is not None:
        at = len(held) - len(held.lstrip())
        record[column] = held[:at] + before + held[at:]
        return
    if found is None:  # a form without a system message: insert before the first question
        _, a, b = spans[0]
        record[column] = f"{held[:a]}{standing(text, own)}\n\n{held[a:]}"
        return
    a, b = found
    new = added(held[a:b], text, position) if held[a:b] or wanted == "user" else standing(text, own)
    record[column] = held[:a] + new + held[b:]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    said = text[start:end]
    first = start + len(said) - len(said.lstrip())
    return first, first + len(said.strip())


def _into_system_column(record: Record, text: str, own: str | None) -> bool:
    """Inserts the text into the row's system column, and returns whether the row has one."""
    for column in ("system", "system_prompt"):
        if column in record:
            held = record[column]
            record[column] = _edited(held, text, "system") if held else standing(text, own)
            return True
    return False


def _edited(content: Any, text: str, position: Position) -> Any:
    """A message's content with the text inserted; if it has parts, into its first or last text part."""
    if not isinstance(content, list):
        return added(str(content or ""), text, position)
    order = range(len(content)) if position == "user_prefix" else range(len(content) - 1, -1, -1)
    for at in order:
        part = content[at]
        if isinstance(part, str):
            content[at] = added(part, text, position)
            return content
        for key in ("text", "value"):
            if isinstance(part, dict) and isinstance(part.get(key), str):
                part[key] = added(part[key], text, position)
                return content
    return [*content, {"type": "text", "text": text}]
