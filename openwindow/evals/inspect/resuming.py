"""What an earlier attempt at the same questions has asked already, so that nothing is paid for twice.

DIR/asking.json    while the questions are not all asked: what they are, and the logs that were there before
DIR/logs/          Inspect's logs, one per eval and attempt

A log is kept by sample: those that a limit or an interruption stopped are asked again, and so are those whose judge was not asked.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from openwindow import __version__
from openwindow.evals.base import SCORER, Eval
from openwindow.evals.contexts import Context
from openwindow.evals.inspect.spending import STOPPED
from openwindow.evals.inspect.task import sample_id
from openwindow.evals.scoring.rows import Row
from openwindow.files.run_files import read_json
from openwindow.files.writing import write_json

NAME = "asking.json"
_STOPPED = ("CancelledError", "KeyboardInterrupt")
"""how Inspect's error of a sample begins that was being asked when the user stopped the run"""
_OURS = {"cost", "token", "custom"}
"""types of Inspect's limits by which `spending` stops a sample"""


def earlier(folder: Path, model: str, specs: Sequence[Eval], options: Mapping[str, Any]) -> list[EvalLog]:
    """The logs that an unfinished attempt at the same questions left in the folder; none where there was none.

    The attempt that begins now is noted.
    """
    items = [[spec.name, spec.version, [item.id for item in spec.items()]] for spec in specs]
    asked = json.dumps([__version__, model, items, options], sort_keys=True, default=str)
    key = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
    noted = read_json(folder / NAME)
    there = sorted(path.name for path in (folder / "logs").glob("*.eval"))
    if noted.get("key") != key:
        write_json(folder / NAME, {"key": key, "model": model, "before": there})
        return []
    before = noted.get("before", [])
    found = [_read(folder / "logs" / name) for name in there if name not in before]
    return [log for log in found if log is not None]


def _read(path: Path) -> EvalLog | None:
    """A log, complete or not; None where it cannot be read, as after a kill, so that all of it is asked again."""
    try:
        log = read_eval_log(str(path))
    except (OSError, ValueError, KeyError, EOFError, RecursionError, zipfile.BadZipFile):
        return None
    return log if log.samples else None


def finish(folder: Path) -> None:
    """Notes that everything has been asked, so that the same questions are asked anew the next time."""
    (folder / NAME).unlink(missing_ok=True)


def complete(logs: Sequence[EvalLog], epochs: int) -> list[EvalLog]:
    """The logs with the samples that need not be asked again: the newest of each, if all its epochs are done."""
    newest: dict[tuple[str, str, int], EvalSample] = {}
    for log in logs:
        for sample in log.samples or []:
            if is_done(sample):
                newest[log.eval.task, str(sample.id), sample.epoch] = sample
    whole = {key for key in newest if all((*key[:2], epoch) in newest for epoch in range(1, epochs + 1))}
    kept = {id(newest[key]) for key in whole}
    found = [(log, [sample for sample in log.samples or [] if id(sample) in kept]) for log in logs]
    return [log.model_copy(update={"samples": samples}) for log, samples in found if samples]


def is_done(sample: EvalSample) -> bool:
    """Whether the sample was asked and judged to its end; one that failed for another reason than being stopped is done."""
    score = (sample.scores or {}).get(SCORER)
    if sample.limit is not None and sample.limit.type in _OURS:
        return False
    if score is None:
        return sample.error is not None and not sample.error.message.startswith(_STOPPED)
    return STOPPED not in (score.explanation or "") and not (score.metadata or {}).get("stopped")


def left(specs: Sequence[Eval], contexts: Mapping[str, Context], done: Sequence[EvalLog]) -> list[tuple[Eval, set[str] | None]]:
    """The evals that are not all asked, each with the ids of the samples that are left; None for all of them."""
    asked = {(log.eval.task, str(sample.id)) for log in done for sample in log.samples or []}
    found: list[tuple[Eval, set[str] | None]] = []
    for spec in specs:
        ids = {sample_id(item, context) for item in spec.items() for context in contexts}
        rest = {id for id in ids if (spec.name, id) not in asked}
        if rest:
            found.append((spec, None if len(rest) == len(ids) else rest))
    return found


def in_order(rows: Sequence[Row], specs: Sequence[Eval], contexts: Mapping[str, Context]) -> list[Row]:
    """The rows in the order in which one attempt asks them: the logs of several hold parts of it."""
    places: dict[tuple[str, str, str], int] = {}
    for spec in specs:
        for context in contexts:
            for item in spec.items():
                places[spec.name, context, item.id] = len(places)
    return sorted(rows, key=lambda row: (row.epoch, places.get((row.eval, row.context, row.id), len(places))))
