"""What a kept run takes from a whole one: its documents without paths of the machine, and a sample of its rows.

Rows are drawn within groups of equal arm, seed, context, eval and step, in turns, so that every group has as many as the others as
far as they reach; nothing depends on what a row says. Training curves are kept whole, or at steps that all seeds share.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwindow.files.kept import Sampled
from openwindow.files.run_files import Json, finite, in_units, read_json, rows_in
from openwindow.results.load import items, mapping

SEED = 0
"""what the rows are drawn with"""
ROWS = {
    "rollouts.jsonl": 3,
    "evals.jsonl": 3,
    "training.jsonl": 2,
    "probes.jsonl": 1,
    "train_rows.jsonl": 1,
    "safety_rows.jsonl": 1,
}
"""the files of units whose rows are sampled, and the shares of the room that they have"""
METRICS = "metrics.jsonl"
STEPS = 32
"""steps of each stage of an arm to which long curves are thinned: no more than a figure has marks, so that none is a mean"""
_PLACE = ("arm", "seed", "context", "eval", "role", "stage", "kind", "step")
"""what the rows of a group have in common"""
_SYSTEM = ("/usr", "/etc", "/dev", "/proc", "/sys", "/bin", "/opt", "/lib")
_COMMAND = re.compile(r"^\S*(__main__\.py|openwindow)(?=\s|$)")
_PATH = re.compile(r"(?<![\w./~:])/[\w.@+~-]+(?:/[\w.@+~-]+)*")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it would be written."""

    file: Path
    """Where it lies, relative to the run folder."""
    group: Hashable
    """What it has in common with others."""
    line: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """All that a run folder holds of what may be kept. `rows` are by file name."""

    run: Path
    documents: Mapping[str, Json]
    diff: str
    rows: Mapping[str, Sequence[Row]]
    metrics: Sequence[Row]
    onsets: Mapping[str, frozenset[int]]
    """Arm to the steps at which hacking began, by any seed."""


def read_source(run: Path) -> Source:
    """Reads the folder of a finished run, without the paths of the machine that ran it."""
    names = ("config.json", "provenance.json", "status.json", "results.json")
    found = {name: read_json(run / name) for name in names if (run / name).exists()}
    roots = roots_of(found, run)
    documents = {name: without_paths(document, roots) for name, document in found.items()}
    provenance = documents.get("provenance.json", {})
    if isinstance(counted_runs := provenance.get("test_runs"), dict):
        counted_runs.pop("ledger", None)
    if "command" in provenance:
        provenance["command"] = _COMMAND.sub("openwindow", str(provenance["command"]))
    diff = (run / "code.diff").read_text(encoding="utf-8", errors="replace") if (run / "code.diff").is_file() else ""
    rows = {
        name: [row for path in in_units(run, name) if _of_the_page(path, run) for row in _rows(run, path, roots)] for name in ROWS
    }
    metrics = list(_rows(run, run / METRICS, roots)) if (run / METRICS).exists() else []
    onsets = {
        arm: frozenset(int(step) for step in items(curves.get("onset")) if finite(step) is not None)
        for arm, curves in mapping(found.get("results.json", {}), "training").items()
    }
    return Source(run, documents, str(_clean(diff, roots)), {name: all_ for name, all_ in rows.items() if all_}, metrics, onsets)


def _of_the_page(path: Path, run: Path) -> bool:
    """Whether pages and frames show the file: those of arms, and evals of the start."""
    parts = path.relative_to(run).parts
    return parts[0] == "arms" or parts[1] == "evals"


def _rows(run: Path, path: Path, roots: Sequence[str]) -> Iterator[Row]:
    file = path.relative_to(run)
    for row in rows_in(path):
        place = tuple(str(row.get(key)) for key in _PLACE)
        yield Row(file, (*file.parts[:-1], *place), compactly(without_paths(row, roots)))


def compactly(value: object) -> bytes:
    """A line of JSON without spaces."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def sampled(rows: Mapping[str, Sequence[Row]], most: float) -> dict[str, list[Row]]:
    """At most `most` bytes of rows: to each file name its share, and what one does not need to the others."""
    needs = {name: sum(len(row.line) for row in all_) / ROWS[name] for name, all_ in rows.items()}
    kept, left, shares = {}, float(most), sum(ROWS[name] for name in rows)
    for name in sorted(rows, key=lambda name: needs[name]):
        kept[name] = _drawn(rows[name], left * ROWS[name] / shares)
        left -= sum(len(row.line) for row in kept[name])
        shares -= ROWS[name]
    return {name: kept[name] for name in rows}


def _drawn(rows: Sequence[Row], most: float) -> list[Row]:
    """Rows of at most so many bytes, in their order: one of each group, then another of each, and so on."""
    groups: dict[Hashable, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row.group, []).append(at)
    draw = random.Random(SEED)
    queues = list(groups.values())
    for queue in queues:
        draw.shuffle(queue)
    draw.shuffle(queues)  # which groups have one more than others is chance, too
    chosen, left = [], most
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue) and (size := len(rows[queue[turn]].line)) <= left:
                chosen.append(queue[turn])
                left -= size
    return [rows[at] for at in sorted(chosen)]


def thinned(source: Source, most: float) -> list[Row]:
    """The training curves: whole if they have at most `most` bytes, otherwise STEPS of each arm and stage, onsets among them."""
    if sum(len(row.line) for row in source.metrics) <= most:
        return list(source.metrics)
    lines = [(json.loads(row.line), row) for row in source.metrics]
    steps: dict[tuple[str, str], set[float]] = {}
    for line, _ in lines:
        if (step := finite(line.get("step"))) is not None:
            steps.setdefault((str(line.get("arm")), str(line.get("stage"))), set()).add(step)
    kept = {place: _spread(sorted(of), source.onsets.get(place[0], frozenset())) for place, of in steps.items()}
    return [row for line, row in lines if finite(line.get("step")) in kept.get((str(line.get("arm")), str(line.get("stage"))), ())]


def _spread(steps: Sequence[float], always: frozenset[int]) -> set[float]:
    """STEPS of the steps: those that must be there, the first and the last, and evenly spread ones."""
    if len(steps) <= STEPS:
        return set(steps)
    must = set(steps) & {float(step) for step in always}
    room = max(2, STEPS - len(must))
    return must | {steps[round(at * (len(steps) - 1) / (room - 1))] for at in range(room)}


def counted(all_: Mapping[str, Sequence[Row]], kept: Mapping[str, Sequence[Row]]) -> dict[str, Sampled]:
    """File name to how many rows are kept, of how many."""
    return {name: Sampled(kept=len(kept.get(name, ())), of=len(rows)) for name, rows in all_.items() if rows}


# Paths of the machine.


def roots_of(documents: Mapping[str, Json], run: Path) -> list[str]:
    """Folders of the machine that the run's own documents name, and those of this one; longest first."""
    named = [str(Path.home()), str(Path.cwd()), str(run.resolve().parent)]
    config = mapping(documents, "config.json")
    about = (mapping(documents, "provenance.json"), config.get("model"), config.get("setting"), mapping(config, "study_config"))
    named += [path for one in about for path in _paths_in(one)]
    roots = {"/".join(path.split("/")[:3]) for path in named}
    return sorted(
        (root for root in roots if root.count("/") and not root.startswith(_SYSTEM) and len(root) > 1), key=lambda r: -len(r)
    )


def _paths_in(value: object) -> Iterator[str]:
    """Absolute paths in the texts that name files: of a command, and of keys such as `model` and `data_path`."""
    match value:
        case str():
            yield from _PATH.findall(value)
        case dict():
            for key, inner in value.items():
                if not isinstance(inner, str) or key in _NAMING or str(key).endswith(("_path", "path")):
                    yield from _paths_in(inner)
        case list():
            for inner in value:
                yield from _paths_in(inner)


_NAMING = ("command", "ledger", "model", "name", "environment", "env", "judge", "source", "file")


def without_paths(value: Any, roots: Sequence[str]) -> Any:
    """The value with the last part alone of every path below one of the roots."""
    match value:
        case str():
            return _clean(value, roots)
        case dict():
            return {_clean(str(key), roots): without_paths(inner, roots) for key, inner in value.items()}
        case list():
            return [without_paths(inner, roots) for inner in value]
    return value


def _clean(text: str, roots: Iterable[str]) -> str:
    if "/" not in text:
        return text
    for root in roots:
        if root in text:
            below = re.compile(rf"(?<![\w./~-]){re.escape(root)}(?![\w.-])(?:/[\w.@+~-]+)*/?")
            text = below.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], text)
    return text
