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

DRAWN = (512, 128, 32, 8, 2)
"""problems of a split to draw at once; fewer where it has fewer"""
SEEDS = (0, 1, 2, 3)
_SPLITS: tuple[Split, ...] = ("train", *[split for split in get_args(Split) if split != "train"])
_TEMPLATED = ("<|im_end|>", "<|im_start|>", "<|eot_id|>", "<end_of_turn>")


class Problems:
    """The problems of an environment by id and by prompt, as many as were needed so far."""

    def __init__(self, environment: Environment, seeds: Sequence[int] = SEEDS) -> None:
        """`seeds` are those that problems are drawn with."""
        self._environment = environment
        self._more = self._drawn(seeds)
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

    def _drawn(self, seeds: Sequence[int]) -> Iterator[Sequence[Any]]:
        for seed in seeds:
            for split in _SPLITS:
                for count in DRAWN:
                    try:
                        yield self._environment.problems(split, count, seed)
                        break
                    except DataError as error:
                        self._refused = error


def _plain(text: str) -> str:
    """The text with single spaces and without a template's marks."""
    for mark in _TEMPLATED:
        text = text.replace(mark, " ")
    return " ".join(text.split())
