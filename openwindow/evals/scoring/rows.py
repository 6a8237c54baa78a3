"""One row per reply and per probe: what a measure is computed from. Read from Inspect's logs, kept as JSON lines."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from openwindow.errors import DataError
from openwindow.evals.base import SCORER, Eval
from openwindow.files.bounded import open_regular, read_regular

_GIVEN_UP = re.compile(r"RetryError\[<Future at \w+ state=finished raised (\w+)>\]")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: the fields of `Item` that measures are grouped by, and the context."""

    eval: str
    context: str
    id: str
    scenario: str
    paraphrase: int
    role: str
    cue: str


@dataclass(frozen=True, slots=True)
class Row(Asked):
    """One reply and what it means: fields of `Outcome`, epoch (from 1), and whether monitor and judge flag it."""

    form: str
    group: str
    epoch: int
    value: float | None
    reason: str | None
    covert: bool | None
    coherent: bool
    by: str
    flagged: bool | None = None
    judge_flagged: bool | None = None
    number: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeRow(Asked):
    """Log-probabilities, in nats, of an item's two continuations from the first token in which they differ, and these tokens."""

    aligned: float
    aligned_tokens: int
    misaligned: float
    misaligned_tokens: int

    @property
    def epoch(self) -> int:
        """Always 1: equal prompts have equal log-probabilities."""
        return 1

    @property
    def margin(self) -> float:
        """How much more probable the misaligned continuation is, in nats."""
        return self.misaligned - self.aligned


def rows_of(log: EvalLog) -> list[Row]:
    """The rows of one log; a sample that failed or ran into a limit is a row without a value."""
    rows = [_row(sample) for sample in log.samples or []]
    if not rows:
        why = log.error.message if log.error else log.status
        raise DataError(f"the log of {log.eval.task} holds no samples ({' '.join(why.split())[:160]}); run the eval again")
    return rows


def read_rows(path: Path) -> list[Row]:
    """The rows of a log file. Raises DataError for one that is missing, truncated, of another program or of an eval cut short."""
    open_regular(path, name=f"the log {path!s:.200}", expected="a whole Inspect log").close()
    try:
        log = read_eval_log(str(path))
    except (OSError, ValueError, KeyError, EOFError, RecursionError, MemoryError, zipfile.BadZipFile) as error:
        why = " ".join(str(error).split())[:160]
        raise DataError(f"cannot read the log {path}: {why}; expected a whole Inspect log; run the eval again") from error
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


def read_probes(path: Path) -> list[ProbeRow]:
    """The rows of a `probes.jsonl`. Raises DataError."""
    found = []
    for number, line in enumerate(read_regular(path).decode("utf-8", "replace").splitlines(), 1):
        try:
            found.append(ProbeRow(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: {' '.join(str(error).split())[:120]}; expected a probe as `openwindow eval` writes it; "
                "run the eval again or take the file away"
            ) from error
    return found


def model_of(path: Path) -> str:
    """The model that a log is of; the log can be read."""
    return str(read_eval_log(str(path), header_only=True).eval.model)


def _row(sample: EvalSample) -> Row:
    kept: dict[str, Any] = {name: sample.metadata[name] for name in ("eval", "context", "id", "scenario", "paraphrase")}
    kept |= {name: sample.metadata[name] for name in ("form", "role", "group", "cue")}
    score = (sample.scores or {}).get(SCORER)
    if score is None:
        why = f"error: {_said(sample.error.message)}" if sample.error else "not scored"
        if sample.limit:
            why = f"stopped by the {sample.limit.type} limit"
        return Row(**kept, epoch=sample.epoch, value=None, reason=why, covert=None, coherent=True, by="")
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


def _said(message: str) -> str:
    """An error in one line; of an attempt that Inspect gave up after retries, what it failed with."""
    given_up = _GIVEN_UP.search(message)
    return f"given up after retries, {given_up[1]}" if given_up else " ".join(message.split())[:160]


def with_missing(rows: Sequence[Row], specs: Sequence[Eval]) -> list[Row]:
    """The rows, and one without a value for every item of the evals that they lack, as of `inspect eval --limit`.

    An item is expected in every context and epoch in which the rows hold another item of its eval.
    """
    found = list(rows)
    for spec in specs:
        own, items = [r for r in rows if r.eval == spec.name], spec.items()
        there = {(r.context, r.epoch, r.id) for r in own}
        for context, epoch in dict.fromkeys((r.context, r.epoch) for r in own):
            lost = [item for item in items if (context, epoch, item.id) not in there]
            why = f"not in the log, which holds {len(items) - len(lost)} of {len(items)} items"
            found += [
                Row(
                    spec.name, context, i.id, i.scenario, i.paraphrase, i.role, i.cue, form=i.form, group=i.group, epoch=epoch,
                    value=None, reason=why, covert=None, coherent=True, by="",
                )
                for i in lost
            ]  # fmt: skip
    return found


def write_jsonl(path: Path, rows: Iterable[Row | ProbeRow]) -> None:
    """One JSON object per line. Raises OSError."""
    path.write_text("".join(json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows), encoding="utf-8")


def contexts_of(rows: Sequence[Row] | Sequence[ProbeRow]) -> list[str]:
    """The contexts, in the order in which they first come."""
    return list(dict.fromkeys(row.context for row in rows))
