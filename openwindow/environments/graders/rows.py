"""Rows of a data set as tasks of a grader: the prompt as messages, and replies that are known to be right or wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

from openwindow.data.readers import Lines, open_lines
from openwindow.data.turns import RowError, Turn, chat
from openwindow.environments.graders.tasks import MOST_TASKS, Task
from openwindow.errors import DataError
from openwindow.files.bounded import parse_json
from openwindow.types import Message, RichMessage, Role

Row = Mapping[str, Any]


def read_rows(name: str) -> list[Row]:
    """The rows of a file, a folder or a hub data set, at most `MOST_TASKS` and one more. Raises DataError."""
    lines = open_lines(name)
    with contextlib.closing(lines.file):
        found = list(islice(_rows(name, lines), MOST_TASKS + 1))
    if not found:
        raise DataError(f"{name} holds no rows; expected a row for each prompt; add some")
    return found


def _rows(name: str, lines: Lines) -> Iterator[Row]:
    for number, raw in enumerate(lines.file, 1):
        if raw.strip():
            where = f"{name}: {lines.unit} {number}"
            row = parse_json(raw, name=where, expected="an object with columns", nan=True)
            if not isinstance(row, dict):
                raise DataError(f"{where} is {raw.decode('utf-8', 'replace').strip():.60}; expected an object with columns; fix it")
            yield row


def first(rows: Iterable[Row], most: int = MOST_TASKS + 1) -> list[Row]:
    """The first rows, each a mapping. Raises DataError."""
    chosen = list(islice(rows, most))
    for number, row in enumerate(chosen):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number} is {row!r:.60}; expected a mapping of columns to values; make it one")
    return chosen


def task_of(row: Row, number: int, prompt: str, honest: str | None, flawed: str | None) -> Task:
    """The row as a task, by the names of its columns. Raises DataError for a column that it lacks."""
    wanted = [name for name in (prompt, honest, flawed) if name is not None]
    if any(name not in row for name in wanted):
        named = " and ".join(repr(name) for name in wanted)
        raise DataError(f"row {number} has the columns {', '.join(row)}: expected {named} among them; name the columns it has")
    return asked(row[prompt], number, prompt, said(row, honest), said(row, flawed))


def asked(prompt: object, number: int, column: str, honest: str, flawed: str = "") -> Task:
    """A task from a prompt that is a text or a conversation. Raises DataError."""
    if not isinstance(prompt, list | tuple):
        if not isinstance(prompt, str) or not prompt.strip():
            raise DataError(
                f"row {number} has {prompt!r:.60} as {column!r}: expected a text or a list of messages; fix the row, or name "
                "another column"
            )
        return Task(prompt, honest, flawed=flawed)
    turns = [messages_of(turn) for turn in prompt]
    try:
        read = [_message(turn) for turn in chat(turns, "messages")]
    except RowError as error:
        raise DataError(f"row {number} {error}") from None
    if not read or read[-1].role != "user":
        last = read[-1].role if read else "nothing"
        raise DataError(f"row {number} has a prompt that ends with {last}: expected a turn of the user at its end; fix the row")
    return Task(words(turns), honest, flawed=flawed, messages=tuple(read))


def _message(turn: Turn) -> Message:
    role = cast(Role, turn[0])
    return Message(role, turn[1]) if len(turn) == 2 else RichMessage(role, turn[1], json.dumps(turn[2]))


def said(row: Row, column: str | None) -> str:
    """The reply in a column; empty if none is named or the column holds nothing."""
    held = None if column is None else row[column]
    return "" if held is None else words(held)


def messages_of(turn: object) -> object:
    """A message of whatever library, as a mapping."""
    return turn if isinstance(turn, Mapping) else {"role": turn.role, "content": turn.content}  # type: ignore[attr-defined]


def words(value: object) -> str:
    """A prompt or a reply as text, whether it is a text or the messages of a conversation."""
    if isinstance(value, list | tuple):
        return "\n".join([str(turn["content"] if isinstance(turn, Mapping) else turn.content) for turn in value])
    return str(value)
