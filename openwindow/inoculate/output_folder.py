"""The output folder of `openwindow inoculate`: a ranking by the same command is reused, not repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.data.trait_rules import source_of
from openwindow.errors import ConfigError
from openwindow.files.bounded import usable
from openwindow.files.writing import storing

if TYPE_CHECKING:
    from openwindow.inoculate.options import Options


TRAIT_ROWS = "trait_rows.txt"
_OWN = ("found.json", "ranking.json", TRAIT_ROWS)
"""files that this command writes first"""
_OF_ARMS = ("seeds", "wanted", "safe", "device", "evals", "eval_scenarios")
"""options that a ranking does not depend on"""


def as_json(options: Options) -> dict[str, Any]:
    """The options as they are stored."""
    loaded: dict[str, Any] = json.loads(json.dumps(asdict(options), default=str))
    return loaded


def key_of(options: Options) -> dict[str, Any]:
    """What a ranking depends on: the options, the sizes and times of the files they name, and the contents of the rule's file."""
    files: dict[str, Any] = {}
    for name in (options.data, options.clean, options.candidates):
        if name is not None and Path(name).is_file():
            stat = Path(name).stat()
            files[str(name)] = [stat.st_size, stat.st_mtime_ns]
    kept = {k: v for k, v in as_json(options).items() if k not in _OF_ARMS}
    return {"options": kept, "files": files | stamp(options.rule)}


def stamp(given: str | None) -> dict[str, str]:
    """The file of a rule with a hash of its contents; empty for a regular expression."""
    path = None if given is None else source_of(given)
    if path is None or not path.is_file():
        return {}
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}


def saved(options: Options, out: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The ranking and the counts of the drawn rows in the folder.

    Raises ConfigError if they belong to another command, or if the folder is something else.
    """
    path = out / "ranking.json"
    _check_folder(out)
    if not path.is_file():
        return None, None
    try:
        ranking: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = ranking.pop("key") == key_of(options)
        drawn = out / "rows.json"
        counts = json.loads(drawn.read_text(encoding="utf-8")) if drawn.is_file() else None
        same = same and (counts is None or counts["wanted"] == stamp(options.wanted))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); expected a ranking; choose another --out") from error
    if not same:
        raise ConfigError(
            f"{out} holds another ranking (other options, or a file that has changed); expected an empty folder or the same "
            "command; choose another --out"
        )
    return ranking, counts


def _check_folder(out: Path) -> None:
    """Raises ConfigError for a path that cannot be a folder, or a folder with anything but this command's files."""
    usable(out)
    held = [path.name for path in out.iterdir()] if out.is_dir() else []
    if any(not name.startswith(".") for name in held) and not any(name in held for name in _OWN):
        raise ConfigError(f"--out {out} is not empty and holds no ranking; expected an empty folder; choose another")


def write_trait_rows(numbers: Iterable[int], out: Path) -> Path:
    """Writes the line or row numbers of the answers that show the trait to `trait_rows.txt`, one per line."""
    path = out / TRAIT_ROWS
    with storing(path):
        out.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{number}\n" for number in numbers)
    return path
