"""Contexts: the built-in ones, the user's file, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from openwindow.errors import ConfigError
from openwindow.evals.contexts import BUILT_IN, Context, parse_contexts
from openwindow.types import Message


def test_built_in_set() -> None:
    wanted = ["neutral", "requested", "paraphrase", "opposite", "unrelated", "cue", "monitored", "deployed"]
    assert list(parse_contexts("all")) == wanted
    assert list(parse_contexts(None)) == ["neutral"]
    assert list(parse_contexts("monitored, deployed")) == ["neutral", "monitored", "deployed"]
    assert {name for name, c in BUILT_IN.items() if c.asks} == {"requested", "paraphrase"}


def test_a_text_is_put_where_it_belongs() -> None:
    asked = (Message("user", "Hello"),)
    assert Context(text="Note.").put(asked)[0] == Message("system", "Note.")
    assert Context(text="Note.", position="user_suffix").put(asked)[-1].content == "Hello\nNote."
    assert Context().put(asked) == asked


@pytest.mark.parametrize(
    ("name", "text"), [("c.yaml", "asked: {text: Do it., asks: true}\nplain: A note."), ("c.json", '{"plain": "A note."}')]
)
def test_a_users_file(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    found = parse_contexts(str(path))
    assert next(iter(found)) == "neutral" and found["plain"].text == "A note."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("asked: {txet: hi}", "did you mean 'text'"),
        ("asked: {text: hi, position: top}", "field 'position'"),
        ("neutral: {text: hi}\nasked: A note.", "context 'neutral': it has a text"),
        ("neutral: hi", "give that context another name"),
        ("- a\n- b", "holds no contexts"),
        ("a: [b", "is not YAML or JSON"),
        ("", "holds no contexts"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        parse_contexts(str(path))
    assert "\n" not in str(caught.value)


def test_a_neutral_context_without_a_text_may_be_named_and_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("asked: Do it.\nneutral: {}")
    assert list(parse_contexts(str(path))) == ["neutral", "asked"]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'monitored'"):
        parse_contexts("monitord")
    with pytest.raises(ConfigError, match="cannot read contexts"):
        parse_contexts("nowhere.yaml")
