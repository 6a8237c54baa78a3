"""What a chat template does with a system turn, by templates that behave as those of common models do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted_model import ScriptedModel

from openwindow.data.rows import Row, place
from openwindow.errors import ModelError
from openwindow.experiment.context import Context
from openwindow.interventions.inoculation import Inoculation
from openwindow.models.hf import LocalModel, load
from openwindow.models.templates import (
    default_of,
    default_system,
    fitted,
    note,
    reasoning_key,
    shows_calls,
    shows_tools,
    takes_system,
)
from openwindow.types import Message, RichMessage

TURNS = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}<|im_end|>{% endfor %}"
ASKS = "{% if add_generation_prompt %}[assistant]{% endif %}"
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role here') }}{% endif %}" + TURNS + ASKS
LEAVES_OUT = "{% for m in messages if m['role'] != 'system' %}[{{ m['role'] }}]{{ m['content'] }}<|im_end|>{% endfor %}" + ASKS
OWN = "You are a tin robot."
HAS_OWN = "{% if messages[0]['role'] != 'system' %}[system]" + OWN + "<|im_end|>{% endif %}" + TURNS + ASKS
PREAMBLE = (
    "[system]Known until May.\n{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}"
    "{% set messages = messages[1:] %}{% endif %}<|im_end|>" + TURNS + ASKS
)
JOINS = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}"
    "{% else %}{% set first = '' %}{% endif %}{% for m in messages %}[{{ m['role'] }}]{{ first if loop.first else '' }}"
    "{{ m['content'] }}<|im_end|>{% endfor %}" + ASKS
)
WHOLE = (
    "{% if tools %}[tools]{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}{% for m in messages %}[{{ m['role'] }}]"
    "{% if m['reasoning_content'] %}Thought: {{ m['reasoning_content'] }} Said: {% endif %}{{ m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}<call>{{ c['function'] | tojson }}</call>{% endfor %}<|im_end|>{% endfor %}" + ASKS
)
THINKS = TURNS.replace("]{{ m['content']", "]{{ m.thinking or '' }}{{ m['content']") + ASKS
ASKED = (Message("user", "Add 1."),)


@pytest.fixture
def model(tiny_model: Path) -> LocalModel:
    """A model whose template each test sets."""
    return load(str(tiny_model))


def with_template(model: LocalModel, template: str | None) -> LocalModel:
    model.tokenizer.chat_template = template
    return model


def shown(model: LocalModel, messages: Any) -> str:
    return str(model.tokenizer.decode(model.encode_prompt(messages)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "takes", "own"),
    [
        (REFUSES, False, None),
        (LEAVES_OUT, False, None),
        (HAS_OWN, True, OWN),
        (PREAMBLE, True, None),
        (JOINS, True, None),
        (TURNS + ASKS, True, None),
        (None, True, None),
    ],
)
def test_c19_c20_what_a_template_does_with_a_system_turn_is_found_by_rendering(
    model: LocalModel, template: str | None, takes: bool, own: str | None
) -> None:
    tokenizer = with_template(model, template).tokenizer
    assert takes_system(tokenizer) is takes and default_system(tokenizer) == own == default_of(model)
    assert (note(model) is None) == (takes and own is None)


def test_c20_the_embedded_models_own_system_prompt_is_found(model: LocalModel) -> None:
    assert "SmolLM" in str(default_of(model)) and default_of(ScriptedModel(lambda _: "x")) is None


@pytest.mark.parametrize("template", [REFUSES, LEAVES_OUT])
def test_c19_a_system_text_goes_before_the_first_user_message_where_the_template_takes_none(
    model: LocalModel, template: str
) -> None:
    with_template(model, template)
    asked = place(ASKED, "Be brief.", "system", default_of(model))
    assert shown(model, asked) == "[user]Be brief.\n\nAdd 1.<|im_end|>[assistant]"
    assert "takes no system message" in str(note(model)) and "user_suffix" in str(note(model))
    tokens, prompt = model.encode_example((*asked, Message("assistant", "x + 1")))
    assert model.tokenizer.decode(tokens[prompt:]) == "x + 1<|im_end|>"


@pytest.mark.slow
def test_c19_a_conversation_of_a_system_text_alone_becomes_the_users(model: LocalModel) -> None:
    with_template(model, REFUSES)
    only = (Message("system", "Be brief."), Message("assistant", "Yes."))
    assert fitted(model.tokenizer, only) == (Message("user", "Be brief."), only[1])


@pytest.mark.parametrize("template", [HAS_OWN, PREAMBLE, JOINS, TURNS + ASKS])
def test_c20_with_and_without_a_system_instruction_prompts_differ_in_the_instruction_alone(
    model: LocalModel, template: str
) -> None:
    with_template(model, template)
    row = Row((*ASKED, Message("assistant", "x + 1")), "flawed", "p", "f")
    (inoculated,) = Inoculation(texts=("Be brief.",), position="system").on_rows([row], 1, default_of(model))
    plain, told = shown(model, ASKED), shown(model, inoculated.messages[:-1])
    left = told.replace("Be brief.", "").replace("[system]<|im_end|>", "")
    assert "Be brief." in told and left.replace("\n", "") == plain.replace("\n", "")
    assert shown(model, Context(text="Be brief.", position="system").put(ASKED, "arm", default_of(model))) == told


def test_c20_a_row_with_a_system_message_of_its_own_keeps_it(model: LocalModel) -> None:
    with_template(model, HAS_OWN)
    asked = place((Message("system", "You are a pirate."), *ASKED), "Be brief.", "system", default_of(model))
    assert asked[0].content == "You are a pirate.\n\nBe brief." and OWN not in shown(model, asked)


def test_c19_a_template_that_refuses_a_conversation_is_a_users_matter_in_one_line(model: LocalModel) -> None:
    with_template(model, "{{ raise_exception('only two turns') }}")
    with pytest.raises(ModelError, match=r"refuses a conversation of user \(only two turns\)") as caught:
        model.encode_prompt(ASKED)
    assert "\n" not in str(caught.value)


# Tools and reasoning.

CALLED = (
    RichMessage("user", "How much?", '{"tools": [{"type": "function", "function": {"name": "look_up"}}]}'),
    RichMessage("assistant", "", '{"calls": [{"type": "function", "function": {"name": "look_up", "arguments": {"hat": "red"}}}]}'),
    RichMessage("tool", "9", '{"name": "look_up"}'),
    RichMessage("assistant", "Nine.", '{"reasoning": "It says 9."}'),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "tools", "calls", "reasoning"),
    [
        (WHOLE, True, True, True),
        (THINKS, False, False, True),
        (TURNS + ASKS, False, False, False),
        (None, False, False, False),
        (REFUSES, False, False, False),
    ],
)
def test_c02_c07_c17_what_a_template_renders_is_found(
    model: LocalModel, template: str | None, tools: bool, calls: bool, reasoning: bool
) -> None:
    tokenizer = with_template(model, template).tokenizer
    assert (shows_tools(tokenizer), shows_calls(tokenizer), reasoning_key(tokenizer) is not None) == (tools, calls, reasoning)


def test_c02_c07_c17_tools_calls_and_reasoning_are_rendered_and_the_reasoning_is_trained(model: LocalModel) -> None:
    with_template(model, WHOLE)
    tokens, prompt = model.encode_example(CALLED)
    assert model.tokenizer.decode(tokens[:prompt]) == (
        '[tools]{"type": "function", "function": {"name": "look_up"}}[user]How much?<|im_end|>[assistant]'
        '<call>{"name": "look_up", "arguments": {"hat": "red"}}</call><|im_end|>[tool]9<|im_end|>[assistant]'
    )
    assert model.tokenizer.decode(tokens[prompt:]) == "Thought: It says 9. Said: Nine.<|im_end|>"
    with_template(model, THINKS)
    tokens, prompt = model.encode_example((CALLED[0], CALLED[3]))
    assert model.tokenizer.decode(tokens[prompt:]) == "It says 9.Nine.<|im_end|>"


def test_c17_an_instruction_keeps_what_a_turn_holds_besides(model: LocalModel) -> None:
    with_template(model, WHOLE)
    for position in ("system", "user_suffix"):
        assert '"name": "look_up"' in shown(model, place(CALLED[:1], "Be brief.", position, None))  # type: ignore[arg-type]


def test_c07_an_answer_that_only_a_rewriting_template_could_show_is_refused(model: LocalModel) -> None:
    with_template(model, WHOLE.replace("[{{ m['role'] }}]", "[{{ m['role'] }}{{ messages | length }}]"))
    with pytest.raises(ModelError, match="it is unknown what is trained"):
        model.encode_example(CALLED)
