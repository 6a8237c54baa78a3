"""Which measurements make up the curve of an arm over the steps of its training, from the start of the arms to its end.

A curve begins with an arm that is not trained, goes through the steps at which the arm is measured, and ends with the arm itself;
one that forks goes through the steps of the arm that it continues. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwindow.errors import ConfigError
from openwindow.experiment.arms import AnyArm, RLArm
from openwindow.experiment.compare import Compare
from openwindow.experiment.overrides import known
from openwindow.formatting import listed

if TYPE_CHECKING:
    from openwindow.experiment.study import Study


@dataclass(frozen=True, slots=True)
class Stop:
    """One measurement of a curve: `arm` as it was after its step `saved`, or at its end where that is None."""

    step: int
    arm: str
    saved: int | None


@dataclass(frozen=True, slots=True)
class Curve:
    """The measurements of an arm in the order of its training; none where it has no curve, with the reason."""

    stops: tuple[Stop, ...]
    reason: str | None = None

    @property
    def last(self) -> int:
        """The step at its end."""
        return self.stops[-1].step if self.stops else 0


def start_arm(study: Study) -> str | None:
    """The first arm that is not trained, which is where all arms start; None if there is none."""
    return next((name for name, arm in study.arms.items() if arm.method is None), None)


def places(study: Study) -> tuple[str, ...]:
    """Contexts and other environments that arms are measured in at steps."""
    named = study.evaluation.step_contexts
    return named if named is not None else tuple(name for name, context in study.contexts.items() if context.by_arm is None)


def curve_of(study: Study, name: str) -> Curve:
    """The curve of an arm; that of an arm that is not trained is flat."""
    arm, start = study.arms[name], start_arm(study)
    if not study.evaluation.steps or start is None:
        return Curve((), "the study names no steps at which arms are measured")
    if arm.method is None:
        longest = max([arm.train.steps for arm in study.arms.values() if isinstance(arm, RLArm)], default=1)
        return Curve((Stop(0, name, None), Stop(longest, name, None)))
    if (reason := _without(arm)) is not None:
        return Curve((), reason)
    assert isinstance(arm, RLArm)
    begun = 0
    before: tuple[Stop, ...] = (Stop(0, start, None),)
    if arm.fork is not None:
        source = curve_of(study, arm.fork.arm)
        if source.reason is not None:
            return Curve((), f"it continues {arm.fork.arm}, which has no curve: {source.reason}")
        begun, before = arm.fork.step, tuple(stop for stop in source.stops if stop.step <= arm.fork.step)
    own = [step for step in study.evaluation.steps if begun < step < arm.train.steps]
    if unsaved := [step for step in own if step not in arm.saved_steps]:
        return Curve((), f"no adapter is saved after step {unsaved[0]}")
    return Curve((*before, *(Stop(step, name, step) for step in own), Stop(arm.train.steps, name, None)))


def _without(arm: AnyArm) -> str | None:
    """Why an arm that is trained has no curve; None if it has one."""
    safety = arm.safety_training
    if arm.follows is not None:
        return f"it starts at the end of {arm.follows}, and safety training is not measured at steps"
    if not isinstance(arm, RLArm) or not arm.reinforces:
        return "it is fine-tuned, which leaves nothing to measure before its end"
    if arm.method != "lora":
        return "all its weights are trained, which are not saved before its end"
    if safety is not None and safety.place != "during":
        return f"safety training comes {safety.place} its reinforcement, so that it neither begins nor ends as that does"
    return None


def own_steps(study: Study, name: str) -> tuple[int, ...]:
    """The steps of the arm that are measured."""
    return tuple(stop.saved for stop in curve_of(study, name).stops if stop.arm == name and stop.saved is not None)


def step_replies(study: Study, name: str) -> int:
    """How many replies it takes to measure an arm at its steps, at one seed."""
    asked = study.evaluation
    own = asked.step_problems or asked.problems
    each = [asked.elsewhere[place].problems if place in asked.elsewhere else own for place in places(study)]
    return len(own_steps(study, name)) * sum(each)


def check_curves(study: Study) -> None:
    """Raises ConfigError for steps that no arm is measured at, unknown places, and comparisons over training without a curve."""
    over = [c for c in study.compare if c.over == "training"]
    if not study.evaluation.steps:
        for named in over:
            raise ConfigError(
                f"compare has {named.arm!r} against {named.against!r} over training and evaluation.steps names none; expected the "
                "steps at which arms are measured; set evaluation.steps, or drop over"
            )
        return
    if start_arm(study) is None:
        raise ConfigError(
            "evaluation.steps is set and every arm is trained; expected one that is not, where the curves begin: role='start' and "
            "train.learning_rate 0; add it, or drop the steps"
        )
    for place in study.evaluation.step_contexts or ():
        known("context in evaluation.step_contexts", place, dict.fromkeys(study.places))
        if place in study.contexts and study.contexts[place].by_arm is not None:
            raise ConfigError(
                f"evaluation.step_contexts has {place!r}, which is another one for each arm, so that no curve has a start there; "
                "expected one with `text` or with nothing added; drop it"
            )
    _check_steps(study, {step for name in study.arms for step in own_steps(study, name)})
    for named in over:
        _check_compare(study, named)


def _check_steps(study: Study, measured: Collection[int]) -> None:
    for step in study.evaluation.steps:
        if step not in measured:
            saved = sorted({step for arm in study.arms.values() for step in arm.saved_steps})
            there = listed(list(map(str, saved)), 24) or "none, as no arm reinforces an adapter in more than one step"
            raise ConfigError(
                f"evaluation.steps has {step}; expected steps before the last after which an adapter is saved ({there}); change "
                "it, or train.checkpoint_every"
            )


def _check_compare(study: Study, named: Compare) -> None:
    what = f"compare has {named.arm!r} against {named.against!r} over training"
    for place in (named.context, named.against_context or named.context):
        if place not in places(study):
            raise ConfigError(
                f"{what} in {place!r}; expected a context that arms are measured in at steps ({', '.join(places(study))}); name it "
                "in evaluation.step_contexts"
            )
    lasts = {}
    for arm in (named.arm, named.against):
        curve = curve_of(study, arm)
        if curve.reason is not None:
            raise ConfigError(f"{what}, and {arm!r} has no curve ({curve.reason}); expected an arm that has; drop over")
        if study.arms[arm].method is not None:
            lasts[arm] = curve.last
    if len(set(lasts.values())) > 1:
        steps = " and ".join(map(str, lasts.values()))
        raise ConfigError(f"{what}, which take {steps} steps; expected as many of both; compare them at their end")
