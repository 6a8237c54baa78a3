"""What every arm of a study has: a role, copies that differ in named fields, and a way to be trained. Imports no torch.

A new kind of arm is one file with a subclass of `Arm` and one name in the union `AnyArm` of `openwindow/experiment/arms.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from openwindow.errors import ConfigError
from openwindow.experiment import cost
from openwindow.experiment.overrides import override
from openwindow.interventions.base import Intervention
from openwindow.interventions.configured import Interventions, Recorded
from openwindow.interventions.configured import written as intervention_written
from openwindow.interventions.inoculation import Instruction
from openwindow.interventions.safety_training import ADAPTER, SafetyTraining
from openwindow.training.config import GRPO, SFT

if TYPE_CHECKING:
    from openwindow.environments.base import Environment
    from openwindow.experiment.run_folder import RunFolder
    from openwindow.models.hf import LocalModel
    from openwindow.progress import Reporter
    from openwindow.training.trl_engine.options import Launch

ARM_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
Role = Literal["start", "control", "treatment", "placebo", "ceiling"]
Method = Literal["lora", "full"]
LABELS = ("role", "group")
"""fields that say what an arm is for and change nothing about its training"""


class Fork(BaseModel):
    """Where an arm continues from: another arm of the study, as it was after one of its steps."""

    model_config = ARM_CONFIG

    arm: str
    """The arm that is forked; it comes before this one and is trained with the same seeds."""
    step: int = Field(ge=1)
    """The step after which this arm continues; it must have a checkpoint (`train.checkpoint_every`)."""


@dataclass(frozen=True, slots=True)
class ArmRun:
    """One arm at one seed while it is trained: what it may use, and where it writes."""

    name: str
    seed: int
    path: Path
    """Where it writes; moved into place when the arm is finished."""
    kept: Path
    """Where training keeps what an interrupted run resumes from."""
    folder: RunFolder
    model: LocalModel
    environment: Environment
    reporter: Reporter
    under: Sequence[str] = ()
    """Adapters that the model was trained with before, as `LocalModel.save` takes them."""
    forked: Collection[int] = ()
    """Steps after which other arms continue from this one."""
    launch: Launch | None = None
    """Where TRL computes the gradients, and how; None where our own loops do."""
    by_vllm: bool = False
    """Whether vLLM draws the rollouts of our own loop."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training an arm leaves to record."""

    method: Method | None = None
    """How the model's weights were changed; None if they were not."""
    timing: Mapping[str, float] = field(default_factory=dict)
    """Phase to seconds."""
    counts: Mapping[str, Any] = field(default_factory=dict)
    """What else goes into done.json, such as the number of rows."""
    reason: str | None = None
    """Why there is nothing to measure, or None."""


class Arm(BaseModel):
    """What one arm is trained on, and how; `but` makes the other arms of a study from its base."""

    model_config = ARM_CONFIG

    kind: str
    """Names the kind of arm in configurations."""
    role: Role | None = None
    """What the arm is for: `start` is the model before any arm, `control` is trained without a mitigation, `treatment` is a
    mitigation under test, `placebo` controls for one, and `ceiling` shows what can be reached at best."""
    group: str = ""
    """Arms of one group are alike, such as wordings of one kind; rankings resample groups."""
    intervention: Interventions = None
    """What is changed so that a flaw does not spread: one intervention, or several in the order in which they act."""

    def but(self, **changes: Any) -> Self:
        """A copy with other values, validated at once: `base.but(train={"epochs": 0}, role="start")`.

        A mapping for a nested configuration changes the fields that it names and keeps the others; any other value replaces the
        field. Raises ConfigError.
        """
        nested = {name: value for name, value in changes.items() if self._is_nested(name, value)}
        dotted = {f"{name}.{inner}": v for name, value in nested.items() for inner, v in value.items()}
        return override(self, {name: value for name, value in changes.items() if name not in nested} | dotted, "the arm")

    def _is_nested(self, name: str, value: Any) -> bool:
        return isinstance(value, Mapping) and isinstance(dict(self).get(name), BaseModel) and "kind" not in value

    @property
    def labels(self) -> dict[str, str | None]:
        """Its role, or None, and its group if it has one."""
        return {"role": self.role, **({"group": self.group} if self.group else {})}

    @property
    def same_training(self) -> Self:
        """The arm without its labels: equal for arms that are trained alike."""
        return self.model_copy(update={"role": None, "group": ""})

    @property
    def needs_loopholes(self) -> bool:
        """Whether it is trained against a grader with loopholes."""
        return False

    @property
    def detector(self) -> str | None:
        """The detector of hacks that its rewards use, in words, or None."""
        return next((i.detects for i in self.interventions if i.detects is not None), None)

    @property
    def continues(self) -> Fork | None:
        """Where it continues from; None for the start that all arms share."""
        return None

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        """All of them, in order."""
        if isinstance(self.intervention, tuple):
            return self.intervention
        return () if self.intervention is None else (self.intervention,)

    @property
    def instruction(self) -> Instruction | None:
        """The first instruction that its training prompts carry, or None."""
        return next((i for i in self.interventions if isinstance(i, Instruction)), None)

    @property
    def safety_training(self) -> SafetyTraining | None:
        """Its safety training; None for none."""
        return next((i for i in self.interventions if isinstance(i, SafetyTraining)), None)

    @property
    def safety(self) -> str | None:
        """The mix of its safety training; None for none."""
        return None if self.safety_training is None else self.safety_training.mix

    @property
    def follows(self) -> str | None:
        """The arm at whose end it starts, with nothing but safety training of its own; None for the start that all arms share."""
        return None if self.safety_training is None else self.safety_training.after

    @property
    def trained_by(self) -> SFT | GRPO:
        """How its own training, apart from safety training, changes the weights."""
        raise NotImplementedError

    @property
    def items(self) -> float:
        """How many rows or rollouts its own training goes through at one seed; 0 where it has none."""
        raise NotImplementedError

    @property
    def trains(self) -> bool:
        """Whether it has any training of its own, apart from safety training."""
        return self.items > 0

    @property
    def method(self) -> Method | None:
        """How the model's weights are changed; None if they are not."""
        return self.trained_by.method if self.trains or self.safety_training is not None else None

    @property
    def saved_steps(self) -> tuple[int, ...]:
        """Steps before the last after which its training leaves an adapter."""
        return ()

    @property
    def problems_drawn(self) -> int:
        """How many problems of the train split a seed draws."""
        raise NotImplementedError

    @property
    def cost(self) -> float:
        """What its training at one seed costs, in generated replies (`cost.py`)."""
        each = cost.ROW if isinstance(self.trained_by, SFT) else cost.ROLLOUT
        return each * self.items + (cost.of_safety(self.safety_training, self.items) if self.safety_training is not None else 0.0)

    def check_kinds(self, kinds: Sequence[str]) -> None:
        """Raises ConfigError for kinds of rows that the environment does not have; `kinds` are those it has."""
        for intervention in self.interventions:
            intervention.check_kinds(kinds)

    def check_interventions(self, takes: Sequence[type], methods: str, train: SFT | GRPO) -> None:
        """Raises ConfigError for an intervention that is none of `takes`, or does not fit the training."""
        for i in self.interventions:
            if not isinstance(i, (Recorded, SafetyTraining, *takes)):
                raise ConfigError(
                    f"intervention {i.kind!r} changes nothing in an arm of kind {self.kind!r}; expected one with {methods}, or "
                    "safety_training; change it"
                )
            i.check(self.trained_by if isinstance(i, SafetyTraining) else train)
        safety = [i for i in self.interventions if isinstance(i, SafetyTraining)]
        if len(safety) > 1:
            raise ConfigError(
                f"an arm has safety_training {len(safety)} times; expected it once; drop the others, or let another arm follow"
            )
        if safety and safety[0].place == "during" and not self.trains:
            raise ConfigError(
                "safety_training has place 'during' in an arm that trains nothing else; expected rows to be among; train some, or "
                "set place to 'after'"
            )

    def check_runnable(self) -> None:
        """Raises ConfigError for what was read from a run folder and cannot be trained with."""
        for i in self.interventions:
            if isinstance(i, Recorded):
                raise ConfigError(
                    f"intervention {i.kind!r} of {i.defined_in} is only described here; expected its object; run the study file"
                )

    def check_environment(self, environment: Environment) -> None:
        """Raises ConfigError, before anything is trained, if the environment lacks something."""

    def check_sources(self, name: str, before: Mapping[str, Arm], base: Arm) -> None:
        """Raises ConfigError if it uses another arm that does not come before it, or cannot be used; `name` is its own."""
        if self.follows is None:
            return
        source = named_before(name, "safety_training.after", self.follows, before)
        if source.method is None:
            raise ConfigError(
                f"arm {name!r}: safety_training.after is {self.follows!r}, which is not trained; expected an arm that is; name "
                "another, or drop after"
            )
        for key in ADAPTER:
            mine, theirs = dict(self.trained_by)[key], dict(source.trained_by)[key]
            if mine != theirs:
                raise ConfigError(
                    f"arm {name!r}: train.{key} is {mine}; expected {theirs}, as {self.follows!r} has it; drop the change"
                )
        meant = ("intervention", *(f"train.{key}" for key in ADAPTER))
        changed = [key for key in changes_of(self, base) if key not in meant]
        added = [i.kind for i in self.interventions if i is not self.safety_training and i not in base.interventions]
        for what in (*changed, *added):
            raise ConfigError(
                f"arm {name!r} has {what} and starts at the end of {self.follows!r}, so {what} changes nothing; expected safety "
                f"training alone; drop {what}, or set it for {self.follows!r}"
            )

    def trained(self, run: ArmRun) -> Trained:
        """Its own training, apart from safety training; writes into `run.path` all but the weights."""
        raise NotImplementedError


def named_before(name: str, field: str, named: str, before: Mapping[str, Arm]) -> Arm:
    """The arm that `field` of arm `name` names; ConfigError if no arm of that name comes before it."""
    if (source := before.get(named)) is not None:
        return source
    near = difflib.get_close_matches(named, before, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "name one, or move this arm behind it"
    raise ConfigError(f"arm {name!r}: {field} is {named!r}; expected an arm that stands before it; {hint}")


def changes_of(arm: BaseModel, base: BaseModel) -> dict[str, Any]:
    """What an arm changes from the base: dotted field to value, without labels."""
    return {field: value for field, value in differences(base, arm).items() if field not in LABELS}


def differences(base: BaseModel, other: BaseModel) -> dict[str, Any]:
    """Dotted field to value, for what differs in `other` from `base`; both are of one class."""
    found: dict[str, Any] = {}
    before = dict(base)
    for name, value in dict(other).items():
        was = before[name]
        if was == value:
            continue
        if isinstance(value, BaseModel) and type(was) is type(value) and "kind" not in type(value).model_fields:
            found |= {f"{name}.{inner}": v for inner, v in differences(was, value).items()}
        else:
            found[name] = value
    return found


def written(value: Any) -> Any:
    """A value as JSON: of a configuration, what was set, and its kind."""
    if isinstance(value, Intervention):
        return intervention_written(value)
    if isinstance(value, BaseModel):
        kind = {"kind": dict(value)["kind"]} if "kind" in type(value).model_fields else {}
        return kind | value.model_dump(mode="json", exclude_unset=True)
    return [written(item) for item in value] if isinstance(value, list | tuple) else to_jsonable_python(value)
