"""Reads the samples of an Inspect log, one at a time; needs inspect_ai.

Source: `inspect_ai.log.read_eval_log_sample_summaries`, `read_eval_log_sample` and `EvalSample` (inspect_ai 0.3.285). A sample is a
rollout of the problem that its id names; its epochs are the rollouts of a group. The score is the mean of its scorers' values, with
grades as Inspect's own `value_to_float` has them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.errors import DataError
from openwindow.files.run_files import finite
from openwindow.types import Message
from openwindow.watch.rows import Seen, prompt_of, step_of_path

if TYPE_CHECKING:
    from inspect_ai.log import EvalSample

_NOT_READ = {"events", "store", "timelines", "events_data"}


def samples(path: Path) -> Iterator[Seen]:
    """The samples of a log, finished or not. Raises DataError."""
    try:
        from inspect_ai.log import read_eval_log_sample, read_eval_log_sample_summaries
        from inspect_ai.scorer import value_to_float
    except ImportError:
        raise DataError(f"{path} is an Inspect log, which needs inspect_ai; pip install 'openwindow[evals]'") from None
    number = value_to_float()
    try:
        for known in read_eval_log_sample_summaries(str(path)):
            sample = read_eval_log_sample(str(path), known.id, known.epoch, resolve_attachments=True, exclude_fields=_NOT_READ)
            yield _seen(sample, path, number)
    except (OSError, ValueError, LookupError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(f"cannot read the log {path} ({why}); expected an Inspect log; run the eval again") from error


def _seen(sample: EvalSample, path: Path, number: Any) -> Seen:
    turns = [(str(m.role), m.text) for m in sample.messages]
    last = max((i for i, (role, _) in enumerate(turns) if role == "assistant"), default=-1)
    asked = prompt_of([{"role": role, "content": text} for role, text in turns[: last if last >= 0 else len(turns)]], "messages")
    if not asked:
        asked = (Message("user", sample.input),) if isinstance(sample.input, str) else ()
    scores = {name: _value(score.value, number) for name, score in (sample.scores or {}).items()}
    known = {name: value for name, value in scores.items() if value is not None}
    usage = [u.output_tokens for u in (sample.model_usage or {}).values()]
    stop = sample.output.stop_reason if sample.output is not None and sample.output.choices else None
    failed = sample.error.message[:300] if sample.error is not None else None if last >= 0 else "the model wrote nothing"
    return Seen(
        messages=asked,
        reply=turns[last][1] if last >= 0 else "",
        reward=sum(known.values()) / len(known) if known and failed is None else None,
        step=step_of_path(path),
        parts=known if len(known) > 1 else {},
        problem=str(sample.id),
        tokens=int(sum(usage)) if usage else None,
        cut=None if stop is None else stop in ("max_tokens", "model_length") or sample.limit is not None,
        failed=failed,
    )


def _value(value: Any, number: Any) -> float | None:
    """A score as a number; None for a score of several values, and for none."""
    if value is None or isinstance(value, dict | list):
        return None
    return finite(float(number(value)))
