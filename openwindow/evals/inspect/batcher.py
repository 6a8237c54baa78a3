"""Turns concurrent requests into batched calls of a local model, in one worker thread.

Requests are collected until none has come for a while, then answered together: `SHARE` of what the last batch took, within
`IDLE` seconds. So a slow model waits for clients that are slow to ask, on whose core it computes; a fast one does not. Whatever
happens to the worker, every waiting request ends: with a reply, or with the error that stopped it. A cancelled request
is dropped.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.from_thread
import anyio.lowlevel

from openwindow.errors import ModelError, OpenWindowError
from openwindow.models.base import Conversation, Reply, Sampling

IDLE = (0.02, 0.5)
"""minimum and maximum seconds without a new request before a batch starts; the first batch waits longest"""
SHARE = 0.1
"""share of the last batch's time that may be spent waiting"""
MOST = 1024
"""maximum requests in one call of the model, which decodes them in batches of its own"""
_CHECK = 2.0
"""seconds between checks that the worker is alive"""

Generate = Callable[[Sequence[Conversation], Sampling], list[Reply]]
Fits = Callable[[Conversation, Sampling], str | None]


@dataclass(eq=False, slots=True)
class _Request:
    conversation: Conversation
    sampling: Sampling
    token: anyio.lowlevel.EventLoopToken
    done: anyio.Event = field(default_factory=anyio.Event)
    reply: Reply | None = None
    error: Exception | None = None
    abandoned: bool = False


class Batcher:
    """Batches requests to `generate`; `fits` says why one request alone cannot be answered, or None."""

    def __init__(self, generate: Generate, fits: Fits | None = None) -> None:
        self._generate = generate
        self._fits = fits
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self.batches: list[int] = []
        """sizes of the batches answered so far"""

    async def ask(self, conversation: Conversation, sampling: Sampling) -> Reply:
        """The model's reply. Raises what the model raised, or ModelError if the worker died; the next request has a new worker."""
        request = _Request(conversation, sampling, anyio.lowlevel.current_token())
        with self._lock:
            if self._worker is None or self._worker.ended:
                self._worker = _Worker(self._answer)
            worker = self._worker
            worker.waiting.put(request)
        try:
            while not request.done.is_set():
                with anyio.move_on_after(_CHECK):
                    await request.done.wait()
                if not request.done.is_set() and worker.ended:
                    raise ModelError(_died(worker.error))
        except BaseException:
            request.abandoned = True
            raise
        if request.error is not None:
            raise request.error
        if request.reply is None:
            raise ModelError("the model answered nothing; expected one reply per request; see the log above")
        return request.reply

    def _answer(self, requests: list[_Request], sampling: Sampling) -> None:
        able = []
        for request in requests:
            why = self._fits(request.conversation, sampling) if self._fits else None
            if why is None:
                able.append(request)
            else:
                request.error = ModelError(why)
        try:
            replies = self._generate([r.conversation for r in able], sampling) if able else []
            for request, reply in zip(able, replies, strict=True):
                request.reply = reply
            self.batches.append(len(able))
        except OpenWindowError as error:
            for request in able:
                request.error = error
        except Exception as error:
            for request in able:
                request.error = ModelError(f"the model failed: {type(error).__name__}: {error}")
        except BaseException as error:
            for request in able:
                request.error = ModelError(_died(error))
            raise
        finally:
            _wake(requests)


class _Worker:
    """A thread that answers what is put into `waiting`, until it dies of something that is no Exception."""

    def __init__(self, answer: Callable[[list[_Request], Sampling], None]) -> None:
        self.waiting: queue.Queue[_Request] = queue.Queue()
        self.error: BaseException | None = None
        self._answer = answer
        self._idle = IDLE[1]
        self._thread = threading.Thread(target=self._work, name="openwindow-batcher", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing will be answered any more."""
        return self.error is not None or not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while True:
                batch = self._collect()
                started = time.monotonic()
                for sampling in dict.fromkeys(r.sampling for r in batch):
                    self._answer([r for r in batch if r.sampling == sampling and not r.abandoned], sampling)
                self._idle = min(max(SHARE * (time.monotonic() - started), IDLE[0]), IDLE[1])
        except BaseException as error:  # whatever it is, nobody may wait for ever: those who wait see that the thread has ended
            self.error = error

    def _collect(self) -> list[_Request]:
        batch = [self.waiting.get()]
        until = time.monotonic() + self._idle
        while len(batch) < MOST:
            try:
                batch.append(self.waiting.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
            until = time.monotonic() + self._idle
        return batch


def _died(error: BaseException | None) -> str:
    return f"the worker that runs the model died: {error!r}; expected a reply; start again"


def _wake(requests: Sequence[_Request]) -> None:
    """Sets the events in the loops that wait for them; a loop that is gone has nobody waiting."""
    for token in dict.fromkeys(r.token for r in requests):
        mine = [r for r in requests if r.token == token]
        with contextlib.suppress(RuntimeError):
            anyio.from_thread.run_sync(_set_all, mine, token=token)


def _set_all(requests: Sequence[_Request]) -> None:
    for request in requests:
        request.done.set()
