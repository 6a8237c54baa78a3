"""Writes what a run leaves: each file complete or not at all, and a failure to write in one line."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from openwindow.errors import RunError, StorageError
from openwindow.files.run_files import Reader


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns a failure to write into one line that says where and what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path} ({error.strerror or error}); a writable folder with free space is needed; make room or "
            "choose another with --out, then run the same command again: what is finished is kept"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Writes JSON, complete or not at all."""
    with _whole(path) as scratch:
        scratch.write_text(json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n", encoding="utf-8")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object per line, all or none."""
    with _whole(path) as scratch, scratch.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Where to write what is to stand in `path`: it does once the block ends well, else what stood there before does."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield scratch
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """What `write_jsonl` wrote, for what needs all of it; nothing where there is no file. Raises RunError for a damaged line."""
    reader = Reader(path.parent)
    rows = list(reader.rows(path)) if path.is_file() else []
    if reader.notes:
        raise RunError(
            f"{path} is damaged ({reader.notes[0].reason}); expected all of its lines; delete {path.parent} to make it anew"
        )
    return rows
