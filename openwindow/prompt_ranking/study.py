"""A study of rankings: in each environment, do the prompts that a score ranks first before training work best after it?

    study = RankingStudy(name="built_in", question="...", claim="...", parts={"code": part_of(inoculation_code, {...}), ...})

Each part is an ordinary study with one arm per wording and runs in a folder of its own; before its arms, every wording is scored
on the model where they start. The resolved study is stored before the first model call. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.data.rows import Position
from openwindow.errors import ConfigError
from openwindow.experiment import cost
from openwindow.experiment.arm import Role
from openwindow.experiment.overrides import override
from openwindow.experiment.study import MOST_SEEDS, Compare, Study
from openwindow.files.names import check_names
from openwindow.interventions.inoculation import Inoculation

ASKING = ("study", "asks", "weak")
"""kinds of wordings that ask for the behaviour, however faintly; the others (`unrelated`, `forbids`) do not"""
PUBLISHED = {"code": 0.57, "sycophancy": 0.57, "spurious": 0.90, "toxic": 0.69}
"""Pearson's r of elicitation before training with the reduction after it, by environment (Wichers et al. 2025, arXiv 2510.05024)"""
_LEAST = 4
"""number of prompts below which a correlation has no interval"""


class RankingStudy(BaseModel):
    """Parts with one arm per wording, and how wordings are scored before training."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Name on the command line and of the run folder."""
    question: str
    """The question in one sentence."""
    claim: str
    """What would have to be true, stated before the run."""
    claim_id: str = ""
    """The claims of the literature that it tests."""
    parts: Mapping[str, Study] = Field(min_length=1)
    """Name of an environment to the study of its wordings, made by `part_of`."""
    published: Mapping[str, float] = {}
    """The same to a published correlation of the same kind."""
    source: str = ""
    """What the published correlations are, and their source."""
    draws: int = Field(2, ge=1)
    """Replies sampled for each dev problem under each wording."""
    temperature: float = Field(1.0, ge=0)
    """Of that sampling; 0 is greedy."""
    rows: int = Field(48, ge=2)
    """Rows of the flawed data that log-probabilities are computed on."""
    smallest_effect: float = Field(0.3, ge=0)
    """A mean correlation below this is useless for choosing a prompt."""
    quick: tuple[str, ...] = ()
    """The parts that `--quick` keeps; one draw each, and half the problems."""

    @model_validator(mode="after")
    def _check(self) -> RankingStudy:
        check_names({"the study": (self.name,), "part": self.parts})
        for name, part in self.parts.items():
            if not part.with_role("control") or len(wordings(part)) < _LEAST:
                had = f"{len(wordings(part))} wordings and the arms {', '.join(part.arms)}"
                raise ConfigError(f"part {name!r} has {had}; expected {_LEAST} wordings or more and a control arm; use part_of")
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
    kinds: Mapping[str, Sequence[str]],
    problems: int,
    *,
    seeds: Sequence[int] = (1,),
) -> Study:
    """The part of an inoculation study: its data, training and request stage, and one arm per wording.

    `kinds` is kind of wording to texts; the first of `asks` trains the arm `asks_1` in the group `asks`. Raises ConfigError for a
    study without an arm of role `start` or `control`.
    """
    start, control = _only(study, "start"), _only(study, "control")
    texts = {f"{kind}_{n}": (kind, text) for kind, of_kind in kinds.items() for n, text in enumerate(of_kind, 1)}
    asked = {
        arm: study.base.but(intervention=Inoculation([text]), role="treatment", group=kind) for arm, (kind, text) in texts.items()
    }
    measure = study.compare[0].measure
    return override(
        study,
        {
            "name": study.name.replace("inoculation", "prompt_ranking", 1),
            "question": f"Which wording keeps the behaviour out? ({study.question})",
            "claim": "Described, and decided over all settings together.",
            "contexts": {name: study.contexts[name] for name in (study.plain, study.request)},
            "arms": {**{name: study.arms[name] for name in (start, control)}, **asked},
            "about": {arm: f"flawed answers to prompts that say: {text}" for arm, (_, text) in texts.items()},
            "seeds": tuple(seeds),
            "starts": "one",
            "compare": tuple(Compare(arm=arm, against=control, measure=measure, expect="none") for arm in texts),
            "evaluation.problems": problems,
            "quick_arms": None,
            "quick": {k: v for k, v in study.quick.items() if k != "seeds"} | {"evaluation.problems": (problems + 1) // 2},
        },
        f"the part of {study.name}",
    )


def _only(study: Study, role: Role) -> str:
    if not (found := study.with_role(role)):
        raise ConfigError(f"{study.name} has no arm of role {role!r}; expected one; give an arm the role")
    return found[0]


def wordings(part: Study) -> dict[str, str]:
    """Arm to the wording that it is trained under."""
    one = {name: arm.instruction.texts for name, arm in part.arms.items() if arm.instruction is not None}
    return {name: texts[0] for name, texts in one.items() if len(texts) == 1}


def position_of(part: Study) -> Position:
    """Where the wordings are put."""
    return next(arm.instruction.position for arm in part.arms.values() if arm.instruction is not None)


def dev_problems(part: Study) -> int:
    """How many dev problems the wordings of a part are sampled on."""
    return part.request_stage.problems if part.request_stage is not None else part.evaluation.problems


def trained_alone(part: Study) -> Study:
    """The part after the first one where all arms can start: it tests only the plain prompt."""
    return override(part, {"request_stage": None, "contexts": {part.plain: part.contexts[part.plain]}}, part.name)


def cost_of(study: RankingStudy) -> float:
    """What the whole study costs, in generated replies (`experiment/cost.py`)."""
    found = 0.0
    for part in study.parts.values():
        found += cost.of_start(part) + cost.of_study(trained_alone(part)) - cost.of_start(trained_alone(part))
        found += (1.0 + len(wordings(part))) * (study.draws * dev_problems(part) + study.rows)
    return found
