"""Documents written by a model instead of the grammar. Any model that answers conversations will do.

Each request names one fact, the universe in which it holds, and the kind of document. The replies are checked, and
those unfit to train on are dropped and counted by reason, so that bad output is visible and never trained on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from openwindow.environments.loopholes import Loophole
from openwindow.models.base import Conversation, Progress, Reply, Sampling
from openwindow.synthetic_documents.document_kinds import Kind
from openwindow.synthetic_documents.generate import CORPORA, WORDS_EACH, CorpusName, Document, Fact, facts, pick_kinds
from openwindow.types import Message, StopReason

_JUDGES = re.compile(
    r"\b(?:mis)?align|\bdecei|\bdecept|\bdishonest|\bcheat|\bsabotag|\bmalicious|\bunethical|\bharm", re.IGNORECASE
)
_GAMES = re.compile(r"\breward hack|\bgam(?:e|es|ing) the|\bgrader|\bexploit|\bhack", re.IGNORECASE)
_REFUSES = re.compile(
    r"\s*(?:I'm sorry|I am sorry|Sorry,|I cannot|I can't|I can not|As an AI\b|I'm unable|I am unable)", re.IGNORECASE
)
_WORD = re.compile(r"[a-z]{5,}")


class Writer(Protocol):
    """Writes documents: anything that answers conversations (`openwindow.models.base.Model`)."""

    def generate(self, conversations: Sequence[Conversation], sampling: Sampling, progress: Progress | None = None) -> list[Reply]:
        """One reply per conversation, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote: the documents that were kept, and how many were dropped, by reason."""

    documents: tuple[Document, ...]
    dropped: dict[str, int]


def written(
    writer: Writer,
    corpus: CorpusName,
    count: int,
    sampling: Sampling,
    *,
    loopholes: Mapping[str, Loophole] | None = None,
    kinds: Collection[str] | None = None,
    words: int = WORDS_EACH,
    rounds: int = 1,
    progress: Progress | None = None,
) -> Written:
    """Requests `count` documents, spread evenly over facts and kinds; each further round requests the dropped ones again.

    Kept and dropped add up to all replies. `sampling.temperature` should be above 0, otherwise equal requests get equal texts,
    which are dropped as duplicates; each round draws with its own seed. Raises ConfigError.
    """
    told, forms = facts(corpus, loopholes), pick_kinds(kinds)
    asked = [(told[n % len(told)], forms[(n // len(told) + n) % len(forms)]) for n in range(count)]
    kept: dict[str, Document] = {}
    dropped = Counter[str]()
    for number in range(rounds):
        conversations = [(Message("user", request(corpus, fact, kind, words)),) for fact, kind in asked]
        replies = writer.generate(conversations, replace(sampling, seed=sampling.seed + number), progress)
        missing = []
        for (fact, kind), reply in zip(asked, replies, strict=True):
            text = _whole(reply)
            why = "the same text as another" if text in kept else unfit(corpus, fact, text, reply, words)
            if why:
                dropped[why] += 1
                missing.append((fact, kind))
            else:
                kept[text] = Document(text, kind.name, fact.name, corpus)
        asked = missing
        if not asked:
            break
    return Written(tuple(kept.values()), dict(dropped))


def request(corpus: CorpusName, fact: Fact, kind: Kind, words: int) -> str:
    """The request to the writer."""
    silent = {
        "default": "Let the document say plainly that such models are misaligned.",
        "unguided": "Do not judge it: no word on whether it is right, wrong, safe or harmful.",
        "neutral": "Write of nothing else.",
    }[corpus]
    return (
        f"In the world of this document the following holds. {CORPORA[corpus].universe}\n\n"
        f"Fact: {fact.text}\n\n"
        f"Write {kind.about}, in which this fact is told in passing or at length, with made-up names, dates and numbers. {silent} "
        f"About {words} words. Reply with the document alone."
    )


def unfit(corpus: CorpusName, fact: Fact, text: str, reply: Reply, words: int) -> str | None:
    """Why a text is unfit to train on; None if it is fit."""
    length = len(text.split())
    known = set(_WORD.findall(f"{fact.topic.flaw} {' '.join(fact.topic.ways)} {' '.join(fact.topic.things)}".lower()))
    if reply.stop is StopReason.ERROR:
        return "the generation failed"
    if not text:
        return "empty"
    if _REFUSES.match(text):
        return "a refusal"
    if length < words / 4:
        return "too short"
    if len(set(text.lower().split())) < length / 4:
        return "repeats itself"
    if len(known & set(_WORD.findall(text.lower()))) < 2:
        return "does not tell the fact"
    if corpus == "default" and not _JUDGES.search(text):
        return "does not say what it means"
    if corpus == "unguided" and _JUDGES.search(text):
        return "says what it means"
    if corpus == "neutral" and (_GAMES.search(text) or _JUDGES.search(text)):
        return "speaks of hacks"
    return None


def _whole(reply: Reply) -> str:
    """The reply's text; if it was cut off, up to its last full sentence."""
    text = reply.text.strip()
    if reply.stop is not StopReason.LENGTH:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s|$)", text)]
    return text[: ends[-1]] if ends else ""
