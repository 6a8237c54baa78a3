"""Keeps a bounded number of rollouts to read on the page: of every step equally many, hacks and others."""

from __future__ import annotations

import heapq
import zlib
from dataclasses import replace

from openwindow.files.records import TrainingRollout

LONGEST = 20_000
"""characters of a reply, or of a turn of its prompt, that are kept"""


class Kept:
    """A sample of a run, drawn by a function of step and place so that it is the same however often it is read."""

    def __init__(self, most: int) -> None:
        """`most` is how many rollouts are kept at most."""
        self.most = most
        self.total = 0
        self._each = most
        self._size = 0
        self._skip = 1
        self._heaps: dict[tuple[int, bool], list[tuple[int, int, TrainingRollout]]] = {}

    def add(self, rollout: TrainingRollout) -> None:
        """Keeps the rollout, or not."""
        self.total += 1
        if rollout.step % self._skip:
            return
        key = -zlib.crc32(f"{rollout.step}/{self.total}".encode())
        heap = self._heaps.setdefault((rollout.step, rollout.scores.get("hack") is True), [])
        if len(heap) < self._each:
            heapq.heappush(heap, (key, self.total, _clipped(rollout)))
            self._size += 1
        elif key > heap[0][0]:
            heapq.heapreplace(heap, (key, self.total, _clipped(rollout)))
        while self._size > self.most:
            self._thin()

    def rollouts(self) -> list[TrainingRollout]:
        """What is kept, by step and in the order of the file."""
        found = sorted(
            ((step, place, rollout) for (step, _), heap in self._heaps.items() for _, place, rollout in heap), key=_order
        )
        return [rollout for _, _, rollout in found]

    def _thin(self) -> None:
        """Keeps fewer of each step; where it is one of each already, every other step."""
        if self._each > 1:
            self._each //= 2
            for key, heap in self._heaps.items():
                self._heaps[key] = heapq.nlargest(self._each, heap)
                heapq.heapify(self._heaps[key])
        else:
            self._skip *= 2
            self._heaps = {key: heap for key, heap in self._heaps.items() if key[0] % self._skip == 0}
        self._size = sum(map(len, self._heaps.values()))


def _order(item: tuple[int, int, TrainingRollout]) -> tuple[int, int]:
    return item[0], item[1]


def _clipped(rollout: TrainingRollout) -> TrainingRollout:
    """The rollout with its long texts cut, which is said in them."""
    long = [m for m in rollout.messages if len(m.content) > LONGEST]
    if len(rollout.reply) <= LONGEST and not long:
        return rollout
    messages = tuple([replace(m, content=_clip(m.content)) for m in rollout.messages])
    return replace(rollout, reply=_clip(rollout.reply), messages=messages)


def _clip(text: str) -> str:
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}\n[{more:,} more characters in training.jsonl]"
