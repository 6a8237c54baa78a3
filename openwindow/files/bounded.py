"""Reads users' files, and files of runs that may be damaged: bounded in size and depth, and regular files only.

It does not wait for named pipes and does not read devices, and every fault becomes one line that says where it is. `usable` checks
whether a path can become a folder before any work is done for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from openwindow.errors import ConfigError, DataError

MOST = 1 << 28
"""maximum size in bytes of a file that is read into memory"""
LEVELS = 100
"""maximum nesting of objects and lists in a file: anything deeper cannot be written again from everywhere"""
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


def open_regular(path: Path, most: int | None = None, *, name: str = "", expected: str = "a file") -> BinaryIO:
    """Opens the file for reading. Raises DataError if it is missing, not a regular file, or larger than `most` bytes.

    `name` is what the user calls it, with its option; `expected` says what belongs there.
    """
    name = name or f"{path!s:.200}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        why = "it does not exist" if isinstance(error, FileNotFoundError) else _why(error)
        raise DataError(f"cannot read {name} ({why}); expected {expected}; check the path") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
            raise DataError(f"{name} is {kind}, not a regular file; expected {expected}; write it to a file first")
        if most is not None and status.st_size > most:
            raise _too_large(name, status.st_size, most, expected)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def missing(path: Path) -> bool:
    """Whether nothing exists at the path; False if that cannot be determined, so that opening it gives the reason."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def is_file(path: Path) -> bool:
    """Whether a regular file exists at the path; False if that cannot be determined, as for a name that is too long."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_file()
    return False


def is_folder(path: Path) -> bool:
    """Whether a folder exists at the path; False if that cannot be determined."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_dir()
    return False


def read_regular(path: Path, most: int = MOST, *, name: str = "", expected: str = "a file") -> bytes:
    """Reads the whole file. Raises DataError as `open_regular` does, and if the file grows beyond `most` or cannot be read."""
    name = name or str(path)
    with open_regular(path, most, name=name, expected=expected) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise DataError(f"cannot read {name} ({_why(error)}); expected {expected}; check the file") from None
    if len(content) > most:
        raise _too_large(name, len(content), most, expected)
    return content


def read_utf8(path: Path, most: int = MOST, *, name: str = "", expected: str = "text") -> str:
    """Reads the file as text, without a byte order mark. Raises DataError, also for text that is not UTF-8."""
    try:
        return read_regular(path, most, name=name, expected=expected).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name or path} is not UTF-8 (byte {error.start}); expected {expected}; convert it: iconv -t UTF-8"
        ) from None


def load_json(path: Path, most: int = MOST, *, name: str = "", expected: str = "a JSON file") -> Any:
    """Reads the file as JSON. Raises DataError."""
    return parse_json(read_utf8(path, most, name=name, expected=expected), name=name or str(path), expected=expected)


def parse_json(text: str | bytes, *, name: str, expected: str = "JSON", nan: bool = False) -> Any:
    """Parses JSON text that is nested at most `LEVELS` deep. Raises DataError.

    NaN and Infinity are not JSON: they are refused, or read as null if `nan` is set.
    """
    try:
        value = json.loads(text, parse_constant=_nothing if nan else refuse_constant)
    except RecursionError:
        raise DataError(f"{name} is nested too deeply; expected {expected}; fix it") from None
    except (ValueError, MemoryError) as error:  # ValueError: not JSON, not UTF-8, or a number with thousands of digits
        raise DataError(f"{name} is not JSON ({short(error)}); expected {expected}; fix it") from None
    if too_deep(value, text):
        raise DataError(f"{name} is nested more than {LEVELS} levels deep; expected {expected}; fix it")
    return value


def refuse_constant(word: str) -> NoReturn:
    """For `parse_constant` of the json module: NaN and Infinity are not JSON."""
    raise ValueError(f"{word} is not a JSON value: write null or a number")


def _nothing(word: str) -> None:
    return None


def too_deep(value: Any, text: str | bytes) -> bool:
    """Whether a value read from `text` is nested deeper than `LEVELS`."""
    brackets = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if brackets <= LEVELS:
        return False
    level = [value]
    for _ in range(LEVELS):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def short(error: BaseException, most: int = 160) -> str:
    """The message of an error, in one line of at most `most` characters."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def usable(out: Path, option: str = "--out") -> None:
    """Raises ConfigError for a path that is not a folder and cannot become one; does not check whether it is writable."""
    try:
        os.fsencode(out)
        if "\0" in str(out):
            raise ValueError("it has a null byte")
        for path in (out, *out.parents):
            if path.exists():
                if not path.is_dir():
                    where = "" if path == out else f": {path}"
                    raise ConfigError(f"{option} {out}{where} is a file; expected a folder; choose another")
                if path == out:
                    with os.scandir(path):
                        return
                return
            if path.is_symlink():
                where = "" if path == out else f": {path}"
                raise ConfigError(f"{option} {out}{where} is a link that leads nowhere; expected a folder; choose another")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{option} {out!s:.200} cannot be used ({_why(error)}); expected a folder; choose another") from None


def _why(error: OSError | ValueError) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else short(error)


def _too_large(name: str, size: int, most: int, expected: str) -> DataError:
    return DataError(f"{name} has {size:,} bytes, more than the limit of {most:,}; expected {expected}; make it smaller")
