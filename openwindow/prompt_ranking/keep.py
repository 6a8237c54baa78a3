"""Keeps a run small, whatever it is of: a run of a study, or a ranking with the runs that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from openwindow.errors import ConfigError
from openwindow.files.bounded import load_json
from openwindow.files.kept import MARK, Kept, Sampled, fingerprint
from openwindow.files.records import VERSION
from openwindow.files.writing import write_json
from openwindow.prompt_ranking.results import is_ranking
from openwindow.report.keep import SIZE, KeptRun, check_kept_from, keep_run, replacing, write_documents
from openwindow.report.ranking_page import write_ranking_page
from openwindow.results.keeping import SEED, read_source
from openwindow.watch.run import is_watched


def keep_any(run: Path, out: Path, size: int = SIZE, say: Callable[[str], None] = lambda line: None) -> KeptRun:
    """Writes `out`, at most `size` bytes in all, as `keep_run`. Raises ConfigError, StorageError."""
    check_kept_from(run, out)
    if is_watched(run):
        raise ConfigError(
            f"{run} is of `openwindow watch`; expected a run of a study, or a ranking; its report.html can be kept as it is"
        )
    return keep_ranking(run, out, size, say) if is_ranking(run) else keep_run(run, out, size, say)


def keep_ranking(run: Path, out: Path, size: int, say: Callable[[str], None]) -> KeptRun:
    """The ranking's numbers and page, and each of its runs, with equal room for each."""
    source = read_source(run)
    results = source.documents.get("results.json", {})
    parts = [name for name in results.get("settings", {}) if (run / name / "config.json").is_file()]
    if not parts:
        raise ConfigError(f"{run} has no results.json with a finished part; expected one; `openwindow report {run}` makes it")
    with replacing(out) as made:
        write_documents(source, made)
        write_ranking_page(results, made)
        room = size - sum(path.stat().st_size for path in made.iterdir()) - 4000  # the mark
        kept = [keep_run(run / name, made / name, max(0, room // len(parts)), say) for name in parts]
        rows: dict[str, Sampled] = {}
        for name, sampled in [pair for one in kept for pair in one.mark.rows.items()]:
            before = rows.get(name, Sampled())
            rows[name] = Sampled(kept=before.kept + sampled.kept, of=before.of + sampled.of)
        mark = Kept(records=VERSION, size=size, seed=SEED, results=fingerprint(load_json(made / "results.json")), rows=rows)
        write_json(made / MARK, mark.written())
        total = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    return KeptRun(out, mark, total, sum(one.absent for one in kept))
