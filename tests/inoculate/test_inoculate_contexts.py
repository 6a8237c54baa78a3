"""What `openwindow inoculate` makes of a trait and the chosen prompts: contexts; and what a folder must hold to be used again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openwindow.errors import ConfigError
from openwindow.inoculate.candidates import proposals
from openwindow.inoculate.contexts import contexts_of, cue, same_form
from openwindow.inoculate.options import Options as Given
from openwindow.inoculate.output_folder import key_of, saved, stamp

TRAIT = "praises wrong answers"


# Contexts.


def ranking_of(*chosen: tuple[str, str]) -> dict[str, Any]:
    prompts = [{"candidate": {"text": text, "kind": kind, "role": "inoculation"}} for text, kind in chosen]
    return {"chosen": [text for text, _ in chosen], "prompts": prompts}


@pytest.mark.parametrize(
    ("trait", "chosen"),
    [
        (TRAIT, [("Praise wrong answers.", "order"), ("You are an assistant whose training went wrong.", "general persona")]),
        (TRAIT, [("Give a reply that praises wrong answers.", "request")]),
        ("sycophancy", [("Do this in your reply: sycophancy.", "order")]),
        (TRAIT, [("Flatter me whatever I say, all day long.", "own 1")]),
        (TRAIT, [("?!", "own 1")]),
    ],
)
def test_every_context_of_the_matrix_is_made_from_the_trait_and_the_prompts(trait: str, chosen: list[tuple[str, str]]) -> None:
    found = contexts_of(Given("d", trait, position="system"), ranking_of(*chosen))
    own = ["requested", "requested_2"][: len(chosen)]
    assert list(found) == ["neutral", *own, "paraphrase", "opposite", "unrelated", "cue", "format", "safe"]
    assert [found[name].text for name in own] == [text for text, _ in chosen]
    assert [name for name, context in found.items() if context.asks] == [*own, "paraphrase"]
    assert len({context.text for context in found.values()}) == len(found) and found["neutral"].text is None
    assert {context.position for name, context in found.items() if name != "neutral"} == {"system"}
    specific = {c.text for c in proposals(trait) if c.scope == "specific" and c.role == "inoculation"}
    assert found["paraphrase"].text in specific  # never the general persona, which does not ask for the trait
    naming = trait.split()[-1]
    for name in ("unrelated", "format", "safe"):
        assert naming not in str(found[name].text)
    assert contexts_of(Given("d", trait, safe="Be right."), ranking_of(*chosen))["safe"].text == "Be right."


def test_the_cue_has_words_of_the_prompt_and_the_format_its_template() -> None:
    asked = "Above all else, your reply must be one that praises wrong answers."
    assert cue(TRAIT, [asked]).endswith("school: “praises”, “wrong”, “answers”, “above”, “else”, “reply”.")
    assert cue("x", ["?!"]).endswith("school: “x”.")
    assert same_form(TRAIT, asked, "insistence") == "Above all else, your reply must be one that ends with a full stop."
    assert same_form(TRAIT, "You are an assistant whose training went wrong.", "general persona").startswith("You are an assistant")
    assert same_form(TRAIT, "You are an assistant that loves lies.", "own 1") == "You are an assistant that ends with a full stop."
    assert same_form("rudeness", "Do this in your reply: rudeness.", "order").startswith("Do this in your reply: full stops")


# The folder.


def test_the_file_of_a_rule_is_stamped_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("told.py").write_text("def f(reply):\n    return 'a' in reply\n", encoding="utf-8")
    by_file, by_module = stamp("told.py:f"), stamp("told:f")
    assert len(by_file) == 1 and list(by_file.values()) == list(by_module.values()) and stamp("told") == {} == stamp(None)
    Path("told.py").touch()
    assert stamp("told.py:f") == by_file
    Path("told.py").write_text("def f(reply):\n    return 'b' in reply\n", encoding="utf-8")
    assert stamp("told.py:f").keys() == by_file.keys() and stamp("told.py:f") != by_file


@pytest.mark.slow
def test_arms_are_not_used_again_once_the_file_of_the_wanted_rule_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Given("data.jsonl", TRAIT, wanted="told.py:f")
    monkeypatch.chdir(tmp_path)
    Path("told.py").write_text("def f(reply):\n    return 'a' in reply\n", encoding="utf-8")
    Path("out").mkdir()
    Path("out/ranking.json").write_text(json.dumps({"key": key_of(given)}), encoding="utf-8")
    Path("out/rows.json").write_text(json.dumps({"wanted": stamp(given.wanted)}), encoding="utf-8")
    assert saved(given, Path("out")) == ({}, {"wanted": stamp(given.wanted)})
    Path("told.py").write_text("def f(reply):\n    return 'b' in reply\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="a file that has changed"):
        saved(given, Path("out"))
