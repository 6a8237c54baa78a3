"""Writes event files with tensorboard's own writer: a folder per arm and seed, one per arm, and one with the summary."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError, StorageError
from openwindow.export.exported import COLUMNS, Exported, Tracked
from openwindow.export.trackers import Say, Target, foreign

SUMMARY = "summary"


def write(exported: Exported, target: Target, say: Say) -> str:
    """Writes into the folder, which must hold no event files. Raises ConfigError, StorageError."""
    out = target.out or exported.folder / "tensorboard"
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; expected a folder; choose another --out")
    if next(out.rglob("events.out.tfevents.*"), None) is not None:
        raise ConfigError(
            f"{out} holds event files already, which would mix with these; expected none; delete them or choose another --out"
        )
    with foreign("tensorboard"):
        try:
            for run in exported.runs:
                say(f"writing {run.name}")
                _write_run(out / run.name, run)
            _write(out / SUMMARY, [_text("summary", exported.summary, 0)])
        except OSError as error:
            raise StorageError(f"cannot write to {out}: {error.strerror or error}; make room or choose another --out") from error
    return f"{out}: tensorboard --logdir {out}"


def _write_run(folder: Path, run: Tracked) -> None:
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    last = run.points[-1][0] if run.points else 0
    events = [_event(hparams_pb(dict(run.config), trial_id=run.name, start_time_secs=0.0), 0)]
    events += [_scalar(name, value, step) for step, values in run.points for name, value in values.items()]
    events += [_scalar(name, value, last) for name, value in run.final.items()]
    for at, row in enumerate(run.transcripts):
        about = dict(zip(COLUMNS, row, strict=True))
        shown = "\n\n".join(f"**{name}:** {about[name]}" for name in ("context", "problem", "scores", "reason") if about[name])
        fenced = "\n\n".join(_fenced(name, about[name]) for name in ("prompt", "reply"))
        events.append(_text("transcripts", f"{shown}\n\n{fenced}", at))
    _write(folder, events)


def _fenced(title: str, content: str) -> str:
    """The text as a block of code, indented, so that no fence of its own ends it."""
    return f"**{title}:**\n\n" + "\n".join(f"    {line}" for line in content.splitlines())


def _event(summary: Any, step: int) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, summary=summary)


def _scalar(name: str, value: float, step: int) -> Any:
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    return _event(scalar_pb(name, value), step)


def _text(name: str, content: str, step: int) -> Any:
    from tensorboard.plugins.text.summary_v2 import text_pb

    return _event(text_pb(name, content.encode("utf-8", "replace").decode()), step)


def _write(folder: Path, events: Iterable[Any]) -> None:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    file = EventFileWriter(str(folder))
    try:
        for event in events:
            file.add_event(event)
    finally:
        file.close()
