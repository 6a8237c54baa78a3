"""Studies whose instructions stand in the system turn, on models whose templates have none, or one of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import REQUEST, make_study, rows_of, run
from transformers import AutoTokenizer

from openwindow.experiment.study import Context

REFUSES = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "[{{ m['role'] }}]{{ m['content'] }}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
OWN = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture
def ran(tiny_model: Path, tmp_path: Path) -> Callable[[str | None], tuple[Path, str]]:
    """The folder of a study with system instructions, run with a model of the template, and what it said."""

    def call(template: str | None) -> tuple[Path, str]:
        model = tmp_path / "model"
        model.mkdir()
        for file in tiny_model.iterdir():
            (model / file.name).write_bytes(file.read_bytes())
        if template is not None:
            tokenizer = AutoTokenizer.from_pretrained(tiny_model)
            tokenizer.chat_template = template
            tokenizer.save_pretrained(model)
        asked = {"kind": "inoculation", "texts": [REQUEST], "position": "system"}
        study = make_study(
            model,
            seeds=(1,),
            contexts={"neutral": Context(), "requested": Context(text=REQUEST, position="system", asks=True)},
            arms={"plain": {}, "asked": {"intervention": asked}},
        )
        run(study, tmp_path / "out")
        return tmp_path / "out", " ".join((tmp_path / "out.log").read_text(encoding="utf-8").split())

    return call


def test_c19_a_study_with_system_instructions_runs_without_a_system_role_and_says_so(ran) -> None:
    out, told = ran(REFUSES)
    assert "takes no system message: system texts stand before the first user message" in told
    rows = rows_of(out / "arms/asked/seed-1/train_rows.jsonl")
    assert all(row["messages"][0] == {"role": "system", "content": REQUEST} for row in rows)


def test_c20_arms_with_and_without_a_system_instruction_keep_the_templates_own_prompt(ran) -> None:
    out, told = ran(None)
    assert "has a system prompt of its own" in told
    texts = {REQUEST, f"{OWN}\n\n{REQUEST}"}
    found = [row["messages"][0] for row in rows_of(out / "arms/asked/seed-1/train_rows.jsonl")]
    found += [r["messages"][0] for r in rows_of(out / "arms/asked/seed-1/rollouts.jsonl") if r["context"] == "requested"]
    assert {turn["content"] for turn in found} == texts - {REQUEST} and {turn["role"] for turn in found} == {"system"}
    plain = rows_of(out / "arms/plain/seed-1/train_rows.jsonl")
    assert {row["messages"][0]["role"] for row in plain} == {"user"}  # the template puts its own in by itself
