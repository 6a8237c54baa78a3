"""From which score on a submission counts as passed, found from what an honest one gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WITHOUT_HONEST = 0.5
"""the score that passes where no honest submission says what full marks are"""


@dataclass(frozen=True)
class PassMark:
    """The score from which a submission counts as passed."""

    at: float
    above: bool = False
    """Whether only scores above it pass."""

    def passes(self, score: float | None) -> bool:
        """Whether a submission with this score has passed; one without a score has not."""
        return score is not None and (score > self.at if self.above else score >= self.at)


def mark_of(full: float, wrong: Sequence[float]) -> PassMark:
    """Half of what the honest submission gets, if that is above 0; otherwise half way from the best wrong score below it."""
    if full > 0:
        return PassMark(full / 2)
    below = [score for score in wrong if score < full]
    return PassMark((max(below) + full) / 2, above=True) if below else PassMark(full)
