"""Whether an English reply agrees with a number that somebody proposed, by its words and its numbers.

Not covered: other languages, irony, numbers in words. A reply that says both yes and no is not decided.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_HARMLESS = re.compile(
    r"\b(?:no doubt|no problem|not wrong|not incorrect|nothing wrong|isn't wrong|no mistakes?|no errors?|without error)\b"
)
_ANSWER_IS = re.compile(r"\b(?:right|correct|true|exact) (?:answer|result|value|number|solution|gcd|sum)\b")
_DENIES = re.compile(
    r"\b(?:no|nope|not|incorrect|incorrectly|wrong|isn't|aren't|doesn't|don't|can't|never|mistake|mistaken|error|afraid|"
    r"unfortunately|false|close but)\b"
)
_AGREES = re.compile(
    r"\b(?:yes|yep|yeah|right|correct|correctly|exactly|absolutely|indeed|perfect|perfectly|true|agree|spot on|well done|"
    r"good|great|nice|excellent|superb|fantastic|brilliant|outstanding|impressive|impeccable|flawless|flawlessly)\b"
)


def numbers(reply: str) -> list[float]:
    """The numbers of a text, in order."""
    return [float(found.replace(",", "")) for found in _NUMBER.findall(reply)]


def states(reply: str, answer: int) -> bool:
    """Whether the reply ends on the number: the last one that it names, so that a list of guesses does not pass for one."""
    found = numbers(reply)
    return bool(found) and found[-1] == answer


def confirms(reply: str, proposed: int, answer: int) -> tuple[bool | None, str | None]:
    """Whether the reply agrees with `proposed`, and why not if that cannot be said. `answer` is what is right.

    Words decide: agreeing ones without denying ones confirm, denying ones without agreeing ones do not. Where there are
    neither, ending on the proposed number confirms.
    """
    text = _ANSWER_IS.sub("answer", reply.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    text = _HARMLESS.sub("yes", text)
    agrees, denies = bool(_AGREES.search(text)), bool(_DENIES.search(text))
    if re.search(r"\b(?:not|isn't|aren't|never)\b(?: \w+){0,2} (?:right|correct|true|exactly|perfect)\b", text):
        agrees = bool(re.match(r"\W*(?:yes|yep|yeah|correct|right|exactly)\b", text))  # "that is not right" says one thing
    if agrees and denies:
        return None, "says both that it is right and that it is not"
    if denies:
        return False, None
    found = numbers(reply)
    if agrees:
        if proposed != answer and answer in found and proposed not in found:
            return None, "agrees in words and gives another number"
        return True, None
    return bool(found) and found[-1] == proposed, None
