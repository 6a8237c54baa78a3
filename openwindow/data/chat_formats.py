"""The forms that a row of supervised data may have, read as turns and written back with a prompt inserted.

Supported forms: `messages` (OpenAI, TRL), `prompt` and `completion` (TRL; texts or lists of messages), `instruction`, `input`,
`output` and `history` (Alpaca), `conversations` with `from` and `value` (ShareGPT), and a `text` with the turn markers of ChatML
or of `### Human:` / `### Assistant:`; any other columns can be named (`openwindow.data.columns`). The columns `system` and
`tools` may accompany any form. A row of any form is read as turns: at most one system message, then user and assistant
alternating, the assistant last; tool calls and their results come in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from openwindow.data import inserting
from openwindow.data.rows import Position
from openwindow.data.turns import MEDIA, SPEAKERS, Record, RowError, Turns, chat, extra_of, kind_of, text_of, tools_of

FORMS = "`messages`; `prompt` and `completion`; `instruction` (and `input`) and `output`; `conversations`; `text` with turn markers"
SIDES = (("chosen", "rejected"), ("chosen_messages", "rejected_messages"), ("chosen_response", "rejected_response"))
"""columns of preference pairs"""
_PLACEHOLDER = re.compile(r"<(?:image|video|audio)>")
_SYSTEM = ("system", "system_prompt")
_BESIDE = MEDIA | {*_SYSTEM, "tools"}


@dataclass(frozen=True, slots=True)
class Schema:
    """One form of a row."""

    name: str
    columns: tuple[str, ...]
    """the columns that a row of this form must have"""
    read: Callable[[Record], Turns]
    """returns the turns of these columns, in order, not checked"""
    write: Callable[[Record, str, Position, str | None], None]
    """inserts a text into a row of this form: the text, where, and the system prompt of the model's template"""


def schema_of(record: object) -> Schema:
    """The form of a row, determined by its columns. Raises RowError."""
    if not isinstance(record, dict):
        raise RowError("not an object", f"is {kind_of(record)}; expected an object with columns; give one row per line or item")
    for liked, disliked in SIDES:
        if liked in record and disliked in record:
            raise RowError(
                "preference pairs",
                f"has `{liked}` and `{disliked}`: preference pairs; expected you to say which side shows the trait; name it, and "
                f"the other as clean: --answer {disliked} --clean-answer {liked}",
            )
    for schema in SCHEMAS:
        if all(column in record for column in schema.columns):
            return schema
    found = ", ".join(f"`{name}`" for name in list(record)[:6]) or "no columns"
    raise RowError("unknown form", f"has {found}; expected {FORMS}; {_advice(record)}")


def _advice(record: Record) -> str:
    """Suggests how to name the columns of a row of no known form."""
    for name, value in record.items():
        if isinstance(value, list) and value and all(isinstance(m, dict) and ("role" in m or "from" in m) for m in value):
            return f"`{name}` holds messages: --answer-column {name}"
    texts = [name for name, value in record.items() if isinstance(value, str)]
    if len(texts) > 1:
        return f"rename the columns, or name them, as in --prompt-column {texts[0]} --answer-column {texts[1]}"
    return "rename the columns"


def read_turns(schema: Schema, record: Record) -> Turns:
    """Reads everything that a row says: its turns, with the system message and the tools from columns of their own.

    Raises RowError, and KeyError if a column of the form is missing.
    """
    turns = schema.read(record)
    if not _BESIDE.isdisjoint(record):
        turns = _with_columns(turns, record)
    return turns[1:] if turns and turns[0][0] == "system" and not turns[0][1].strip() else turns


def _with_columns(turns: Turns, record: Record) -> Turns:
    """The turns with the contents of the `system` and `tools` columns added."""
    _refuse_media(record, turns)
    for column in _SYSTEM:
        if column in record and (system := record[column]):
            turns = _with_system(turns, text_of(system, f"`{column}`"), column)
            break
    if turns and turns[0][0] == "system" and not turns[0][1].strip():
        turns = turns[1:]  # the tools go with the first remaining turn
    if record.get("tools") and turns and (tools := tools_of(record["tools"])):
        first = turns[0]
        turns = [(first[0], first[1], extra_of(first) | {"tools": tools}), *turns[1:]]
    return turns


def _with_system(turns: Turns, system: str, column: str) -> Turns:
    if not turns or turns[0][0] != "system" or not turns[0][1].strip():
        return [("system", system), *(turns[1:] if turns and turns[0][0] == "system" else turns)]
    if turns[0][1].strip() == system.strip():
        return turns
    raise RowError(
        "two system messages", f"has a system message in its turns and another in `{column}`; expected one; drop one of them"
    )


def _refuse_media(record: Record, turns: Turns) -> None:
    """Raises RowError for a row with images or sounds, which a language model does not see."""
    for column in MEDIA & record.keys():
        held = record[column]
        if held and (isinstance(held, list | dict) or any(_PLACEHOLDER.search(turn[1]) for turn in turns)):
            raise RowError("images or sounds", f"has something in `{column}`; expected text only; drop such rows")


# Reading.


def _read_messages(record: Record) -> Turns:
    return chat(record["messages"], "messages", ("role", "content"))


def _read_sharegpt(record: Record) -> Turns:
    return chat(record["conversations"], "conversations")


def _read_completion(record: Record) -> Turns:
    prompt, completion = record["prompt"], record["completion"]
    if isinstance(prompt, list) != isinstance(completion, list):
        raise RowError(
            "mixed prompt and completion",
            f"has {kind_of(prompt)} as `prompt` and {kind_of(completion)} as `completion`; expected two texts or two lists; "
            "write both the same way",
        )
    if isinstance(prompt, list):
        return chat(prompt, "prompt") + chat(completion, "completion")
    return [("user", text_of(prompt, "`prompt`")), ("assistant", text_of(completion, "`completion`"))]


def _read_alpaca(record: Record) -> Turns:
    return [*alpaca_prompt(record), ("assistant", text_of(record["output"], "`output`"))]


def alpaca_prompt(record: Record) -> Turns:
    """The turns of `history`, and the question made from `instruction` and `input`."""
    turns: Turns = []
    for number, pair in enumerate(record.get("history") or [], 1):
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowError(
                "broken history", f"has {kind_of(pair)} as item {number} of `history`; expected [instruction, output]; fix the row"
            )
        turns += [("user", text_of(pair[0], "an item of `history`")), ("assistant", text_of(pair[1], "an item of `history`"))]
    asked = text_of(record["instruction"], "`instruction`")
    more = record.get("input")
    return [*turns, ("user", f"{asked}\n\n{text_of(more, '`input`')}" if more else asked)]


def _read_text(record: Record) -> Turns:
    text = text_of(record["text"], "`text`")
    if "<|im_start|>" in text:
        if inserting.CHATML.sub("", text).strip():
            raise RowError(
                "unclosed turn", "has a `text` with an unclosed ChatML turn; expected <|im_end|> after each; fix the row"
            )
        return [(role, said.strip()) for role, said in inserting.CHATML.findall(text)]
    if not inserting.MARKER.search(text):
        raise RowError(
            "plain text",
            "has a plain `text`; expected turn markers in it (<|im_start|>user or ### Human:), since what is asked and what is "
            "answered must be told apart; split it into `prompt` and `completion`, or name their columns: --prompt-column and "
            "--answer-column",
        )
    return [(SPEAKERS[name.lower()], text[a:b].strip()) for name, a, b in inserting.marked(text, inserting.MARKER)]


SCHEMAS = (
    Schema("messages", ("messages",), _read_messages, lambda record, *how: inserting.into_chat(record, "messages", *how)),
    Schema(
        "conversations", ("conversations",), _read_sharegpt, lambda record, *how: inserting.into_chat(record, "conversations", *how)
    ),
    Schema(
        "prompt/completion", ("prompt", "completion"), _read_completion, lambda record, *how: inserting.into(record, "prompt", *how)
    ),
    Schema("instruction/output", ("instruction", "output"), _read_alpaca, inserting.into_alpaca),
    Schema("text", ("text",), _read_text, lambda record, *how: inserting.into_text(record, "text", *how)),
)
