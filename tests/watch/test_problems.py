"""The problem that a rollout answers is found in an environment that draws its problems."""

from __future__ import annotations

from making import ENV

from openwindow.environments import find
from openwindow.errors import DataError
from openwindow.types import Message, Problem
from openwindow.watch.problems import Problems


class Few:
    """An environment with 300 prompts in one split, of which any number is drawn, and none in another."""

    def problems(self, split, count, seed):
        import random

        pool = [Problem(f"{split}/{i}", "f", f"What is {i} times {i}?") for i in range(300 if split == "train" else 0)]
        if count > len(pool):
            raise DataError(f"{count} are asked for; expected at most {len(pool)}; ask for fewer")
        return random.Random(seed).sample(pool, count)

    def conversation(self, problem):
        return (Message("user", problem.statement),)


def asked(text: str) -> tuple[Message, ...]:
    return (Message("system", "You help."), Message("user", text))


def test_all_prompts_of_a_small_split_are_found_and_no_other() -> None:
    problems = Problems(Few())
    assert [problems.of("", asked(f"What is {i} times {i}?")).id for i in range(300)] == [f"train/{i}" for i in range(300)]
    assert problems.of("", asked("What is 300 times 300?")) is None
    assert problems.of("train/7", asked("something else")).id == "train/7"
    assert len(problems) == 300


def test_a_prompt_is_found_inside_a_longer_one_and_the_longest_counts() -> None:
    problems = Problems(Few())
    inside = "system You help. user\nWhat  is 11 times 11?\nassistant"
    assert problems.of("", asked(inside)).id == "train/11"
    assert problems.of("", asked("<|im_start|>user\nWhat is 4 times 4?<|im_end|>")).id == "train/4"
    environment = find.gameable(ENV, {})
    (problem,) = environment.problems("test", 1, 2)
    assert Problems(environment).of("", (*environment.conversation(problem), Message("assistant", "so"))).id == problem.id
