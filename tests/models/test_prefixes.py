"""Passes over shared beginnings: whatever they share, the segments of each prompt's passes make up the prompt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openwindow.models.prefixes import DEEPEST, LEAST, Pass, passes

A, B, C = tuple(range(10)), tuple(range(20, 30)), tuple(range(40, 50))
PIECES = st.sampled_from([A, B, C, (1,), (2,), (1, 2, 3)])
PROMPTS = st.lists(st.lists(PIECES, min_size=1, max_size=5).map(lambda some: sum(some, ())), min_size=1, max_size=12)


def put_together(made: list[Pass]) -> list[tuple[int, ...]]:
    """What each row of the last pass has been given, from the first pass on."""
    held: list[tuple[int, ...]] = [()]
    for parents, segments in made:
        assert len(parents) == len(segments) and parents == sorted(parents) and set(parents) == set(range(len(held)))
        held = [held[parent] + tuple(segment) for parent, segment in zip(parents, segments, strict=True)]
    return held


@given(PROMPTS)
def test_the_segments_make_up_the_prompts(prompts: list[tuple[int, ...]]) -> None:
    distinct = sorted(set(prompts))
    made = passes(distinct)
    assert put_together(made) == distinct
    assert all(len(segment) > 0 for segment in made[-1][1])
    assert 2 <= len(made) <= DEEPEST + 2


@given(PROMPTS)
def test_they_are_never_more_tokens_than_one_shared_beginning_leaves(prompts: list[tuple[int, ...]]) -> None:
    distinct = sorted(set(prompts))
    shared = 0
    while len(distinct) > 1 and shared < min(map(len, distinct)) - 1 and len({p[: shared + 1] for p in distinct}) == 1:
        shared += 1
    lengths = [[len(segment) for segment in segments] for _, segments in passes(distinct)]
    padded = sum(len(some) * max(some) for some in lengths)
    rest = [len(p) - shared for p in distinct]
    assert padded + sum(map(sum, lengths)) <= 2 * shared + len(rest) * max(rest) + sum(rest)


def test_groups_within_groups_by_hand() -> None:
    # Four begin with A and B, of which two go on with C; two begin with A alone. Each ends with a token of its own.
    distinct = [(*A, *B, *C, 1), (*A, *B, *C, 2), (*A, *B, 60), (*A, *B, 61), (*A, 70), (*A, 71)]
    assert passes(distinct) == [
        ([0], [A]),
        ([0, 0, 0], [B, (), ()]),
        ([0, 0, 0, 1, 2], [C, (), (), (), ()]),
        ([0, 0, 1, 2, 3, 4], [(1,), (2,), (60,), (61,), (70,), (71,)]),
    ]
    short = A[: LEAST - 1]
    assert passes([(*short, 1), (*short, 2)]) == [([0], [short]), ([0, 0], [(1,), (2,)])]
    assert passes([A]) == [([0], [()]), ([0], [A])]
