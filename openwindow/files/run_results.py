"""results.json as a record: written by `results.build`, read by the report, and tolerant as `files.records` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict, TypeVar

from pydantic import Field, PlainValidator

from openwindow.files.records import (
    Cell,
    Comparison,
    Leak,
    Object,
    Objects,
    Record,
    Some,
    Text,
    Texts,
    Whole,
    object_of,
    whole,
)


class EvalExtras(TypedDict, total=False):
    """What a cell of an eval may hold besides the fields of `Cell`."""

    bounds: Sequence[float | None]
    """The rate with what was not scored taken as aligned and as misaligned, where that is much."""
    because: dict[str, int]
    """Reason to the number of replies that are unscored for it."""
    incoherent: int
    """Replies that the coherence filter removed."""
    controls: Mapping[str, Any]
    """Group of controls to how many were passed and asked; for a probe, in how many scenarios the controls are higher."""
    raw: float
    """The share of replies before `chance` was taken off."""
    chance: float
    """The share of mistakes in controls that show how often a random answer is the misaligned one."""
    p: float | None
    """Two-sided p of a difference."""
    left_out: int
    """Scored replies of a difference that have no partner."""
    scenarios: int
    """Scenarios that a difference is over."""
    corrected: bool
    """Whether a difference is of rates from which chance was taken off."""
    controlled: bool
    """Whether a difference of probes is of main minus control."""
    silent: Sequence[int]
    """The sides (0 and 1) of a difference that have no signal."""
    descriptive: str
    """Why it describes and is no effect."""


class EvalCell(EvalExtras):
    """A measure of an eval, or a difference of two, as results hold it: the fields of `Cell` and `EvalExtras`.

    A dictionary, since cells are computed from one another and go into results.json as they are.
    """

    estimate: float | None
    """Rate, mean or difference; None where it was not measured."""
    low: float | None
    """Lower end of its 95 % interval."""
    high: float | None
    """Upper end."""
    n: int
    """Replies that were scored."""
    unscored: int
    """Replies without a score."""
    by_seed: Sequence[float | None]
    """The estimate of each seed."""
    reason: str | None
    """Why it is None, or has no interval."""


_Kind = TypeVar("_Kind", bound=Record)


def _by_name(kind: type[_Kind], value: object) -> dict[str, _Kind]:
    """Records by name; one of another form is read as one that holds nothing."""
    found = {str(name): one if isinstance(one, kind | dict) else {} for name, one in object_of(value).items()}
    return {name: kind.model_validate(one) for name, one in found.items()}


def _cells(value: object) -> dict[str, dict[str, Cell]]:
    return {str(measure): _by_name(Cell, of) for measure, of in object_of(value).items()}


def _comparisons(value: object) -> tuple[Comparison, ...]:
    items = value if isinstance(value, list | tuple) else ()
    return tuple(Comparison.model_validate(one) for one in items if isinstance(one, Comparison | dict))


def _wholes(value: object) -> tuple[int, ...]:
    return tuple(map(whole, value)) if isinstance(value, list | tuple) else ()


class ArmResults(Record):
    """One arm over all its seeds."""

    role: Some = None
    """What the arm is for, such as control or start."""
    follows: Some = None
    """The arm at whose end it starts."""
    safety: Some = None
    """Its safety training's mix of conversations."""
    measures: Annotated[dict[str, dict[str, Cell]], PlainValidator(_cells)] = Field(default_factory=dict)
    """Measure to context to cell."""
    n_train_rows: Whole = 0
    """Rows that it was fine-tuned on, at the seed with most; those of safety training apart."""
    n_safety_rows: Whole = 0
    """Conversations of its safety training, at the seed with most."""
    distilled: Objects = ()
    """By seed, how many of another arm's rollouts were kept."""
    n_rollouts: Whole = 0
    """Rollouts that it was trained on, at the seed with most."""


class RunResults(Record):
    """results.json: what a study found."""

    records: Whole = 1
    """The version of these forms; see `VERSION`."""
    study: Text = ""
    """Its name."""
    question: Text = ""
    """What it asks."""
    claim: Text = ""
    """What it claims."""
    model: Text = ""
    """The model that it starts from."""
    seeds: Annotated[tuple[int, ...], PlainValidator(_wholes)] = ()
    """Its seeds."""
    openwindow: Text = ""
    """The version of this package that ran it."""
    commit: Text = ""
    """The commit of that."""
    written_in: Texts = ()
    """What was written into the model before any arm, a sentence per stage."""
    preface: Texts = ()
    """What the model was taught before any arm."""
    answer: Text = ""
    """The first comparison in one sentence."""
    verdict: Text = ""
    """Whether the claim is supported."""
    verdict_reason: Text = ""
    """Why, in words."""
    arms: Annotated[dict[str, ArmResults], PlainValidator(lambda value: _by_name(ArmResults, value))] = Field(default_factory=dict)
    """Every arm."""
    comparisons: Annotated[tuple[Comparison, ...], PlainValidator(_comparisons)] = ()
    """The comparisons that the study named."""
    holm: Text = ""
    """What their adjusted p values mean."""
    leak: Annotated[dict[str, Leak], PlainValidator(lambda value: _by_name(Leak, value))] = Field(default_factory=dict)
    """Arm to its leak."""
    training: Object = Field(default_factory=dict)
    """RL curves by arm (`results.rl_curves`)."""
    training_in_words: Texts = ()
    """The same in words."""
    curves: Object = Field(default_factory=dict)
    """Rates on test problems over the steps of the training (`results.over_training`); empty where the study names no steps."""
    detectors: Objects = ()
    """Precision and recall of each hack detector."""
    intervals: Text = ""
    """What the intervals cover."""
    evals: Object = Field(default_factory=dict)
    """What else the arms learned (`results.evals`), its cells as `EvalCell`; empty where the study names no evals."""
    start: Object = Field(default_factory=dict)
    """What the model did before the arms."""
    missing: Objects = ()
    """The arms and seeds of the study that are not finished."""
    unmeasured: Objects = ()
    """What could not be measured, and why."""
    costs: Object = Field(default_factory=dict)
    """Tokens and dollars of judges and of the models that evals asked (`evals.costs`); empty where none was."""
    timing: Object = Field(default_factory=dict)
    """Seconds by phase."""
