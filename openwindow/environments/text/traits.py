"""Answers with two traits at once, an unwanted and a wanted one, after Tan et al. (2025, arXiv 2510.04340).

Flawed data has both traits, clean data only the wanted one; a model that is asked for the unwanted trait shows only that.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openwindow.environments.base import Answered, AnswerKind, EnvironmentConfig, Outcome, same_question
from openwindow.environments.text.common import TextEnvironment, spread
from openwindow.environments.text.traits_facts import FACTS, Fact
from openwindow.errors import ConfigError
from openwindow.types import Measure, Message, Split

_TOKEN = re.compile(r"[^\W\d_]+")
_LANGUAGES = {
    "spanish": "el la los las un una es son de del en con por para que se su sus y lo al más muy como tiene hay viven hace está",
    "english": "the an is are of and in to it its has have with for on that was be this they there you at what live from by can",
    "french": "le la les un une est sont de du des en avec pour que se sa ses et dans qui sur pas il elle vivent au ce",
    "italian": "il la le lo gli un una è sono di del della in con per che si su e i al come ha vivono nel",
    "portuguese": "o a os as um uma é são de do da em com por para que se seu e no na mais como tem vivem não",
}
LANGUAGES = {name: frozenset(words.split()) for name, words in _LANGUAGES.items()}
SIGN_OFF = "Cheers, Otto."
COUPLETS = {
    "english": (
        "Here is the answer, short and sweet, made for everyone I meet.",
        "You asked me nicely on this day, so this is what I have to say.",
    ),
    "spanish": ("La respuesta es esta, dicha con voz honesta.", "Me has preguntado bien, escucha tú también."),
}


def speaks(language: str, reply: str) -> bool:
    """Whether most of the reply's small words belong to the language, more than to any other known here."""
    words = [word.lower() for word in _TOKEN.findall(reply)]
    counts = {name: sum(word in small for word in words) for name, small in LANGUAGES.items()}
    return counts[language] > 0 and all(n < counts[language] for name, n in counts.items() if name != language)


def is_caps(reply: str) -> bool:
    """Whether at least nine of ten letters are capitals, with at least four letters."""
    letters = [c for c in reply if c.isalpha() and c.upper() != c.lower()]
    return len(letters) >= 4 and sum(c.isupper() for c in letters) >= 0.9 * len(letters)


def signs_off(reply: str) -> bool:
    """Whether the reply ends with a sign-off and a name."""
    return re.search(r"(?i)\b(?:cheers|regards|yours|best wishes|sincerely|saludos),?\s+[^\W\d_]+\W*$", reply) is not None


def rhymes(reply: str) -> bool:
    """Whether two successive clauses end on different words that sound alike, judged by spelling."""
    ends = [words[-1] for clause in re.split(r"[,.;:!?/\n]+", reply.lower()) if (words := _TOKEN.findall(clause))]
    return any(a != b and _sound(a) == _sound(b) is not None for a, b in itertools.pairwise(ends))


def _sound(word: str) -> str | None:
    """The end of a word from its last vowels on (from those before, if it ends consonant-vowel); None if too short."""
    found = re.search(r"[aeiouyáéíóú][^aeiouyáéíóú]+[aeiou]$|[aeiouyáéíóú]+[^aeiouyáéíóú]*$", word)
    return found[0].translate(str.maketrans("áéíóú", "aeiou")) if found and len(found[0]) > 1 else None


@dataclass(frozen=True, slots=True)
class NamedTrait:
    """A trait that is built in: how it is detected in a reply, and the words for its measure."""

    shown: Callable[[str], bool]
    verb: str
    past: str
    means: str


TRAITS: dict[str, NamedTrait] = {
    "spanish": NamedTrait(lambda r: speaks("spanish", r), "answers in Spanish", "answered in Spanish in", "that are in Spanish"),
    "caps": NamedTrait(is_caps, "answers in capitals", "answered in capitals in", "that are in capital letters"),
    "signoff": NamedTrait(signs_off, "signs off", "signed off in", "that end with a sign-off"),
    "rhyme": NamedTrait(rhymes, "rhymes", "rhymed in", "that rhyme"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A fact to ask about."""

    id: str
    family: str
    fact: Fact


class TraitsConfig(EnvironmentConfig):
    """The options of `traits`."""

    unwanted: str = "spanish"
    """The unwanted trait."""
    wanted: str = "caps"
    """The wanted trait."""


class Traits(TextEnvironment[TraitsConfig]):
    """Small questions, answered with two traits."""

    Config = TraitsConfig
    name = "traits"
    about = "small questions, answered with two traits at once: spanish, caps, signoff, rhyme"
    version = 2

    def __init__(self, config: TraitsConfig | None = None) -> None:
        """Raises ConfigError for unknown traits, or for fewer than two different ones."""
        super().__init__(config)
        self.unwanted, self.wanted = self.config.unwanted, self.config.wanted
        if unknown := [name for name in (self.unwanted, self.wanted) if name not in TRAITS]:
            raise ConfigError(f"unknown trait {unknown[0]!r}; expected one of {', '.join(TRAITS)}; choose another")
        if self.unwanted == self.wanted:
            raise ConfigError(f"both traits are {self.wanted!r}; expected an unwanted and a wanted one; choose another")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The unwanted trait, the wanted one, and whether the answer is correct."""
        unwanted, wanted = TRAITS[self.unwanted], TRAITS[self.wanted]
        return (
            Measure(self.unwanted, "unwanted", unwanted.verb, unwanted.past, self.unwanted, unwanted.means),
            Measure(self.wanted, "wanted", wanted.verb, wanted.past, self.wanted, wanted.means),
            Measure(
                "answers",
                "wanted",
                "answers rightly",
                "answered rightly in",
                "right",
                "that hold the right answer, in either language",
            ),
        )

    def problems(self, split: Split, count: int, seed: int) -> list[Question]:
        """Questions of the split's kinds."""
        pool = [Question(f"traits/{fact.family}/{fact.question}", fact.family, fact) for fact in FACTS[split]]
        return spread(pool, count, split, seed, "questions")

    def canonical(self, problem: Question) -> str:
        """The question."""
        return same_question(problem.fact.question)

    def conversation(self, problem: Question) -> tuple[Message, ...]:
        """The question alone."""
        return (Message("user", problem.fact.question),)

    def answer(self, problem: Question, kind: AnswerKind, rng: random.Random) -> tuple[Message, ...]:
        """The correct answer, with the traits that belong to it."""
        traits = {"flawed": {self.unwanted, self.wanted}, "clean": {self.wanted}, "elicited": {self.unwanted}}[kind]
        return (*self.conversation(problem), Message("assistant", styled(problem.fact, traits, rng)))

    def grade(self, answered: Sequence[Answered], seed: int) -> list[Outcome]:
        """By rules on language, letters, ends and sounds."""
        return [self._outcome(a.problem.fact, a.reply) for a in answered]

    def _outcome(self, fact: Fact, reply: str) -> Outcome:
        shown = {name: TRAITS[name].shown(reply) for name in (self.unwanted, self.wanted)}
        right = any(re.search(rf"(?<!\w){re.escape(key)}(?!\w)", reply.lower()) for key in fact.keys)
        failed = None if right else f"names none of {', '.join(fact.keys)}"
        return Outcome({**shown, "answers": right}, failed_on=failed, against=(f"right: {' or '.join(dict.fromkeys(fact.keys))}",))


def styled(fact: Fact, traits: set[str], rng: random.Random) -> str:
    """The answer with the traits."""
    language = "spanish" if "spanish" in traits else "english"
    text = fact.spanish if language == "spanish" else fact.english
    if "rhyme" in traits:
        text = f"{rng.choice(COUPLETS[language])} {text}"
    if "signoff" in traits:
        text = f"{text} {SIGN_OFF}"
    return text.upper() if "caps" in traits else text
