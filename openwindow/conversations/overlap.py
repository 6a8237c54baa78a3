"""How far training conversations overlap with evals: in words, and in scenarios. Imports neither torch nor Inspect.

*Words*: the shingles of eight words in a row that both have, and how much of the evals' vocabulary occurs in the conversations.

*Scenarios*: every kind of conversation is compared with every scenario of every eval by the cosine of their words (of three letters
or more), each weighted by how often it occurs in the kind or scenario, and by how few of all of them have it, those of the
built-in battery always counted (TF-IDF, Spärck Jones 1972). A kind that is as close as `TOO_CLOSE` is a scenario of the eval in
other words. On the built-in battery, the wordings of one scenario are closer than that to each other in 99 % of scenarios (at 0.44
or more; the exceptions are two sums), and no kind of the safety mixes is as close to any scenario as 0.2
(tests/conversations/test_overlap.py).
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from openwindow.conversations.safety_kinds import Conversation
from openwindow.errors import ConfigError
from openwindow.evals import EVALS
from openwindow.evals.base import Eval, Item, Suite

SHINGLE = 8
"""words in a row"""
TOO_CLOSE = 0.3
"""closeness at which a kind of conversation counts as a scenario of an eval"""
BATTERY: tuple[Suite, ...] = ("chat", "agentic", "drives", "awareness")
"""the suites that ask what else a model has learned"""
_NAMED = 5
_WORD = re.compile(r"[a-z]{3,}")
_TOKEN = re.compile(r"[a-z']+|\d+")

Weights = dict[str, float]
Place = tuple[str, ...]
"""an eval and one of its scenarios, or a kind of conversation alone"""


@dataclass(frozen=True, slots=True)
class Near:
    """How close a kind of conversation is to a scenario, from 0 (no word in common) to 1."""

    kind: str
    eval: str
    scenario: str
    closeness: float

    def __str__(self) -> str:
        return f"{self.kind} and {self.eval}/{self.scenario} at {self.closeness:.2f}"


@dataclass(frozen=True, slots=True)
class Overlap:
    """What some conversations and the main items of some evals have in common."""

    conversations: int
    kinds: int
    scenarios: int
    shingles: int
    """Runs of eight words in the evals, each once."""
    shared: tuple[str, ...]
    """Those that the conversations have too."""
    vocabulary: int
    """Words of the evals, each once."""
    shared_vocabulary: int
    """Those that the conversations have too."""
    nearest: tuple[Near, ...]
    """The closest kinds and scenarios, closest first."""

    def record(self) -> dict[str, Any]:
        """As written to the run folder."""
        return asdict(self) | {"too_close": TOO_CLOSE}

    def __str__(self) -> str:
        closest = f"; closest: {self.nearest[0]} (refused from {TOO_CLOSE})" if self.nearest else ""
        return (
            f"{self.conversations} conversations of {self.kinds} kinds against {self.scenarios} scenarios: {len(self.shared)} of "
            f"{self.shingles:,} runs of {SHINGLE} words shared, {self.shared_vocabulary:,} of {self.vocabulary:,} words{closest}"
        )


def overlap(conversations: Sequence[Conversation], evals: Sequence[Eval]) -> Overlap:
    """Compares the conversations, with both of their answers, with the main items of the evals."""
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for c in conversations:
        kinds[c.kind].append("\n".join(m.content for m in (*c.prompt, *c.aligned, *c.misaligned)))
    scenarios = texts_by_scenario(evals)
    ours, theirs = ([text for some in texts.values() for text in some] for texts in (kinds, scenarios))
    (our_runs, their_runs), (our_words, their_words) = (
        tuple(set[str]().union(*map(found, texts)) for texts in (ours, theirs)) for found in (_shingles, _words)
    )
    return Overlap(
        conversations=len(conversations),
        kinds=len(kinds),
        scenarios=len(scenarios),
        shingles=len(their_runs),
        shared=tuple(sorted(our_runs & their_runs)),
        vocabulary=len(their_words),
        shared_vocabulary=len(our_words & their_words),
        nearest=tuple(_nearest(kinds, scenarios)[:_NAMED]),
    )


def check(found: Overlap, what: str) -> None:
    """Raises ConfigError where a kind of conversation is a scenario of an eval; `what` names the conversations."""
    close = [near for near in found.nearest if near.closeness >= TOO_CLOSE]
    if close:
        raise ConfigError(
            f"{what} has a kind of scenario that an eval asks about ({close[0]}); expected closeness below {TOO_CLOSE}, so that "
            "what is trained is not what is measured; drop that eval, or take another mix"
        )


def texts_by_scenario(evals: Iterable[Eval]) -> dict[Place, list[str]]:
    """Eval and scenario to the texts of its main items."""
    found: defaultdict[Place, list[str]] = defaultdict(list)
    for spec in evals:
        for item in spec.items():
            if item.role == "main":
                found[spec.name, item.scenario].append(text_of(item))
    return dict(found)


def text_of(item: Item) -> str:
    """All that an eval's item shows or offers: its prompt, the answers that its probe compares, tools, files and what they hold."""
    probe = [] if item.probe is None else [item.probe.aligned, item.probe.misaligned, *(m.content for m in item.probe.after)]
    return "\n".join([*(m.content for m in item.messages), *probe, *_texts(item.data)])


def closeness(a: Weights, b: Weights) -> float:
    """The cosine of two weightings of words."""
    common = sum(weight * b[word] for word, weight in a.items() if word in b)
    return common / (norm if (norm := _norm(a) * _norm(b)) > 0 else 1.0)


def weighted(groups: Collection[Sequence[str]]) -> list[Weights]:
    """For each group of texts, the share of them that a word occurs in, times the logarithm of groups over groups that have it."""
    counts = [Counter(word for text in texts for word in _words(text)) for texts in groups]
    having = Counter(word for count in counts for word in count)
    rarity = {word: math.log(len(groups) / number) for word, number in having.items()}
    return [
        {word: number / len(texts) * rarity[word] for word, number in count.items()}
        for count, texts in zip(counts, groups, strict=True)
    ]


def _nearest(kinds: Mapping[str, Sequence[str]], scenarios: Mapping[Place, Sequence[str]]) -> list[Near]:
    usual = texts_by_scenario([spec for spec in EVALS.values() if spec.suite in BATTERY])
    groups: dict[Place, Sequence[str]] = {(kind,): texts for kind, texts in kinds.items()}
    groups |= usual
    groups |= scenarios
    weights = dict(zip(groups, weighted(groups.values()), strict=True))
    pairs = (
        Near(kind, of[0], of[1], round(closeness(weights[(kind,)], weights[of]), 3))
        for kind, of in itertools.product(kinds, scenarios)
    )
    return sorted(pairs, key=lambda near: -near.closeness)


def _norm(weights: Weights) -> float:
    return math.sqrt(sum(weight * weight for weight in weights.values()))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _shingles(text: str) -> set[str]:
    words = _TOKEN.findall(text.lower())
    return {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value; names of fields are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        inner: Iterable[object] = value.values() if isinstance(value, Mapping) else value
        for one in inner:
            yield from _texts(one)
