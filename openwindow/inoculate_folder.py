"""What `openwindow inoculate` finds in its output folder: a ranking of the same command is not made again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.errors import ConfigError

if TYPE_CHECKING:
    from openwindow.inoculate import Options


def as_json(options: Options) -> dict[str, Any]:
    """The options as they are written down."""
    loaded: dict[str, Any] = json.loads(json.dumps(asdict(options), default=str))
    return loaded


def key_of(options: Options) -> dict[str, Any]:
    """What a ranking depends on: the options, and the sizes and times of the files that they name."""
    files = {}
    for name in (options.data, options.clean, options.candidates):
        if name is not None and Path(name).is_file():
            stat = Path(name).stat()
            files[str(name)] = [stat.st_size, stat.st_mtime_ns]
    kept = {k: v for k, v in as_json(options).items() if k not in ("seeds", "wanted")}
    return {"options": kept, "files": files}


def saved(options: Options, out: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The ranking and the counts of the drawn rows that the folder holds. Raises ConfigError where they are of another command."""
    path = out / "ranking.json"
    if not path.is_file():
        return None, None
    try:
        ranking: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = ranking.pop("key") == key_of(options)
        drawn = out / "rows.json"
        counts = json.loads(drawn.read_text(encoding="utf-8")) if drawn.is_file() else None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); expected a ranking; choose another --out") from error
    if not same:
        raise ConfigError(f"{out} holds another ranking; expected an empty folder or the same command; choose another --out")
    return ranking, counts
