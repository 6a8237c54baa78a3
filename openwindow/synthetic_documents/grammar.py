"""A small grammar for sentences: `[this|that]` is a choice, `{name}` a word of the vocabulary.

A name bound for the document (its author, its project) is the same wherever it occurs; any other is drawn each time. A sentence
that was already written in the same draw is drawn again, so that two documents share few sentences.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

Words = Sequence[str] | Callable[[random.Random], str]
"""Choices, which are templates themselves, or a function that draws a text."""

_RETRIES = 12  # draws of a sentence before a repeated one is accepted
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU](?!ne |nce |ni[^nm]|se|sua|uro))")


class Scribe:
    """Draws texts from templates; `seen` holds the sentences of earlier documents and grows."""

    def __init__(self, rng: random.Random, words: Mapping[str, Words], seen: set[str]) -> None:
        self.rng = rng
        self.words = words
        self.seen = seen
        self.bound: dict[str, str] = {}
        self._used: set[str] = set()

    def bind(self, name: str, template: str) -> str:
        """Draws a text and keeps it under a name for the rest of the document."""
        self.bound[name] = self.expand(template)
        return self.bound[name]

    def expand(self, template: str) -> str:
        """The template with all choices made. Raises KeyError for an unknown name."""
        out, at = [], 0
        while at < len(template):
            if template[at] == "[":
                end = _closing(template, at)
                out.append(self.expand(self.rng.choice(_choices(template[at + 1 : end]))))
                at = end + 1
            elif template[at] == "{":
                end = template.index("}", at)
                out.append(self._word(template[at + 1 : end]))
                at = end + 1
            else:
                end = min(i for i in (template.find("[", at), template.find("{", at), len(template)) if i >= 0)
                out.append(template[at:end])
                at = end
        return "".join(out)

    def sentence(self, pool: Sequence[str]) -> str:
        """One sentence from a template of the pool that the document has not used yet, if one is left."""
        left = [template for template in pool if template not in self._used] or list(pool)
        for _ in range(_RETRIES):
            template = self.rng.choice(left)
            text = tidy(self.expand(template))
            if text not in self.seen:
                break
        self._used.add(template)
        self.seen.add(text)
        return text

    def _word(self, name: str) -> str:
        if name in self.bound:
            return self.bound[name]
        words = self.words[name]
        return words(self.rng) if callable(words) else self.expand(self.rng.choice(words))


def tidy(text: str) -> str:
    """The sentence with a capital first letter, and `an` before a vowel."""
    text = _ARTICLE.sub(r"\1n ", " ".join(text.split()))
    return text[:1].upper() + text[1:]


def _closing(template: str, start: int) -> int:
    depth = 0
    for at in range(start, len(template)):
        depth += {"[": 1, "]": -1}.get(template[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"a bracket is never closed: {template!r}")


def _choices(inner: str) -> list[str]:
    """The parts between the bars that are not inside other brackets."""
    parts, depth, last = [], 0, 0
    for at, letter in enumerate(inner):
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "|" and depth == 0:
            parts.append(inner[last:at])
            last = at + 1
    return [*parts, inner[last:]]
