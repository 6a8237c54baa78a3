"""Finds the problem of an environment that a rollout of another trainer answers.

Environments draw their problems, so they are drawn here, split by split and seed by seed, until the prompt is found: as it stands
(but for white space), or inside a longer one, such as a prompt with a chat template or an instruction around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from openwindow.environments.base import Environment
from openwindow.errors import DataError
from openwindow.types import Message, Split

FIRST = 512
"""problems that are drawn of each split with each seed before more are drawn with the first seed"""
MOST = 8192
"""problems that are drawn of each split at most, unless more are asked for; all, where it has fewer"""
SEEDS = (0, 1, 2, 3)
_SPLITS: tuple[Split, ...] = ("train", *[split for split in get_args(Split) if split != "train"])
_TEMPLATED = ("<|im_end|>", "<|im_start|>", "<|eot_id|>", "<end_of_turn>")


class Problems:
    """The problems of an environment by id and by prompt, as many as were needed so far."""

    def __init__(self, environment: Environment, seeds: Sequence[int] = SEEDS, most: int = MOST) -> None:
        """`seeds` are those that problems are drawn with, at most `most` of a split."""
        self._environment = environment
        self._more = self._drawn(seeds, most)
        self._by_id: dict[str, Any] = {}
        self._by_prompt: dict[str, Any] = {}
        self._found: dict[int, Any] = {}
        self._refused: DataError | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, ident: str, messages: Sequence[Message]) -> Any | None:
        """The problem of that id, or with that prompt; None if no problem that can be drawn has either."""
        asked = _plain(next((m.content for m in reversed(messages) if m.role == "user"), ""))
        key = hash((ident, asked))
        if key not in self._found:
            self._found[key] = self._search(ident, asked)
        return self._found[key]

    def _search(self, ident: str, asked: str) -> Any | None:
        known: list[str] | None = None
        while True:
            if ident and ident in self._by_id:
                return self._by_id[ident]
            if asked and asked in self._by_prompt:
                return self._by_prompt[asked]
            inside = [prompt for prompt in (self._by_prompt if known is None else known) if prompt and prompt in asked]
            if inside:
                return self._by_prompt[max(inside, key=len)]
            drawn = next(self._more, None)
            if drawn is None:
                if not self._by_id and self._refused is not None:
                    raise self._refused
                return None
            known = self._add(drawn)

    def _add(self, drawn: Sequence[Any]) -> list[str]:
        """Takes in problems; returns their prompts."""
        prompts = []
        for problem in drawn:
            if problem.id in self._by_id:
                continue
            turns = self._environment.conversation(problem)
            prompt = _plain(next((m.content for m in reversed(turns) if m.role == "user"), ""))
            self._by_id[problem.id] = problem
            self._by_prompt.setdefault(prompt, problem)
            prompts.append(prompt)
        return prompts

    def _drawn(self, seeds: Sequence[int], most: int) -> Iterator[Sequence[Any]]:
        for seed in seeds:
            for split in _SPLITS:
                yield self._up_to(split, min(FIRST, most), seed)
        if most > FIRST:
            for split in _SPLITS:
                yield self._up_to(split, most, seeds[0])

    def _up_to(self, split: Split, most: int, seed: int) -> Sequence[Any]:
        """`most` problems of the split, or all that it has, whose number is found by halving."""
        least, found = 0, self._of(split, most, seed)
        if found is not None:
            return found
        best: Sequence[Any] = ()
        while most - least > 1:
            middle = (least + most) // 2
            found = self._of(split, middle, seed)
            if found is None:
                most = middle
            else:
                least, best = middle, found
        return best

    def _of(self, split: Split, count: int, seed: int) -> Sequence[Any] | None:
        try:
            return self._environment.problems(split, count, seed)
        except DataError as error:
            self._refused = error
            return None


def _plain(text: str) -> str:
    """The text with single spaces and without a template's marks."""
    for mark in _TEMPLATED:
        text = text.replace(mark, " ")
    return " ".join(text.split())
