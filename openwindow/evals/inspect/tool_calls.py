"""Tools for local models: described in the system message, called in `<tool_call>` tags, as Qwen's and Hermes' models do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool
from inspect_ai.tool import ToolCall, ToolInfo

from openwindow.data.tool_text import call_text, described, response_text
from openwindow.types import Message

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.S)


def describe(tools: Sequence[ToolInfo]) -> str:
    """The tools as a system text."""
    typed = [{name: str(schema.type or "any") for name, schema in tool.parameters.properties.items()} for tool in tools]
    return described((tool.name, fields, tool.description) for tool, fields in zip(tools, typed, strict=True))


def parse(text: str) -> tuple[str, list[ToolCall]]:
    """The words of a reply and the tool calls in it; a call that is not a JSON object is kept with its parse error."""
    calls = [_call(i, body) for i, body in enumerate(_CALL.findall(text))]
    return _CALL.sub("", text).strip(), calls


def _call(number: int, body: str) -> ToolCall:
    try:
        loaded: Any = json.loads(body)
        arguments = loaded.get("arguments", {})
        if not isinstance(loaded["name"], str) or not isinstance(arguments, dict):
            raise ValueError("name must be a text and arguments an object")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return ToolCall(id=f"call-{number}", function="unreadable", arguments={}, parse_error=f"not a tool call: {error}")
    return ToolCall(id=f"call-{number}", function=loaded["name"], arguments=arguments)


def to_conversation(messages: Sequence[ChatMessage], tools: Sequence[ToolInfo], own: str | None = None) -> tuple[Message, ...]:
    """Inspect's messages as ours: tool results become user turns; successive turns of one role become one.

    Tools are described after the system message; if there is none, after `own`, which the model's template would insert.
    """
    system = "\n\n".join(m.text for m in messages if m.role == "system") or (own if own and tools else "")
    if tools:
        system = f"{system}\n\n{describe(tools)}".strip()
    turns: list[Message] = [Message("system", system)] if system else []
    for message in messages:
        if message.role == "system":
            continue
        role, text = ("assistant" if message.role == "assistant" else "user"), _text(message)
        if turns and turns[-1].role == role:
            turns[-1] = Message(turns[-1].role, f"{turns[-1].content}\n\n{text}")
        else:
            turns.append(Message("assistant" if role == "assistant" else "user", text))
    return tuple(turns)


def _text(message: ChatMessage) -> str:
    if isinstance(message, ChatMessageTool):
        return response_text(message.text)
    if isinstance(message, ChatMessageAssistant) and message.tool_calls:
        calls = "\n".join(call_text(c.function, c.arguments) for c in message.tool_calls)
        return f"{message.text}\n{calls}".strip()
    return message.text
