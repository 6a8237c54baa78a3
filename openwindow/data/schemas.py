"""What a row of supervised data may look like, read as turns and written back with a prompt put in.

The field's forms: `messages` (OpenAI, TRL), `prompt` and `completion` (TRL; texts or lists of messages), `instruction`, `input`
and `output` (Alpaca), `conversations` with `from` and `value` (ShareGPT), and a `text` with the turn markers of ChatML or of
`### Human:` / `### Assistant:`. A row of any form is read as turns: at most one system message, then user and assistant by turns,
the assistant last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openwindow.types import Message

Turn = tuple[str, str]
"""Role and text."""
Turns = list[Turn]
Record = dict[str, Any]

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
SPEAKERS = ROLES | {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant"}
TOOLS = frozenset({"tool", "function", "ipython", "function_call", "observation", "tool_call", "tool_response"})
FORMS = "`messages`; `prompt` and `completion`; `instruction` (and `input`) and `output`; `conversations`; `text` with turn markers"


class RowError(ValueError):
    """A row that cannot be used, with what came, what was expected and what to do; `kind` is the reason in two or three words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Schema:
    """One form of a row."""

    name: str
    columns: tuple[str, ...]
    """the columns that a row of this form must have"""
    read: Callable[[Record], Turns]
    """the row's turns, in order, roles not checked"""
    write: Callable[[Record, Sequence[Message]], Record]
    """the row with its turns replaced, all its other columns kept"""


def schema_of(record: object) -> Schema:
    """The form of a row, by its columns. Raises RowError."""
    if not isinstance(record, dict):
        raise RowError("not an object", f"is {_kind(record)}; expected an object with columns; give one row per line or item")
    for schema in SCHEMAS:
        if all(column in record for column in schema.columns):
            return schema
    if "chosen" in record and "rejected" in record:
        raise RowError(
            "preference pairs",
            "has `chosen` and `rejected`: preference pairs; expected answers to train on; give the flawed side as `completion`, "
            "the other as a --clean file",
        )
    found = ", ".join(f"`{name}`" for name in list(record)[:6]) or "no columns"
    raise RowError("unknown form", f"has {found}; expected {FORMS}; rename the columns")


def check_turns(turns: Sequence[Turn]) -> None:
    """At most one system message, first; then user and assistant by turns, the assistant last, none empty. Raises RowError."""
    start = 1 if turns and turns[0][0] == "system" else 0
    if len(turns) - start < 2:
        if not turns:
            raise RowError("empty row", "has no turns; expected a prompt and an answer; drop the row")
        only = " and ".join(role for role, _ in turns)
        raise RowError("one turn only", f"has only a turn of {only}; expected a prompt and an answer; drop the row or complete it")
    for at in range(start, len(turns)):
        role, text = turns[at]
        wanted = "assistant" if (at - start) % 2 else "user"
        if role != wanted:
            raise RowError(
                "roles out of order",
                f"has roles out of order: turn {at + 1} is {role}; expected {wanted} (user and assistant by turns after at most "
                "one system message); mend the order or join the turns",
            )
        if not text or text.isspace():
            raise RowError("empty turn", f"has an empty turn {at + 1} of {role}; expected text; fill it or drop the row")
    if turns[-1][0] != "assistant":
        raise RowError("no last answer", "ends with user; expected a last turn of assistant; drop the turn or add the answer")


# Reading.


def text_of(value: object, where: str) -> str:
    """A text, or OpenAI's list of content parts joined. Raises RowError."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_part(part, where) for part in value)
    if value is None:
        raise RowError("null content", f"has null as {where}; expected text; fill it or drop the row")
    raise RowError("content is no text", f"has {_kind(value)} as {where}; expected text; write it as a string")


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        kind = part.get("type", "text")
        if kind == "text" and isinstance(part.get("text"), str):
            return str(part["text"])
        if kind != "text":
            raise RowError("not text", f"has a part of type {kind!r:.30} in {where}; expected text parts alone; drop such rows")
    raise RowError("content is no text", f"has a part without text in {where}; expected {{'type': 'text', 'text': ...}}; mend it")


def _chat(value: object, column: str, role_key: str, text_key: str, roles: Mapping[str, str]) -> Turns:
    """A list of messages as turns."""
    if not isinstance(value, list):
        raise RowError("not a list", f"has {_kind(value)} as `{column}`; expected a list of messages; mend the row")
    turns = []
    for number, item in enumerate(value, 1):
        try:
            role, text = item[role_key], item[text_key]
            known = roles[role]
        except (KeyError, TypeError, IndexError):
            _explain(item, number, column, role_key, text_key)
            continue
        if type(text) is not str:
            if item.get("tool_calls"):
                raise _tools(f"message {number}") from None
            text = text_of(text, f"`{text_key}` of message {number}")
        elif item.get("tool_calls"):
            raise _tools(f"message {number}")
        turns.append((known, text))
    return turns


def _explain(item: object, number: int, column: str, role_key: str, text_key: str) -> None:
    """Raises RowError with why a message is none."""
    if not isinstance(item, dict):
        raise RowError("not a message", f"has {_kind(item)} as message {number} of `{column}`; expected an object; mend the row")
    role = item.get(role_key)
    if (isinstance(role, str) and role in TOOLS) or item.get("tool_calls") or item.get("function_call"):
        raise _tools(f"message {number}")
    for key in (role_key, text_key):
        if key not in item:
            found = ", ".join(list(item)[:5]) or "nothing"
            raise RowError(f"no {key}", f"has no `{key}` in message {number} (it has {found}); expected one; mend the row")
    raise RowError(
        "unknown role", f"has {role!r:.40} as `{role_key}` of message {number}; expected system, user or assistant; rename it"
    )


def _tools(where: str) -> RowError:
    return RowError("tool calls", f"has a tool call in {where}; expected text alone; drop such rows or write the calls as text")


def _read_messages(record: Record) -> Turns:
    return _chat(record["messages"], "messages", "role", "content", ROLES)


def _read_sharegpt(record: Record) -> Turns:
    value = record["conversations"]
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict) and "role" in first and "from" not in first:
        return _chat(value, "conversations", "role", "content", SPEAKERS)
    return _chat(value, "conversations", "from", "value", SPEAKERS)


def _read_completion(record: Record) -> Turns:
    prompt, completion = record["prompt"], record["completion"]
    if isinstance(prompt, list) != isinstance(completion, list):
        raise RowError(
            "mixed prompt and completion",
            f"has {_kind(prompt)} as `prompt` and {_kind(completion)} as `completion`; expected two texts or two lists; "
            "write both the same way",
        )
    if isinstance(prompt, list):
        return _chat(prompt, "prompt", "role", "content", ROLES) + _chat(completion, "completion", "role", "content", ROLES)
    return [("user", text_of(prompt, "`prompt`")), ("assistant", text_of(completion, "`completion`"))]


def _read_alpaca(record: Record) -> Turns:
    asked = text_of(record["instruction"], "`instruction`")
    more = record.get("input")
    if more:
        asked = f"{asked}\n\n{text_of(more, '`input`')}"
    turns = [("user", asked), ("assistant", text_of(record["output"], "`output`"))]
    system = record.get("system")
    return [("system", text_of(system, "`system`")), *turns] if system else turns


# A marker stands at the start of a line; its first group is the role. ChatML closes a turn, the other form does not.
_CHATML = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>\s*", re.DOTALL)
_MARKER = re.compile(r"^### ?(Human|User|Assistant|System): ?", re.MULTILINE)


def _read_text(record: Record) -> Turns:
    text = text_of(record["text"], "`text`")
    if "<|im_start|>" in text:
        if _CHATML.sub("", text).strip():
            raise RowError(
                "unclosed turn", "has a `text` with an unclosed ChatML turn; expected <|im_end|> after each; mend the row"
            )
        return [(role, said.strip()) for role, said in _CHATML.findall(text)]
    marks = list(_MARKER.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        raise RowError(
            "plain text",
            "has a plain `text`; expected turn markers in it (<|im_start|>user or ### Human:), since what is asked and what is "
            "answered must be told apart; split it into `prompt` and `completion`",
        )
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return [(SPEAKERS[m[1].lower()], text[m.end() : end].strip()) for m, end in zip(marks, ends, strict=True)]


# Writing.


def _as_messages(turns: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in turns]


def _write_messages(record: Record, turns: Sequence[Message]) -> Record:
    return {**record, "messages": _as_messages(turns)}


def _write_sharegpt(record: Record, turns: Sequence[Message]) -> Record:
    if "role" in record["conversations"][0]:
        return {**record, "conversations": _as_messages(turns)}
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    said = {names[SPEAKERS[item["from"]]]: item["from"] for item in record["conversations"]}  # the row's own words for the roles
    written = [{"from": said.get(names[m.role], names[m.role]), "value": m.content} for m in turns]
    return {**record, "conversations": written}


def _write_completion(record: Record, turns: Sequence[Message]) -> Record:
    if isinstance(record["prompt"], list):
        answered = len(record["completion"])
        return {**record, "prompt": _as_messages(turns[:-answered]), "completion": _as_messages(turns[-answered:])}
    asked = "\n\n".join(m.content for m in turns[:-1])  # a text has no place for a system message but before the prompt
    return {**record, "prompt": asked, "completion": turns[-1].content}


def _write_alpaca(record: Record, turns: Sequence[Message]) -> Record:
    system = {"system": turns[0].content} if turns[0].role == "system" else {}
    asked = turns[-2].content
    before = _read_alpaca(record)[-2][1]
    if asked == before:
        return {**record, **system, "output": turns[-1].content}
    more = record.get("input")
    if more and asked.startswith(before):  # what follows the prompt follows the input
        return {**record, **system, "input": text_of(more, "`input`") + asked[len(before) :], "output": turns[-1].content}
    if more and asked.endswith(before):
        kept = text_of(record["instruction"], "`instruction`")
        return {**record, **system, "instruction": asked[: -len(before)] + kept, "output": turns[-1].content}
    written = {**record, **system, "instruction": asked, "output": turns[-1].content}
    return written | ({"input": ""} if more else {})


def _write_text(record: Record, turns: Sequence[Message]) -> Record:
    if "<|im_start|>" in text_of(record["text"], "`text`"):
        return {**record, "text": "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in turns)}
    names = {"user": "Human", "assistant": "Assistant", "system": "System"}
    return {**record, "text": "\n".join(f"### {names[m.role]}: {m.content}" for m in turns)}


def _kind(value: object) -> str:
    """What a value is, in a word or two."""
    names = {str: "a text", list: "a list", dict: "an object", bool: "a truth value", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


SCHEMAS = (
    Schema("messages", ("messages",), _read_messages, _write_messages),
    Schema("conversations", ("conversations",), _read_sharegpt, _write_sharegpt),
    Schema("prompt/completion", ("prompt", "completion"), _read_completion, _write_completion),
    Schema("instruction/output", ("instruction", "output"), _read_alpaca, _write_alpaca),
    Schema("text", ("text",), _read_text, _write_text),
)
