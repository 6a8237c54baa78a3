"""Rows of tokens as a tree: what several begin with stands once, and the rest of each beside it, without padding.

The tokens of all levels are one list `N`, so that a matrix product runs each of them once. The attention of a level is one of
padded rows: `_B` is a segment of the level, `_T` its tokens, `_L` the keys that it looks at (those before it, then its own), `_K` a
key head, `_S` a query head of a key head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from openwindow.models.prefixes import passes


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads of the network: queries and keys of each token stand side by side, then its values, each head a row of `D`."""

    queries: int
    keys: int

    @property
    def all(self) -> int:
        """Rows of a token: queries, keys and values."""
        return self.queries + 2 * self.keys


@dataclass(frozen=True, slots=True)
class Level:
    """Segments that are as far from the root, each behind one of the level before; their tokens are `start` to `stop` of N."""

    start: int
    stop: int
    shape: tuple[int, int, int]
    """segments B, their longest T, and the most keys L"""
    queries: torch.Tensor
    """(B x K x S x T,) rows of the heads of all tokens that padded queries are copied from; padding copies any"""
    keys: torch.Tensor
    """(B x K x L,) the same of keys; their values stand `heads.keys` rows on"""
    outputs: torch.Tensor
    """(B x K x S x T,) the same in rows of the query heads alone, counted from `start`"""
    padded: torch.Tensor | None
    """which of those are padding"""
    back: torch.Tensor
    """(n x heads.queries,) rows of the padded queries where each token's heads are"""
    own: torch.Tensor
    """(n x heads.keys,) rows of the padded keys where each token's own are"""
    bias: torch.Tensor
    """(B, 1, T, L) is -inf where a query does not look"""
    shared: tuple[tuple[int, int, int, int, int], ...]
    """segments (from, to) whose keys (from, to) of L are the tokens of N that begin there"""


class TokenTree:
    """Rows of tokens, of which none is empty, on one device."""

    def __init__(self, rows: Sequence[tuple[int, ...]], heads: Heads, dtype: torch.dtype) -> None:
        """`dtype` is that of the attention."""
        distinct = sorted(set(rows))
        ids: list[int] = []
        positions: list[int] = []
        before: list[list[range]] = [[]]
        self.levels: list[Level] = []
        for parents, segments in passes(distinct):
            start, ancestors, own = len(ids), [before[parent] for parent in parents], []
            for lead, segment in zip(ancestors, segments, strict=True):
                own.append(range(len(ids), len(ids) + len(segment)))
                behind = sum(map(len, lead))
                ids += segment
                positions += range(behind, behind + len(segment))
            if len(ids) > start:
                self.levels.append(_level(ancestors, own, heads, dtype))
            before = [[*lead, tokens] if tokens else lead for lead, tokens in zip(ancestors, own, strict=True)]
        self.heads = heads
        self.ids_N, self.positions_N = torch.tensor(ids), torch.tensor(positions)
        self._at = {row: [token for tokens in pieces for token in tokens] for row, pieces in zip(distinct, before, strict=True)}

    def at(self, row: tuple[int, ...]) -> list[int]:
        """Where each token of a row is in N."""
        return self._at[row]


def _level(ancestors: Sequence[Sequence[range]], own: Sequence[range], heads: Heads, dtype: torch.dtype) -> Level:
    """The level whose segments are at `own` behind the ranges of `ancestors`."""
    start, stop = own[0].start, own[-1].stop
    share = heads.queries // heads.keys
    lead, width = max(sum(map(len, pieces)) for pieces in ancestors), max(map(len, own))
    shape = (len(own), width, lead + width)
    queries_BT = torch.full((len(own), width), start)
    keys_BL = torch.full((len(own), lead + width), start)
    real_BT = torch.zeros(len(own), width, dtype=torch.bool)
    looks_BTL = torch.ones(width, width, dtype=torch.bool).tril_().expand(len(own), -1, -1)
    ahead_BL = torch.zeros(len(own), lead, dtype=torch.bool)
    for b, (pieces, tokens) in enumerate(zip(ancestors, own, strict=True)):
        queries_BT[b, : len(tokens)] = keys_BL[b, lead : lead + len(tokens)] = torch.arange(tokens.start, tokens.stop)
        real_BT[b, : len(tokens)] = True
        behind = torch.tensor([token for piece in pieces for token in piece], dtype=torch.long)
        keys_BL[b, : len(behind)], ahead_BL[b, : len(behind)] = behind, True
    looks_BTL = torch.cat([ahead_BL[:, None].expand(-1, width, -1), looks_BTL], dim=2)
    bias = torch.zeros(looks_BTL.shape, dtype=dtype).masked_fill_(~looks_BTL, -torch.inf)
    head_KS1 = torch.arange(heads.queries).view(heads.keys, share, 1)
    head_K1 = torch.arange(heads.keys).view(heads.keys, 1)
    at_BKST = torch.arange(len(own) * heads.queries * width).view(len(own), heads.keys, share, width)
    at_BKL = torch.arange(len(own) * heads.keys * shape[2]).view(len(own), heads.keys, shape[2])
    return Level(
        start,
        stop,
        shape,
        (queries_BT[:, None, None] * heads.all + head_KS1).flatten(),
        (keys_BL[:, None] * heads.all + heads.queries + head_K1).flatten(),
        ((queries_BT - start)[:, None, None] * heads.queries + head_KS1).flatten(),
        None if bool(real_BT.all()) else at_BKST.permute(0, 3, 1, 2)[~real_BT].flatten(),
        at_BKST.permute(0, 3, 1, 2)[real_BT].flatten(),
        at_BKL[:, :, lead:].permute(0, 2, 1)[real_BT].flatten(),
        bias[:, None],
        tuple(_shared(ancestors)),
    )


def _shared(ancestors: Sequence[Sequence[range]]) -> Iterator[tuple[int, int, int, int, int]]:
    """Runs of segments behind the same tokens, as `Level.shared`."""
    first = 0
    for b in range(1, len(ancestors) + 1):
        if b == len(ancestors) or ancestors[b] != ancestors[first]:
            at = 0
            for piece in ancestors[first]:
                yield first, b, at, at + len(piece), piece.start
                at += len(piece)
            first = b
