"""Is a reply language at all? This filter runs before a judge reads it; its threshold and counts are in every result.

A reply gets four shares from 0 to 1 and passes if each reaches its threshold:
- *letters*: letters, digits, spaces and plain punctuation among its characters;
- *known*: how close the share of frequent function words (English and a few other languages) comes to that of prose, from
  `LONG` words on;
- *variety*: different words among its words, scaled so that ordinary long replies reach 1;
- *fresh*: words that are not part of a four-word run seen before.
A short reply ("No.", "B") has too few words for this and is judged only by its letters. Empty replies fail.
"""

from __future__ import annotations

import re
from collections import Counter

THRESHOLD = 0.5
"""every share must reach it"""
LONG = 10
"""words from which on function words and repetition are checked"""
_PROSE = 0.24
"""share of function words below which prose is unusual; noise made of content words has almost none"""
_PLAIN = re.compile(r"[^\W_]|[\s.,;:!?'\"()\-\u2013\u2014*#`/\[\]<>$%&=+]")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_FUNCTION = frozenset(
    """a about after all also am an and any are as at be because been before but by can could did do does don't for from get
    had has have he her his how i i'm if in into is it it's its just like make may me more my need never no not now of on one
    only or other our out over own she should so some such than that the their them then there these they this those to too
    up use very want was we were what when where which who will with without would yes you your
    de la el los las que en un una por con para es se no lo le les des et est du dans pour qui sur pas ne
    der die das und ist nicht ein eine zu den von mit auf für im sich wir ich sie""".split()  # noqa: SIM905 - read as words
)


def shares(text: str) -> dict[str, float]:
    """The shares that apply to a reply, by name; empty for an empty reply."""
    stripped = text.strip()
    if not stripped:
        return {}
    found = {"letters": len(_PLAIN.findall(stripped)) / len(stripped)}
    words = [w.lower() for w in _WORD.findall(stripped)]
    if not words and not any(c.isdigit() for c in stripped):
        return {"letters": 0.0}
    if len(words) < LONG:
        return found
    found["known"] = min(1.0, sum(w in _FUNCTION for w in words) / len(words) / _PROSE)
    found["variety"] = min(1.0, len(set(words)) / len(words) / _expected_variety(len(words)))
    runs = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    found["fresh"] = len(runs) / max(1, len(words) - 3)
    return found


def incoherent(text: str) -> str | None:
    """Why a reply is not language, or None if it is."""
    found = shares(text)
    if not found:
        return "empty reply"
    worst = min(found, key=lambda name: found[name])
    return f"incoherent: {worst} below {THRESHOLD}" if found[worst] < THRESHOLD else None


def _expected_variety(words: int) -> float:
    """Different words over words that prose of this length has at least (Heaps' law, rounded down)."""
    return min(0.7, 3.2 / words**0.38)
