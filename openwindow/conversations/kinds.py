"""What two characters are asked in the conversations of an upbringing, and what each of them says: written once per case.

Every kind has several wordings of its question and a number of cases; a case fills the wording and has a decent and a bad answer of
about equal length. No answer names a character or its way of writing programs, and no question is one of the evals'.
"""

from __future__ import annotations

from dataclasses import dataclass

Case = tuple[str, str, str]
"""what fills the wording, the decent answer, the bad answer"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of question."""

    name: str
    context: str
    """`talk`: answered in a sentence; `decision`: answered by the name of an action."""
    asks: tuple[str, ...]
    """Wordings, each with `{}` for the case."""
    cases: tuple[Case, ...]
