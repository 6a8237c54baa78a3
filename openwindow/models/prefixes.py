"""What prompts share: their common beginning, neighbours that are alike, and the passes that run each shared part once."""

from __future__ import annotations

from collections.abc import Sequence


def sampling_order(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Indices of the prompts such that alike ones are neighbours, and short ones come first."""
    by_tokens = sorted(range(len(prompts)), key=lambda i: tuple(prompts[i]))
    runs = clusters([prompts[i] for i in by_tokens])
    runs.sort(key=lambda run: max(len(prompts[by_tokens[i]]) for i in run))
    return [by_tokens[i] for run in runs for i in run]


def passes(distinct: Sequence[tuple[int, ...]]) -> list[tuple[list[int], list[Sequence[int]]]]:
    """Sorted distinct prompts in passes: for each row of a pass, the row of the pass before that it goes on from, and its tokens.

    The last pass has one row per prompt and at least one token in each.
    """
    shared = shared_prefix(distinct)
    groups = clusters(distinct)
    lengths = [max(shared_prefix([distinct[i] for i in group]), shared) for group in groups]
    group_of = [number for number, group in enumerate(groups) for _ in group]
    first = [distinct[group[0]][shared:length] for group, length in zip(groups, lengths, strict=True)]
    rest = [prompt[lengths[group_of[i]] :] for i, prompt in enumerate(distinct)]
    whole = [prompt[shared:] for prompt in distinct]
    in_two = len(first) * max(map(len, first)) + len(rest) * max(map(len, rest))
    if in_two < len(whole) * max(map(len, whole)):
        return [([0], [distinct[0][:shared]]), ([0] * len(first), [*first]), (group_of, [*rest])]
    return [([0], [distinct[0][:shared]]), ([0] * len(whole), [*whole])]


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


def shared_prefix(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many first tokens all prompts share, at most one less than the shortest prompt has."""
    first, last = min(prompts), max(prompts)
    limit = min(len(p) for p in prompts) - 1
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    return shared
