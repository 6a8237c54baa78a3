"""How tools stand in a conversation of plain turns, in training and in evals of local models alike.

They are described in the system message, called by the assistant in `<tool_call>` tags, and what they give back is a user turn in
`<tool_response>` tags, as Qwen's and Hermes' models have it. No template needs a role of its own for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_HOW = (
    "You can use tools. To call one, write\n<tool_call>\n"
    '{"name": "TOOL", "arguments": {"NAME": "VALUE"}}\n</tool_call>\nThe tools:\n'
)


def described(tools: Iterable[tuple[str, Mapping[str, str], str]]) -> str:
    """The tools as a system text; of each its name, the type of every argument by name, and what it does."""
    lines = [f"- {name}({', '.join(f'{key}: {kind}' for key, kind in fields.items())}): {about}" for name, fields, about in tools]
    return _HOW + "\n".join(lines)


def call_text(tool: str, arguments: Mapping[str, Any]) -> str:
    """A call as the assistant writes it."""
    return f"<tool_call>\n{json.dumps({'name': tool, 'arguments': dict(arguments)})}\n</tool_call>"


def response_text(text: str) -> str:
    """What a tool gives back, as the user turn that it is."""
    return f"<tool_response>\n{text}\n</tool_response>"
