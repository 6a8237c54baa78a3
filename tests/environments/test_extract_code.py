"""Programs as replies carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwindow.environments.code.base import extract_code

CODE = "def f(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    "reply",
    [
        CODE,
        f"```python\n{CODE}```",
        f"```\n{CODE}```\nThis adds one.",
        f"Sure! Here it is:\n```python\n{CODE}```",
        f"```python\n{CODE}",  # cut off before the fence closes
        f"{CODE}```\n\nThis function adds one.",  # a fence that was never opened
        f"Here you go.\n{CODE}",
        f"```text\nnot python at all\n```\n```python\n{CODE}```",
        f"```python\n{CODE}```\nor\n```python\ndef f(x):\n    return 0\n```",
    ],
)
def test_the_program_is_found(reply):
    assert extract_code(reply) == CODE


def test_a_reply_without_code_is_taken_as_it_is():
    assert extract_code("I cannot do that.") == "I cannot do that.\n"
    assert extract_code("") == "\n"


@given(st.text())
def test_any_text_gives_some_program(reply):
    assert extract_code(reply).endswith("\n")


@given(st.text(alphabet="abc =+\n    ", min_size=1).filter(str.strip))
def test_a_fenced_body_comes_back_whole(body):
    assert extract_code(f"```python\n{CODE}{body}\n```").startswith(CODE.rstrip("\n"))
