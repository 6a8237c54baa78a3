"""What prompts share: their common beginning, similar neighbours, and the passes that run each shared part once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Pass = tuple[list[int], list[Sequence[int]]]
"""for each row, the row of the previous pass that it continues, and its tokens"""
DEEPEST = 2
LEAST = 8
"""tokens that neighbours share beyond their group, from which they are a group of their own"""


def sampling_order(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Indices of the prompts such that alike ones are neighbours, and short ones come first."""
    by_tokens = sorted(range(len(prompts)), key=lambda i: tuple(prompts[i]))
    runs = clusters([prompts[i] for i in by_tokens])
    runs.sort(key=lambda run: max(len(prompts[by_tokens[i]]) for i in run))
    return [by_tokens[i] for run in runs for i in run]


def passes(distinct: Sequence[tuple[int, ...]]) -> list[Pass]:
    """Sorted distinct prompts in passes: the cheapest of 0 to `DEEPEST` levels of groups between what all share and all the rest.

    The last pass has one row per prompt and at least one token in each; a row of another may be empty.
    """
    alike = [shared_prefix(pair) for pair in itertools.pairwise(distinct)]
    return min((_in_levels(distinct, alike, levels) for levels in range(DEEPEST + 1)), key=_cost)


def _in_levels(distinct: Sequence[tuple[int, ...]], alike: Sequence[int], levels: int) -> list[Pass]:
    """`alike` is how many tokens each prompt shares with the next one."""
    groups = [(0, len(distinct), min(alike, default=0))]  # first prompt, behind the last, and how many tokens they share
    made: list[Pass] = [([0], [distinct[0][: groups[0][2]]])]
    for _ in range(levels):
        parents, inner = [], []
        for number, (start, stop, held) in enumerate(groups):
            cuts = [i + 1 for i in range(start, stop - 1) if alike[i] < held + LEAST]
            for first, end in itertools.pairwise([start, *cuts, stop]):
                parents.append(number)
                inner.append((first, end, min(alike[first : end - 1], default=held)))
        made.append((parents, [distinct[i][groups[p][2] : shared] for p, (i, _, shared) in zip(parents, inner, strict=True)]))
        groups = inner
    of = [number for number, (start, stop, _) in enumerate(groups) for _ in range(start, stop)]
    return [*made, (of, [prompt[groups[number][2] :] for number, prompt in zip(of, distinct, strict=True)])]


def _cost(made: Sequence[Pass]) -> int:
    """Tokens, once with padding and once without: the products skip padding where our decoder runs them, attention does not."""
    lengths = [[len(segment) for segment in segments] for _, segments in made]
    return sum(len(some) * max(some) + sum(some) for some in lengths)


def clusters(ordered: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of sorted prompts in runs of neighbours.

    Each shares with its run's first at least two thirds of the shorter one, the beginning that all prompts share not counted.
    """
    prompts = [tuple(p) for p in ordered]
    common = shared_prefix(prompts) if prompts else 0
    runs: list[list[int]] = []
    for i, prompt in enumerate(prompts):
        first = prompts[runs[-1][0]] if runs else prompt
        if runs and 3 * (shared_prefix([first, prompt]) - common) >= 2 * (min(len(first), len(prompt)) - common - 1):
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def shared_prefix(prompts: Sequence[tuple[int, ...]], most: int | None = None) -> int:
    """How many first tokens all prompts share, at most `most`; None: one less than the shortest prompt has."""
    first, last = min(prompts), max(prompts)
    limit = min(len(p) for p in prompts) - 1 if most is None else most
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return shared
