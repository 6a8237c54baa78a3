"""Opens a user's rows: JSONL, a JSON array, Parquet (each also gzipped), a folder, or a hub data set.

The first bytes of a file decide its format, not its name. JSONL is read in place; anything else is converted once to a
temporary file of JSON lines, so that a row can be found again by its position whatever its source. The items of a JSON array are
copied as they stand, so they are read, and refused, exactly like lines of JSONL. pyarrow reads Parquet, and `datasets` folders and
hub data sets.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from openwindow.data.turns import RowError
from openwindow.errors import DataError, StorageError
from openwindow.files.bounded import refuse_constant, short

_HUB_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_PART = re.compile(r"(?P<base>[^:]+)(?::(?P<config>[^:/]+))?:(?P<split>[^:/]+)")
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet", ".gz", ".arrow", ".csv", ".tsv", ".txt", ".zip")
"""suffixes of data files; the dot in a hub name such as `ORG/NAME-2.5` starts no suffix"""
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[\s]*")
_BLOCK = 1 << 20
_FILES = "JSONL, a JSON array, Parquet, or one of them gzipped"
_DEEP = "is nested too deeply; expected a flat object; drop it"
NEEDS_HUB = 'pip install "openwindow[hub]"'


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows as lines of JSON in an open file, whatever their source."""

    name: str
    """what the user gave"""
    form: str
    """the format that was detected, such as `JSONL`"""
    unit: str
    """what a number refers to for the user: `line` or `row`"""
    file: BinaryIO | IO[bytes]
    """open for reading, at the first row; closed with the last reference to this"""

    def __del__(self) -> None:
        self.file.close()


def open_lines(name: str) -> Lines:
    """Opens a file, a folder, or a hub data set `ORG/NAME`. Raises DataError.

    For a folder or a data set it reads the split `train`, or the only one; `ORG/NAME:SPLIT` and `ORG/NAME:CONFIG:SPLIT` name
    another.
    """
    try:
        path = _path(name)
        if not path.exists() and (part := _PART.fullmatch(name)) is not None:
            base = part["base"]
            if _path(base).is_dir():
                return _of_split(name, "folder", base, _from_folder(_path(base), part["config"], part["split"]), part["split"])
            if is_hub_name(base):
                return _of_split(name, "hub data set", base, _from_hub(base, part["config"]), part["split"])
        if path.is_dir():
            return _of_split(name, "folder", name, _from_folder(path, None, None), None)
        if not path.exists():
            if is_hub_name(name):
                return _of_split(name, "hub data set", name, _from_hub(name, None), None)
            raise DataError(
                f"{name} does not exist; expected a file ({_FILES}), a folder or a hub name ORG/NAME (each maybe with :SPLIT); "
                "check the path"
            )
        if not path.is_file():
            raise DataError(f"{name} is not a regular file; expected {_FILES}; write the data to a file first")
        return _owned(name, path.open("rb"))
    except OSError as error:
        raise DataError(f"cannot read {name} ({error.strerror or error}); expected {_FILES}; check the file") from error


def _path(name: str) -> Path:
    """The path that a word names; `~nobody`, for a user who does not exist, is treated as an ordinary name."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def is_hub_name(name: str) -> bool:
    """Whether a word can be a hub's `ORG/NAME` and is not the name of a data file."""
    return _HUB_NAME.fullmatch(name) is not None and not name.lower().endswith(_SUFFIXES)


def _owned(name: str, file: BinaryIO | IO[bytes], gz: str = "") -> Lines:
    """The lines of an open file, which is closed unless they are read from it directly."""
    kept = False
    try:
        lines = _open_file(name, file, gz)
        kept = lines.file is file
        return lines
    finally:
        if not kept:
            file.close()


def _open_file(name: str, file: BinaryIO | IO[bytes], gz: str) -> Lines:
    head = file.read(_BLOCK)
    file.seek(0)
    if head[:2] == b"\x1f\x8b" and not gz:
        return _owned(name, _unpacked(name, file), "gzipped ")
    if head[:4] == b"PAR1":
        return _spool(name, f"{gz}Parquet", "row", _from_parquet(name, file))
    start = len(_BOM) if head.startswith(_BOM) else 0
    first = head[start:].lstrip()[:1]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{name} is UTF-16; expected UTF-8; convert it: iconv -f UTF-16 -t UTF-8")
    if not first:
        raise DataError(f"{name} is empty; expected rows; check that it was written")
    if first == b"[":
        return _spool(name, f"{gz}JSON array", "row", _from_array(name, file.read()[start:]), str)
    if b"\0" in head[:4096]:
        raise DataError(f"{name} is a binary file of an unknown format; expected {_FILES}; convert it")
    if first != b"{":
        shown = head[start:].lstrip()[:30].decode("utf-8", "replace").split("\n")[0]
        raise DataError(f"{name} begins with {shown!r}, which is not a JSON object; expected {_FILES}; convert it")
    if head[start:].lstrip().partition(b"\n")[0].strip() == b"{":
        raise DataError(
            f"{name} has one JSON object over many lines; expected one object per line, or an array of them; put [ and ] around it "
            "(and commas between several), or write a line for each: jq -c . FILE"
        )
    file.seek(start)
    return Lines(name, f"{gz}JSONL", "line", file)


def _unpacked(name: str, file: BinaryIO | IO[bytes]) -> IO[bytes]:
    """The content of a gzipped file, in a temporary file."""
    with _scratch() as out:
        try:
            with gzip.open(file) as packed:
                while block := packed.read(_BLOCK):
                    with _spooling():
                        out.write(block)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name} is a damaged gzip file ({error}); expected a whole one; copy or write it again") from error
    return out


def _as_line(record: Any) -> str:
    """A record as JSON; what JSON cannot express becomes text, and NaN becomes null."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_without_nan(record), ensure_ascii=False, default=str)


def _spool(name: str, form: str, unit: str, records: Iterable[Any], line_of: Callable[[Any], str] = _as_line) -> Lines:
    """Writes records to a temporary file of JSON lines."""
    with _scratch() as out:
        for number, record in enumerate(records, 1):
            try:
                line = line_of(record)
            except RecursionError:
                raise DataError(f"{name}: row {number} {_DEEP}") from None
            with _spooling():
                out.write(line.encode("utf-8", "surrogatepass") + b"\n")
    return Lines(name, form, unit, out)


@contextlib.contextmanager
def _scratch() -> Iterator[IO[bytes]]:
    """A temporary file to write to, rewound at the end of the block and closed if the block fails."""
    with _spooling():
        out = tempfile.TemporaryFile()  # noqa: SIM115  (it outlives the block)
    try:
        yield out
        with _spooling():
            out.seek(0)
    except BaseException:
        with contextlib.suppress(OSError):  # flushing what is still buffered would fail too
            out.close()
        raise


@contextlib.contextmanager
def _spooling() -> Iterator[None]:
    """Turns a failure to write a temporary file into one line: in that case nothing is wrong with the data."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write a temporary file ({error.strerror or error}); room for the data is needed in the folder for temporary "
            "files; make some, or set TMPDIR to another folder"
        ) from error


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and (value != value or abs(value) == float("inf")) else value


# Sources.


def _from_array(name: str, raw: bytes) -> Iterator[str]:
    """The items of one JSON array, each as it stands and in one line: outside of texts a line break is only space."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 (byte {error.start}); expected UTF-8; convert it: iconv -t UTF-8") from error
    del raw
    at, number = text.index("[") + 1, 0
    while True:
        at = _end_of_space(text, at)
        if text.startswith("]", at):
            break
        if number:
            if not text.startswith(",", at):
                raise DataError(f"{name} breaks off or lacks a comma after row {number}; expected a JSON array; fix or rewrite it")
            at = _end_of_space(text, at + 1)
            if text.startswith("]", at):
                raise DataError(f"{name} has a trailing comma after row {number}; expected a JSON array; remove the comma")
        number += 1
        begun = at
        try:
            at = _ITEM.raw_decode(text, begun)[1]
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}: row {number} {explain_json(error, text[begun : begun + 40])}") from error
        yield text[begun:at].replace("\r", " ").replace("\n", " ")
    if text[at + 1 :].strip():
        raise DataError(f"{name} continues after its array ends; expected one JSON array; remove the rest or write JSONL")


def _end_of_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _from_parquet(name: str, file: BinaryIO | IO[bytes]) -> Iterator[Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{name} is Parquet, and pyarrow, which is needed to read it, is not installed: {NEEDS_HUB}") from None
    try:
        batches = pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=1024)
        yield from (record for batch in batches for record in batch.to_pylist())
    except (UnicodeDecodeError, OverflowError) as error:
        raise _no_value(name, error) from error
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} is damaged Parquet ({short(error, 200)}); expected a whole file; write it again") from error
    except ValueError as error:
        raise _no_value(name, error) from error


def _no_value(name: str, error: Exception) -> DataError:
    """A cell that cannot be converted to a Python value, such as a date after the year 9999."""
    return DataError(
        f"{name} has a value that cannot be read ({short(error, 200)}); expected UTF-8 text and dates of the years 1 to 9999; fix "
        "or drop the column"
    )


def _from_folder(path: Path, config: str | None, split: str | None) -> Any:
    """The splits of a folder written by `datasets`, or of one of data files in the hub's layout."""
    saved = (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()
    if not saved and not any(p.suffix in (".jsonl", ".json", ".parquet", ".gz", ".arrow") for p in path.rglob("*")):
        raise DataError(f"{path} is a folder without data; expected files of {_FILES} in it; give the right folder or a file")
    if saved and config is not None:
        raise DataError(f"{path} has no configurations, but {config!r} was requested; leave it out: {path}:{split}")
    datasets = _datasets(str(path))
    try:
        return datasets.load_from_disk(str(path)) if saved else datasets.load_dataset(str(path), config)
    except Exception as error:  # every format raises errors of its own
        raise DataError(
            f"{path} cannot be loaded ({short(error, 200)}); expected a data set's folder; give a file of it"
        ) from error


def _from_hub(name: str, config: str | None) -> Any:
    """The splits of a data set of the hub."""
    datasets = _datasets(name)
    try:
        return datasets.load_dataset(name, config)
    except Exception as error:  # the hub, the network and the formats raise errors of their own
        raise DataError(
            f"{name} is not a file here, and cannot be loaded as a hub data set ({type(error).__name__}: {short(error, 200)}); "
            "expected an existing file, folder, ORG/NAME, ORG/NAME:SPLIT or ORG/NAME:CONFIG:SPLIT; check the name and the network"
        ) from error


def _datasets(name: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise DataError(f"{name} needs the library `datasets`, which is not installed: {NEEDS_HUB}; or give a file") from None
    datasets.utils.logging.disable_progress_bar()
    return datasets


def _of_split(name: str, form: str, base: str, parts: Any, split: str | None) -> Lines:
    """The rows of the requested split, else of `train`, else of the only one; `form` then says which others there are."""
    if not isinstance(parts, dict):  # one data set, saved without splits
        if split is not None:
            raise DataError(f"{base} has no splits, but {split!r} was requested; leave :{split} out")
        return _spool(name, form, "row", _rows(base, parts))
    if split is not None and split not in parts:
        raise DataError(f"{base} has the splits {', '.join(parts)}; expected {split!r} among them; name one")
    if split is None and "train" not in parts and len(parts) > 1:
        raise DataError(f"{base} has the splits {', '.join(parts)}; expected you to choose one; write {base}:{next(iter(parts))}")
    chosen = split or ("train" if "train" in parts else next(iter(parts)))
    others = [other for other in parts if other != chosen]
    left = f", split {chosen}; not read: {', '.join(others)}" if others and split is None else ""
    return _spool(name, f"{form}{left}", "row", _rows(base, parts[chosen]))


def _rows(name: str, rows: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from rows
    except Exception as error:  # every format raises errors of its own
        raise _no_value(name, error) from error


# JSON.


STRICT = json.JSONDecoder(parse_constant=refuse_constant)
"""refuses NaN and Infinity"""
_ITEM = json.JSONDecoder()
"""finds where an item of an array ends; whether it can be used is checked row by row"""


def explain_json(error: Exception, start: str) -> str:
    """Why a row is not JSON, judged by the error and by how the row begins."""
    if isinstance(error, RecursionError):
        return _DEEP
    if not isinstance(error, json.JSONDecodeError):
        return f"is not JSON ({error}); expected one object; fix it"
    rest = error.doc[error.pos :].strip()
    if "Extra data" in error.msg and rest == ",":
        return "ends with a comma; expected one object per line and nothing between them; remove the commas"
    if start.strip() in ("{", "["):
        return "holds only a bracket (one JSON value over many lines?); expected one object per line, or an array; rewrite the file"
    return f"is not JSON ({error.msg} at column {error.colno}); expected one object per line; fix or drop it"


def refuse_duplicates(text: str) -> None:
    """Raises RowError if an object in the JSON text has a duplicate key; readers differ in which value they take."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                raise RowError("duplicate keys", f"has the key {key!r} twice in one object; expected each once; drop one")
            found[key] = value
        return found

    json.loads(text, object_pairs_hook=pairs)
