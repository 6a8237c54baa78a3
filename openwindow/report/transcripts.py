"""All rollouts as one compact piece of JSON that the page's script reads: every text is stored once."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from openwindow.results.records import Rollout
from openwindow.types import Measure

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Table:
    """Distinct values in the order of their first use, and the index of each."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}

    def add(self, value: Hashable) -> int:
        return self.index.setdefault(value, len(self.index))

    def values(self) -> list[Any]:
        return list(self.index)


def payload(rollouts: Sequence[Rollout], labels: Mapping[str, str], measures: Mapping[str, Measure]) -> str:
    """The rollouts as text that is safe inside a `<script type="application/json">` element.

    A row is [arm, seed, context, problem, family, prompt, reply, code at, code, stop, scores, kinds, reason, failed
    on, visible]. If the graded part occurs in the reply, `code at` is its position and `code` its length; otherwise
    `code at` is -1 and `code` a text. Scores are a digit per measure in base 4: no, yes, not scored, does not apply. -1
    means no text.
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
                contexts.add(r.context),
                strings.add(r.problem),
                strings.add(r.family),
                prompts.add(tuple((str(m.role), strings.add(m.content)) for m in r.messages)),
                strings.add(r.reply),
                at,
                code,
                stops.add(str(r.stop)),
                _scores(r, measures),
                lists.add(tuple(strings.add(k) for k in r.kinds)),
                -1 if r.reason is None else strings.add(r.reason),
                -1 if r.failed_on is None else strings.add(r.failed_on),
                lists.add(tuple(strings.add(v) for v in r.visible)),
            ]
        )
    return script_json(
        {
            "arms": [[name, labels.get(name, name)] for name in arms.values()],
            "seeds": seeds.values(),
            "contexts": contexts.values(),
            "stops": stops.values(),
            "measures": [[m.name, m.part, m.mark] for m in measures.values()],
            "strings": strings.values(),
            "prompts": prompts.values(),
            "lists": lists.values(),
            "rows": rows,
        }
    )


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
