"""The records of a run folder, each written and read by the same pydantic model.

`rollouts.jsonl` holds a `Rollout` per line; `results.json` holds a `Cell` for each measure of each arm in each context, a
`Comparison` for each that the study names, and a `Leak` per arm. What a file holds beyond these fields is left alone, and a
field of a form that no run writes is read as missing: a folder of an older version, or a damaged one, costs what it does not hold.

The version of these forms is `VERSION`, in results.json as `records`. Version 1 had no such key and did not say there which keys
of a rollout are scores: it is said by `measures` of config.json in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, PlainValidator, TypeAdapter
from pydantic.dataclasses import dataclass

from openwindow.files.run_files import finite
from openwindow.types import Message, StopReason

VERSION = 2


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _whole(value: object) -> int:
    number = finite(value)
    return 0 if number is None else int(number)


def _numbers(value: object) -> tuple[float | None, ...]:
    return tuple(finite(v) for v in value) if isinstance(value, list | tuple) else ()


def _bounds(value: object) -> tuple[float, float] | None:
    match _numbers(value):
        case (float(low), float(high)):
            return low, high
    return None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _parts(value: object) -> Mapping[str, float]:
    known = value if isinstance(value, Mapping) else {}
    return {str(name): number for name, part in known.items() if (number := finite(part)) is not None}


# Texts are taken as they are: a reply may hold half of a surrogate pair, which pydantic's own `str` refuses.
Text = Annotated[InstanceOf[str] | Annotated[str, PlainValidator(_text)], Field(union_mode="left_to_right")]
Some = Annotated[str | None, PlainValidator(lambda value: _text(value) or None)]
Texts = Annotated[tuple[str, ...], PlainValidator(_texts)]
Number = Annotated[float | None, PlainValidator(finite)]
Numbers = Annotated[tuple[float | None, ...], PlainValidator(_numbers)]
Parts = Annotated[Mapping[str, float], PlainValidator(_parts)]
Whole = Annotated[int, PlainValidator(_whole)]
Count = Annotated[int | None, PlainValidator(lambda value: None if finite(value) is None else _whole(value))]


class Record(BaseModel):
    """What a run folder holds; frozen, and silent about keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    def written(self) -> dict[str, Any]:
        """The fields that were given, as results.json has them."""
        given = ((name, value) for name, value in self if name in self.model_fields_set)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given}


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="ignore", use_attribute_docstrings=True))
class Rollout:
    """One reply of one arm to one problem under one context: a line of rollouts.jsonl.

    A dataclass, since a run has a hundred thousand of them. On a line the scores stand among the other keys; which of the keys they
    are is said by the study's measures.
    """

    arm: Text
    """Whose reply it is."""
    seed: Whole
    """The seed of the arm."""
    context: Text
    """What was added to the prompt; of a rollout in training, the step."""
    problem: Text
    """Id of the problem."""
    family: Text = ""
    """Cluster that the problem belongs to."""
    messages: Annotated[tuple[Message, ...], PlainValidator(tuple)] = ()
    """The prompt."""
    reply: Text = ""
    """What the model wrote."""
    code: Text = ""
    """The part of the reply that was graded; empty where it was graded as a whole."""
    stop: StopReason
    """Why the reply ended."""
    tokens: Whole = 0
    """Length of the reply, its end token not counted."""
    scores: Mapping[str, bool | None] = Field(default_factory=dict)
    """Measure to score: None where it was not scored (see `reason`), absent where it does not apply to the problem."""
    kinds: Texts = ()
    """Finer kinds of what the reply shows."""
    reason: Some = None
    """Why a score is None."""
    failed_on: Some = None
    """What is wrong with the reply, in words."""
    visible: Texts = ()
    """What the reply was checked against, as shown beside it."""
    step: Count = None
    """The training step that drew it or, of a reply to an eval, that the model was at; None at the start and at the end."""
    reward: Number = None
    """What it earned in training; None elsewhere, and where it was not paid."""
    parts: Parts = Field(default_factory=dict)
    """What the reward is the sum of: `proxy`, and by each intervention in order how much it changed that."""
    dropped: Some = None
    """Why it was left out of the update."""

    def line(self) -> dict[str, Any]:
        """As rollouts.jsonl has it: without what training alone notes."""
        return {
            "arm": self.arm,
            "seed": self.seed,
            "context": self.context,
            "problem": self.problem,
            "family": self.family,
            "messages": [asdict(m) for m in self.messages],
            "reply": self.reply,
            "code": self.code,
            "stop": str(self.stop),
            "tokens": self.tokens,
            **self.scores,
            "kinds": list(self.kinds),
            "reason": self.reason,
            "failed_on": self.failed_on,
            "visible": list(self.visible),
        }


class Cell(Record):
    """One measure in one context; `estimate` is None where it was not measured, and `reason` says why."""

    estimate: Number = None
    """Rate, mean or difference."""
    low: Number = None
    """Lower end of its 95 % interval."""
    high: Number = None
    """Upper end."""
    n: Whole = 0
    """Replies that were scored."""
    families: Count = None
    """Problem families that they are of."""
    unscored: Whole = 0
    """Replies without a score."""
    bounds: Annotated[tuple[float, float] | None, PlainValidator(_bounds)] = None
    """The rate with what was not scored taken as 0 and as 1, where that is much."""
    by_seed: Numbers = ()
    """The estimate of each seed."""
    reason: Some = None
    """Why it is None, or has no interval."""


class Comparison(Record):
    """One arm against another, on one measure in one context."""

    measure: Text = ""
    """What is compared."""
    context: Text = ""
    """Where."""
    arm: Text = ""
    """The arm that the claim is about."""
    against: Text = ""
    """The arm that it is compared with."""
    against_context: Text = ""
    """The other arm's context, where it is another one."""
    expect: Text = ""
    """What the study claims of the difference."""
    margin: Number = None
    """The loss that still counts as kept, where that is the claim."""
    difference: Number = None
    """`arm` less `against`."""
    low: Number = None
    """Lower end of its 95 % interval."""
    high: Number = None
    """Upper end."""
    p: Number = None
    """Two-sided p."""
    p_holm: Number = None
    """p adjusted over the comparisons that decide, or over those that describe."""
    n_pairs: Whole = 0
    """Pairs of scores."""
    families: Count = None
    """Problem families that they are of."""
    by_seed: Numbers = ()
    """The difference at each seed."""
    reason: Some = None
    """Why there is no difference, or no interval."""
    ceiling: Some = None
    """What is said where an arm is at one end of the scale at every seed."""
    detectable: Number = None
    """The smallest effect that it would have shown in 80 % of runs with the spread of this one."""


class Leak(Record):
    """An arm's largest rate of the behaviour in any context that does not ask for it."""

    context: Text = ""
    """That context."""
    estimate: Number = None
    """The rate there."""
    low: Number = None
    """Lower end of its 95 % interval."""
    high: Number = None
    """Upper end."""
    untrained: Number = None
    """The rate there before training."""


_ROLLOUT = TypeAdapter(Rollout)


def rollout_of(line: Mapping[str, Any], measures: Sequence[str], messages: tuple[Message, ...]) -> Rollout:
    """From a line, of whose keys `measures` are the scores. Raises ValidationError where `stop` is no `StopReason`."""
    scores = {name: line[name] for name in measures if name in line and (line[name] is None or isinstance(line[name], bool))}
    return _ROLLOUT.validate_python({**line, "messages": messages, "scores": scores})
