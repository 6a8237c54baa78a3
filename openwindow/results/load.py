"""Reads a run folder into frozen records. Nothing else in the report touches the disk.

A run may have been killed at any moment, so a file that is missing, truncated or unreadable becomes a `Note` that the
report prints under "what could not be measured"; only a folder that holds no run at all is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from openwindow.environments.gameable import MEASURES
from openwindow.errors import ConfigError, DataError
from openwindow.experiment.overrides import explain
from openwindow.experiment.study import Study
from openwindow.files.bounded import is_folder, missing, read_regular
from openwindow.files.kept import MARK, kept_of, kept_results
from openwindow.files.records import VERSION, Rollout, TrainingRollout, messages_of, rollout_of, training_rollout_of
from openwindow.files.run_files import Note, Reader, counted, finite, in_units, step_files
from openwindow.files.run_results import RunResults
from openwindow.results.records import Arm, Context, Json, Metric, Run, TrainRow
from openwindow.types import Measure, Message, Part, StopReason

__all__ = [
    "Rollout",
    "Run",
    "items",
    "load_run",
    "mapping",
    "number",
    "read_meanings",
    "read_metrics",
    "read_rollouts",
    "read_step_rollouts",
    "read_training",
    "text",
]

DIFF_LIMIT = 200_000  # maximum characters of code.diff in the report
AT_STEPS = "at steps"  # in place of a file's name: the rollouts of arms in the middle of their training
_Line = TypeVar("_Line", Rollout, TrainingRollout)


@dataclass(slots=True)
class _Reader(Reader):
    """The folder being read, what was noticed along the way, and the chats seen so far."""

    _shared: dict[tuple[Message, ...], tuple[Message, ...]] = field(default_factory=dict)

    def messages(self, row: Json) -> tuple[Message, ...]:
        """The chat of a row; equal chats are one object, so that ten thousand rows use little memory."""
        found = messages_of(row.get("messages"))
        return self._shared.setdefault(found, found)


def load_run(run: Path) -> Run:
    """Reads everything in the folder. Raises `ConfigError` if it holds no run."""
    _require_folder(run)
    reader = _Reader(run)
    config = reader.document("config.json", "the settings and the texts of the contexts")
    kept = kept_of(run)
    results = kept_results(run) if kept else reader.document("results.json", "rates, intervals and comparisons")
    if not config and not results:
        raise ConfigError(
            f"{run} is not a run folder: neither config.json nor results.json could be read; "
            "give the folder that `openwindow run STUDY --out DIR` wrote"
        )
    provenance = reader.document("provenance.json", "the code version and the packages")
    status = reader.document("status.json", "whether the run ended")
    found = RunResults.model_validate(results)
    if found.records > VERSION:
        newer = f"written by a newer openwindow (records {found.records}; this one knows up to {VERSION})"
        reader.note("results.json", f"{newer}; what this one does not know is not shown")
    cells = {
        (arm, measure, context): cell
        for arm, one in found.arms.items()
        for measure, by_context in one.measures.items()
        for context, cell in by_context.items()
    }
    train = _train_rows(reader)
    measures = dict.fromkeys([*_measures(config), *(m for _, m, _ in cells)])
    rollouts = _test_rollouts(reader, [*measures])
    metrics = _metrics(reader)
    named = [*mapping(config, "arms"), *mapping(results, "arms"), *train, *(r.arm for r in rollouts)]
    seen = [*mapping(config, "contexts"), *(c for _, _, c in cells), *(r.context for r in rollouts)]
    return Run(
        config=config,
        provenance=provenance,
        status=status,
        results=results,
        arms=tuple(_arm(config, name) for name in dict.fromkeys(named)),
        contexts=tuple(_context(config, name) for name in dict.fromkeys(seen)),
        measures=tuple(measures),
        meanings=_meanings(config, measures),
        cells=cells,
        comparisons=found.comparisons,
        leaks=found.leak,
        metrics=metrics,
        train=train,
        safety=_train_rows(reader, "safety_rows.jsonl"),
        rollouts=rollouts,
        training=_rollouts(reader, [*measures], "training.jsonl", training_rollout_of),
        at_steps=_rollouts(reader, [*measures], AT_STEPS, rollout_of),
        diff=_diff(reader),
        notes=tuple(reader.notes),
        kept=kept,
    )


def read_meanings(run: Path, names: Iterable[str] | None = None) -> dict[str, Measure]:
    """The measures with those names, or else those that config.json names, in order, with its descriptions of them."""
    config = _Reader(run).document("config.json", "")
    return _meanings(config, _measures(config) if names is None else names)


def read_rollouts(run: Path, notes: list[Note] | None = None) -> list[Rollout]:
    """All readable rollouts of the run, arms in the order of config.json, seeds ascending, rows as written.

    `notes` receives what could not be read.
    """
    reader, measures = _opened(run, notes)
    return list(_test_rollouts(reader, measures))


def read_step_rollouts(run: Path, notes: list[Note] | None = None) -> list[Rollout]:
    """All readable test rollouts of arms in the middle of their training, in the same order, by step; `notes` as above."""
    reader, measures = _opened(run, notes)
    return list(_rollouts(reader, measures, AT_STEPS, rollout_of))


def read_training(run: Path, notes: list[Note] | None = None) -> list[TrainingRollout]:
    """All readable rollouts of the run's RL training, in the same order; `notes` as in `read_rollouts`."""
    reader, measures = _opened(run, notes)
    return list(_rollouts(reader, measures, "training.jsonl", training_rollout_of))


def read_metrics(run: Path, notes: list[Note] | None = None) -> list[Metric]:
    """All readable lines of metrics.jsonl, or of the cells' own files where a run has not combined them; `notes` as above."""
    reader, _ = _opened(run, notes)
    if not missing(run / "metrics.jsonl"):
        return list(_metrics(reader))
    return [metric for part in in_units(run, "metrics.jsonl") for metric in _metric_lines(reader, part)]


def _opened(run: Path, notes: list[Note] | None) -> tuple[_Reader, list[str]]:
    """The folder, whose reader adds to `notes`, and the names of the keys that are scores."""
    _require_folder(run)
    reader = _Reader(run, [] if notes is None else notes)
    note_sample(reader)
    return reader, _measures(reader.document("config.json", "which keys are scores"))


def note_sample(reader: Reader) -> None:
    """Notes that the rows of a kept run are a sample."""
    if (kept := kept_of(reader.root)) is not None:
        reader.note(MARK, f"this is a kept run, whose rates are those of the whole run. {kept.in_words}")


def _measures(config: Json) -> list[str]:
    """The study's measures, which are the keys of a rollout that are scores."""
    return [str(name) for name in items(config.get("measures"))]


def text(record: Json, key: str) -> str:
    """The field as text; empty if it is missing or null."""
    value = record.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)


def number(record: Json, key: str) -> float | None:
    """The field as a finite number, else None."""
    return finite(record.get(key))


def mapping(record: Json, key: str) -> Json:
    """The field as an object; empty if it is anything else."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The value if it is a list; empty if it is anything else."""
    return value if isinstance(value, list) else []


def _require_folder(run: Path) -> None:
    if not is_folder(run):
        raise ConfigError(f"no run folder at {run}: give the folder that `openwindow run STUDY --out DIR` wrote")


def _whole(record: Json, key: str) -> int:
    value = number(record, key)
    return 0 if value is None else int(value)


def _optional(record: Json, key: str) -> str | None:
    return text(record, key) or None


def _arm(config: Json, name: str) -> Arm:
    found = mapping(mapping(config, "arms"), name)
    return Arm(name, text(found, "title"), text(found, "description"), mapping(found, "differs"))


def _context(config: Json, name: str) -> Context:
    found = mapping(mapping(config, "contexts"), name)
    return Context(name, _optional(found, "text"), text(found, "position"), text(found, "about"))


def _meanings(config: Json, names: Iterable[str]) -> dict[str, Measure]:
    """The measures as config.json describes them, else as those of gameable environments, else as bare names."""
    known = {m.name: m for m in MEASURES}
    found = {}
    for name in names:
        said = mapping(mapping(config, "meanings"), name)
        verb, past, mark, means = (text(said, key) for key in ("verb", "past", "mark", "means"))
        part = cast(Part, said["part"] if text(said, "part") in ("unwanted", "wanted") else "other")
        if said:
            found[name] = Measure(name, part, verb, past, mark, means, text(said, "part_of"))
        else:
            found[name] = known.get(name, Measure(name, "other", name, name, name, ""))
    return found


def _metrics(reader: _Reader) -> tuple[Metric, ...]:
    path = reader.root / "metrics.jsonl"
    if missing(path):
        reader.note("metrics.jsonl", "the run folder has no such file, so training curves cannot be shown")
        return ()
    return tuple(_metric_lines(reader, path))


def _metric_lines(reader: _Reader, path: Path) -> Iterator[Metric]:
    for i, row in enumerate(reader.rows(path)):
        values = {key: v for key in row if "/" in key and (v := number(row, key)) is not None}
        step = number(row, "step")
        yield Metric(text(row, "arm"), _whole(row, "seed"), text(row, "stage"), i if step is None else step, values)


def _seed_files(reader: _Reader, name: str) -> list[tuple[str, int, Path]]:
    """(arm, seed, path) of the named file in every seed folder, arms in the order of config.json, and steps in theirs."""
    quiet = _Reader(reader.root)  # the caller makes the notes on config.json
    order = {arm: i for i, arm in enumerate(mapping(quiet.document("config.json", ""), "arms"))}
    found = []
    unit = "arms/*/seed-*/"
    for path in step_files(reader.root, unit) if name == AT_STEPS else sorted(reader.root.glob(unit + name)):
        _, arm, of_seed, *_ = path.relative_to(reader.root).parts
        seed = of_seed.removeprefix("seed-")
        if seed.isascii() and seed.isdecimal():
            found.append((arm, int(seed), path))
    return sorted(found, key=lambda f: (order.get(f[0], len(order)), f[0], f[1]))


def _train_rows(reader: _Reader, file: str = "train_rows.jsonl") -> dict[str, dict[int, tuple[TrainRow, ...]]]:
    found: dict[str, dict[int, tuple[TrainRow, ...]]] = {}
    for arm, seed, path in _seed_files(reader, file):
        found.setdefault(arm, {})[seed] = tuple(
            TrainRow(
                messages=reader.messages(row),
                kind=text(row, "kind"),
                problem=text(row, "problem"),
                family=text(row, "family"),
                inoculated=row.get("inoculated") is True,
                rejected=messages_of(row.get("rejected")),
            )
            for row in reader.rows(path)
        )
    return found


def _test_rollouts(reader: _Reader, measures: Sequence[str]) -> tuple[Rollout, ...]:
    found = _rollouts(reader, measures, "rollouts.jsonl", rollout_of)
    if not found:
        reader.note("arms/ARM/seed-S/rollouts.jsonl", "the run folder has none, so no transcripts can be shown")
    return found


def _rollouts(
    reader: _Reader,
    measures: Sequence[str],
    file: str,
    read: Callable[[Mapping[str, Any], Sequence[str], tuple[Message, ...]], _Line],
) -> tuple[_Line, ...]:
    """Rollouts, of whose keys `measures` are scores; arm and seed are the folder's where a row does not name them."""
    found: list[_Line] = []
    for arm, seed, path in _seed_files(reader, file):
        strange = 0
        for row in reader.rows(path):
            named = {"arm": text(row, "arm") or arm, "seed": seed if number(row, "seed") is None else row["seed"]}
            try:
                found.append(read({"context": "", "problem": "", **row, **named}, measures, reader.messages(row)))
            except ValidationError:
                strange += 1
        if strange:
            name = path.relative_to(reader.root).as_posix()
            reader.note(name, f"{counted(strange)} whose `stop` is none of {', '.join(StopReason)}; left out")
    return tuple(found)


def _diff(reader: _Reader) -> str:
    path = reader.root / "code.diff"
    if missing(path):
        return ""
    try:
        found = read_regular(path).decode("utf-8", "replace")
    except DataError as error:
        reader.note("code.diff", str(error))
        return ""
    if len(found) > DIFF_LIMIT:
        reader.note("code.diff", f"shown up to its first {DIFF_LIMIT:,} characters of {len(found):,}")
    return found[:DIFF_LIMIT]


def study_of(run: Path, config: Mapping[str, Any]) -> Study:
    """The study that a run's configuration holds. Raises ConfigError."""
    try:
        return Study.model_validate(config["study_config"])
    except ValidationError as error:
        raise ConfigError(
            f"{explain(error, Study, str(run / 'config.json'))}: another version of openwindow made this run; use that one"
        ) from error
