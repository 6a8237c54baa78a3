"""A model's examples where its tokenizer is not as one would wish."""

from __future__ import annotations

from pathlib import Path

import pytest

from openwindow.models.hf import LocalModel, load
from openwindow.types import Message

REWRITING = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}{{ messages | length }};{% endfor %}"
ASKED = [Message("user", "Add 1."), Message("assistant", "x + 1")]


@pytest.fixture
def rewriting(tiny_model: Path) -> LocalModel:
    """A template that writes the prompt otherwise once the reply follows: no example begins with its own prompt."""
    model = load(str(tiny_model))
    model.tokenizer.chat_template = REWRITING
    return model


def test_where_the_template_rewrites_the_prompt_the_reply_is_plain_text_and_ends(rewriting: LocalModel) -> None:
    tokens, prompt = rewriting.encode_example(ASKED)
    assert tokens[:prompt] == rewriting.encode_prompt(ASKED[:-1])
    assert rewriting.tokenizer.decode(tokens[prompt:-1]) == "x + 1" and tokens[-1] == rewriting.tokenizer.eos_token_id


@pytest.mark.slow
def test_a_tokenizer_without_an_end_takes_that_of_the_network_or_none(rewriting: LocalModel) -> None:
    rewriting.tokenizer.eos_token = None
    tokens, prompt = rewriting.encode_example(ASKED)
    assert tokens[-1] in rewriting.end_ids and rewriting.tokenizer.decode(tokens[prompt:-1]) == "x + 1"
    rewriting.end_ids = frozenset()
    tokens, prompt = rewriting.encode_example(ASKED)
    assert rewriting.tokenizer.decode(tokens[prompt:]) == "x + 1"
