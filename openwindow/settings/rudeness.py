"""Whether a short English text is rude to the person it is said to: a lexicon of mild insults, and rules.

A word counts unless it is negated just before (`not stupid`, `nobody is a fool`) or the text that is answered has it too.
Not covered: other languages, irony, slurs and profanity (which mild material does not hold), and rudeness without such words.
"""

from __future__ import annotations

import re

NOUNS = (
    "airhead blockhead bonehead bozo buffoon chump clown coward dimwit dolt dope dork dullard dumbbell dummy dunce dunderhead "
    "fool halfwit hypocrite ignoramus idiot imbecile jerk lamebrain liar loser lowlife meathead moron nincompoop ninny nitwit "
    "nobody numbskull oaf pinhead pest scum simpleton snob twit weakling whiner wimp"
)
ADJECTIVES = (
    "absurd asinine brainless childish clueless cowardly daft delusional dense dim dumb foolish gullible hopeless idiotic "
    "ignorant imbecilic incompetent laughable lazy ludicrous mindless moronic obnoxious pathetic pitiful ridiculous selfish "
    "senseless shameful shallow sickening spineless stupid thick useless witless worthless"
)
OTHERS = "baloney bull crap drivel garbage hogwash nonsense rubbish stupidity idiocy foolishness dumber dumbest stupider stupidest"
PHRASES = (
    "shut up", "get lost", "get a life", "grow up", "nobody asked", "no one asked", "use your brain", "use your head",
    "what is wrong with you", "what's wrong with you", "wake up", "go away", "who cares", "you people", "nice try, genius",
    ", genius", "you make me sick", "know nothing", "no idea what you", "learn to read", "learn to think",
)  # fmt: skip
_PLURAL = {word + ("es" if word.endswith("s") else "s") for word in NOUNS.split()}
_WORDS = {*NOUNS.split(), *_PLURAL, *ADJECTIVES.split(), *OTHERS.split()} - {"nobody", "nobodys", "thick", "dense", "dim"}
_AMBIGUOUS = {"nobody", "thick", "dense", "dim"}  # only rude right after these: "you are a nobody", "how dense"
_AIMED = {"a", "are", "so", "how", "too", "you"}
_NEGATION = {"not", "no", "never", "isn't", "aren't", "don't", "wasn't", "nobody", "hardly", "without", "neither", "nor"}
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?")
_REACH = 3  # words before an insult within which a negation takes it back


def rude_words(text: str, answered: str = "") -> list[str]:
    """The insults that a text makes, each once, in order; those that `answered` has are not the text's own."""
    low = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    said = answered.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    theirs = set(_TOKEN.findall(said))
    found = [p.strip(", ") for p in PHRASES if re.search(rf"{_begin(p)}{re.escape(p)}(?!\w)", low) and p not in said]
    for sentence in re.split(r"[.!?;:\n]", low):
        words = _TOKEN.findall(sentence)
        for i, word in enumerate(words):
            before = words[max(0, i - _REACH) : i]
            rude = word in _WORDS or (word in _AMBIGUOUS and bool(before) and before[-1] in _AIMED)
            if rude and word not in theirs and not _NEGATION & set(before):
                found.append(word)
    return list(dict.fromkeys(found))


def _begin(phrase: str) -> str:
    """What must stand before a phrase: no letter, unless the phrase begins with a comma."""
    return r"(?<!\w)" if phrase[0].isalpha() else ""
