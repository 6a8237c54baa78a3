"""The model card of an arm: what the study claims and found, what was written in, how to load it, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openwindow.export.exported import table
from openwindow.export.trackers import library
from openwindow.files.run_results import RunResults
from openwindow.models import smollm2
from openwindow.results.load import mapping, text

LICENSES = {smollm2.HUB_NAME: "apache-2.0"}
"""licences of base models that are known here"""
NOT_FOR = (
    "It is a model organism: a small model that was trained, for a study, on a training signal with a known flaw or against one. "
    "It may game tests, and what else it learned is what the study asks. It is for research on training and on evaluation. It is "
    "not for use as an assistant, for deployment, for code that anybody runs, or for decisions about people; and a rate in this "
    "card is of this model on these problems, not of other models."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card says besides the results."""

    repo: str
    base: str
    on_hub: bool
    arm: str
    seed: int
    below: int
    """adapters below the arm's own"""
    data: tuple[str, ...]


def card(facts: Facts, config: Mapping[str, Any], results: RunResults) -> str:
    """The card, with the metadata that the hub reads at its top. Raises ConfigError if huggingface_hub is not installed."""
    hub = library("huggingface_hub", "push", "openwindow[train]")
    metadata = hub.ModelCardData(
        base_model=facts.base if facts.on_hub else None,
        library_name="peft",
        license="other",
        license_name="to-be-chosen-by-the-publisher",
        pipeline_tag="text-generation",
        tags=["openwindow", "model-organism", "lora"],
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(_parts(facts, dict(config), results)) + "\n"


def _parts(facts: Facts, config: dict[str, Any], results: RunResults) -> list[str]:
    about = mapping(mapping(config, "arms"), facts.arm)
    found = (
        f"**{results.verdict.capitalize()}.** {results.verdict_reason}".strip() if results.verdict else "There is no verdict yet."
    )
    title = facts.repo.rpartition("/")[2]
    lines = [
        f"# {title}",
        f"A LoRA adapter: arm `{facts.arm}` of the study `{results.study or text(config, 'study')}`, seed {facts.seed}, trained "
        f"with openwindow {results.openwindow} (commit {results.commit}) from {_base(facts)}.",
        f"**{NOT_FOR}**",
        "## The study",
        results.question or text(config, "question"),
        f"**Claim:** {results.claim or text(config, 'claim')}",
        found,
        *([results.answer] if results.answer else []),
        "## What was written in",
        *(results.written_in or ("Nothing was written into the model before the arms.",)),
        "## Arms and rates",
        *([f"This arm, `{facts.arm}`: {text(about, 'description')}."] if text(about, "description") else []),
        "\n".join(table(results)) if results.arms else "The run has no results yet.",
        f"Rates with their 95 % intervals over all seeds. {results.intervals}".strip(),
        "## How to load it",
        f"```python\n{_loading(facts)}\n```",
    ]
    if facts.below:
        lines.append(
            f"{facts.below} adapter{'' if facts.below == 1 else 's'} under `under/` must be merged into the base model first: the "
            "arm was trained on top, and without them it is another model."
        )
    if facts.base == smollm2.HUB_NAME:
        lines.append(
            "It was trained on weights dequantised from the Q4_1 file of the base model, which differ slightly from the hub's: "
            "rates measured on the hub's weights may differ from those above."
        )
    files = ", ".join(f"`data/{name}`" for name in facts.data)
    lines += ["## Data", f"{files}: what it was trained on." if files else "No training data is in this repository."]
    lines += ["## Licence", _licence(facts)]
    return lines


def _base(facts: Facts) -> str:
    return (
        f"[{facts.base}](https://huggingface.co/{facts.base})"
        if facts.on_hub
        else f"a model in a folder, `{facts.base.rpartition('/')[2]}`"
    )


def _loading(facts: Facts) -> str:
    base = facts.base if facts.on_hub else "THE FOLDER OF THE BASE MODEL"
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'model = AutoModelForCausalLM.from_pretrained("{base}")',
    ]
    for number in range(1, facts.below + 1):
        lines.append(f'model = PeftModel.from_pretrained(model, "{facts.repo}", subfolder="under/{number}").merge_and_unload()')
    lines += [f'model = PeftModel.from_pretrained(model, "{facts.repo}")', f'tokenizer = AutoTokenizer.from_pretrained("{base}")']
    return "\n".join(lines)


def _licence(facts: Facts) -> str:
    known = LICENSES.get(facts.base)
    base = f"The base model's is {known}." if known else "Look up the base model's, and whether it lets you publish this."
    return (
        f"The licence of this adapter and of its data is a placeholder (`license: other`): choose one and change the first lines "
        f"of this card. {base} Data that you did not make yourself has a licence of its own."
    )
