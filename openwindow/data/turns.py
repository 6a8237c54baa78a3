"""Reads a list of messages in any of the usual layouts as the turns of a row, with everything a message can hold.

A turn is a role and a text. Anything else that affects training is kept with them: whether the turn is marked to be trained on
(`weight`, `loss_weight`, `train`), reasoning next to the content, tool calls, and declared tools.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

Extra = dict[str, Any]
"""`train` (bool), `reasoning` (text), `calls` (OpenAI's `tool_calls`), `name`, `tool_call_id`; on the first turn `tools`"""
Turn = tuple[str, str] | tuple[str, str, Extra]
"""Role and text, and anything else."""
Turns = list[Turn]
Record = dict[str, Any]

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
SPEAKERS = ROLES | {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant"}
RESULTS = frozenset({"tool", "function", "ipython", "observation", "tool_response"})
"""roles of tool results"""
CALLS = frozenset({"function_call", "tool_call"})
"""roles of a turn whose text is a call in JSON"""
MEDIA = frozenset({"images", "image", "videos", "video", "audios", "audio"})
"""columns, and keys of a message, that hold what a language model does not see"""
_REASONING = ("reasoning_content", "reasoning", "thinking")
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_THOUGHTS = frozenset({"thinking", "reasoning", "reasoning_text"})
_WEIGHTS = ("weight", "loss_weight")
_FLAGS = ("train", "training")


class RowError(ValueError):
    """An unusable row, with what was given, what was expected and what to do; `kind` is the reason in two or three words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotUsed(RowError):
    """A correct row that is marked as having nothing to train on: left out and counted, not an error."""


# Messages.


def chat(value: object, column: str, keys: tuple[str, str] | None = None) -> Turns:
    """A list of messages, or its JSON text, as turns; `keys` names role and text, None: taken from the first message."""
    items = value
    if isinstance(value, str):
        items = from_json(value, column)
    if not isinstance(items, list):
        raise RowError("not a list", f"has {kind_of(value)} as `{column}`; expected a list of messages; fix the row")
    role_key, text_key = keys or keys_of(items)
    roles = ROLES if column == "messages" else SPEAKERS
    turns: Turns = []
    for number, item in enumerate(items, 1):
        try:
            role, text = item[role_key], item[text_key]
            known = roles[role]
        except (KeyError, TypeError, IndexError):
            turns.append(_unusual(item, number, column, role_key, text_key))
            continue
        if type(text) is str and len(item) == 2:
            turns.append((known, text))
        else:
            turns.append(_rich(item, number, known, text_key))
    return turns


def keys_of(items: Sequence[object]) -> tuple[str, str]:
    """`from` and `value` if the first message has them, else `role` and `content`."""
    first = items[0] if items else None
    return ("from", "value") if isinstance(first, dict) and "from" in first and "role" not in first else ("role", "content")


def from_json(text: str, column: str) -> object:
    """The list if a text holds one as JSON, else the text."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RowError(
            "not JSON", f"has a text as `{column}` that looks like a list but is not JSON; expected JSON; write it with json.dumps"
        ) from None


def _unusual(item: object, number: int, column: str, role_key: str, text_key: str) -> Turn:
    """A tool's turn, or one that has calls but no content. Raises RowError that says why something is not a message."""
    if not isinstance(item, dict):
        raise RowError("not a message", f"has {kind_of(item)} as message {number} of `{column}`; expected an object; fix the row")
    role = item.get(role_key)
    if isinstance(role, str) and role in RESULTS and text_key in item:
        named = {key: str(item[key]) for key in ("name", "tool_call_id") if item.get(key) is not None}
        return ("tool", _whole_text(item[text_key], f"`{text_key}` of message {number}"), named)
    if isinstance(role, str) and role in CALLS and isinstance(item.get(text_key), str):
        called = from_json(str(item[text_key]), f"{text_key}` of message {number} `")
        return ("assistant", "", {"calls": _calls(called if isinstance(called, list) else [called], number)} | _mark(item))
    if isinstance(role, str) and role in SPEAKERS and (item.get("tool_calls") or item.get("function_call")):
        return _rich({**item, text_key: None}, number, SPEAKERS[role], text_key)
    for key in (role_key, text_key):
        if key not in item:
            found = ", ".join(list(item)[:5]) or "nothing"
            raise RowError(f"no {key}", f"has no `{key}` in message {number} (it has {found}); expected one; fix the row")
    raise RowError(
        "unknown role", f"has {role!r:.40} as `{role_key}` of message {number}; expected system, user or assistant; rename it"
    )


def _rich(item: Record, number: int, role: str, text_key: str) -> Turn:
    """A turn with everything else that its message holds."""
    if any(item[key] for key in MEDIA & item.keys()):
        raise RowError("images or sounds", f"has images or sounds in message {number}; expected text only; drop such rows")
    extra: Extra = _mark(item)
    where, value = f"`{text_key}` of message {number}", item[text_key]
    if role == "assistant":
        called = item.get("tool_calls") or ([item["function_call"]] if item.get("function_call") else None)
        if called:
            extra["calls"] = _calls(called, number)
            value = "" if value is None else value
        if thought := _thought(item, value):
            extra["reasoning"] = thought
    text = value if isinstance(value, str) else text_of(value, where)
    return (role, text, extra) if extra else (role, text)


def _mark(item: Mapping[str, Any]) -> Extra:
    """Whether a message is marked to be trained on, or not to be; empty if it is not marked. A weight above 0 means yes."""
    found = None
    for key in (*_WEIGHTS, *_FLAGS):
        value = item.get(key)
        if isinstance(value, bool | int | float):
            found = (found is not False) and value > 0
    part = any(isinstance(w := item.get(key), float) and 0 < w != 1 for key in _WEIGHTS)
    return {} if found is None else {"train": found, "part": True} if part else {"train": found}


def _thought(item: Mapping[str, Any], content: object) -> str:
    """The reasoning next to the content or within it."""
    found = [value for key in _REASONING if isinstance(value := item.get(key), str) and value.strip()][:1]
    if isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and part.get("type") in _THOUGHTS:
                found += [v for key in (str(part["type"]), "thinking", "text", "value") if isinstance(v := part.get(key), str)][:1]
    return "\n".join(found)


def _calls(called: object, number: int) -> list[dict[str, Any]]:
    """Tool calls in OpenAI's layout, with their arguments as objects if they are objects."""
    found = []
    for call in called if isinstance(called, list) else [called]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RowError(
                "broken tool call", f"has a tool call without a name in message {number}; expected `name` and `arguments`; fix it"
            )
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            with contextlib.suppress(ValueError, RecursionError):  # some tools take text
                arguments = json.loads(arguments)
        kept = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
        found.append({**kept, "type": "function", "function": {"name": function["name"], "arguments": arguments}})
    return found


def tools_of(value: object) -> list[dict[str, Any]]:
    """The tools that a column declares, as a list or its JSON text, in OpenAI's layout."""
    listed = from_json(value, "tools") if isinstance(value, str) else value
    if listed is None or listed == "" or listed == []:
        return []
    if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
        raise RowError(
            "tools are no list", f"has {kind_of(listed)} as `tools`; expected a list of functions, or its JSON text; fix the row"
        )
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in listed]


# Texts.


def text_of(value: object, where: str) -> str:
    """A text, or OpenAI's list of content parts, joined. Raises RowError."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_part(part, where) for part in value)
    if value is None:
        raise RowError("null content", f"has null as {where}; expected text; fill it or drop the row")
    raise RowError("content is no text", f"has {kind_of(value)} as {where}; expected text; write it as a string")


def _whole_text(value: object, where: str) -> str:
    """A text, or a tool result as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else text_of(value, where)


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        kind = part.get("type", "text")
        if kind in _THOUGHTS:
            return ""
        for key in ("text", "value"):
            if kind in _TEXT_PARTS and isinstance(part.get(key), str):
                return str(part[key])
        if kind not in _TEXT_PARTS:
            raise RowError("not text", f"has a part of type {kind!r:.30} in {where}; expected text parts only; drop such rows")
    raise RowError("content is no text", f"has a part without text in {where}; expected {{'type': 'text', 'text': ...}}; fix it")


def kind_of(value: object) -> str:
    """The kind of a value, in a word or two."""
    names = {str: "a text", list: "a list", dict: "an object", bool: "a truth value", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


# What is trained.


def extra_of(turn: Turn) -> Extra:
    """What a turn holds besides role and text."""
    return turn[2] if len(turn) == 3 else {}


def is_rich(turns: Turns) -> bool:
    """Whether any turn holds something besides role and text."""
    return bool(turns) and max(map(len, turns)) > 2


def settled(turns: Turns) -> Turns:
    """The turns up to the last one that is trained on. Raises NotUsed if all answers are marked as not to be trained on.

    If no answer is marked, only the last turn is trained on; if one is, all answers that are not excluded.
    """
    marked = [i for i, turn in enumerate(turns) if turn[0] == "assistant" and "train" in extra_of(turn)]
    if not marked:
        return turns
    kept = [i for i, turn in enumerate(turns) if turn[0] == "assistant" and extra_of(turn).get("train") is not False]
    if not kept:
        raise NotUsed("all turns marked not to be trained", "has no turn that is marked to be trained")
    return [
        (turn[0], turn[1], extra_of(turn) | {"train": i in kept}) if turn[0] == "assistant" else turn
        for i, turn in enumerate(turns[: kept[-1] + 1])
    ]


NOTES = ("marked", "several", "earlier", "parts of weights", "marked questions", "tools", "calls", "reasoning")
"""Notes on a row, in this order.

Rows with marks of what to train on, with several trained turns, with earlier answers that are not trained on, with weights
between 0 and 1, with marked turns that are not answers, with declared tools, with tool calls or results, and with reasoning.
"""


def notes_of(turns: Turns) -> list[str]:
    """What a row holds besides turns of text."""
    answers = [extra_of(turn) for turn in turns if turn[0] == "assistant"]
    others = [extra_of(turn) for turn in turns if turn[0] != "assistant"]
    extras = [*answers, *others]
    marked = "train" in answers[-1]
    trained = sum(extra.get("train") is True for extra in answers) if marked else 1
    found = {
        "marked": marked,
        "several": trained > 1,
        "earlier": trained < len(answers),
        "parts of weights": any("part" in extra for extra in extras),
        "marked questions": any(extra.get("train") for extra in others),
        "tools": any("tools" in extra for extra in extras),
        "calls": any("calls" in extra for extra in extras) or any(turn[0] == "tool" for turn in turns),
        "reasoning": any("reasoning" in extra for extra in extras),
    }
    return [name for name in NOTES if found[name]]


_NEXT = {"user": ("user",), "assistant": ("assistant",), "tool": ("tool",), "after tool": ("tool", "assistant")}
_AFTER = {"user": "assistant", "assistant": "user", "tool": "after tool"}


def check_turns(turns: Sequence[Turn]) -> None:
    """Raises RowError unless the order is: at most one system message, then user and assistant alternating, the assistant last.

    No turn may be empty. After an answer that calls tools come the results and the next answer.
    """
    start = 1 if turns and turns[0][0] == "system" else 0
    if len(turns) - start < 2:
        if not turns:
            raise RowError("empty row", "has no turns; expected a prompt and an answer; drop the row")
        only = " and ".join(turn[0] for turn in turns)
        raise RowError("one turn only", f"has only a turn of {only}; expected a prompt and an answer; drop the row or complete it")
    state = "user"
    for at in range(start, len(turns)):
        turn = turns[at]
        role, text = turn[0], turn[1]
        allowed = _NEXT[state]
        if role not in allowed:
            raise RowError(
                "roles out of order",
                f"has roles out of order: turn {at + 1} is {role}; expected {allowed[-1]} (user and assistant alternating after at "
                "most one system message); fix the order or join the turns",
            )
        calls = len(turn) == 3 and "calls" in turn[2]
        if (not text or text.isspace()) and not calls and role != "tool":
            raise RowError("empty turn", f"has an empty turn {at + 1} of {role}; expected text; fill it or drop the row")
        state = "tool" if calls else _AFTER[role]
    if turns[-1][0] != "assistant":
        raise RowError(
            "no last answer", f"ends with {turns[-1][0]}; expected a last turn of assistant; drop the turn or add the answer"
        )
