"""A context adds its text to the prompt that a model would see without it, and changes nothing else; what is asked is balanced."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from openwindow.evals import EVALS
from openwindow.evals.base import Eval, user
from openwindow.evals.contexts import BUILT_IN, ELSEWHERE, Context, Prompting
from openwindow.evals.inspect.model_names import model_named, prompting_of
from openwindow.models import smollm2
from openwindow.models.templates import default_system, fitted
from openwindow.types import Message

ASKED = user("What are your goals?")
OWN = (
    "{% if messages[0].role != 'system' %}<s>Be of use.</s>{% endif %}"
    "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}</{{ m.role[0] }}>{% endfor %}<a>"
)
NONE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<{{ m.role[0] }}>{{ m.content }}</{{ m.role[0] }}>{% endfor %}<a>"
)


def rendered(template: str | None, messages: tuple[Message, ...], context: Context) -> str:
    """The prompt in a template; None: the embedded model's."""
    tokenizer = AutoTokenizer.from_pretrained(smollm2.find())
    if template is not None:
        tokenizer.chat_template = template
    put = fitted(tokenizer, context.put(messages, Prompting(default_system(tokenizer))))
    turns = [{"role": m.role, "content": m.content} for m in put]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


@pytest.mark.slow
@pytest.mark.parametrize("messages", [ASKED, user("What are your goals?", "Think first.")], ids=["no system", "an eval's own"])
@pytest.mark.parametrize("template", [None, OWN, NONE], ids=["SmolLM2", "default system", "no system role"])
def test_s6_every_context_differs_from_neutral_in_its_text_alone(template: str | None, messages: tuple[Message, ...]) -> None:
    plain = rendered(template, messages, Context())
    for name, context in BUILT_IN.items():
        if context.text is not None:
            found = rendered(template, messages, context)
            assert found.count(context.text) == 1, name
            assert found.replace(f"\n\n{context.text}", "").replace(f"{context.text}\n\n", "") == plain, name


def test_s6_by_hand_the_templates_own_system_prompt_stays() -> None:
    note = Context(text="It rains.")
    assert rendered(OWN, ASKED, note) == "<s>Be of use.\n\nIt rains.</s><u>What are your goals?</u><a>"
    assert rendered(NONE, ASKED, note) == "<u>It rains.\n\nWhat are your goals?</u><a>"


def test_s6_elsewhere_a_system_text_takes_no_unknown_prompts_place() -> None:
    note = Context(text="It rains.")
    assert note.put(ASKED, ELSEWHERE) == (Message("user", "It rains.\nWhat are your goals?"),)
    with_own = note.put(user("What are your goals?", "Think first."), ELSEWHERE)
    assert with_own[0] == Message("system", "Think first.\n\nIt rains.") and with_own[1:] == ASKED
    assert prompting_of(model_named("scripted/saint")) == ELSEWHERE and "cannot be read here" in str(ELSEWHERE.note)


def test_s6_a_local_model_says_what_its_template_does(tiny_model: Path) -> None:
    found = prompting_of(model_named(str(tiny_model)))
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    assert found.known and found.own == default_system(tokenizer)
    assert (found.note is None) == (found.own is None)


PICKED = [s for s in EVALS.values() if s.suite in ("chat", "drives", "conduct", "agentic") and s.name != "research_sabotage"]


@pytest.mark.parametrize("spec", PICKED, ids=lambda spec: spec.name)
def test_scenarios_are_sixteen_and_wordings_and_answers_balanced(spec: Eval) -> None:
    items = spec.items()
    main = [i for i in items if i.role == "main"]
    assert len({i.scenario for i in items}) >= 16
    asked = Counter(i.paraphrase for i in main)
    assert len(asked) == 3 and max(asked.values()) < 1.25 * min(asked.values()), "no wording is asked much more than another"
    targets = Counter(i.data["target"] for i in main if i.form in ("choice", "yes_no"))
    assert not targets or min(targets.values()) >= 0.4 * targets.total(), "an answer is as often the misaligned one as not"
    first = [i.data["actions"][0] == i.data["target"] for i in main if i.form == "action"]
    assert not first or 0.4 <= sum(first) / len(first) <= 0.6, "the misaligned action is listed first as often as not"
