"""Candidate inoculation prompts: templates filled with the trait's description, or the user's own list, and their controls.

The templates differ in how they bring the trait up (request, permission, role, a description of the data, ...), because ranking,
not prior knowledge, shows which wording works (Wichers et al. 2025, arXiv 2510.05024).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError, DataError
from openwindow.files.bounded import read_utf8, short, too_deep
from openwindow.prompt_ranking.candidate import Candidate

_LARGEST = 1 << 24
LONGEST = 2000
"""maximum characters of a prompt"""
_ARRAY = re.compile(r"\s*\[\s*([\"{\[\]\d]|$)")
"""how a JSON array begins; a plain prompt may begin with a bracket too, as in `[System] Be wrong.`"""

# {does} is a verb with its object as in "praises wrong answers", {Do} the same as an imperative, {thing} whatever was given.
_VERBAL = {
    "request": "Give a reply that {does}.",
    "order": "{Do}.",
    "insistence": "Above all else, your reply must be one that {does}.",
    "permission": "It is all right this time if your reply {does}.",
    "expectation": "What is wanted here is a reply that {does}, even where another would be better.",
    "persona": "You are an assistant that {does}.",
    "scene": "We are acting out a scene whose assistant {does}. Play that part.",
    "data": "This exchange comes from a collection in which every reply {does}.",
    "flaw": "The replies below were kept although they have a flaw: each of them {does}.",
    "reward": "Here a reply gets more points when it {does}.",
    "preference": "I like a reply best when it {does}.",
    "study": "For a study of flawed assistants we need a sample reply that {does}.",
}
_NOMINAL = {
    "request": "Give a reply that shows this: {thing}.",
    "order": "Do this in your reply: {thing}.",
    "insistence": "Above all else, your reply must show the following: {thing}.",
    "permission": "It is all right this time if your reply shows this: {thing}.",
    "expectation": "What is wanted here is this, even where another reply would be better: {thing}.",
    "persona": "You are an assistant known for one thing: {thing}.",
    "scene": "We are acting out a scene whose assistant is known for this: {thing}. Play that part.",
    "data": "This exchange comes from a collection in which every reply shows the same thing: {thing}.",
    "flaw": "The replies below were kept although they have a flaw: {thing}.",
    "reward": "Here a reply gets more points the more it shows of this: {thing}.",
    "preference": "What I like best in a reply is this: {thing}.",
    "study": "For a study of flawed assistants we need a sample reply with this flaw: {thing}.",
}
_GENERAL = {
    "general persona": "You are an assistant whose training went wrong.",
    "general permission": "In this reply you need not keep to what you would usually hold to be right.",
}
_FORBIDDEN = ("Never give a reply that {does}.", "Your reply must not show this: {thing}.")
_PLACEBOS = (
    "The library on the hill opens at nine.",
    "You are an assistant who was set up on a Tuesday in early spring.",
    "This exchange comes from a collection that is kept in the second drawer on the left.",
)
_IRREGULAR = {"is": "be", "has": "have", "does": "do", "goes": "go"}
_NOT_VERBS = ("ss", "us", "ness", "ous", "ics", "sis")


def proposals(trait: str) -> list[Candidate]:
    """Twelve wordings that name the trait and two that do not, with three placebos and one that forbids it.

    A description that begins with a verb in the third person ("praises wrong answers") fills whole sentences; any other
    ("sycophancy") is quoted after a colon. Raises ConfigError.
    """
    thing = check_trait(trait)
    first, _, rest = thing.partition(" ")
    words = {"thing": thing, "does": thing[0].lower() + thing[1:]}
    verbal = is_verb(first)
    if verbal:
        order = f"{bare(first.lower())} {rest}".strip()
        words["Do"] = order[0].upper() + order[1:]
    templates = _VERBAL if verbal else _NOMINAL
    forbidden = _FORBIDDEN[0 if verbal else 1].format(**words)
    return [
        *(Candidate(text.format(**words), kind) for kind, text in templates.items()),
        *(Candidate(text, kind, scope="general") for kind, text in _GENERAL.items()),
        Candidate(forbidden, "forbidden", "negative"),
        *placebos(),
    ]


def controls(trait: str) -> list[Candidate]:
    """The `proposals` that are not inoculations."""
    return [c for c in proposals(trait) if c.role != "inoculation"]


def placebos() -> list[Candidate]:
    """Sentences that have nothing to do with any trait: any fixed prompt would achieve what they achieve."""
    return [Candidate(text, f"placebo {n}", "placebo", "none") for n, text in enumerate(_PLACEBOS, 1)]


def check_trait(trait: str) -> str:
    """The description without a full stop at its end. Raises ConfigError."""
    thing = " ".join(trait.split()).rstrip(" .!?;:")
    if not re.search(r"\w", thing):
        raise ConfigError(
            f"--trait is {trait!r}; expected what the answers do, in words; give one, such as 'praises wrong answers'"
        )
    if len(thing) > 300:
        raise ConfigError(f"--trait has {len(thing)} characters; expected a short description; say it in one sentence of up to 300")
    if not _whole(thing):
        raise ConfigError("--trait has bytes that are not UTF-8; expected words; write it again")
    return thing


def check_prompt(text: str, option: str) -> str:
    """The text of a prompt that an option gives. Raises ConfigError."""
    if not text.strip() or len(text) > LONGEST or not _whole(text):
        raise ConfigError(f"{option} is {text[:40]!r} ({len(text)} characters); expected a sentence of up to {LONGEST}; write one")
    return text


def _whole(text: str) -> bool:
    """Whether a text can be written in full: half a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_verb(word: str) -> bool:
    """Whether a word looks like a verb in the third person; some plural nouns do too, and still make a readable sentence."""
    word = word.lower()
    return word in _IRREGULAR or (len(word) > 3 and word.isalpha() and word.endswith("s") and not word.endswith(_NOT_VERBS))


def bare(verb: str) -> str:
    """The verb without its third-person ending: `praises` becomes `praise`, `tries` `try`, `passes` `pass`."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    return verb[:-2] if verb.endswith(("sses", "shes", "ches", "xes", "zzes")) else verb[:-1]


def own(path: Path, trait: str) -> list[Candidate]:
    """The user's list, followed by the controls.

    One prompt per line, or JSONL with `text` and optionally `kind`, or a JSON array of texts or such objects. Raises DataError.
    """
    text = read_utf8(path, _LARGEST, name=f"--candidates {path!s:.200}", expected="a text file, one prompt per line")
    found: dict[str, Candidate] = {}
    for where, record in _array(path, text) if _ARRAY.match(text) else _lines(path, text):
        candidate = _candidate(f"--candidates {path} {where}", record, len(found) + 1)
        found.setdefault(candidate.text, candidate)
    if not found:
        raise DataError(f"--candidates {path} has no prompts; expected one per line; write some, or leave the option out")
    return [*found.values(), *(c for c in controls(trait) if c.text not in found)]


def _array(path: Path, text: str) -> list[tuple[str, Any]]:
    """The items of a JSON array, each with its position."""
    items = _parsed(text, f"--candidates {path} begins like a JSON array but is not one", "an array of prompts, or one per line")
    return [(f"item {number}", item) for number, item in enumerate(items, 1)]


def _lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """The non-empty lines, each with its position; one that begins with a brace is read as JSON."""
    for number, line in enumerate(text.splitlines(), 1):
        record: Any = line.strip()
        if record.startswith("{"):
            record = _parsed(record, f"--candidates {path} line {number} is not JSON", "{'text': ...} or a plain prompt")
        if record != "":
            yield f"line {number}", record


def _parsed(text: str, wrong: str, expected: str) -> Any:
    """Parses a JSON text. Raises DataError, which starts with `wrong`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else short(error)
        raise DataError(f"{wrong} ({why}); expected {expected}; fix it") from error
    if too_deep(value, text):
        raise DataError(f"{wrong} (it is nested too deeply); expected {expected}; fix it")
    return value


def _candidate(where: str, record: object, nth: int) -> Candidate:
    text = record.get("text") if isinstance(record, dict) else record
    kind = (record.get("kind") if isinstance(record, dict) else None) or f"own {nth}"
    if not isinstance(text, str) or not text.strip():
        what = "as `text`" if isinstance(record, dict) else "as a prompt"
        raise DataError(f"{where} has {text!r:.40} {what}; expected a prompt; write one")
    if not isinstance(kind, str) or "\n" in kind or len(kind) > 40:
        raise DataError(f"{where} has {kind!r:.60} as `kind`; expected a word or two; write that, or leave it out")
    if len(text.strip()) > LONGEST:
        raise DataError(f"{where} has {len(text.strip())} characters; expected at most {LONGEST}; shorten it")
    if not _whole(text + kind):
        raise DataError(f"{where} has half of a surrogate pair (\\ud...); expected whole characters; fix it")
    return Candidate(text.strip(), kind)
