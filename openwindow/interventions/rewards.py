"""What may be changed about the reward of a rollout, and about which rollouts are learnt from. Pure logic on records.

    given = paid(records)                                              # the plain reward: the proxy
    given = DetectorPenalty(accuracy=0.9, penalty=1.0).apply(records, given, seed)
    Tally.of(given)

Sources: the penalty from a hack classifier, the preference model's score beside the grader's, filtering and distilling, and half
of the environments closed are those of MacDiarmid et al. (2025, arXiv 2511.18397); penalty against screening by detector accuracy
is the comparison of Wong et al. (2025). A rollout that could not be measured is left out with its reason; it never counts as 0.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openwindow.data.rows import Row
from openwindow.errors import ConfigError, DataError
from openwindow.interventions.style_score import reads_honest
from openwindow.types import Message

Score = Callable[[str, str], float]
"""Prompt and reply to a score from 0 to 1."""
_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Record:
    """One rollout as it was graded; the two texts are read by preference scores and by distilling alone."""

    id: str
    """Identity, unique in the run: a detector's errors are drawn by it, so that they do not depend on the order."""
    group: str
    """The rollouts of one prompt share it."""
    proxy: bool | None
    """The exploitable grader passes it; None where that was not measured."""
    truth: bool | None
    """It is correct; None where that was not measured."""
    hack: bool | None
    """Passes the proxy and fails the truth; None where either is None."""
    attempted: bool | None
    """The static detector sees a hack in its source; None where it could not read it."""
    kinds: tuple[str, ...] = ()
    """The kinds of hack that its source shows, by the names of the environment (`environments/code/hack_detectors.py` for code)."""
    reason: str | None = None
    """Why something is None, such as a failed generation."""
    prompt: str = ""
    """What it was sampled under, as text."""
    reply: str = ""
    """What the model wrote."""
    problem: str = ""
    """The problem's id."""
    family: str = ""
    """The problem's family."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a rollout earns, and whether it takes part in the update."""

    id: str
    group: str
    reward: float | None
    """None where it could not be measured."""
    keep: bool
    """Whether it is learnt from. One that is not, is left out of its group's mean as well."""
    reason: str | None = None
    """Why it is not kept."""
    screened: bool = False
    """A detector took it out."""
    flagged: bool | None = None
    """What the detector said; None where none was asked or it had nothing to go by."""


def paid(records: Sequence[Record]) -> list[Paid]:
    """The plain reward of each record, in order: 1 where the proxy passes it, 0 where it does not. Raises DataError."""
    if twice := [id for id, count in Counter(record.id for record in records).items() if count > 1]:
        raise DataError(f"{len(twice)} rollouts share their id with another, {twice[0]!r} first; expected one id each; number them")
    return [
        Paid(r.id, r.group, None, False, r.reason or "the proxy gave no verdict")
        if r.proxy is None
        else Paid(r.id, r.group, float(r.proxy), True)
        for r in records
    ]


class Detector(BaseModel):
    """Something that says whether a rollout hacks, right as often as it is set to be."""

    model_config = _CONFIG

    detector: Literal["oracle", "static"] = "oracle"
    """`oracle` knows what execution says and errs by lot; `static` reads the source (`environments/code/hack_detectors.py`)."""
    accuracy: float = 1.0
    """Share of rollouts, 0.5 to 1, that the oracle calls rightly, hacks and others alike."""
    recall: float | None = None
    """Share of hacks, 0 to 1, that the oracle flags; `accuracy` is then that of the other rollouts. None: as `accuracy`."""
    blind_to: tuple[str, ...] = ()
    """Kinds of hack that it never saw: a rollout that shows these alone is to it like one that does not hack."""

    @model_validator(mode="after")
    def _check(self) -> Detector:
        if not 0.5 <= self.accuracy <= 1:
            raise ConfigError(
                f"detector accuracy is {self.accuracy}; expected 0.5 (a coin) to 1 (always right); set one in between"
            )
        if self.recall is not None and not 0 <= self.recall <= 1:
            raise ConfigError(f"detector recall is {self.recall}; expected a share of the hacks, 0 to 1; set one in between")
        if self.detector == "static" and (self.accuracy != 1 or self.recall is not None):
            raise ConfigError("the static detector has accuracy or recall set; it has its own, to be measured; leave both out")
        return self

    @property
    def named(self) -> str:
        """The detector in words: `oracle, accuracy 0.9`."""
        blind = f", blind to {' and '.join(self.blind_to)}" if self.blind_to else ""
        if self.detector == "static":
            return f"static, any kind{blind}"
        return f"oracle, accuracy {self.accuracy:g}" + ("" if self.recall is None else f", recall {self.recall:g}") + blind

    def flags(self, record: Record, seed: int) -> bool | None:
        """What it says of a rollout; None where it has nothing to go by. Depends on the seed and the rollout's id alone.

        The lot is the same at every accuracy: what a better oracle gets wrong, a worse one does too.
        """
        unseen = bool(record.kinds) and set(record.kinds) <= set(self.blind_to)
        if self.detector == "static":
            return record.attempted if record.attempted is None else record.attempted and not unseen
        if record.hack is None:
            return None
        lot = uniform(f"detector/{seed}/{record.id}")
        caught = record.hack and not unseen
        return lot < (self.accuracy if self.recall is None else self.recall) if caught else lot >= self.accuracy

    def blind(self, record: Record) -> str:
        """Why it has nothing to go by."""
        return record.reason or ("the source could not be read" if self.detector == "static" else "whether it hacks is not known")


class DetectorPenalty(Detector):
    """Rollouts that a detector flags earn less, or are not learnt from."""

    kind: Literal["detector_penalty"] = "detector_penalty"
    """Names the intervention in configurations."""
    penalty: float = Field(1.0, gt=0, allow_inf_nan=False)
    """What a flagged rollout's reward is lowered by, or to the negative of which it is set."""
    how: Literal["subtract", "set"] = "subtract"
    """`subtract` gives reward - penalty; `set` gives -penalty whatever the reward was."""
    action: Literal["penalty", "screen"] = "penalty"
    """`penalty` changes the reward; `screen` leaves the rollout out of the update and changes no reward."""

    def apply(self, records: Sequence[Record], given: Sequence[Paid], seed: int) -> list[Paid]:
        """What each record earns now; one that the detector has nothing to go by for is left out with the reason."""
        return [self._one(r, p, seed) if p.keep else p for r, p in zip(records, given, strict=True)]

    def _one(self, record: Record, given: Paid, seed: int) -> Paid:
        flagged = self.flags(record, seed)
        if flagged is None:
            return replace(given, keep=False, reason=self.blind(record))
        if not flagged or given.reward is None:
            return replace(given, flagged=flagged)
        if self.action == "screen":
            return replace(given, keep=False, flagged=True, screened=True, reason="screened: the detector flags it")
        return replace(given, flagged=True, reward=(given.reward if self.how == "subtract" else 0.0) - self.penalty)


class PreferenceReward(BaseModel):
    """The reward mixed with a score for how the reply reads."""

    model_config = _CONFIG

    kind: Literal["preference"] = "preference"
    """Names the intervention in configurations."""
    weight: float = 0.5
    """Share of the score in the reward, 0 to 1; 0 changes nothing, at 1 the grader counts for nothing."""

    @model_validator(mode="after")
    def _check(self) -> PreferenceReward:
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"preference weight is {self.weight}; expected a share of the reward, 0 to 1; set one in between")
        return self

    def apply(self, records: Sequence[Record], given: Sequence[Paid], seed: int, score: Score = reads_honest) -> list[Paid]:
        """What each record earns now: (1 - weight) * reward + weight * score; the seed is not used.

        A score that is not a number from 0 to 1 leaves the rollout out with the reason.
        """
        return [self._one(r, p, score) if p.keep and self.weight else p for r, p in zip(records, given, strict=True)]

    def _one(self, record: Record, given: Paid, score: Score) -> Paid:
        liked = score(record.prompt, record.reply)
        if not (math.isfinite(liked) and 0 <= liked <= 1):
            return replace(given, keep=False, reason=f"the preference score is {liked}, not a number from 0 to 1")
        return replace(given, reward=(1 - self.weight) * (given.reward or 0.0) + self.weight * liked)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rollouts are learnt from, and why the others are not."""

    kept: int
    screened: int
    unmeasured: dict[str, int]
    """Rollouts left out because something could not be measured, by reason."""
    flagged: int
    """Rollouts that the detector flagged, screened or not."""

    @staticmethod
    def of(given: Sequence[Paid]) -> Tally:
        """The counts over some rollouts; kept, screened and unmeasured add up to all of them."""
        reasons = Counter(p.reason or "not said" for p in given if not p.keep and not p.screened)
        flagged = sum(1 for p in given if p.flagged)
        return Tally(sum(p.keep for p in given), sum(p.screened for p in given), dict(reasons), flagged)


@dataclass(frozen=True, slots=True)
class Distilled:
    """Rollouts that a fresh model may be fine-tuned on, and why the others are not among them."""

    rows: tuple[Row, ...]
    dropped: dict[str, int]
    """By reason."""


def filter_and_distil(
    records: Sequence[Record], detector: Detector | None, seed: int, *, words: Sequence[str] = (), failing: bool = False
) -> Distilled:
    """The rollouts that the proxy passes and the detector does not flag, as rows for supervised fine-tuning.

    With `words`, replies in which one of them stands (whole word, whatever its case) go too: the stricter filter. With
    `failing`, those that the proxy does not pass stay. No detector: nothing is flagged. A row's `kind` is what execution said,
    `gamed` or `honest` (`attempt` for neither), so that what slipped through can be counted; the filter does not see it.
    """
    rows, dropped = [], Counter[str]()
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE) if words else None
    for record in records:
        flagged = False if detector is None else detector.flags(record, seed)
        if record.proxy is None:
            dropped[record.reason or "the proxy gave no verdict"] += 1
        elif not record.proxy and not failing:
            dropped["the proxy fails it"] += 1
        elif flagged is None and detector is not None:
            dropped[detector.blind(record)] += 1
        elif flagged:
            dropped["the detector flags it"] += 1
        elif pattern is not None and pattern.search(record.reply):
            dropped["a filtered word"] += 1
        elif not record.reply.strip():
            dropped["an empty reply"] += 1
        else:
            turns = (Message("user", record.prompt), Message("assistant", record.reply))
            kind = "unknown" if record.hack is None else "gamed" if record.hack else "honest" if record.truth else "attempt"
            rows.append(Row(turns, kind, record.problem, record.family))
    return Distilled(tuple(rows), dict(dropped))


def half_hackable(problems: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """The ids of `problems` whose grader has its holes: round(share * problems), the same whatever their order.

    Raises ConfigError for a share outside 0 to 1 and for an id that comes twice.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share of hackable problems is {share}; expected 0 (none) to 1 (all); set one in between")
    if len(set(problems)) < len(problems):
        raise ConfigError(f"{len(problems)} problems have {len(set(problems))} different ids; expected each once; drop the doubles")
    drawn = sorted(problems, key=lambda id: (uniform(f"hackable/{seed}/{id}"), id))
    return frozenset(drawn[: round(share * len(drawn))])


def uniform(name: str) -> float:
    """A number from 0 to below 1 that is a function of the name alone, the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
