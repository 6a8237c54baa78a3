"""Keeps a run of a study small: the numbers of the whole run, and as many of its rows as fit, in a folder for a repository."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openwindow.errors import ConfigError
from openwindow.files.bounded import usable
from openwindow.files.kept import MARK, Kept, fingerprint, is_kept, refuse_kept
from openwindow.files.records import VERSION
from openwindow.files.writing import storing, write_bytes, write_json
from openwindow.report.study_page import build_report
from openwindow.results.eval_transcripts import eval_samples
from openwindow.results.keeping import METRICS, SEED, Row, Source, compactly, counted, read_source, sampled, thinned
from openwindow.results.load import load_run, mapping

MEGABYTE = 1_000_000
SIZE = 2 * MEGABYTE
"""the most bytes of a kept run, if no number is given"""
TRIES = 6
"""how often the amount of rows is changed so that they and their page come near the size"""
FULL = 0.9
"""share of the size from which on nothing more is tried"""
CURVES = 0.4
"""share of the size that training curves may have before they are thinned"""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """What was kept of a run."""

    folder: Path
    mark: Kept
    bytes: int
    """Of all files together."""
    absent: int
    """Arms and seeds of the study that the run has not finished."""


def keep_run(run: Path, out: Path, size: int = SIZE, say: Callable[[str], None] = lambda line: None) -> KeptRun:
    """Writes `out`, at most `size` bytes in all, in place of what was kept there before. Raises ConfigError, StorageError.

    `say` is told what is being done.
    """
    check_kept_from(run, out)
    say(f"reading {run}")
    source = read_source(run)
    if not mapping(source.documents, "results.json"):
        raise ConfigError(
            f"{run} has no results.json that can be read; expected a run with results; `openwindow report {run}` makes it"
        )
    with replacing(out) as made:
        mark, total = _fitted(source, made, size, say)
    return KeptRun(out, mark, total, len(source.documents["results.json"].get("missing") or ()))


def check_kept_from(run: Path, out: Path) -> None:
    """Raises ConfigError if the folder is no whole run of a study, or `out` holds anything but what was kept before."""
    refuse_kept(run, "to keep")
    if not (run / "config.json").is_file():
        raise ConfigError(f"{run!s:.200} holds no run; expected a folder of `openwindow run`, with its config.json; check the path")
    usable(out)
    if out.is_dir() and any(out.iterdir()) and not is_kept(out):
        raise ConfigError(
            f"--out {out} is not empty and holds no kept run; expected a new folder, or one to replace; choose another"
        )


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A folder that takes the place of `out` if the block succeeds; otherwise `out` stays as it was."""
    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
        made.chmod(0o755)
    try:
        yield made
        with storing(out):
            if os.path.lexists(out):
                shutil.rmtree(out)
            made.replace(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_documents(source: Source, made: Path) -> None:
    """Writes the run's documents; results.json without spaces, as it is the largest."""
    for name, document in source.documents.items():
        write_bytes(made / name, compactly(document)) if name == "results.json" else write_json(made / name, document)


def _fitted(source: Source, made: Path, size: int, say: Callable[[str], None]) -> tuple[Kept, int]:
    """Writes as many rows as fit with their page; the most that was tried and fitted."""
    whole = _mark(source, size)
    curves = thinned(source, CURVES * size)
    say("measuring the page without rows")
    bare = _written(source, made, whole, {}, curves)
    if bare[1] > size:
        over = (bare[1] - size) / MEGABYTE + 0.1
        raise ConfigError(
            f"--size leaves {size / MEGABYTE:.2f} MB for {source.run}, whose results, curves and page have "
            f"{bare[1] / MEGABYTE:.2f} MB without rows; expected room for them; raise it by {over:.1f} (of a ranking, for each run)"
        )
    most, best, fits = (size - bare[1]) / 2, 0.0, bare
    for at in range(TRIES):
        say(f"choosing rows, try {at + 1} of at most {TRIES}")
        rows = sampled(source.rows, most)
        found = _written(source, made, whole, rows, curves)
        if found[1] <= size:
            best, fits = most, found
            if found[1] >= FULL * size or all(len(rows[name]) == len(all_) for name, all_ in source.rows.items()):
                return found
        most *= 0.97 * (size - bare[1]) / max(1, found[1] - bare[1])
    return fits if best == 0.0 and fits is bare else _written(source, made, whole, sampled(source.rows, best), curves)


def _mark(source: Source, size: int) -> Kept:
    """What the mark says of the whole run."""
    loaded = load_run(source.run)
    about = mapping(mapping(loaded.results, "evals"), "evals")
    counts = loaded.counts.model_copy(update={"evals": eval_samples(source.run, about).total})
    results = fingerprint(source.documents["results.json"])
    return Kept(records=VERSION, size=size, seed=SEED, results=results, counts=counts)


def _written(source: Source, made: Path, whole: Kept, rows: Mapping[str, list[Row]], curves: list[Row]) -> tuple[Kept, int]:
    """Writes the folder with these rows and its page; the mark, and the bytes of all files."""
    for path in made.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_documents(source, made)
    if source.diff:
        write_bytes(made / "code.diff", source.diff.encode())
    files: dict[Path, list[bytes]] = {}
    for row in [row for of in (*rows.values(), curves) for row in of]:
        files.setdefault(row.file, []).append(row.line)
    for file, lines in files.items():
        write_bytes(made / file, b"".join(lines))
    every = {**source.rows, **({METRICS: source.metrics} if source.metrics else {})}
    mark = whole.model_copy(update={"rows": counted(every, {**rows, METRICS: curves})})
    write_json(made / MARK, mark.written())
    build_report(made)
    return mark, sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
