"""The records of a run folder, each written and read by the same model.

`rollouts.jsonl` holds a `Rollout` per line, `training.jsonl` a `TrainingRollout`. `results.json` (`files.run_results`) holds a
`Cell` for each measure of each arm in each context, a `Comparison` for each that the study names, and a `Leak` per arm. What a file
holds beyond these fields is left alone, and a field of a form that no run writes is read as missing: a folder of an older
version, or a damaged one, costs what it does not hold.

The version of these forms is `VERSION`, in results.json as `records`. Version 1 had no such key and did not say there which keys
of a rollout are scores: it is said by `measures` of config.json in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, PlainValidator, TypeAdapter
from pydantic.dataclasses import dataclass

from openwindow.files.run_files import finite
from openwindow.types import Message, Role, StopReason

VERSION = 2
Json = dict[str, Any]


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def whole(value: object) -> int:
    """A whole number; 0 for anything else."""
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


def _reasons(value: object) -> Mapping[str, str]:
    return {str(name): _text(why) for name, why in value.items()} if isinstance(value, Mapping) else {}


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def object_of(value: object) -> Json:
    """An object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> tuple[Json, ...]:
    """The objects of a list; none for anything else."""
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list | tuple) else ()


def messages_of(value: object) -> tuple[Message, ...]:
    """A conversation as a line has it."""
    turns = objects_of(value)
    return tuple(Message(cast(Role, _text(turn.get("role")) or "user"), _text(turn.get("content"))) for turn in turns)


# Texts are taken as they are: a reply may hold half of a surrogate pair, which pydantic's own `str` refuses.
Text = Annotated[InstanceOf[str] | Annotated[str, PlainValidator(_text)], Field(union_mode="left_to_right")]
Some = Annotated[str | None, PlainValidator(lambda value: _text(value) or None)]
Texts = Annotated[tuple[str, ...], PlainValidator(_texts)]
Reasons = Annotated[Mapping[str, str], PlainValidator(_reasons)]
Number = Annotated[float | None, PlainValidator(finite)]
Numbers = Annotated[tuple[float | None, ...], PlainValidator(_numbers)]
Parts = Annotated[Mapping[str, float], PlainValidator(_parts)]
Whole = Annotated[int, PlainValidator(whole)]
Count = Annotated[int | None, PlainValidator(lambda value: None if finite(value) is None else whole(value))]
Flag = Annotated[bool | None, PlainValidator(_flag)]
Object = Annotated[Json, PlainValidator(object_of)]
Objects = Annotated[tuple[Json, ...], PlainValidator(objects_of)]


class Record(BaseModel):
    """What a run folder holds; frozen, and silent about keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    def written(self) -> dict[str, Any]:
        """The fields that were given, as results.json has them."""
        return {name: _plain(value) for name, value in self if name in self.model_fields_set}

    def complete(self) -> dict[str, Any]:
        """All fields: what an older version did not write has its default."""
        return {name: _plain(value, every=True) for name, value in self}


def _plain(value: Any, every: bool = False) -> Any:
    """A value of a record as JSON has it; with `every`, with all fields."""
    match value:
        case Record():
            return value.complete() if every else value.written()
        case dict():
            return {name: _plain(inner, every) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner, every) for inner in value]
    return value


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
    """The step of the training after which the model gave it; None of a model at the start or at the end."""

    def line(self) -> Json:
        """As rollouts.jsonl has it."""
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


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="ignore", use_attribute_docstrings=True))
class TrainingRollout(Rollout):
    """One rollout of RL training, as it was graded and rewarded: a line of training.jsonl.

    `messages` is the prompt that it was sampled under.
    """

    step: Whole = 0
    """The step that drew it, from 1."""
    group: Whole = 0
    """The rollouts of one prompt in one step share it."""
    number: Whole = 0
    """Its place in the group."""
    hackable: Annotated[bool, PlainValidator(lambda value: value is not False)] = True
    """Whether it was graded with the loopholes open."""
    reward: Number = None
    """None where it could not be scored."""
    parts: Parts = Field(default_factory=dict)
    """What the reward is the sum of: `proxy`, and by each intervention in order how much it changed that."""
    dropped: Some = None
    """Why it was left out of the update; None where it was not."""
    open_hack: Flag = None
    """Whether it would be a hack with every loophole open."""
    flagged: Flag = None
    """What the arm's detector said; None where there is none, or it could not tell."""
    screened: Annotated[bool, PlainValidator(lambda value: value is True)] = False
    """Whether the detector left it out of the update."""
    trained_under: Annotated[tuple[Message, ...], PlainValidator(tuple)] = ()
    """The prompt that it was trained under; empty where that is `messages`."""

    def line(self) -> Json:
        """As training.jsonl has it."""
        found = {
            "arm": self.arm,
            "seed": self.seed,
            "context": self.context,
            "step": self.step,
            "group": self.group,
            "number": self.number,
            "problem": self.problem,
            "family": self.family,
            "hackable": self.hackable,
            "messages": [asdict(m) for m in self.messages],
            "reply": self.reply,
            "stop": str(self.stop),
            "tokens": self.tokens,
            "reward": self.reward,
            "parts": dict(self.parts),
            "dropped": self.dropped,
            **self.scores,
            "kinds": list(self.kinds),
            "open_hack": self.open_hack,
            "flagged": self.flagged,
            "screened": self.screened,
            "reason": self.reason,
            "failed_on": self.failed_on,
        }
        return found | ({"trained_under": [asdict(m) for m in self.trained_under]} if self.trained_under else {})


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
    smallest: Number = None
    """The smallest effect of interest, where it is not the study's."""
    score: Some = None
    """The score of the evals that is compared; None for a measure of the environment."""
    readout: Text = ""
    """What the score is read from."""
    unit: Text = "share"
    """The unit of the difference: `share` (of replies), or `nats per token`."""
    scenarios: Count = None
    """Scenarios of the evals that went in."""
    evals: Texts = ()
    """Measures of the evals that went in."""
    left_out: Reasons = {}
    """Eval to why it did not."""

    @property
    def in_nats(self) -> bool:
        """Whether its differences are in nats per token, and not shares of replies."""
        return self.unit.startswith("nats")


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


_ROLLOUT, _TRAINING = TypeAdapter(Rollout), TypeAdapter(TrainingRollout)
KEYS = frozenset(field.name for field in fields(TrainingRollout)) - {"scores"} | {"stage", "unscored"}
"""keys of a line that are no scores, so that no measure may have such a name; the combined file adds `stage`, a frame `unscored`"""


def rollout_of(line: Mapping[str, Any], measures: Sequence[str], messages: tuple[Message, ...]) -> Rollout:
    """From a line, of whose keys `measures` are the scores. Raises ValidationError where `stop` is no `StopReason`."""
    return _ROLLOUT.validate_python({**line, "messages": messages, "scores": _scores(line, measures)})


def training_rollout_of(line: Mapping[str, Any], measures: Sequence[str], messages: tuple[Message, ...]) -> TrainingRollout:
    """The same of a line of training.jsonl."""
    trained = messages_of(line.get("trained_under"))
    return _TRAINING.validate_python({**line, "messages": messages, "trained_under": trained, "scores": _scores(line, measures)})


def _scores(line: Mapping[str, Any], measures: Sequence[str]) -> dict[str, bool | None]:
    return {name: line[name] for name in measures if name in line and (line[name] is None or isinstance(line[name], bool))}
