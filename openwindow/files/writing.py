"""Writes a run's files: each file is complete or absent, and a failure to write becomes one line."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from openwindow.errors import RunError, StorageError
from openwindow.files.run_files import Reader


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns a failure to write into one line that says where it happened and what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path} ({error.strerror or error}); a writable folder with free space is needed; make room or "
            "choose another with --out, then run the same command again: what is finished is kept"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Writes JSON, completely or not at all."""
    with _whole(path) as scratch:
        scratch.write_text(json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n", encoding="utf-8")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object per line, all or none."""
    with _whole(path) as scratch, scratch.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, completely or not at all."""
    with _whole(path) as scratch:
        scratch.write_bytes(content)


def append_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Adds one JSON object per line to a file that grows while its unit is not finished."""
    with storing(path), path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n")


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yields a scratch path whose file replaces `path` if the block succeeds; otherwise `path` stays as it was."""
    scratch = path.with_name(
        f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial"
    )  # process numbers repeat on other machines
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield scratch
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Reads everything that `write_jsonl` wrote; empty if there is no file. Raises RunError for a damaged line."""
    reader = Reader(path.parent)
    rows = list(reader.rows(path)) if path.is_file() else []
    if reader.notes:
        raise RunError(
            f"{path} is damaged ({reader.notes[0].reason}); expected all of its lines; delete {path.parent} to make it again"
        )
    return rows
