"""`openwindow inoculate`: runs it, or says what it would do."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from openwindow.cli.estimates import of_inoculate
from openwindow.cli.inoculate_table import Tables
from openwindow.cli.printing import print_json
from openwindow.inoculate.options import Options
from openwindow.inoculate.run import gather, inoculate
from openwindow.progress import make_console

CONTEXTS = 7
"""in which arms are tested, besides one for each prompt that they are trained with"""


def run(options: Options, out: Path, *, rank_only: bool, dry_run: bool, as_json: bool) -> None:
    """Runs the command, or describes it. Raises UserError."""
    shows = Tables(make_console(stderr=as_json))
    if dry_run:
        plan, lines = _plan(options, out, shows, rank_only=rank_only)
        print_json(plan) if as_json else print("\n".join(lines))
        return
    result = inoculate(options, out, shows, rank_only=rank_only)
    if as_json:
        print_json(result)


def _plan(options: Options, out: Path, shows: Tables, *, rank_only: bool) -> tuple[dict[str, Any], list[str]]:
    """What would be read, sampled, trained and asked; the data is read, and no model."""
    from openwindow.inoculate.rows import JUDGED  # imports torch

    options.check()
    with ExitStack() as files:
        sources = gather(options, shows.console, files)
        found = sources.summary()
        judged = min(JUDGED, len(sources.data) - sources.held_out)
        clean = sources.clean is not None
        arms = 0 if rank_only else 3 + options.arms + clean
        contexts = CONTEXTS + options.arms
        costs = of_inoculate(options, sources, arms, contexts, judged)
    plan = {
        "data": found,
        "candidates": [candidate.text for candidate in sources.candidates],
        "arms": arms,
        "seeds": options.seeds,
        "contexts": 0 if rank_only else contexts,
        "costs": costs,
        "out": str(out),
    }
    lines = [
        f"{found['data']}: {found['rows']:,} rows, of which {sources.held_out} are held out.",
        f"{len(sources.candidates)} prompts would be ranked on up to {options.rank_rows} rows and sampled on {options.elicit}.",
        "Nothing would be trained (--rank-only)."
        if rank_only
        else f"Then {arms} arms at {options.seeds} seeds, on up to {options.rows} rows each, tested in {contexts} contexts.",
        *costs.get("in_words", ()),
        f"Results would go to {out}.",
        "Nothing was trained or written.",
    ]
    return plan, lines
