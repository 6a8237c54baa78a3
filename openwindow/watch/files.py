"""Reads the files that a trainer writes: one, several, or a folder of them, once or again and again while they grow.

A file is read record by record and never held whole. Plain JSONL is read on from where it ended, line by line as lines are
completed; any other file is read once it can be read whole. What cannot be read is counted with its reason, never passed over.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openwindow.data.readers import Lines, open_lines
from openwindow.errors import DataError
from openwindow.files.bounded import is_file, is_folder, missing, open_regular, too_deep
from openwindow.formatting import count
from openwindow.watch.forms import FORMS, Read, form_of, reader_of
from openwindow.watch.rows import BadRow, Columns, Seen

SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".json", ".jsonl.gz", ".eval")
"""files of a folder that may hold rollouts"""
INSPECT = ".eval"
LONGEST = 1 << 26
"""maximum length of a line, in bytes"""
REASONS = 100
"""different reasons that are told apart"""
_SHOWN = 20
_DECODER = json.JSONDecoder(parse_constant=lambda word: None)

Arrived = Callable[[float], None]
"""called with the bytes read since it was called last"""


@dataclass(slots=True)
class _File:
    """A file, and how far it has been read."""

    path: Path
    read: Read | None = None
    at: int = 0
    number: int = 0
    whole: bool = False
    """Whether it was read to its end, and cannot grow."""


@dataclass
class Source:
    """The files of a run, and what was found in them."""

    paths: Sequence[Path]
    columns: Columns
    forms: Counter[str] = field(default_factory=Counter)
    """Form to the number of its files."""
    bad: Counter[str] = field(default_factory=Counter)
    """Why rows are no rollouts, to how many."""
    unread: dict[str, str] = field(default_factory=dict)
    """File to why it cannot be read."""
    first_bad: dict[str, str] = field(default_factory=dict)
    """Reason to the place of the first such row."""
    _files: dict[Path, _File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises DataError for a path that does not exist, and for one that is neither a file nor a folder."""
        for path in self.paths:
            if missing(path):
                raise DataError(
                    f"{path!s:.200} does not exist; expected a file of rollouts or a folder of them; check the path, or start the "
                    "training first"
                )
            if not is_folder(path):
                open_regular(path, expected="a file of rollouts or a folder of them").close()

    @property
    def size(self) -> int:
        """Bytes of all files that are there now and were not read whole."""
        return sum(max(0, _size(path) - known.at) for path in self._found() if not (known := self._known(path)).whole)

    def rows(self, arrived: Arrived = lambda count: None, *, growing: bool = False) -> Iterator[Seen]:
        """The rollouts that are new since the last call. Raises DataError where no file can be read at all.

        `growing`: a line without an end, and a file that cannot be read yet, are left for the next call.
        """
        for path in self._found():
            known = self._known(path)
            size = _size(path)
            if known.whole or size in (0, known.at):
                continue
            if size < known.at:
                self.unread[str(path)] = "it became shorter after it was read, so what it holds now is left out"
                continue
            try:
                yield from self._of_file(known, arrived, growing)
                self.unread.pop(str(path), None)
            except DataError as error:
                if not growing and len(self.paths) == 1 and path == self.paths[0]:
                    raise
                self.unread[str(path)] = str(error)

    def _found(self) -> list[Path]:
        """All files, those of folders in the order of their names with numbers by value."""
        found: list[Path] = []
        for path in self.paths:
            if not is_folder(path):
                found.append(path)
                continue
            inside = [p for p in path.rglob("*") if p.name.endswith(SUFFIXES) and not p.name.startswith(".") and is_file(p)]
            found += sorted(inside, key=lambda p: _by_number(p.relative_to(path)))
        return list(dict.fromkeys(found))

    def _known(self, path: Path) -> _File:
        return self._files.setdefault(path, _File(path))

    def _of_file(self, known: _File, arrived: Arrived, growing: bool) -> Iterator[Seen]:
        if known.path.name.endswith(INSPECT):
            from openwindow.watch.inspect_logs import samples

            if self.columns.named:
                option, name = self.columns.named[0]
                raise DataError(f"{option} is {name!r}, and {known.path} is an Inspect log, which has no columns; drop the option")
            yield from samples(known.path)
            known.whole = True
            self.forms["Inspect logs"] += 1
            arrived(_size(known.path))
            return
        lines = open_lines(str(known.path))
        plain = lines.form == "JSONL"
        with lines.file:
            if plain and known.at:
                lines.file.seek(known.at)
            yield from self._of_lines(known, lines, arrived if plain else lambda count: None, growing and plain)
        if not plain:
            known.whole = True
            arrived(_size(known.path))

    def _of_lines(self, known: _File, lines: Lines, arrived: Arrived, growing: bool) -> Iterator[Seen]:
        file = lines.file
        known.at = file.tell()
        while line := file.readline(LONGEST + 1):
            ended = line.endswith(b"\n")
            if not ended and growing and len(line) <= LONGEST:
                return
            known.number += 1
            known.at += len(line)
            if len(line) > LONGEST:
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST)
                    known.at += len(line)
                self._is_bad(f"the {lines.unit} is longer than {LONGEST:,} bytes", known, lines.unit)
                continue
            arrived(len(line))
            if not line.strip():
                continue
            try:
                yield from self._of_line(known, line, ended)
            except BadRow as bad:
                self._is_bad(str(bad), known, lines.unit)

    def _of_line(self, known: _File, line: bytes, ended: bool) -> Iterator[Seen]:
        try:
            text = line.decode("utf-8")
            record = _DECODER.decode(text.strip())
        except (ValueError, RecursionError, MemoryError) as error:
            if not ended:
                raise BadRow("the last line was not written to its end") from None
            raise BadRow("it is nested too deeply" if isinstance(error, RecursionError) else "it is not JSON") from None
        if not isinstance(record, dict) or too_deep(record, text):
            raise BadRow("it is nested too deeply" if isinstance(record, dict) else "it is not a JSON object")
        if known.read is None:
            known.read = self._reader(known.path, record)
        yield from known.read(record, known.path)

    def _reader(self, path: Path, record: dict[str, Any]) -> Read:
        """How the file is read, by its first record. Raises DataError for an unknown form or a missing column."""
        shown = ", ".join([*list(record)[:_SHOWN], *(["..."] if len(record) > _SHOWN else [])]) or "none"
        for option, name in self.columns.named:
            if name not in record:
                raise DataError(f"{option} is {name!r}, and {path!s:.200} has the columns {shown}; expected one of them; name it")
        form = None if self.columns.reply is not None else form_of(record)
        if form is None and self.columns.reply is None:
            raise DataError(
                f"{path!s:.200} has the columns {shown}, which is no form known here ({', '.join(FORMS)}); expected one, or names: "
                "give --reply-column NAME, and --prompt-column, --reward-column, --step-column where there are such columns"
            )
        self.forms[form or "columns named by options"] += 1
        return reader_of(form, self.columns)

    def _is_bad(self, reason: str, known: _File, unit: str) -> None:
        reason = reason if reason in self.bad or len(self.bad) < REASONS else "for other reasons"
        self.bad[reason] += 1
        self.first_bad.setdefault(reason, f"{known.path.name}, {unit} {known.number}")

    def notes(self) -> list[tuple[str, str]]:
        """What could not be read, and why: files and rows."""
        found = [(f"{count(n, 'row')}, the first: {self.first_bad[why]}", f"left out: {why}") for why, n in self.bad.most_common()]
        return found + [(name, f"not read: {why}") for name, why in self.unread.items()]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _by_number(path: Path) -> tuple[tuple[int, int, str], ...]:
    """A key by which `9.jsonl` comes before `10.jsonl`, and `step_9/` before `step_10/`."""
    key: list[tuple[int, int, str]] = []
    for part in path.parts:
        digits = "".join(c if c.isascii() and c.isdecimal() else " " for c in part).split()
        words = "".join(" " if c.isascii() and c.isdecimal() else c for c in part)
        key += [(0, 0, words), *[(1, int(d[:18]), "") for d in digits]]
    return tuple(key)
