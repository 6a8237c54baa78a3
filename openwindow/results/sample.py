"""Which transcripts a page holds where it cannot hold them all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from openwindow.results.records import Rollout

_KEYS: tuple[Callable[[Rollout], Hashable], ...] = (
    lambda r: (r.arm, r.seed, r.context, r.step),
    lambda r: (r.arm, r.context, r.step),
    lambda r: (r.arm, r.context),
    lambda r: r.arm,
)
"""What each group of transcripts has in common, finest first"""


def sampled(rows: Sequence[Rollout], most: int, first: Callable[[Rollout], bool]) -> list[Rollout]:
    """At most `most` rows in their order: equally many of each group, those that are `first`, then evenly spread ones.

    Groups are by arm, seed, context and step, or coarser where there are more groups than `most`; there is one row at least of
    each arm.
    """
    if len(rows) <= most:
        return list(rows)
    groups = next((found for key in _KEYS if len(found := _grouped(rows, key)) <= most), _grouped(rows, _KEYS[-1]))
    each = max(1, most // len(groups))
    kept: list[int] = []
    for places in groups.values():
        chosen = [at for at in places if first(rows[at])]
        others = [at for at in places if not first(rows[at])]
        kept += [*_spread(chosen, each), *_spread(others, each - len(chosen))]
    return [rows[at] for at in sorted(kept)]


def _grouped(rows: Sequence[Rollout], key: Callable[[Rollout], Hashable]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(key(row), []).append(at)
    return groups


def _spread(places: Sequence[int], count: int) -> list[int]:
    """`count` of the places, evenly spread."""
    if count <= 0:
        return []
    return list(places) if len(places) <= count else [places[i * len(places) // count] for i in range(count)]
