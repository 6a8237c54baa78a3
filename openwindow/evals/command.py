"""`openwindow eval`: from the command's options to results, files and a table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from openwindow.errors import ConfigError, StorageError
from openwindow.evals.contexts import parse_contexts
from openwindow.evals.matrix import against as compare
from openwindow.evals.page import write_page
from openwindow.evals.run import Options, ask, check, chosen, from_logs, results
from openwindow.runs import write_json


def evaluate(
    model: str | None,
    suite: str,
    contexts: str | None,
    against: str | None,
    logs: Path | None,
    out: Path | None,
    settings: dict[str, Any],
    say: Callable[[str], None],
) -> tuple[dict[str, Any], Path]:
    """Runs (or reads `logs`), computes, writes results.json and report.html; the results and their folder."""
    options = Options(contexts=parse_contexts(contexts), **settings)
    check(options)
    specs = chosen(suite)
    if logs is not None:
        found = from_logs(logs)
        specs = [s for s in specs if any(r.eval == s.name for r in found.rows)]
        options = options.model_copy(update={"contexts": _named(options.contexts, [r.context for r in found.rows])})
        name, folder = model or "logs", out or (logs if logs.is_dir() else logs.parent)
    elif model is None:
        raise ConfigError("no model was named; expected smollm2, a folder, a hub name or PROVIDER/MODEL; or give --logs DIR")
    else:
        name, folder = model, out or Path("runs") / f"eval-{_slug(model)}"
        found = ask(model, specs, options, folder, say)
    made = results(name, found, specs, options)
    if against is not None:
        other = ask(against, specs, options, folder / "against", say)
        made["against"] = {"model": against, "measures": results(against, other, specs, options)["measures"]}
        made["comparisons"] = compare((found.rows, found.probes), (other.rows, other.probes), (name, against))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "results.json", made)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}; make room or choose another folder") from error
    write_page(made, folder)
    return made, folder


def _named(known: dict[str, Any], seen: list[str]) -> dict[str, Any]:
    """The contexts that logs were made in; their texts are known for built-in names only."""
    from openwindow.evals.contexts import BUILT_IN, Context

    return {name: known.get(name) or BUILT_IN.get(name) or Context() for name in dict.fromkeys(seen)}


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60] or "model"


def print_table(made: dict[str, Any], folder: Path, console: Console) -> None:
    """Every measure in every context, the comparisons, what depends on context, and where the files are."""
    contexts = list(made["contexts"])
    table = Table(
        title=f"{made['model']}: % [95 % interval] (n, unscored); probes in nats per token", title_justify="left", box=None
    )
    table.add_column("measure", no_wrap=True)
    for name in contexts:
        table.add_column(name, justify="right")
    for measure, by in made["measures"].items():
        if not measure.endswith(("probe_sum", "probe_control", "probe_prefers")):
            table.add_row(measure, *(_shown(measure, by.get(name), len(contexts) > 1) for name in contexts))
    console.print(table)
    for row in made.get("comparisons", []):
        if row["p_holm"] is not None and row["p_holm"] < 0.05:
            console.print(
                f"{row['measure']} under {row['context']}: {row['arm']} - {row['against']} = {row['difference']:+.3f} "
                f"[{row['low']:+.3f}, {row['high']:+.3f}]",
                highlight=False,
            )
    for line in made["dependence"]:
        console.print(line, highlight=False)
    console.print(f"\n{folder / 'results.json'}\n{folder / 'report.html'}\n{folder / 'logs'}", highlight=False, soft_wrap=True)


def _shown(measure: str, cell: dict[str, Any] | None, brief: bool) -> str:
    if cell is None:
        return ""
    if cell["estimate"] is None:
        return str(cell["reason"]).split(":")[0][:24] if brief else str(cell["reason"])
    scale, digits = (1, 2) if "/probe" in measure else (100, 0)
    ends = "" if cell["low"] is None else f" [{scale * cell['low']:.{digits}f}, {scale * cell['high']:.{digits}f}]"
    return f"{scale * cell['estimate']:.{digits}f}{ends} ({cell['n']}, {cell['unscored']})"


def print_agreement(made: dict[str, Any], console: Console) -> None:
    """How far a judge agrees with the labels, by scenario."""
    table = Table(title=f"Agreement of {made['judge']} with the labels", title_justify="left", box=None)
    for name in ("scenario", "n", "unscored", "accuracy", "kappa"):
        table.add_column(name, justify="left" if name == "scenario" else "right")
    for name, row in [*made["scenarios"].items(), ("all", made["overall"])]:
        table.add_row(name, str(row["n"]), str(row["unscored"]), *(_share(row[key]) for key in ("accuracy", "kappa")))
    console.print(table)


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"
