"""The model that plays written replies."""

from __future__ import annotations

from scripted_model import ScriptedModel

from openwindow.models.base import Model, Sampling
from openwindow.types import Message, StopReason


def ask(*texts: str) -> list[list[Message]]:
    return [[Message("user", text)] for text in texts]


def test_it_answers_each_conversation_in_order() -> None:
    model: Model = ScriptedModel(lambda conversation: conversation[-1].content.upper())
    replies = model.generate(ask("one", "two", "one"), Sampling())
    assert [reply.text for reply in replies] == ["ONE", "TWO", "ONE"]
    assert all(reply.stop is StopReason.END and reply.tokens == 1 for reply in replies)


def test_a_cut_reply_says_so() -> None:
    model = ScriptedModel(lambda conversation: conversation[-1].content)
    short, exact, cut = model.generate(ask("a", "a b", "a b c"), Sampling(max_new_tokens=2))
    assert [(r.text, r.stop, r.tokens) for r in (short, exact, cut)] == [
        ("a", StopReason.END, 1),
        ("a b", StopReason.END, 2),
        ("a b", StopReason.LENGTH, 2),
    ]


def test_white_space_of_a_program_is_kept() -> None:
    code = "def f(x):\n    return  x\n"
    (reply,) = ScriptedModel(lambda _: code).generate(ask("?"), Sampling())
    assert reply.text == code


def test_progress_counts_every_reply() -> None:
    counted: list[int] = []
    model = ScriptedModel(lambda _: "x", name="played")
    assert model.generate([], Sampling(), counted.append) == [] and counted == []
    model.generate(ask("a", "b"), Sampling(), counted.append)
    assert sum(counted) == 2 and model.name == "played"
