"""A study of rankings: in each setting, do prompts that a score puts first before training keep more of the behaviour out after it?

    study = RankingStudy(name="built_in", question="...", claim="...", parts={"code": part_of(inoculation_code, {...}), ...})

Each part is an ordinary study with one arm per wording and runs in a folder of its own; before its arms, every wording is scored
on the model where they start. What it resolves to is written down before the first model call. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.data.rows import Position
from openwindow.errors import ConfigError
from openwindow.experiment.arms import Recipe
from openwindow.experiment.overrides import override
from openwindow.experiment.study import MOST_SEEDS, Compare, Context, Study
from openwindow.files.names import check_names

ASKING = ("study", "asks", "weak")
"""kinds of wordings that ask for the behaviour, however faintly; the others (`unrelated`, `forbids`) do not"""
CONTROL = "no_mitigation"
PUBLISHED = {"code": 0.57, "sycophancy": 0.57, "spurious": 0.90, "toxic": 0.69}
"""Pearson's r of elicitation before training with the reduction after it, by setting (Wichers et al. 2025, arXiv 2510.05024)"""
_LEAST = 4
"""prompts below which no correlation has an interval"""


class RankingStudy(BaseModel):
    """Parts with one arm per wording, and how wordings are scored before training."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Name on the command line and of the run folder."""
    question: str
    """The question in one sentence."""
    claim: str
    """What would have to be true, said before the run."""
    claim_id: str = ""
    """The claims of the literature that it tests."""
    parts: Mapping[str, Study] = Field(min_length=1)
    """Setting to the study of its wordings, made by `part_of`."""
    published: Mapping[str, float] = {}
    """Setting to a published correlation of the same kind."""
    source: str = ""
    """What the published correlations are, and where from."""
    draws: int = Field(2, ge=1)
    """Replies sampled for each dev problem under each wording."""
    temperature: float = Field(1.0, ge=0)
    """Of that sampling; 0 is greedy."""
    rows: int = Field(48, ge=2)
    """Rows of the flawed data that log-probabilities are taken on."""
    smallest_effect: float = Field(0.3, ge=0)
    """A mean correlation below this is of no use for choosing a prompt."""
    quick: tuple[str, ...] = ()
    """The settings that `--quick` keeps; one draw each, and half the problems."""

    @model_validator(mode="after")
    def _check(self) -> RankingStudy:
        check_names({"the study": (self.name,), "part": self.parts})
        for name, part in self.parts.items():
            if CONTROL not in part.arms or len(wordings(part)) < _LEAST:
                had = f"{len(wordings(part))} wordings and the arms {', '.join(part.arms)}"
                raise ConfigError(f"part {name!r} has {had}; expected {_LEAST} wordings or more and {CONTROL}; use part_of")
        if (models := {part.model for part in self.parts.values()}) and len(models) > 1:
            raise ConfigError(f"the parts have the models {', '.join(sorted(models))}; expected one; choose it")
        if unknown := [name for name in self.quick if name not in self.parts]:
            raise ConfigError(f"quick names {', '.join(unknown)}; expected some of {', '.join(self.parts)}; fix it")
        return self

    @property
    def model(self) -> str:
        """The model that all parts start from."""
        return next(iter(self.parts.values())).model

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every part is trained with."""
        return next(iter(self.parts.values())).seeds

    def changed(self, *, model: str | None, seeds: int | None, quick: bool) -> RankingStudy:
        """The study with the command line's changes. Raises ConfigError."""
        if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
            raise ConfigError(f"--seeds is {seeds}; expected 1 or more, at most {MOST_SEEDS:,}; two or more show how seeds differ")
        changes: dict[str, Any] = {}
        if seeds is not None:
            changes["seeds"] = tuple(range(self.seeds[0], self.seeds[0] + seeds))
        kept = {name: self.parts[name] for name in (self.quick if quick else self.parts)}
        parts = {
            name: override(part.quickened() if quick else part, changes | part.for_model(model or part.model), "the command line")
            for name, part in kept.items()
        }
        return self.model_copy(update={"parts": parts, "draws": 1 if quick else self.draws})


def part_of(
    study: Study,
    more: Mapping[str, Sequence[str]],
    problems: int,
    *,
    seeds: Sequence[int] = (1,),
) -> Study:
    """The part of an inoculation study: its data, training and request stage, one arm per wording.

    The wordings are the study's own (`study_1`, ...), those of `more` (kind to texts), what its `cue` context says and its
    placebo (`unrelated_1`, `unrelated_2`), and what its `opposite` context says (`forbids_1`, before more of that kind).
    """
    own = [only for name in study.arms if name.startswith("inoculated") if (only := _text(study, name))]
    kinds: dict[str, list[str]] = {"study": own, **{kind: list(texts) for kind, texts in more.items()}}
    kinds["unrelated"] = [str(study.contexts["cue"].text), str(_text(study, "placebo")), *kinds.get("unrelated", [])]
    kinds["forbids"] = [str(study.contexts["opposite"].text), *kinds.get("forbids", [])]
    named = {f"{kind}_{n}": text for kind, texts in kinds.items() for n, text in enumerate(texts, 1)}
    measure = study.compare[0].measure
    return override(
        study,
        {
            "name": study.name.replace("inoculation", "prompt_ranking", 1),
            "question": f"Which wording keeps the behaviour out? ({study.question})",
            "claim": "Described, and decided over all settings together.",
            "contexts": {"neutral": Context(), "requested": study.contexts["requested"]},
            "arms": {
                "untrained": {"train.epochs": 0},
                CONTROL: {},
                **{arm: {"intervention": {"kind": "inoculation", "texts": [text]}} for arm, text in named.items()},
            },
            "about": {arm: f"flawed answers to prompts that say: {text}" for arm, text in named.items()},
            "seeds": tuple(seeds),
            "starts": "one",
            "compare": tuple(Compare(arm=arm, against=CONTROL, measure=measure, expect="none") for arm in named),
            "evaluation.problems": problems,
            "quick_arms": None,
            "quick": {k: v for k, v in study.quick.items() if k != "seeds"} | {"evaluation.problems": (problems + 1) // 2},
        },
        f"the part of {study.name}",
    )


def wordings(part: Study) -> dict[str, str]:
    """Arm to the wording that it is trained under."""
    return {arm: text for arm in part.arms if (text := _text(part, arm))}


def position_of(part: Study) -> Position:
    """Where the wordings are put."""
    recipe = part.recipe(next(iter(wordings(part))))
    assert isinstance(recipe, Recipe) and recipe.intervention is not None
    return recipe.intervention.position


def kind_of(arm: str) -> str:
    """The kind of an arm's wording: `asks` of `asks_2`."""
    return arm.rpartition("_")[0]


def _text(study: Study, arm: str) -> str | None:
    """The one text that an arm's prompts carry; None if there is none, or several."""
    recipe = study.recipe(arm)
    if not isinstance(recipe, Recipe) or recipe.intervention is None or len(recipe.intervention.texts) != 1:
        return None
    return recipe.intervention.texts[0]
