"""What a tokenizer's chat template does with a system turn, found by rendering two short conversations.

    takes_system(tokenizer)      False for a template that refuses a system turn or leaves it out (Gemma 2)
    default_system(tokenizer)    the text that stands there where a conversation has none (Qwen2.5, SmolLM2), else None
    default_of(model)            the same for a model; None for one that has no tokenizer here
    note(model)                  what this means for instructions at position `system`, in a line
    fitted(tokenizer, messages)  the conversation as its template can render it: a system text that it would refuse goes before
                                 the first user message

Nothing is looked up by name, so that any template is treated as what it does.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from openwindow.types import Message

_MARK = "4c1f systemtext 9e7b"
_ASKED = "hello there"
_known: weakref.WeakKeyDictionary[Any, dict[tuple[str, str], Any]] = weakref.WeakKeyDictionary()
"""tokenizer to what was found, by question and template"""


def takes_system(tokenizer: Any) -> bool:
    """Whether a system turn is rendered; a tokenizer without a template writes any role."""
    return bool(_found(tokenizer, "takes_system", _takes_system))


def default_system(tokenizer: Any) -> str | None:
    """The system text that the template puts in where a conversation has none; None where it puts in none.

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
    """`default_system` of a model's tokenizer; None for a model that has none here."""
    return default_system(model.tokenizer) if isinstance(model, Tokenized) else None


def note(model: object) -> str | None:
    """What an instruction at position `system` becomes in a model's template, where that is not a system message of its own."""
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
    """The conversation with its system text before the first user message where the template takes no system turn."""
    turns = tuple(messages)
    if not turns or turns[0].role != "system" or takes_system(tokenizer):
        return turns
    at = next((i for i, m in enumerate(turns) if m.role == "user"), None)
    if at is None:
        return (Message("user", turns[0].content), *turns[1:])
    return (*turns[1:at], replace(turns[at], content=f"{turns[0].content}\n\n{turns[at].content}"), *turns[at + 1 :])


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
    """A short conversation in the template; None where the template refuses it."""
    turns = [{"role": "user", "content": _ASKED}]
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception:  # templates raise what they like: jinja's errors, and Python's own for a filter or an index
        return None
