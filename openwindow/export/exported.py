"""A run as trackers have it: one tracked run per arm and seed with its curves, and one per arm with the rates over all seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openwindow.environments.base import behaviour
from openwindow.errors import ConfigError
from openwindow.files.kept import refuse_kept
from openwindow.files.records import Cell, Rollout
from openwindow.files.run_files import finite, in_units, is_step, read_json, rows_in
from openwindow.files.run_results import RunResults
from openwindow.formatting import percent
from openwindow.results.load import mapping, read_meanings, read_rollouts, text
from openwindow.results.sample import sampled

Json = dict[str, Any]
TRANSCRIPTS = 60
"""transcripts of a whole run, if no number is given"""
COLUMNS = ("seed", "context", "problem", "prompt", "reply", "scores", "reason")
"""columns of a table of transcripts"""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracker calls a run."""

    name: str
    """`ARM/seed-S`, or `ARM` for the arm over all its seeds."""
    arm: str
    config: Mapping[str, str | float | bool]
    """Settings, flat."""
    points: Sequence[tuple[int, Mapping[str, float]]] = ()
    """Steps with their metrics, in the order of training. Names begin with the stage where there are several."""
    final: Mapping[str, float] = field(default_factory=dict)
    """`final/MEASURE/CONTEXT` to the rate; of an arm also with `/low`, `/high` and `/n`."""
    transcripts: Sequence[Sequence[str]] = ()
    """Rows of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A whole run."""

    project: str
    """Its study, or the name that the user gives."""
    folder: Path
    runs: Sequence[Tracked]
    summary: str
    """The claim, the verdict and all rates with intervals, as Markdown."""
    notes: Sequence[str] = ()
    """What is missing."""


def read_exported(run: Path, project: str | None, transcripts: int | None) -> Exported:
    """Reads a run folder. Raises ConfigError if it holds no run of a study."""
    refuse_kept(run, "to export")
    config = read_json(run / "config.json")
    if not is_run(config):
        holds = "a ranking, which has no curves" if "study_config" in config else "no run of openwindow"
        inner = f"name {run / 'run'}" if (run / "run" / "config.json").is_file() else "check the path"
        raise ConfigError(f"{run} holds {holds}; expected the folder of a run of a study, with its config.json; {inner}")
    if transcripts is not None and transcripts < 0:
        raise ConfigError(f"--transcripts is {transcripts}; expected 0 or more; raise it, or drop it for {TRANSCRIPTS}")
    results = RunResults.model_validate(read_json(run / "results.json"))
    curves = _curves(run)
    chosen = _transcripts(run, TRANSCRIPTS if transcripts is None else transcripts)
    runs = [tracked for arm in _arms(config, results, curves) for tracked in _tracked(config, results, curves, chosen, arm)]
    notes = []
    if not results.arms:
        notes.append(f"{run} has no results.json that can be read, so only curves are exported: `openwindow report {run}` makes it")
    if not any(curves.values()):
        notes.append(f"{run} has no metrics.jsonl that can be read, so no curves are exported")
    return Exported(project or text(config, "study") or "openwindow", run, runs, _summary(run, config, results), notes)


def is_run(config: Json) -> bool:
    """Whether a config.json is of a run of a study, and not of a ranking or of something else."""
    return "study" in config and "parts" not in mapping(config, "study_config")


def _arms(config: Json, results: RunResults, curves: Mapping[tuple[str, int], Any]) -> list[str]:
    """The stages before the arms that left curves, then the arms."""
    named = [*results.arms, *mapping(config, "arms")]
    return list(dict.fromkeys([*(arm for arm, _ in curves if arm not in named), *named]))


def _curves(run: Path) -> dict[tuple[str, int], list[Json]]:
    """The lines of metrics.jsonl by arm and seed: of the cells, where there are any, since the run's own is made at its end."""
    parts = in_units(run, "metrics.jsonl") or [run / "metrics.jsonl"]
    found: dict[tuple[str, int], list[Json]] = {}
    for part in parts:
        for row in rows_in(part, is_step):
            found.setdefault((str(row.get("arm")), int(finite(row.get("seed")) or 0)), []).append(row)
    return found


def _points(rows: Sequence[Json]) -> Iterator[tuple[int, dict[str, float]]]:
    several = len({row.get("stage") for row in rows}) > 1
    for row in rows:
        before = f"{row.get('stage')}/" if several else ""
        values = {f"{before}{name}": number for name, value in row.items() if "/" in name and (number := finite(value)) is not None}
        if (step := finite(row.get("step"))) is not None:
            yield int(step), values


def _tracked(
    config: Json,
    results: RunResults,
    curves: Mapping[tuple[str, int], Sequence[Json]],
    chosen: Sequence[Rollout],
    arm: str,
) -> Iterator[Tracked]:
    """The arm at each of its seeds, and over all of them."""
    cells = _cells(results, arm)
    seeds = list(dict.fromkeys([*(results.seeds if arm in results.arms else ()), *(seed for of, seed in curves if of == arm)]))
    whole: dict[str, float] = {}
    for name, cell in cells.items():
        ends = {"": cell.estimate, "/low": cell.low, "/high": cell.high, "/n": float(cell.n)}
        whole |= {f"final/{name}{end}": value for end, value in ends.items() if value is not None and cell.estimate is not None}
    for seed in seeds:
        at = results.seeds.index(seed) if seed in results.seeds else None
        final = {
            f"final/{name}": value
            for name, cell in cells.items()
            if at is not None and at < len(cell.by_seed) and (value := cell.by_seed[at]) is not None
        }
        mine = [_row(r) for r in chosen if r.arm == arm and r.seed == seed]
        points = tuple(_points(curves.get((arm, seed), ())))
        yield Tracked(f"{arm}/seed-{seed}", arm, _config(config, arm, seed), points, final, mine)
    if whole:
        yield Tracked(arm, arm, _config(config, arm, None), (), whole, ())


def _cells(results: RunResults, arm: str) -> dict[str, Cell]:
    """`MEASURE/CONTEXT` to its cell."""
    measures = results.arms[arm].measures if arm in results.arms else {}
    return {f"{measure}/{context}": cell for measure, by in measures.items() for context, cell in by.items()}


def _config(config: Json, arm: str, seed: int | None) -> dict[str, str | float | bool]:
    about = mapping(mapping(config, "arms"), arm)
    given = {
        **{name: config.get(name) for name in ("study", "question", "claim")},
        "model": mapping(config, "model"),
        "arm": arm,
        "seed": seed,
        "role": about.get("role"),
        "differs": mapping(about, "differs"),
        "base": mapping(config, "train"),
    }
    return dict(_flat(given))


def _flat(value: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str | float | bool]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{within}{name}.")
        elif inner is not None:
            yield f"{within}{name}", inner if isinstance(inner, bool | int | float | str) else str(inner)


def _transcripts(run: Path, most: int) -> list[Rollout]:
    """A sample of the replies to test problems, those that show the behaviour first."""
    if not most:
        return []
    meanings = list(read_meanings(run).values())
    main = behaviour(meanings).name if meanings else ""
    return sampled(read_rollouts(run), most, lambda r: r.scores.get(main) is True)


def _row(r: Rollout) -> tuple[str, ...]:
    prompt = "\n\n".join(f"[{m.role}] {m.content}" for m in r.messages)
    scores = ", ".join(f"{name} {'unscored' if score is None else 'yes' if score else 'no'}" for name, score in r.scores.items())
    return str(r.seed), r.context, r.problem, prompt, r.reply, scores, r.reason or ""


def _summary(run: Path, config: Json, results: RunResults) -> str:
    lines = [
        f"# {results.study or text(config, 'study')}",
        results.question,
        f"**Claim:** {results.claim or text(config, 'claim')}",
    ]
    lines += [f"**{results.verdict.capitalize()}.** {results.answer}"] if results.verdict else []
    lines += list(results.written_in)
    lines += ["\n".join(table(results))] if results.arms else []
    lines += [results.intervals] if results.intervals else []
    commit = results.commit or text(read_json(run / "provenance.json"), "commit")
    return "\n\n".join(line for line in [*lines, f"openwindow {results.openwindow}, commit {commit}."] if line)


def table(results: RunResults) -> list[str]:
    """All rates with their intervals, as the lines of a Markdown table; a row per arm and measure, a column per context."""
    contexts = list(dict.fromkeys(c for arm in results.arms.values() for by in arm.measures.values() for c in by))
    lines = [f"| arm | measure | {' | '.join(contexts)} |", "|---" * (len(contexts) + 2) + "|"]
    for name, arm in results.arms.items():
        for measure, by in arm.measures.items():
            lines.append(f"| {name} | {measure} | {' | '.join(_shown(by.get(context)) for context in contexts)} |")
    return lines


def _shown(cell: Cell | None) -> str:
    if cell is None or cell.estimate is None:
        return "not measured"
    if not 0 <= cell.estimate <= 1:
        return f"{cell.estimate:.3g}" + ("" if cell.low is None or cell.high is None else f" [{cell.low:.3g}, {cell.high:.3g}]")
    ends = "" if cell.low is None or cell.high is None else f" [{100 * cell.low:.0f}, {100 * cell.high:.0f}]"
    return f"{percent(cell.estimate)}{ends} (n {cell.n})"
