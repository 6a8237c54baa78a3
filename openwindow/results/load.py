"""Reads a run folder into frozen records. Nothing else in the report touches the disk.

A run may have been killed at any moment, so a file that is missing, truncated or unreadable becomes a `Note` that the
report prints under "what could not be measured"; only a folder that holds no run at all is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from openwindow.environments.gameable import MEASURES
from openwindow.errors import ConfigError, DataError
from openwindow.files.bounded import is_folder, missing, read_regular
from openwindow.files.run_files import Reader, counted, finite
from openwindow.results.records import Arm, Cell, Comparison, Context, Json, Leak, Metric, Rollout, Run, TrainRow
from openwindow.types import Measure, Message, Part, Role, StopReason

__all__ = ["Rollout", "Run", "items", "load_run", "mapping", "number", "read_meanings", "read_rollouts", "text"]

DIFF_LIMIT = 200_000  # maximum characters of code.diff in the report
_ROLLOUT = ("arm", "seed", "context", "problem", "family", "messages", "reply", "code", "stop", "tokens")
FIELDS = frozenset((*_ROLLOUT, "kinds", "reason", "failed_on", "visible"))  # keys of a rollout's line; all others are scores


@dataclass(slots=True)
class _Reader(Reader):
    """The folder being read, what was noticed along the way, and the chats seen so far."""

    _shared: dict[tuple[Message, ...], tuple[Message, ...]] = field(default_factory=dict)

    def messages(self, value: object) -> tuple[Message, ...]:
        """Chat messages; equal chats are one object, so that ten thousand rows use little memory."""
        found = tuple(
            Message(cast(Role, text(m, "role") or "user"), text(m, "content")) for m in items(value) if isinstance(m, dict)
        )
        return self._shared.setdefault(found, found)


def load_run(run: Path) -> Run:
    """Reads everything in the folder. Raises `ConfigError` if it holds no run."""
    _require_folder(run)
    reader = _Reader(run)
    config = reader.document("config.json", "the settings and the texts of the contexts")
    results = reader.document("results.json", "rates, intervals and comparisons")
    if not config and not results:
        raise ConfigError(
            f"{run} is not a run folder: neither config.json nor results.json could be read; "
            "give the folder that `openwindow run STUDY --out DIR` wrote"
        )
    provenance = reader.document("provenance.json", "the code version and the packages")
    status = reader.document("status.json", "whether the run ended")
    cells = _cells(results)
    train = _train_rows(reader)
    rollouts = _rollouts(reader)
    metrics = _metrics(reader)
    named = [*mapping(config, "arms"), *mapping(results, "arms"), *train, *(r.arm for r in rollouts)]
    seen = [*mapping(config, "contexts"), *(c for _, _, c in cells), *(r.context for r in rollouts)]
    measures = dict.fromkeys([*(str(m) for m in items(config.get("measures"))), *(m for _, m, _ in cells)])
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
        comparisons=tuple(_comparison(c) for c in items(results.get("comparisons")) if isinstance(c, dict)),
        leaks={arm: _leak(mapping(mapping(results, "leak"), arm)) for arm in mapping(results, "leak")},
        metrics=metrics,
        train=train,
        rollouts=rollouts,
        training=_rollouts(reader, "training.jsonl"),
        diff=_diff(reader),
        notes=tuple(reader.notes),
    )


def read_meanings(run: Path, names: Iterable[str] | None = None) -> dict[str, Measure]:
    """The measures with those names, or else those that config.json names, in order, with its descriptions of them."""
    config = _Reader(run).document("config.json", "")
    return _meanings(config, [str(m) for m in items(config.get("measures"))] if names is None else names)


def read_rollouts(run: Path) -> list[Rollout]:
    """All readable rollouts of the run, arms in the order of config.json, seeds ascending, rows as written."""
    _require_folder(run)
    return list(_rollouts(_Reader(run)))


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


def _cells(results: Json) -> dict[tuple[str, str, str], Cell]:
    found: dict[tuple[str, str, str], Cell] = {}
    for arm in mapping(results, "arms"):
        measures = mapping(mapping(mapping(results, "arms"), arm), "measures")
        for measure in measures:
            for context in mapping(measures, measure):
                record = mapping(mapping(measures, measure), context)
                found[arm, measure, context] = Cell(
                    estimate=number(record, "estimate"),
                    low=number(record, "low"),
                    high=number(record, "high"),
                    n=_whole(record, "n"),
                    unscored=_whole(record, "unscored"),
                    by_seed=tuple(finite(v) for v in items(record.get("by_seed"))),
                    reason=_optional(record, "reason"),
                    families=_whole(record, "families") or None,
                    bounds=_bounds(record),
                )
    return found


def _bounds(record: Json) -> tuple[float, float] | None:
    match [finite(v) for v in items(record.get("bounds"))]:
        case [float(low), float(high)]:
            return low, high
    return None


def _comparison(record: Json) -> Comparison:
    return Comparison(
        measure=text(record, "measure"),
        context=text(record, "context"),
        arm=text(record, "arm"),
        against=text(record, "against"),
        against_context=text(record, "against_context"),
        difference=number(record, "difference"),
        low=number(record, "low"),
        high=number(record, "high"),
        p=number(record, "p"),
        p_holm=number(record, "p_holm"),
        expect=text(record, "expect"),
        margin=number(record, "margin"),
        ceiling=_optional(record, "ceiling"),
        detectable=number(record, "detectable"),
    )


def _leak(record: Json) -> Leak:
    values = (number(record, name) for name in ("estimate", "low", "high", "untrained"))
    return Leak(text(record, "context"), *values)


def _metrics(reader: _Reader) -> tuple[Metric, ...]:
    path = reader.root / "metrics.jsonl"
    if missing(path):
        reader.note("metrics.jsonl", "the run folder has no such file, so training curves cannot be shown")
        return ()
    found = []
    for i, row in enumerate(reader.rows(path)):
        values = {key: v for key in row if "/" in key and (v := number(row, key)) is not None}
        step = number(row, "step")
        found.append(Metric(text(row, "arm"), _whole(row, "seed"), text(row, "stage"), i if step is None else step, values))
    return tuple(found)


def _seed_files(reader: _Reader, name: str) -> list[tuple[str, int, Path]]:
    """(arm, seed, path) of the named file in every seed folder, arms in the order of config.json."""
    quiet = _Reader(reader.root)  # the caller makes the notes on config.json
    order = {arm: i for i, arm in enumerate(mapping(quiet.document("config.json", ""), "arms"))}
    found = []
    for path in sorted(reader.root.glob(f"arms/*/seed-*/{name}")):
        arm, seed = path.parent.parent.name, path.parent.name.removeprefix("seed-")
        if seed.isascii() and seed.isdecimal():
            found.append((arm, int(seed), path))
    return sorted(found, key=lambda f: (order.get(f[0], len(order)), f[0], f[1]))


def _train_rows(reader: _Reader) -> dict[str, dict[int, tuple[TrainRow, ...]]]:
    found: dict[str, dict[int, tuple[TrainRow, ...]]] = {}
    for arm, seed, path in _seed_files(reader, "train_rows.jsonl"):
        found.setdefault(arm, {})[seed] = tuple(
            TrainRow(
                messages=reader.messages(row.get("messages")),
                kind=text(row, "kind"),
                problem=text(row, "problem"),
                family=text(row, "family"),
                inoculated=row.get("inoculated") is True,
            )
            for row in reader.rows(path)
        )
    return found


def _rollouts(reader: _Reader, file: str = "rollouts.jsonl") -> tuple[Rollout, ...]:
    found: list[Rollout] = []
    for arm, seed, path in _seed_files(reader, file):
        strange = 0
        for row in reader.rows(path):
            try:
                stop = StopReason(text(row, "stop"))
            except ValueError:
                strange += 1
                continue
            found.append(_rollout(reader, row, arm, seed, stop))
        if strange:
            name = path.relative_to(reader.root).as_posix()
            reader.note(name, f"{counted(strange)} whose `stop` is none of {', '.join(StopReason)}; left out")
    if not found and file == "rollouts.jsonl":
        reader.note("arms/ARM/seed-S/rollouts.jsonl", "the run folder has none, so no transcripts can be shown")
    return tuple(found)


def _rollout(reader: _Reader, row: Json, arm: str, seed: int, stop: StopReason) -> Rollout:
    """One row; arm and seed are the folder's if the row does not name them."""
    given = number(row, "seed")
    return Rollout(
        arm=text(row, "arm") or arm,
        seed=seed if given is None else int(given),
        context=text(row, "context"),
        problem=text(row, "problem"),
        family=text(row, "family"),
        messages=reader.messages(row.get("messages")),
        reply=text(row, "reply"),
        code=text(row, "code"),
        stop=stop,
        scores={key: value for key, value in row.items() if key not in FIELDS and (value is None or isinstance(value, bool))},
        kinds=tuple(str(k) for k in items(row.get("kinds"))),
        reason=_optional(row, "reason"),
        failed_on=_optional(row, "failed_on"),
        visible=tuple(str(v) for v in items(row.get("visible"))),
    )


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
