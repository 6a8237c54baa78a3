"""What a tokenizer's chat template does with a system turn, tools and reasoning, found by rendering short conversations.

    takes_system(tokenizer)      False for a template that refuses a system turn or leaves it out (Gemma 2)
    default_system(tokenizer)    the text that stands there where a conversation has none (Qwen2.5, SmolLM2), else None
    default_of(model)            the same for a model; None for one that has no tokenizer here
    note(model)                  what this means for instructions at position `system`, in a line
    shows_tools(tokenizer)       whether tools that are declared are rendered; `shows_calls`: calls and what they gave back;
                                 `shows_tool_text`: both as plain turns
    reasoning_key(tokenizer)     the key under which it renders reasoning beside the content of an answer, else None
    fitted(tokenizer, messages)  the conversation as its template can render it: a system text that it would refuse goes before
                                 the first user message

Nothing is looked up by name, so that any template is treated as what it does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from openwindow.types import Message, RichMessage, Role

_MARK = "4c1f systemtext 9e7b"
_GIVEN = "4c1f toolresult 9e7b"
_ASKED = "hello there"
REASONING = ("reasoning_content", "thinking", "reasoning")
"""keys that templates are known to render reasoning from"""
_known: weakref.WeakKeyDictionary[Any, dict[tuple[str, str], Any]] = weakref.WeakKeyDictionary()
"""tokenizer to what was found, by question and template"""


def takes_system(tokenizer: Any) -> bool:
    """Whether a system turn is rendered; a tokenizer without a template writes any role."""
    return bool(_found(tokenizer, "takes_system", _takes_system))


def default_system(tokenizer: Any) -> str | None:
    """The system text that the template inserts if a conversation has none; None if it inserts none.

    A preamble that stays whatever the system turn says (the dates of Llama 3) is not part of it. A conversation that begins
    with this text as its system turn is rendered as one without a system turn.
    """
    found: str | None = _found(tokenizer, "default_system", _default_system)
    return found


@runtime_checkable
class Tokenized(Protocol):
    """A model with a tokenizer of its own."""

    name: str
    tokenizer: Any


def default_of(model: object) -> str | None:
    """`default_system` of a model's tokenizer; None for a model without one here."""
    return default_system(model.tokenizer) if isinstance(model, Tokenized) else None


def note(model: object) -> str | None:
    """What an instruction at position `system` becomes in a model's template, if that is not a system message of its own."""
    if not isinstance(model, Tokenized):
        return None
    if not takes_system(model.tokenizer):
        return (
            f"the chat template of {model.name} takes no system message: system texts stand before the first user message "
            "(an instruction can be put there by itself with position user_prefix or user_suffix)"
        )
    own = default_system(model.tokenizer)
    if own is None:
        return None
    return (
        f"the chat template of {model.name} has a system prompt of its own ({own[:60]!r}): an instruction at position system is "
        "added to it, so that with and without one the prompts differ in the instruction alone"
    )


def fitted(tokenizer: Any, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation, with its system text before the first user message if the template takes no system turn."""
    turns = tuple(messages)
    if not turns or turns[0].role != "system" or takes_system(tokenizer):
        return turns
    at = next((i for i, m in enumerate(turns) if m.role == "user"), None)
    if at is None:
        return (Message("user", turns[0].content), *turns[1:])
    return (*turns[1:at], replace(turns[at], content=f"{turns[0].content}\n\n{turns[at].content}"), *turns[at + 1 :])


def shows_tools(tokenizer: Any) -> bool:
    """Whether the template renders tools that are declared."""
    tool = {"type": "function", "function": {"name": _MARK, "description": "", "parameters": {"type": "object", "properties": {}}}}
    return bool(_found(tokenizer, "tools", lambda t: _MARK in (_text(t, _turns("user"), [tool]) or "")))


def shows_calls(tokenizer: Any) -> bool:
    """Whether the template renders tool calls and their results."""
    called = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": _MARK, "arguments": {}}}],
    }
    given = {"role": "tool", "name": "x", "content": _GIVEN}
    conversation = [*_turns("user"), called, given, *_turns("assistant")]

    def shown(tokenizer: Any) -> bool:
        text = _text(tokenizer, conversation) or ""
        return _MARK in text and _GIVEN in text

    return bool(_found(tokenizer, "calls", shown))


def shows_tool_text(tokenizer: Any) -> bool:
    """Whether the template renders every turn of a conversation with tools in plain turns (`openwindow.data.tool_text`)."""
    said = [f"{tag}{_MARK} {number}" for number, tag in enumerate(("", "", "<tool_call>\n", "<tool_response>\n", ""))]
    roles: tuple[Role, ...] = ("system", "user", "assistant", "user", "assistant")

    def shown(tokenizer: Any) -> bool:
        turns = fitted(tokenizer, [Message(role, text) for role, text in zip(roles, said, strict=True)])
        text = _text(tokenizer, [{"role": m.role, "content": m.content} for m in turns])
        return tokenizer.chat_template is None or (text is not None and all(part in text for part in said))

    return bool(_found(tokenizer, "tool text", shown))


def reasoning_key(tokenizer: Any) -> str | None:
    """The key of a message under which the template renders reasoning in addition to the content; None if it renders none."""

    def key(tokenizer: Any) -> str | None:
        answer = {"role": "assistant", "content": _ASKED}
        told = [key for key in REASONING if _MARK in (_text(tokenizer, [*_turns("user"), {**answer, key: _MARK}]) or "")]
        return told[0] if told else None

    found: str | None = _found(tokenizer, "reasoning", key)
    return found


def as_given(tokenizer: Any, messages: Sequence[Message]) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """The conversation as `apply_chat_template` takes it, and the tools that it declares."""
    turns, tools = [], None
    for message in messages:
        turn: dict[str, Any] = {"role": message.role, "content": message.content}
        if isinstance(message, RichMessage):
            extra = message.extras
            tools = extra.get("tools", tools)
            turn |= {key: extra[key] for key in ("name", "tool_call_id") if key in extra}
            if "calls" in extra:
                turn["tool_calls"] = extra["calls"]
            if "reasoning" in extra and (key := reasoning_key(tokenizer)) is not None:
                turn[key] = extra["reasoning"]
        turns.append(turn)
    return turns, tools


def _found(tokenizer: Any, question: str, answer: Callable[[Any], Any]) -> Any:
    """The answer, asked once for each tokenizer and template."""
    answers = _known.setdefault(tokenizer, {})
    key = (question, str(tokenizer.chat_template))
    if key not in answers:
        answers[key] = answer(tokenizer)
    return answers[key]


def _takes_system(tokenizer: Any) -> bool:
    if tokenizer.chat_template is None:
        return True
    shown = _rendered(tokenizer, _MARK)
    return shown is not None and _MARK in shown


def _default_system(tokenizer: Any) -> str | None:
    if tokenizer.chat_template is None or not takes_system(tokenizer):
        return None
    plain, (before, _, after) = _rendered(tokenizer, None), str(_rendered(tokenizer, _MARK)).partition(_MARK)
    if plain is None or not plain.startswith(before) or not plain.endswith(after) or len(plain) < len(before) + len(after):
        return None
    text = plain[len(before) : len(plain) - len(after)]
    return text if text.strip() and _rendered(tokenizer, text) == plain else None


def _rendered(tokenizer: Any, system: str | None) -> str | None:
    """A short conversation up to the answer; None if the template refuses it."""
    return _text(tokenizer, [*([] if system is None else [{"role": "system", "content": system}]), *_turns("user")], prompt=True)


def _turns(role: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": _ASKED}]


def _text(
    tokenizer: Any, turns: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, *, prompt: bool = False
) -> str | None:
    """A conversation in the template; None if the template refuses it, or there is none."""
    if tokenizer.chat_template is None:
        return None
    try:
        return str(tokenizer.apply_chat_template(turns, tools=tools, tokenize=False, add_generation_prompt=prompt))
    except Exception:  # templates raise anything: jinja's errors, and Python's own for a filter or an index
        return None
