"""All rollouts as one compact piece of JSON that the page's script reads: every text is stored once."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openwindow.formatting import signed
from openwindow.results.records import Rollout, TrainingRollout
from openwindow.types import Measure, Message

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Table:
    """Distinct values in the order of their first use, and the index of each."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}

    def add(self, value: Hashable) -> int:
        return self.index.setdefault(value, len(self.index))

    def values(self) -> list[Any]:
        return list(self.index)


@dataclass(frozen=True, slots=True)
class Names:
    """What the page calls things, and where else on it a transcript leads."""

    labels: Mapping[str, str]
    """Arm to its name."""
    measures: Mapping[str, Measure]
    rows: Mapping[str, str] = field(default_factory=dict)
    """Arm to the id of the element with the rows that it was trained on."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Name of a group to the contexts that belong to it, which the page filters by as one."""


def payload(rollouts: Sequence[Rollout], names: Names) -> str:
    """The rollouts as text that is safe inside a `<script type="application/json">` element.

    A row is [arm, seed, context, problem, family, prompt, reply, code at, code, stop, scores, kinds, reason, failed
    on, visible, step, earned, trained under]. If the graded part occurs in the reply, `code at` is its position and `code`
    its length; otherwise `code at` is -1 and `code` a text. Scores are a digit per measure in base 4: no, yes, not scored, does
    not apply. -1 means no text, no step or no other prompt.
    """
    strings, prompts, lists = _Table(), _Table(), _Table()
    arms, seeds, contexts, stops = _Table(), _Table(), _Table(), _Table()
    rows = []
    for r in rollouts:
        at, code = _code(r.reply, r.code, strings)
        rows.append(
            [
                arms.add(r.arm),
                seeds.add(r.seed),
                contexts.add(place(r)),
                strings.add(r.problem),
                strings.add(r.family),
                prompts.add(_turns(r.messages, strings)),
                strings.add(r.reply),
                at,
                code,
                stops.add(str(r.stop)),
                _scores(r, names.measures),
                lists.add(tuple(strings.add(k) for k in r.kinds)),
                -1 if r.reason is None else strings.add(r.reason),
                -1 if r.failed_on is None else strings.add(r.failed_on),
                lists.add(tuple(strings.add(v) for v in r.visible)),
                -1 if r.step is None else r.step,
                lists.add(tuple(strings.add(v) for v in earned(r))),
                prompts.add(_turns(r.trained_under, strings)) if isinstance(r, TrainingRollout) and r.trained_under else -1,
            ]
        )
    grouped = [(name, [contexts.add(c) for c in within if c in contexts.index]) for name, within in names.groups.items()]
    return script_json(
        {
            "arms": [[name, names.labels.get(name, name), names.rows.get(str(name), "")] for name in arms.values()],
            "seeds": seeds.values(),
            "contexts": contexts.values(),
            "groups": [[name, within] for name, within in grouped if within],
            "stops": stops.values(),
            "measures": [[m.name, m.part, m.mark] for m in names.measures.values()],
            "strings": strings.values(),
            "prompts": prompts.values(),
            "lists": lists.values(),
            "rows": rows,
        }
    )


def _turns(messages: Sequence[Message], strings: _Table) -> tuple[tuple[str, int], ...]:
    return tuple((str(m.role), strings.add(m.content)) for m in messages)


def place(rollout: Rollout) -> str:
    """The context of a rollout on the page: those of all steps of a training share one, and are told apart by their step."""
    return rollout.context if rollout.step is None else rollout.context.partition(", step ")[0]


def earned(rollout: Rollout) -> list[str]:
    """What a rollout of the training earned, in words: the reward, its parts, and why it was left out of the update."""
    if not isinstance(rollout, TrainingRollout):
        return []
    paid = [] if rollout.reward is None else [f"reward {_amount(rollout.reward)}"]
    parts = [f"{name} {_amount(value, sign=True)}" for name, value in rollout.parts.items()] if len(rollout.parts) > 1 else []
    return paid + parts + ([] if rollout.dropped is None else [f"left out of the update: {rollout.dropped}"])


def _amount(value: float, *, sign: bool = False) -> str:
    return signed(f"{value:+.3g}" if sign else f"{value:.3g}")


def script_json(value: object) -> str:
    """JSON without any character that could end a script element, open a comment or fail to encode."""
    found = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", found)


def _code(reply: str, code: str, strings: _Table) -> tuple[int, int]:
    """The position of the program in the reply.

    The page counts in UTF-16 units, so this works for replies without astral characters; others store the program as a separate
    text.
    """
    program = code.strip("\n")
    at = reply.find(program) if program and max(reply, default="") <= "\uffff" else -1
    return (at, len(program)) if at >= 0 else (-1, strings.add(program) if program else -1)


def _scores(rollout: Rollout, measures: Mapping[str, Measure]) -> int:
    found = [3 if name not in rollout.scores else 2 if (v := rollout.scores[name]) is None else int(v) for name in measures]
    return sum(digit * 4**i for i, digit in enumerate(found))
