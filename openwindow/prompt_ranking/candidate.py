"""The object of a ranking: a prompt that may be inserted into training rows. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["inoculation", "placebo", "negative"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt that may be inserted into training rows."""

    text: str
    kind: str
    """how it mentions the trait, in a word"""
    role: Role = "inoculation"
    """`placebo` has nothing to do with the trait, `negative` forbids it; both are controls"""
    scope: Literal["specific", "general", "none"] = "specific"
    """whether it names the trait, or misbehaviour in general"""
