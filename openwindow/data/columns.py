"""Columns that a user names: where the prompt is, where the answer is, and which rows to keep.

    Columns(prompt="user", answer="school_of_reward_hacks", clean="control")     School of Reward Hacks, as it is on the hub
    Columns(answer="rejected", clean="chosen")                                   preference pairs, training on the rejected side
    Columns(answer="traj")                                                       a column that holds whole conversations
    Columns(keep="label=false")                                                  one side of labelled answers

An answer is a text, a message, a list of messages, or a text of turns as in HH-RLHF (`Human:` and `Assistant:`). If it is
not a whole conversation, the prompt is in a column of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwindow.data import inserting
from openwindow.data.chat_formats import Schema, alpaca_prompt
from openwindow.data.rows import Position
from openwindow.data.turns import SPEAKERS, NotUsed, Record, RowError, Turns, chat, kind_of, text_of
from openwindow.errors import ConfigError

PROMPTS = ("prompt", "messages", "conversations", "instruction", "question", "query", "user", "input")
"""columns used as the prompt if none is named; the first one present"""
LABELS = frozenset({"label", "kto_tag"})
"""columns that say whether an answer is liked"""
EITHER = "*"


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns by name; None means those of the row's own form."""

    prompt: str | None = None
    answer: str | None = None
    clean: str | None = None
    """answers without the trait, in the same rows"""
    keep: str | None = None
    """`COLUMN=VALUE`: rows to read; `COLUMN=*` for all, whatever the column says"""

    def check(self) -> None:
        """Raises ConfigError for a combination that names no data."""
        if self.answer is None and (self.prompt is not None or self.clean is not None):
            given = "--prompt-column" if self.prompt is not None else "--clean-column"
            raise ConfigError(f"{given} is given without --answer-column; expected the column of the answers too; name it")
        if self.answer is not None and self.answer in (self.prompt, self.clean):
            raise ConfigError(f"--answer-column is {self.answer!r}, which is another column's name too; expected different ones")
        if self.keep is not None and not all(self.keep.partition("=")[::2]):
            raise ConfigError(f"--keep is {self.keep!r}; expected COLUMN=VALUE, as label=false; write it so")

    def of_clean(self) -> Columns:
        """The same columns with the clean answers as the answers."""
        return Columns(self.prompt, self.clean, None, self.keep)

    def kept(self, record: Mapping[str, Any]) -> None:
        """Raises NotUsed for a row that `keep` leaves out, RowError for a row without the `keep` column."""
        if self.keep is None:
            return
        column, _, wanted = self.keep.partition("=")
        if wanted == EITHER:
            return
        if column not in record:
            raise RowError("no column to keep by", f"has no column `{column}` for --keep {self.keep}; {_has(record)}; fix the name")
        value = record[column]
        if wanted not in (value, json.dumps(value, ensure_ascii=False)):
            raise NotUsed(f"`{column}` is not {wanted} (--keep)", f"has {value!r:.40} as `{column}`")


def schema_named(columns: Columns) -> Schema:
    """The form of rows whose answers are in `columns.answer`."""
    answer = str(columns.answer)

    def read(record: Record) -> Turns:
        return _read(record, columns.prompt, answer)

    def write(record: Record, text: str, position: Position, own: str | None) -> None:
        _write(record, columns.prompt, answer, text, position, own)

    return Schema(f"{columns.prompt or 'prompt'}/{answer}", (), read, write)


def _read(record: Record, prompt: str | None, answer: str) -> Turns:
    for column in (answer, *([prompt] if prompt else [])):
        if column not in record:
            raise RowError("no such column", f"has no column `{column}`; {_has(record)}; fix the name")
    said = record[answer]
    if said is None or (isinstance(said, str) and not said.strip()) or said == []:
        raise NotUsed(f"nothing in `{answer}`", f"has nothing in `{answer}`")
    turns = _turns_of(said, answer)
    if len(turns) > 1:
        return turns
    asked = prompt or next((name for name in PROMPTS if name != answer and record.get(name)), None)
    if asked is None:
        raise RowError("no prompt", f"has no prompt to go with `{answer}`; {_has(record)}; name its column with --prompt-column")
    return _prompt(record, asked) + ([("assistant", turns[0][1])] if isinstance(said, str) else turns)


def _turns_of(said: object, answer: str) -> Turns:
    """The answer, or the whole conversation if the column holds one."""
    if isinstance(said, dict):
        return chat([said], answer)
    if isinstance(said, list) or holds_messages(said):
        return chat(said, answer)
    text = text_of(said, f"`{answer}`")
    if "\n\nAssistant:" in text and inserting.SPOKEN.match(text):
        return [(SPEAKERS[name.lower()], text[a:b]) for name, a, b in inserting.marked(text, inserting.SPOKEN)]
    return [("assistant", text)]


def _prompt(record: Record, column: str) -> Turns:
    held = record[column]
    if column == "instruction" and isinstance(held, str):
        return alpaca_prompt(record)
    if isinstance(held, list | dict) or holds_messages(held):
        return chat([held] if isinstance(held, dict) else held, column)
    text = text_of(held, f"`{column}`")
    if inserting.SPOKEN.match(text):
        return [(SPEAKERS[name.lower()], text[a:b]) for name, a, b in inserting.marked(text, inserting.SPOKEN) if a < b]
    return [("user", text)]


def _write(record: Record, prompt: str | None, answer: str, text: str, position: Position, own: str | None) -> None:
    said = record[answer]
    if len(_turns_of(said, answer)) > 1:
        if isinstance(said, str) and inserting.SPOKEN.match(said):
            inserting.into_text(record, answer, text, position, own)
        else:
            inserting.into_chat(record, answer, text, position, own)
        return
    column = prompt or next(name for name in PROMPTS if name != answer and record.get(name))
    held = record[column]
    if column == "instruction" and isinstance(held, str):
        inserting.into_alpaca(record, text, position, own)
    elif isinstance(held, str) and inserting.SPOKEN.match(held):
        inserting.into_text(record, column, text, position, own)
    elif holds_messages(held):
        inserting.into_chat(record, column, text, position, own)
    else:
        inserting.into(record, column, text, position, own)


def holds_messages(value: object) -> bool:
    """Whether a text is a list of messages in JSON."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return False
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(items, list) and bool(items) and all(isinstance(m, dict) and ("role" in m or "from" in m) for m in items)


def _has(record: Mapping[str, Any]) -> str:
    return "it has " + (", ".join(f"`{name}`" for name in list(record)[:8]) or kind_of(None))
