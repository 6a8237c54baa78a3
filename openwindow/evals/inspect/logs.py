"""Reads Inspect's logs: one row per sample, and the conversation behind it."""

from __future__ import annotations

import math
import re
import zipfile
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from openwindow.errors import DataError
from openwindow.evals.base import SCORER
from openwindow.evals.inspect.task import turns_of
from openwindow.evals.scoring.rows import Key, Row, Said, key_of
from openwindow.files.bounded import open_regular
from openwindow.types import Message, Role

_GIVEN_UP = re.compile(r"RetryError\[<Future at \w+ state=finished raised (\w+)>\]")


def rows_of(log: EvalLog) -> list[Row]:
    """The rows of one log; a sample that failed or reached a limit becomes a row without a value."""
    rows = [_row(sample) for sample in log.samples or []]
    if not rows:
        why = log.error.message if log.error else log.status
        raise DataError(f"the log of {log.eval.task} holds no samples ({' '.join(why.split())[:160]}); run the eval again")
    return rows


def said_in(log: EvalLog) -> dict[Key, Said]:
    """What every sample of one log asked, and what the model said and did."""
    return {key_of(_row(sample)): _said(sample) for sample in log.samples or []}


def _said(sample: EvalSample) -> Said:
    asked = [m for m in sample.messages if m.source == "input"]
    if not asked and not isinstance(sample.input, str):
        asked = list(sample.input)
    after = [turn for m in sample.messages[len(asked) :] for turn in turns_of(m)]
    alone = len(after) == 1 and after[0][0] == "assistant"
    reply = after[0][1] if alone else "\n".join(f"[{role}] {text}" for role, text in after)
    return Said(tuple(Message(_role(m.role), m.text) for m in asked), reply)


def _role(role: str) -> Role:
    return "system" if role == "system" else "assistant" if role == "assistant" else "user"


def said_at(path: Path) -> dict[Key, Said]:
    """`said_in` of a log file. Raises DataError if it cannot be read."""
    try:
        return said_in(_read(path))
    except KeyError as error:
        raise DataError(
            f"{path} is no log of openwindow's evals: a sample has no {error}; give a log of `openwindow eval`"
        ) from error


def _read(path: Path) -> EvalLog:
    open_regular(path, name=f"the log {path!s:.200}", expected="a whole Inspect log").close()
    try:
        return read_eval_log(str(path))
    except (OSError, ValueError, KeyError, EOFError, RecursionError, MemoryError, zipfile.BadZipFile) as error:
        why = " ".join(str(error).split())[:160]
        raise DataError(f"cannot read the log {path}: {why}; expected a whole Inspect log; run the eval again") from error


def read_rows(path: Path) -> list[Row]:
    """The rows of a log file. Raises DataError if it is missing, truncated, from another program or from an interrupted eval."""
    log = _read(path)
    if log.status != "success":
        why = f": {' '.join(log.error.message.split())[:120]}" if log.error else ""
        raise DataError(
            f"the log {path} is of an eval that did not end (status {log.status!r}{why}); expected a finished one; run "
            f"{log.eval.task} again or take the file away"
        )
    try:
        return rows_of(log)
    except KeyError as error:
        raise DataError(
            f"{path} is no log of openwindow's evals: a sample has no {error}; give a log of `openwindow eval`"
        ) from error


def model_of(path: Path) -> str:
    """The model that a readable log belongs to."""
    return str(read_eval_log(str(path), header_only=True).eval.model)


def _row(sample: EvalSample) -> Row:
    kept: dict[str, Any] = {name: sample.metadata[name] for name in ("eval", "context", "id", "scenario", "paraphrase")}
    kept |= {name: sample.metadata[name] for name in ("form", "role", "group", "cue")}
    score = (sample.scores or {}).get(SCORER)
    if score is None:
        why = f"error: {_briefly(sample.error.message)}" if sample.error else "not scored"
        if sample.limit:
            why = f"stopped by the {sample.limit.type} limit"
        return Row(**kept, epoch=sample.epoch, value=None, reason=why, covert=None, coherent=None, by="")
    details = score.metadata or {}
    value = score.as_float()
    known = math.isfinite(value)
    return Row(
        **kept,
        epoch=sample.epoch,
        value=value if known else None,
        reason=None if known else score.explanation or "not scored",
        covert=details.get("covert"),
        coherent=details.get("coherent", True),
        by=details.get("by", ""),
        flagged=details.get("flagged"),
        judge_flagged=details.get("judge_flagged"),
        number=details.get("number"),
    )


def _briefly(message: str) -> str:
    """An error in one line; if Inspect gave up after retries, the error of the last attempt."""
    given_up = _GIVEN_UP.search(message)
    return f"given up after retries, {given_up[1]}" if given_up else " ".join(message.split())[:160]
