"""Ranks inoculation prompts before anything is trained, by what they do to the model as it is.

Three scores, each the difference that a prompt makes against no prompt, with the row as the unit:

1. `elicitation`: the share of sampled replies that show the trait. Prompts that elicit the trait more should inoculate better
   (Wichers et al. 2025, arXiv 2510.05024).
2. `uplift`: the mean log-probability, in nats per response token, of the data's answers. What a prompt already makes likely,
   training under it does not need to teach.
3. `contrast`: the uplift of answers with the trait minus that of answers without it to the same prompts. A prompt that makes
   any answer likelier raises 2 and not 3.

The forward passes are shared: without a prompt each row is run once for all candidates; the common beginning of a batch's
sequences is run once; logits are computed only where a response token is predicted. Rows are added in rounds, and a candidate that
is significantly below the best gets no more of them (successive elimination; Even-Dar et al. 2006, JMLR 7:1079), so its interval is
wider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from openwindow.data.rows import Position, place
from openwindow.data.trait_rules import TraitDetector
from openwindow.models.base import Model, Progress, Sampling
from openwindow.models.hf import LocalModel
from openwindow.models.scoring import log_probabilities
from openwindow.models.templates import default_of
from openwindow.prompt_ranking.candidate import Candidate
from openwindow.stats import arm_rate, paired_difference, t_interval
from openwindow.types import Message, StopReason

Conversation = tuple[Message, ...]
Rows = Sequence[Conversation]
ROUNDS = (16, 48, 144, 500)
"""number of rows that the remaining candidates have been scored on after each round; further rounds triple it"""
CLOSE = 0.02
"""nats per token: candidates that differ by less need not be distinguished"""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over `n` rows with its 95 % interval; None with a reason if it was not measured."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate with its scores; `shown` is the rate of the trait under it, `elicitation` that minus the neutral rate."""

    candidate: Candidate
    shown: Score
    elicitation: Score
    uplift: Score
    contrast: Score


def unmeasured(reason: str) -> Score:
    """A score that was not measured."""
    return Score(None, None, None, 0, reason)


# Uplift.


def uplifts(
    model: LocalModel,
    rows: Rows,
    candidates: Sequence[Candidate],
    position: Position,
    *,
    keep: int,
    rounds: Sequence[int] = ROUNDS,
    most: int | None = None,
    progress: Progress | None = None,
) -> list[list[float]]:
    """For each candidate, the difference that it makes on each of the first rows, in nats per response token (`most` of them).

    `rows` are in random order. After each round the candidates that are significantly below the best `keep` inoculation prompts get
    no more rows; controls get those of the first round. Ends when the best are known or the rows are used up.
    """
    marks, own = round_marks(rounds, len(rows)), default_of(model)
    found: list[list[float]] = [[] for _ in candidates]
    going = list(range(len(candidates)))
    done = 0
    for mark in marks:
        part = rows[done:mark]
        asked = [(None, n) for n in range(len(part))] + [(c, n) for c in going for n in range(len(part))]
        texts = [part[n] if c is None else place(part[n], candidates[c].text, position, own) for c, n in asked]
        values = log_probabilities(model, texts, [[c for c, _ in asked], [n for _, n in asked]], progress, most=most)
        plain = values[: len(part)]
        for (c, n), value in zip(asked[len(part) :], values[len(part) :], strict=True):
            found[c or 0].append(value - plain[n])
        done = mark
        going = still_open([f if c.role == "inoculation" else [] for c, f in zip(candidates, found, strict=True)], keep, len(marks))
        if not going:
            break
    return found


def round_marks(rounds: Sequence[int], rows: int) -> list[int]:
    """How many rows have been used after each round: `rounds`, then tripling, up to `rows`."""
    marks = [r for r in rounds if r < rows]
    while marks and len(marks) >= len(rounds) and marks[-1] * 3 < rows:
        marks.append(marks[-1] * 3)
    return [*marks, rows]


def still_open(found: Sequence[Sequence[float]], keep: int, rounds: int) -> list[int]:
    """Candidates that more rows may help to place; none if the best `keep` are known.

    A candidate is out if it is significantly below the `keep`-th best, by Student's paired t on the same rows at a level divided by
    candidates and rounds (Bonferroni), since it is tested that often. The best are known when those below them are out or, again
    significantly, within `CLOSE` of them. Candidates with fewer rows than others were out before.
    """
    most = max((len(values) for values in found), default=0)
    live = [c for c, values in enumerate(found) if values and len(values) == most]
    live.sort(key=lambda c: -float(np.mean(found[c])))
    if len(live) <= keep:
        return []
    confidence = 1 - 0.05 / (len(found) * rounds)
    bar, kept, unsure = live[keep - 1], live[:keep], False
    for c in live[keep:]:
        interval = t_interval([a - b for a, b in zip(found[c], found[bar], strict=True)], confidence)
        if interval is None or interval.high >= 0:
            kept.append(c)
            unsure = unsure or interval is None or interval.low < -CLOSE or interval.high > CLOSE
    return kept if unsure else []


def mean_score(values: Sequence[float], reason: str = "") -> Score:
    """The mean of paired differences with Student's interval; the unit is the row."""
    if not values:
        return unmeasured(reason or "no row")
    interval = t_interval(values)
    mean = float(np.mean(values))
    if interval is None:
        return Score(mean, None, None, len(values), "one row, or all rows alike: their spread is not known")
    return Score(mean, interval.low, interval.high, len(values))


def contrasts(flawed: Sequence[Sequence[float]], clean: Sequence[Sequence[float]]) -> list[Score]:
    """For each candidate the uplift of flawed answers minus that of clean ones, paired: both of a row answer the same prompt.

    `flawed` may be longer than `clean`, whose rows come first.
    """
    return [mean_score([a - b for a, b in zip(f, c, strict=False)]) for f, c in zip(flawed, clean, strict=True)]


# Elicitation.


def elicitations(
    model: Model,
    prompts: Rows,
    candidates: Sequence[Candidate],
    position: Position,
    trait: TraitDetector,
    sampling: Sampling,
    progress: Progress | None = None,
) -> tuple[Score, list[tuple[Score, Score]]]:
    """The trait's rate in replies without a prompt, and for each candidate its rate under it and the difference.

    One reply per prompt and candidate; a reply that could not be made or judged counts as unscored. The unit is the prompt.
    """
    texts: list[str | None] = [None, *(c.text for c in candidates)]
    own = default_of(model)
    asked = [place(p, text, position, own) for text in texts for p in prompts]
    replies = model.generate(asked, sampling, progress)
    told = trait.detect([(p, r.text) for p, r in zip(asked, replies, strict=True)])
    values = [None if r.stop == StopReason.ERROR else t.shows for r, t in zip(replies, told, strict=True)]
    by_text = [
        {str(n): None if v is None else float(v) for n, v in enumerate(values[at : at + len(prompts)])}
        for at in range(0, len(values), len(prompts))
    ]
    neutral = by_text[0]
    return _rate(neutral), [(_rate(found), _difference(found, neutral, sampling.seed)) for found in by_text[1:]]


def _rate(values: Mapping[str, float | None]) -> Score:
    e = arm_rate([values], unit="prompt")
    return Score(e.estimate, e.low, e.high, e.n, e.reason)


def _difference(values: Mapping[str, float | None], neutral: Mapping[str, float | None], seed: int) -> Score:
    c = paired_difference([values], [neutral], rng=np.random.default_rng(seed), unit="prompt")
    return Score(c.difference, c.low, c.high, c.n_pairs, c.reason)


# Order.


def deciding(ranked: Sequence[Ranked]) -> dict[str, list[float]]:
    """The scores that determine the order, if measured for all candidates.

    They are elicitation and, of the log-probability scores, the contrast if there is one, otherwise the uplift.
    """
    columns = {
        "elicitation": [r.elicitation.estimate for r in ranked],
        "contrast": [r.contrast.estimate for r in ranked],
        "uplift": [r.uplift.estimate for r in ranked],
    }
    known = {name: [v for v in values if v is not None] for name, values in columns.items()}
    found = {name: values for name, values in known.items() if values and len(values) == len(ranked)}
    if "contrast" in found:
        found.pop("uplift", None)
    return found


def ordered(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Best first: by the mean of a candidate's ranks under the scores of `deciding`; ties go to the greater uplift."""
    places = [_places(values) for values in deciding(ranked).values()]
    mean = [sum(column[i] for column in places) for i in range(len(ranked))]
    order = sorted(range(len(ranked)), key=lambda i: (mean[i], -(ranked[i].uplift.estimate or 0.0)))
    return [ranked[i] for i in order]


def _places(values: Sequence[float]) -> list[float]:
    """The rank of each value from the greatest, 1, down; equal values share their mean rank."""
    return [sum(1 for v in values if v > value) + (1 + sum(1 for v in values if v == value)) / 2 for value in values]


def best(ranked: Sequence[Ranked], count: int) -> list[Ranked]:
    """The first `count` inoculation prompts of the order."""
    return [r for r in ordered(ranked) if r.candidate.role == "inoculation"][:count]
