"""Concurrent requests are answered together, and each one ends whatever happens."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from openwindow.errors import ModelError
from openwindow.evals.inspect.batcher import Batcher
from openwindow.models.base import Conversation, Reply, Sampling
from openwindow.types import Message, StopReason

GREEDY = Sampling(max_new_tokens=4)


def echo(conversations: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
    return [Reply(f"{c[-1].content}/{sampling.max_new_tokens}", StopReason.END, 1) for c in conversations]


def said(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def ask_all(batcher: Batcher, texts: Sequence[str], sampling: Sequence[Sampling] | None = None) -> list[object]:
    """Each request's reply or error, asked at the same time; fails if it takes long."""
    results: list[object] = [None] * len(texts)

    async def one(i: int) -> None:
        try:
            results[i] = (await batcher.ask(said(texts[i]), sampling[i] if sampling else GREEDY)).text
        except ModelError as error:
            results[i] = error

    async def main() -> None:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for i in range(len(texts)):
                    group.start_soon(one, i)

    anyio.run(main)
    return results


def test_concurrent_requests_share_a_batch_and_keep_their_replies() -> None:
    batcher = Batcher(echo)
    texts = [f"q{i}" for i in range(40)]
    assert ask_all(batcher, texts) == [f"{t}/4" for t in texts]
    assert len(batcher.batches) <= 4 and sum(batcher.batches) == 40


def test_requests_that_are_sampled_differently_are_not_mixed() -> None:
    other = Sampling(max_new_tokens=9)
    assert ask_all(Batcher(echo), ["a", "b", "c"], [GREEDY, other, GREEDY]) == ["a/4", "b/9", "c/4"]


def test_an_error_reaches_every_request_and_the_next_batch_works() -> None:
    calls = []

    def fail_once(conversations: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
        calls.append(len(conversations))
        if len(calls) == 1:
            raise RuntimeError("out of memory")
        return echo(conversations, sampling)

    batcher = Batcher(fail_once)
    first = ask_all(batcher, ["a", "b"])
    assert all(isinstance(e, ModelError) and "out of memory" in str(e) for e in first)
    assert ask_all(batcher, ["c"]) == ["c/4"]


def test_a_reply_too_few_is_an_error_for_all() -> None:
    found = ask_all(Batcher(lambda conversations, sampling: echo(conversations, sampling)[:-1]), ["a", "b"])
    assert any(isinstance(e, ModelError) for e in found) and None not in found


@pytest.mark.slow
def test_a_worker_that_dies_leaves_nobody_waiting_and_the_next_request_has_another() -> None:
    lives = 1

    def die_once(conversations: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
        nonlocal lives
        if lives:
            lives -= 1
            raise SystemExit("killed")
        return echo(conversations, sampling)

    batcher = Batcher(die_once)
    found = ask_all(batcher, ["a", "b", "c"], [GREEDY, Sampling(max_new_tokens=9), GREEDY])
    assert all(isinstance(e, ModelError) and "died: SystemExit('killed')" in str(e) for e in found)
    assert ask_all(batcher, ["d"]) == ["d/4"]


def test_a_request_too_long_fails_alone() -> None:
    batcher = Batcher(echo, lambda conversation, _: "too long" if conversation[-1].content == "long" else None)
    found = ask_all(batcher, ["a", "long"])
    assert found[0] == "a/4" and "too long" in str(found[1])


@pytest.mark.slow
def test_a_cancelled_request_holds_up_nobody() -> None:
    release = threading.Event()
    asked: list[str] = []

    def slow(conversations: Sequence[Conversation], sampling: Sampling) -> list[Reply]:
        asked.extend(c[-1].content for c in conversations)
        release.wait(10)
        return echo(conversations, sampling)

    batcher = Batcher(slow)

    async def main() -> str:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(batcher.ask, said("first"), GREEDY)
                await anyio.sleep(0.3)  # the worker is busy with it
                with anyio.move_on_after(0.1):
                    await batcher.ask(said("dropped"), GREEDY)
                release.set()
                return (await batcher.ask(said("later"), GREEDY)).text

    assert anyio.run(main) == "later/4"
    assert "dropped" not in asked


@pytest.mark.slow
def test_short_limits_hold_for_small_models_alone(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openwindow.evals import run
    from openwindow.evals.contexts import parse_contexts
    from openwindow.evals.inspect import provider
    from openwindow.evals.select import chosen
    from openwindow.models.hf import LocalModel

    limits: set[int] = set()

    def generate(self: LocalModel, conversations: Sequence[Conversation], sampling: Sampling, *_: object) -> list[Reply]:
        limits.add(sampling.max_new_tokens)
        return [Reply("No.", StopReason.END, 1)] * len(conversations)

    def asked(**more: int) -> set[int]:
        limits.clear()
        options = run.Options(contexts=parse_contexts(None), **more)
        found = run.ask(str(tiny_model), chosen("honesty"), options, tmp_path, lambda _: None)
        assert limits, f"nothing was generated: {Counter(row.reason for row in found.rows)}"
        return set(limits)

    monkeypatch.setattr(LocalModel, "generate", generate)
    monkeypatch.setattr(run, "_watch", lambda *_: None)
    assert asked() == {8}, "a yes or no"
    assert asked(max_tokens=7) == {7}
    monkeypatch.setattr(provider, "SMALL", 0)
    assert asked() == {512}, "half of its context of 1024"
    monkeypatch.setattr(provider, "LARGER_TOKENS", 300)
    assert provider.OpenWindowAPI(str(tiny_model)).longest == provider.OpenWindowAPI(str(tiny_model)).max_tokens() == 300
