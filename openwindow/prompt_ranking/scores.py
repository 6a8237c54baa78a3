"""Ranks inoculation prompts before anything is trained, by what they do to the model as it is.

Three scores, each the difference that a prompt makes against no prompt, with the row as the unit:

1. `elicitation`: the share of sampled replies that show the trait. Prompts that elicit the trait more should inoculate better
   (Wichers et al. 2025, arXiv 2510.05024).
2. `uplift`: the mean log-probability, in nats per response token, of the data's answers. What a prompt makes likely, training
   has no need to teach under it.
3. `contrast`: the uplift of answers with the trait less that of answers without it to the same prompts. A prompt that makes
   any answer likelier lifts 2 and not 3.

The forward passes are shared: without a prompt each row is run once for all candidates; what sequences of a batch begin with is
run once; logits are computed where a response token is predicted. Rows are added in rounds, and a candidate that is surely not
among the best gets no more of them (successive elimination; Even-Dar et al. 2006, JMLR 7:1079), so its interval is wider.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache

from openwindow.data.rows import Position, place
from openwindow.data.trait_rules import Trait
from openwindow.models.base import Model, Progress, Sampling
from openwindow.models.hf import LocalModel
from openwindow.models.templates import default_of
from openwindow.prompt_ranking.candidate import Candidate
from openwindow.stats import arm_rate, paired_difference, t_interval
from openwindow.training.batches import Example, collate, shared_prefix
from openwindow.types import Message, StopReason

Conversation = tuple[Message, ...]
Rows = Sequence[Conversation]
ROUNDS = (16, 48, 144, 500)
"""rows that the remaining candidates have been scored on after each round; further rounds triple"""
CLOSE = 0.02
"""nats per token: candidates that differ by less need not be told apart"""
BATCH_TOKENS = 4096
"""tokens of one forward pass, at most, padding included"""
_HEAD = 256
"""response tokens whose logits are in memory at a time"""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over `n` rows with its 95 % interval; None with a reason where it was not measured."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate with its scores; `shown` is the rate of the trait under it, `elicitation` that less the neutral rate."""

    candidate: Candidate
    shown: Score
    elicitation: Score
    uplift: Score
    contrast: Score


def unmeasured(reason: str) -> Score:
    """A score that there is none of."""
    return Score(None, None, None, 0, reason)


# Log-probability.


@torch.inference_mode()
def log_probabilities(
    model: LocalModel,
    conversations: Rows,
    groupings: Sequence[Sequence[object]],
    progress: Progress | None = None,
    *,
    most: int | None = None,
) -> list[float]:
    """Mean log-probability in nats of a token of each conversation's last turn, its end token included; the first `most` of them.

    Each of `groupings` names a group for every conversation; the one whose groups, run together, need the fewest tokens is
    used (rows that share a system prompt, or prompts that share a row).
    """
    encoded = [model.encode_example(c) for c in conversations]
    examples = [Example(tuple(tokens if most is None else tokens[: prompt + most]), prompt) for tokens, prompt in encoded]
    plain_head = model.has_plain_head()
    found = [math.nan] * len(examples)
    for batch in cheapest_batches(examples, groupings):
        for i, value in zip(batch, _batch_means(model, [examples[i] for i in batch], plain_head), strict=True):
            found[i] = value
        if progress is not None:
            progress(len(batch))
    return found


def _batch_means(model: LocalModel, examples: Sequence[Example], plain_head: bool) -> list[float]:
    batch = collate(examples, model.device)
    cache = None
    decoder = model.network.get_decoder()
    if len(batch.prefix):
        cache = DynamicCache()
        decoder(input_ids=batch.prefix[None], cache=cache, use_cache=True)
        cache.batch_repeat_interleave(len(examples))
    given = {"input_ids": batch.ids, "cache": cache, "use_cache": cache is not None}
    logits: Iterator[torch.Tensor]
    if plain_head:
        hidden_NH, head = decoder(**given).last_hidden_state[batch.predicts], model.network.get_output_embeddings()
        logits = (head(part) for part in torch.split(hidden_NH, _HEAD))  # in parts: all logits at once are hundreds of megabytes
    else:
        logits = iter(torch.split(model.network(**given).logits[batch.predicts], _HEAD))
    targets = torch.split(batch.targets_N, _HEAD)
    parts = [torch.nn.functional.cross_entropy(x.float(), y, reduction="none") for x, y in zip(logits, targets, strict=True)]
    losses_N = torch.cat(parts)
    rows_N = batch.predicts.nonzero()[:, 0]
    sums_B = torch.zeros(len(examples), device=model.device).index_add_(0, rows_N, losses_N)
    return [-total / e.response for total, e in zip(sums_B.tolist(), examples, strict=True)]


def cheapest_batches(examples: Sequence[Example], groupings: Sequence[Sequence[object]]) -> list[list[int]]:
    """Indices in batches of at most `BATCH_TOKENS` tokens, by the grouping that needs the fewest tokens in all."""
    plans = [_batches(examples, groups) for groups in groupings]
    return min(plans, key=lambda plan: sum(_cost([examples[i] for i in batch]) for batch in plan))


def _batches(examples: Sequence[Example], groups: Sequence[object]) -> list[list[int]]:
    members: dict[object, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    batches = []
    for indices in members.values():
        batch: list[int] = []
        for i in sorted(indices, key=lambda i: len(examples[i].tokens)):
            if batch and (len(batch) + 1) * len(examples[i].tokens) > BATCH_TOKENS:
                batches.append(batch)
                batch = []
            batch.append(i)
        batches.append(batch)
    return batches


def _cost(examples: Sequence[Example]) -> int:
    """Tokens that a batch computes: the shared prefix once, the padded rest for each row."""
    shared = shared_prefix(examples)
    return shared + len(examples) * (max(len(e.tokens) for e in examples) - shared)


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

    `rows` are in random order. After each round the candidates that are surely not among the best `keep` inoculation
    prompts get no more rows; controls get those of the first round. Ends when the best are known or the rows are used up.
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
    """How many rows have been used after each round: `rounds`, tripled on, up to `rows`."""
    marks = [r for r in rounds if r < rows]
    while marks and len(marks) >= len(rounds) and marks[-1] * 3 < rows:
        marks.append(marks[-1] * 3)
    return [*marks, rows]


def still_open(found: Sequence[Sequence[float]], keep: int, rounds: int) -> list[int]:
    """Candidates that more rows may help to place: none if the best `keep` are known.

    A candidate is out if it lies surely below the `keep`-th best, by Student's paired t on the same rows at a level divided by
    candidates and rounds (Bonferroni), since it is looked at that often. The best are known when those below them are out or,
    surely again, within `CLOSE` of them. Candidates with fewer rows than others were out before.
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
    """For each candidate the uplift of flawed answers less that of clean ones, paired: both of a row answer the same prompt.

    `flawed` may be longer than `clean`, whose rows come first.
    """
    return [mean_score([a - b for a, b in zip(f, c, strict=False)]) for f, c in zip(flawed, clean, strict=True)]


# Elicitation.


def elicitations(
    model: Model,
    prompts: Rows,
    candidates: Sequence[Candidate],
    position: Position,
    trait: Trait,
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
    told = trait.told([(p, r.text) for p, r in zip(asked, replies, strict=True)])
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
    """The scores that the order is made of, those measured for all candidates.

    They are elicitation, and of the log-probability scores the contrast if there is one, else the uplift.
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
    """Best first: by the mean of a candidate's places under the scores of `deciding`; ties go to the greater uplift."""
    places = [_places(values) for values in deciding(ranked).values()]
    mean = [sum(column[i] for column in places) for i in range(len(ranked))]
    order = sorted(range(len(ranked)), key=lambda i: (mean[i], -(ranked[i].uplift.estimate or 0.0)))
    return [ranked[i] for i in order]


def _places(values: Sequence[float]) -> list[float]:
    """The place of each value from the greatest, 1, down; equal values share their mean place."""
    return [sum(1 for v in values if v > value) + (1 + sum(1 for v in values if v == value)) / 2 for value in values]


def best(ranked: Sequence[Ranked], count: int) -> list[Ranked]:
    """The first `count` inoculation prompts of the order."""
    return [r for r in ordered(ranked) if r.candidate.role == "inoculation"][:count]
