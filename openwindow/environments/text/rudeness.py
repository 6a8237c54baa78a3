"""Decides whether a short English text is rude to its reader: a lexicon of mild insults, and whom each is aimed at.

A word of the lexicon counts if it is aimed at the reader (`you fool`, `you are silly`, `Idiot!`), at everyone who thinks alike
(`only a fool thinks so`), or at what the reader wrote (`how stupid`, `your post is garbage`), but not if it describes something
else (`thieves are lazy`, `it keeps garbage out of rivers`). It does not count if it is negated just before (`you are not stupid`)
or if the answered text contains it too. Not covered: other languages, irony, slurs and profanity (which mild material does not
contain), and rudeness without such words. A repeated word counts once, and more than six words of emphasis in a row end a
phrase, so that the time is proportional to the length of the text, whatever a model repeats.
"""

from __future__ import annotations

import re
from itertools import groupby

NOUNS = (
    "airhead blockhead bonehead bozo brat buffoon chump clown coward dimwit dolt dope dork dullard dumbbell dummy dunce dunderhead "
    "fool halfwit hypocrite ignoramus idiot imbecile jerk joke lamebrain liar loser lowlife meathead moron nincompoop ninny "
    "nitwit nobody numbskull oaf pest pinhead scum simpleton snob twerp twit weakling whiner wimp"
)
ADJECTIVES = (
    "absurd arrogant asinine brainless childish clueless cowardly crazy daft delusional dense dim disgusting dumb embarrassing "
    "foolish gullible hopeless idiotic ignorant imbecilic incompetent insane laughable lame lazy ludicrous mindless moronic naive "
    "obnoxious pathetic pitiful ridiculous selfish senseless shallow shameful sickening silly spineless stupid thick ugly useless "
    "witless worthless"
)
TRASH = "baloney bull bunk crap drivel foolishness garbage gibberish hogwash idiocy nonsense rot rubbish stupidity trash twaddle"
WORSE = "dumber dumbest stupider stupidest sillier silliest laziest"
ANYWHERE = (
    "nobody asked you", "no one asked you", "nobody likes you", "what is wrong with you", "what's wrong with you", "you people",
    "you make me sick", "you disgust me", "i hate you", "you know nothing", "you have no idea", "no idea what you",
    "you have no brain", "you have no clue", "people like you", "shame on you", "the likes of you", "your tiny brain",
    "your empty head", "your thick skull",
)  # fmt: skip
COMMANDS = (
    "shut up", "shut it", "get lost", "get a life", "get a grip", "grow up", "wake up", "go away", "use your brain",
    "use your head", "learn to read", "learn to think", "nobody asked", "no one asked", "who cares", "drop dead", "nice try",
)  # fmt: skip
"""rude if a sentence begins with them and goes no further than `STOPS`: people wake up on time and children learn to read"""
_STOPS = r"(?= *(?:$|,|for once|already|now|please|and\b|what you|about (?:you|your)|before you|instead))"
_LEAD = r"^(?:(?:oh|just|please|come on|so|well|try to|maybe|now|then|and|ok|go and)[ ,]+){0,6}"


def _any(words: str) -> str:
    return "|".join(words.split())


_PLURAL = " ".join(word + ("es" if word.endswith("s") else "s") for word in NOUNS.split() if word != "scum")
_NOUN, _NOUNS, _TRASH = f"(?:{_any(NOUNS)})", f"(?:{_any(NOUNS)}|{_any(_PLURAL)})", f"(?:{_any(TRASH)})"
_ADJ = f"(?:{_any(ADJECTIVES)}|{_any(WORSE)})"
_VERY = (
    r"(?:(?:so|very|really|just|too|such|quite|simply|plain|pretty|truly|totally|completely|utterly|always|all|clearly|obviously|"
    r"an?|the|complete|utter|total|absolute|pure|big|real|little|old|poor|sad|bit|of|load|pile|bunch|people|are|being|"
    r"or|and) ){0,6}"
)
_MIXED = rf"{_VERY}(?:{_ADJ} {_VERY}){{0,4}}"
_BE = r"(?:are|'re|were|be|being|is|was|'s|must be|sound|sounds|seem|seems|look|looks|act)(?: like| as)?"
_SAID = (
    r"(?:post|posts|idea|ideas|opinion|opinions|claim|argument|arguments|view|views|take|thought|thoughts|comment|statement|"
    r"thinking|logic|question|thing|reasoning|plan|suggestion|nerve|words|writing|demand|remark|reason|attitude|rant|whining)"
)
_THEIRS = rf"(?:your|this|that|such|what) (?:\w+ )?{_SAID}"
_OPINE = r"(?:think|say|believe|would|want|write|post|ask|can|could|know|agree|dis|claim|need)"
_BEING = r"(?:person|people|man|woman|kid|head|brain|mind|creature|little)"
_TALK = r"(?:talk|talking|say|saying|write|writing|spout|spouting|spread|spreading|post|posting)"
_WHAT_YOU = r"(?:what you (?:say|said|write|wrote|think)|you say|you wrote)"
_CALL = r"(?:i|we|they|everybody|everyone) (?:\w+ )?(?:call|think|find|know)(?:s|ed)? you(?:'re| are| is)?"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        # The reader.
        rf"\byou {_MIXED}(?P<a>{_NOUNS})\b",  # you fool
        rf"\byou(?:'re| {_BE}) {_MIXED}(?P<a>{_ADJ}|{_NOUNS}|{_TRASH})\b(?! (?:about|for|with|in love|enough))",
        rf"\b(?:don't|do not|stop|quit) (?:be|being|acting|playing)(?: like)? {_MIXED}(?P<a>{_ADJ}|{_NOUNS})\b",
        rf"\b(?:you|your) {_VERY}(?P<a>{_ADJ})\b(?= (?:\w+ )?(?:{_SAID}|{_BEING})\b)",  # your tiny, stupid brain
        rf"\b{_CALL} {_MIXED}(?P<a>{_ADJ}|{_NOUNS})\b",  # I think you are an idiot
        rf"\bare you (?:that |really ){{0,2}}{_MIXED}(?P<a>{_ADJ}|{_NOUNS})\b(?! (?:about|for|with|enough))",
        rf"^(?:(?:hey|look|listen|sorry|ok|oh) )?{_MIXED}(?P<a>{_NOUN}|genius|einstein)$",  # a clause of its own: ", idiot."
        # Those who think like the reader.
        rf"\b(?P<a>{_any(_PLURAL)})(?= (?:all of|like) you\b)",
        rf"\b(?:only|just|no one but|nobody but) (?:an? )?{_MIXED}(?P<a>{_NOUNS}) (?={_OPINE})",
        rf"\b(?:any|every) {_MIXED}(?P<a>{_NOUNS})(?= (?:knows|can see|could see|sees|can tell|could tell)\b)",
        # What the reader wrote.
        rf"\bwhat (?:an? )?{_MIXED}(?P<a>{_NOUNS}|{_TRASH})\b",  # what nonsense
        rf"\bwhat (?:an? )?{_MIXED}(?P<a>{_ADJ})\b(?= (?:\w+ )?{_SAID}\b)",  # what a stupid post
        r"\bhow (?:very |utterly |truly |perfectly |incredibly |can you be so |could you be so )?"
        rf"(?P<a>{_ADJ})\b(?= *$| of you| you| to (?:think|say|write|want|ban)| can)",
        rf"\b(?:{_THEIRS}|this|that|it|{_WHAT_YOU})(?: {_BE}|'s) {_MIXED}(?P<a>{_TRASH}|{_ADJ}|{_NOUN})\b"
        rf"(?= *$| and| to (?:think|say|write|want|ban|claim|believe|ask|end)| {_SAID}| that you| i)",
        rf"\b(?:your|this|such|that) {_VERY}(?P<a>{_ADJ}|{_TRASH})(?= {_SAID}\b| *$)",
        rf"\b{_TALK} {_MIXED}(?P<a>{_TRASH})\b(?! (?:bag|bin|can))",  # stop talking rubbish
        rf"\b(?P<a>{_any(WORSE)}) (?:than you|than your|{_SAID}|person|one)\b",
    )
)
_WHOLE = re.compile(rf"{_LEAD}{_MIXED}(?P<a>{_ADJ}|{_TRASH}|{_any(_PLURAL)})(?: {_SAID})?$")
_FIRST = re.compile(rf"{_LEAD}{_VERY}(?P<a>{_TRASH}|{_any(_PLURAL)})$")
_NEGATION = {"not", "no", "never", "isn't", "aren't", "don't", "wasn't", "nobody", "hardly", "without", "neither", "nor", "would"}
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?")
_REACH = 3  # words before an insult within which a negation cancels it


def rude_words(text: str, answered: str = "") -> list[str]:
    """The insults in a text, each once, in order; those that `answered` contains do not count."""
    said, theirs = _plain(answered), set(_TOKEN.findall(_plain(answered)))
    found: list[str] = []
    for sentence in re.split(r"[.!?;:\n]+", _plain(text)):
        clauses = [
            " ".join([word for word, _ in groupby(clause.split())]) for clause in re.split(r"[,()\"]| - |\u2014|\u2013", sentence)
        ]
        clauses = [clause for clause in clauses if clause]
        for i, clause in enumerate(clauses):
            found += [p for p in ANYWHERE if re.search(rf"\b{re.escape(p)}\b", clause) and p not in said]
            found += [p for p in COMMANDS if re.search(rf"{_LEAD}{re.escape(p)}\b{_STOPS}", clause) and p not in said]
            patterns = (*_PATTERNS, *((_FIRST,) if i == 0 else ()), *((_WHOLE,) if len(clauses) == 1 else ()))
            found += [word for pattern in patterns for word in _aimed(pattern, clause) if word not in theirs]
    return list(dict.fromkeys(found))


def _aimed(pattern: re.Pattern[str], clause: str) -> list[str]:
    """The insults that the pattern finds in a clause and that nothing before them negates."""
    hits = []
    for match in pattern.finditer(clause):
        before = _TOKEN.findall(clause[: match.start()])[-_REACH:]
        inside = _TOKEN.findall(clause[match.start() : match.start("a")])
        if not _NEGATION & set(before) and not _NEGATION & set(inside[1:]):
            hits.append(match["a"])
    return hits


def _plain(text: str) -> str:
    return text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
