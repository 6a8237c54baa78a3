"""One line each about many runs, for the page that lists them: question, verdict, headline, model, date, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openwindow.errors import ConfigError
from openwindow.files.bounded import is_folder, missing
from openwindow.files.run_files import Json, Reader, finite
from openwindow.formatting import effect, measured, signed
from openwindow.results.load import items, mapping, text

RESULTS, COMPARISON = "results.json", "compare.json"
EXPECTED = "expected folders of `openwindow run`, `eval`, `inoculate` or `compare`, or a folder of such folders"
_MARKS = ("config.json", RESULTS, COMPARISON)
"""files by which a folder is known as one of ours"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list says of one folder."""

    folder: Path
    kind: str
    """study, ranking, eval or comparison; empty where it cannot be told"""
    name: str
    question: str = ""
    verdict: str = ""
    headline: str = ""
    """its first finding with an interval"""
    answer: str = ""
    """the same in a sentence"""
    model: str = ""
    seeds: str = ""
    date: str = ""
    state: str = ""
    """running, done, interrupted or failed; empty where nothing says so"""
    page: bool = False
    """whether it has a report.html"""
    reason: str = ""
    """why it is damaged, unfinished or not one of ours"""

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def folders_of(given: Sequence[Path]) -> list[Path]:
    """The folders to list, each once; a folder that is none of ours and holds some stands for these. Raises ConfigError."""
    found: list[Path] = []
    for path in given:
        if not is_folder(path):
            what = "does not exist" if missing(path) else "is a file"
            raise ConfigError(f"{path!s:.200} {what}; {EXPECTED}; check the path")
        found += inside(path) or [path]
    return list({path.resolve(): path for path in found}.values())


def inside(path: Path) -> list[Path]:
    """The runs in a folder that is none itself: in it, or in the folder of an `openwindow inoculate` in it."""
    if not is_folder(path) or known(path):
        return []
    children = [child for child in sorted(path.iterdir()) if is_folder(child)]
    return [run for child in children for run in (child, child / "run") if known(run)]


def known(path: Path) -> bool:
    """Whether the folder is one of ours, finished or not."""
    return any((path / name).exists() for name in _MARKS)


def entry_of(folder: Path) -> Entry:
    """What there is to say of the folder, as its files do; nothing is computed."""
    reader = Reader(folder)
    if not known(folder):
        return Entry(folder, "", folder.name, reason="it holds no run: neither config.json, results.json nor compare.json")
    if (folder / COMPARISON).exists():
        return _comparison(folder, reader)
    config = reader.document("config.json", "its question", optional=True)
    results = reader.document(RESULTS, "its findings", optional=True)
    damage = "; ".join(f"{note.what} {note.reason}" for note in reader.notes)
    if "suites" in results:
        return _eval(folder, results, damage)
    if not damage and not results:
        damage = "it has no results.json"
    provenance = reader.document("provenance.json", "its date", optional=True)
    status = reader.document("status.json", "its state", optional=True)
    state, message = text(status, "state"), text(status, "message")
    unfinished = f"{state}{f': {message}' if message else ''}" if state not in ("", "done") else ""
    return Entry(
        folder=folder,
        kind="ranking" if "parts" in mapping(config, "study_config") else "study",
        name=text(config, "study") or text(results, "study") or folder.name,
        question=text(results, "question") or text(config, "question"),
        verdict=text(results, "verdict"),
        headline=_headline(results),
        answer=text(results, "answer"),
        model=text(results, "model") or text(mapping(config, "model"), "name"),
        seeds=", ".join(map(str, items(config.get("seeds")))),
        date=text(provenance, "started")[:16].replace("T", " "),
        state=state,
        page=(folder / "report.html").is_file(),
        reason="; ".join(filter(None, (damage, unfinished and f"not finished ({unfinished})"))),
    )


def _headline(results: Json) -> str:
    """The first comparison with its interval, or the mean correlation of a ranking."""
    for row in items(results.get("comparisons"))[:1]:
        if isinstance(row, dict) and (size := _size(row)):
            what = measured(text(row, "measure"), row.get("over"))
            return f"{what}, {text(row, 'context')}: `{text(row, 'arm')}` minus `{text(row, 'against')}` {size}"
    mean = mapping(mapping(mapping(results, "means"), "elicitation"), "pearson")
    estimate, low, high = (finite(mean.get(key)) for key in ("estimate", "low", "high"))
    if estimate is None:
        return ""
    ends = "" if low is None or high is None else signed(f" [{low:+.2f}, {high:+.2f}]")
    return f"mean correlation {signed(f'{estimate:+.2f}')}{ends}"


def _size(row: Mapping[str, Any]) -> str:
    """A difference in words."""
    nats = text(row, "unit").startswith("nats")
    found = [finite(row.get(key)) for key in ("difference", "low", "high")]
    if found[0] is None:
        return ""
    said = [None if v is None else signed(f"{'+' if v >= 0 else '-'}{effect(abs(v), nats)}") for v in found]
    ends = f" [{said[1]}, {said[2]}]" if said[1] is not None and said[2] is not None else ""
    return f"{said[0]} {'nats per token' if nats else 'points'}{ends}"


def _eval(folder: Path, results: Json, damage: str) -> Entry:
    summary = [str(line) for line in items(results.get("summary"))]
    return Entry(
        folder=folder,
        kind="eval",
        name=f"eval of {text(results, 'model')}",
        question=f"What else does {text(results, 'model')} do? ({', '.join(map(str, items(results.get('suites'))))})",
        answer=next((line for line in summary if "score" in line or "give a rate" in line), summary[0] if summary else ""),
        model=text(results, "model"),
        date=_asked(folder),
        page=(folder / "report.html").is_file(),
        reason=damage,
    )


def _asked(folder: Path) -> str:
    """When the first eval was asked, as the names of Inspect's logs begin; empty without any."""
    first = min((log.name for log in (folder / "logs").glob("*.eval")), default="")
    return f"{first[:10]} {first[11:16].replace('-', ':')}" if first[:4].isdigit() else ""


def _comparison(folder: Path, reader: Reader) -> Entry:
    found = reader.document(COMPARISON, "what it found")
    a, b = mapping(found, "a"), mapping(found, "b")
    summary = [str(line) for line in items(found.get("summary"))]
    models = dict.fromkeys(filter(None, (text(a, "model"), text(b, "model"))))
    return Entry(
        folder=folder,
        kind="comparison",
        name=folder.name,
        question=f"Does {text(b, 'folder')} behave otherwise than {text(a, 'folder')}?" if found else "",
        verdict="equal" if found.get("equal") is True else "",
        answer=summary[0] if summary else "",
        model=", ".join(models),
        page=(folder / "report.html").is_file(),
        reason="; ".join(f"{note.what} {note.reason}" for note in reader.notes),
    )
