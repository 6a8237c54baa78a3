"""Watches a run: reads its rollouts as they are or as they come, and keeps a run folder of ours up to date with them.

The folder holds config.json, metrics.jsonl and arms/watched/seed-0/training.jsonl in the form of a study's, results.json and
report.html. Reading needs one pass; what is held in memory are counts by step and a sample of the rollouts.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import IO, Any

import openwindow
from openwindow.environments.gameable import MEASURES
from openwindow.errors import ConfigError, DataError
from openwindow.experiment.provenance import provenance
from openwindow.experiment.run_folder import unit_of
from openwindow.files.bounded import usable
from openwindow.files.locking import Lock
from openwindow.files.records import TrainingRollout
from openwindow.files.run_files import is_step, read_json, rows_in
from openwindow.files.writing import storing, write_json, write_jsonl
from openwindow.progress import Reporter
from openwindow.report.watch_page import ARM, Shown, write_watch_page
from openwindow.results.load import read_meanings
from openwindow.results.rl_curves import training_curves
from openwindow.types import Measure, StopReason
from openwindow.watch import summary
from openwindow.watch.files import Source
from openwindow.watch.forms import CUT
from openwindow.watch.grading import PASS_MARK, Graded, Grader, environment_of
from openwindow.watch.problems import MOST, SEEDS
from openwindow.watch.rows import Columns, Seen
from openwindow.watch.sample import Kept
from openwindow.watch.tally import Tally

SEED = 0
UNIT = unit_of(ARM, SEED)
QUESTION = "Does this run learn the task, or its grader?"
BATCH = 256
"""rollouts that are graded at once"""
MEGABYTE = 1e6
TURN = 0.1
"""seconds after which a wait looks whether it was interrupted"""
TRANSCRIPTS = 2000
"""rollouts on a page, unless more or fewer are asked for"""


@dataclass(frozen=True, slots=True)
class Options:
    """What to watch, and how."""

    paths: tuple[Path, ...]
    out: Path
    columns: Columns = Columns()  # noqa: RUF009  (frozen)
    env: str | None = None
    env_options: Mapping[str, Any] | None = None
    loopholes: tuple[str, ...] | None = None
    """Those that stay open in the proxy; None for all."""
    seeds: tuple[int, ...] = SEEDS
    """Seeds that the environment's problems are drawn with."""
    problems: int = MOST
    """Problems of each split to look through at most."""
    mark: float = PASS_MARK
    transcripts: int = TRANSCRIPTS
    """Rollouts on the page at most."""
    follow: bool = False
    every: float = 5.0
    """Seconds between two looks at the files."""
    idle: float | None = None
    """Seconds without a new rollout after which following ends; None to follow until interrupted."""

    def __post_init__(self) -> None:
        """Raises ConfigError for what cannot be."""
        for name, value, least in (
            ("--transcripts", self.transcripts, 1),
            ("--env-problems", self.problems, 1),
            ("--every", self.every, 0.1),
        ):
            if value < least:
                raise ConfigError(f"{name} is {value:g}; expected at least {least:g}; raise it")
        if self.idle is not None and not self.follow:
            raise ConfigError("--until-idle says when to stop following; expected --follow beside it; add it, or drop --until-idle")
        if self.env is None and (self.env_options or self.loopholes is not None):
            raise ConfigError(
                "--set and --loopholes are options of an environment; expected --env beside them; add it, or drop them"
            )


def watch(options: Options, report: Reporter | None = None, *, sleep: Callable[[float], object] | None = None) -> dict[str, Any]:
    """Reads the rollouts, writes the folder and its page, and returns the results. Raises UserError, RunError.

    With `follow` it returns once nothing has come for so long as `idle` says, or when interrupted, with all that had come by then.
    `sleep` waits between two looks; None waits so that Ctrl-C ends it.
    """
    _check_folder(options)
    source = Source(options.paths, options.columns)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Lock(options.out))
        grades = None
        if options.env is not None:
            entered, grades = environment_of(options.env, options.env_options, options.loopholes)
            stack.enter_context(entered)
        watched = _Watched(options, source, Grader(grades, options.mark, options.seeds, most=options.problems))
        with watched.open():
            watched.follow(report, sleep) if options.follow else watched.read(report)
        return watched.build("done")


def rebuild(folder: Path, transcripts: int | None = None) -> dict[str, Any]:
    """Writes the page of a watched run anew, from its folder alone, and returns its results. Raises UserError, StorageError."""
    results, measures = read_json(folder / "results.json"), read_meanings(folder)
    if "watch" not in results:
        raise ConfigError(f"{folder} has no results.json of `openwindow watch`; expected one; watch the rollouts again")
    lines = sorted(rows_in(folder / "metrics.jsonl", is_step), key=lambda line: int(line["step"]))
    kept, grader = Kept(transcripts or TRANSCRIPTS), Grader(None, measures=tuple(measures.values()) or MEASURES)
    with Lock(folder):
        for seen in Source([folder / UNIT / "training.jsonl"], Columns()).rows():
            kept.add(record(grader.grade([seen])[0], 0, 0))
        write_watch_page(results, lines, Shown(kept.rollouts(), kept.total, measures), folder)
    return results


def is_watched(folder: Path) -> bool:
    """Whether the folder is of a watched run."""
    return "watch" in read_json(folder / "config.json")


class _Watched:
    """A run as far as it has been read."""

    def __init__(self, options: Options, source: Source, grader: Grader) -> None:
        self.options, self.source, self.grader = options, source, grader
        self.tally, self.kept = Tally(options.mark), Kept(options.transcripts)
        self.names: dict[str, None] = {}
        self.evaluations = 0
        self.began = time.monotonic()
        self._file: IO[str] | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Writes provenance.json, and opens training.jsonl for the rollouts that come."""
        made_with = provenance(sys.argv)
        write_json(self.options.out / "provenance.json", {key: value for key, value in made_with.items() if key != "diff"})
        path = self.options.out / UNIT / "training.jsonl"
        with storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8") as self._file:
                yield

    def read(self, report: Reporter | None) -> None:
        """Reads everything once. Raises DataError where there is no rollout."""
        total = self.source.size / MEGABYTE
        with report.step("rollouts read, MB", total) if report else contextlib.nullcontext() as advance:
            self._take(lambda size: advance(size / MEGABYTE) if advance else None, growing=False)
            if not self.tally.count:
                why = "; ".join(f"{what}: {reason}" for what, reason in self.source.notes()[:2]) or "there is none"
                where = ", ".join(map(str, self.options.paths))[:200]
                raise DataError(f"{where} holds no rollout ({why}); expected at least one; check that the training wrote it")

    def follow(self, report: Reporter | None, sleep: Callable[[float], object] | None) -> None:
        """Reads what comes, and builds the page after each time something has, until idle or interrupted."""
        last = time.monotonic()
        with _interrupted() as ended, contextlib.suppress(KeyboardInterrupt):
            while not ended:
                before = self.tally.count
                self._take(lambda size: None, growing=True)
                if self.tally.count > before:
                    last = time.monotonic()
                    made = self.build("followed")
                    if report:
                        report.say(f"{self.tally.count:,} rollouts, to step {made['steps']['last']}: {made['summary'][0]}")
                if self.options.idle is not None and time.monotonic() - last >= self.options.idle:
                    break
                sleep(self.options.every) if sleep else _wait(self.options.every, ended)
        self._take(lambda size: None, growing=False)
        if not self.tally.count:
            raise DataError(
                f"{self.options.paths[0]!s:.200} has got no rollout while it was followed; expected some; start the training, or "
                "wait longer (--until-idle)"
            )

    def _take(self, arrived: Callable[[float], None], *, growing: bool) -> None:
        rows = self.source.rows(arrived, growing=growing)
        while batch := list(islice(rows, BATCH)):
            training = [seen for seen in batch if not seen.evaluation]
            self.evaluations += len(batch) - len(training)
            for one in self.grader.grade(training):
                self._add(one)
        if self._file is not None:
            self._file.flush()

    def _add(self, one: Graded) -> None:
        group, number = self.tally.add(one, self.grader.environment is not None)
        self.names.update(dict.fromkeys(one.scores))
        rollout = record(one, group, number)
        self.kept.add(rollout)
        if self._file is not None:
            self._file.write(json.dumps(line_of(rollout, one.seen), ensure_ascii=True, allow_nan=False) + "\n")

    def build(self, state: str) -> dict[str, Any]:
        """Writes config.json, metrics.jsonl, results.json and report.html; returns the results."""
        out, lines = self.options.out, list(self.tally.lines())
        rows = [{"arm": ARM, "seed": SEED, "stage": "rl", **line} for line in lines]
        measures = self._measures()
        about = self._about()
        write_json(out / "config.json", _config(about, measures))
        write_json(out / "status.json", {"state": state, "message": ""})
        for path in (out / UNIT / "metrics.jsonl", out / "metrics.jsonl"):
            write_jsonl(path, rows)
        training = training_curves(out, [ARM], [SEED])
        results = self._results(state, about, lines, training.get(ARM, {}))
        write_json(out / "results.json", results)
        write_watch_page(results, lines, Shown(self.kept.rollouts(), self.kept.total, measures), out)
        return results

    def _measures(self) -> dict[str, Measure]:
        known = {m.name: m for m in (*MEASURES, *self.grader.measures)}
        return {name: known.get(name, Measure(name, "other", name, name, name, "")) for name in self.names}

    def _about(self) -> dict[str, Any]:
        """What was watched, and how."""
        return {
            "rollouts": [str(path) for path in self.options.paths],
            "forms": list(self.source.forms),
            "files": sum(self.source.forms.values()),
            "columns": [f"{option} {name}" for option, name in self.options.columns.named],
            "environment": self.options.env,
            "environment_options": dict(self.options.env_options or {}),
            "open_loopholes": None if self.options.loopholes is None else list(self.options.loopholes),
            "problem_seeds": list(self.options.seeds) if self.options.env else None,
            "pass_mark": self.options.mark,
        }

    def _results(self, state: str, about: dict[str, Any], lines: summary.Lines, training: Mapping[str, Any]) -> dict[str, Any]:
        tally, steps = self.tally, sorted(self.tally.steps)
        onset = summary.onset_of(training, tally, lines)
        notes = summary.unmeasured(lines, tally, self.grader)
        notes += [{"what": what, "reason": reason} for what, reason in self.source.notes()]
        if self.evaluations:
            notes.append({"what": f"{self.evaluations:,} rollouts", "reason": "of evaluations; the figures count the training's"})
        return {
            "study": "watch",
            "name": self.options.out.name,
            "question": QUESTION,
            "openwindow": openwindow.__version__,
            "state": state,
            "watch": about,
            "seeds": [SEED],
            "rollouts": tally.count,
            "unreadable": sum(self.source.bad.values()),
            "steps": {
                "count": len(steps),
                "first": steps[0] if steps else None,
                "last": steps[-1] if steps else None,
                "none": tally.stepless == tally.count,
            },
            "onset": onset,
            "training": {ARM: training} if training else {},
            "summary": summary.sentences(lines, onset, training, tally),
            "detectors": tally.detectors(),
            "agreement": {"agree": tally.agree, "compared": tally.compared},
            "unmeasured": notes,
            "timing": {"watching": round(time.monotonic() - self.began, 1)},
        }


@contextlib.contextmanager
def _interrupted() -> Iterator[list[int]]:
    """A list that the first Ctrl-C adds to, so that following ends between two looks and loses nothing; a second one interrupts."""
    ended: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = signal.getsignal(signal.SIGINT)

    def end(number: int, frame: FrameType | None) -> None:
        ended.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGINT, before)


def _wait(seconds: float, ended: list[int]) -> None:
    """Waits until the time is over or Ctrl-C was pressed."""
    over = time.monotonic() + seconds
    while not ended and (left := over - time.monotonic()) > 0:
        time.sleep(min(left, TURN))


def record(one: Graded, group: int, number: int) -> TrainingRollout:
    """A rollout as a run folder holds it."""
    seen = one.seen
    stop = StopReason.ERROR if seen.failed else StopReason.LENGTH if seen.cut else StopReason.END
    return TrainingRollout(
        arm=ARM,
        seed=SEED,
        context="training",
        step=seen.step or 0,
        group=group,
        number=number,
        problem=one.problem or seen.problem,
        family=one.family,
        messages=seen.messages,
        reply=seen.reply,
        stop=stop,
        tokens=seen.tokens or 0,
        reward=seen.reward,
        parts=dict(seen.parts),
        scores=one.scores,
        kinds=one.kinds,
        open_hack=one.open_hack,
        reason=seen.failed or one.reason,
        failed_on=one.failed_on,
    )


def line_of(rollout: TrainingRollout, seen: Seen) -> dict[str, Any]:
    """The record as a line of training.jsonl, without what the trainer's file does not tell."""
    line = rollout.line()
    if seen.tokens is None:
        del line["tokens"]
    return line | ({CUT: None} if seen.cut is None else {})


def _config(about: Mapping[str, Any], measures: Mapping[str, Measure]) -> dict[str, Any]:
    """What a run folder says of itself, so that whatever reads one can read this."""
    title = f"rollouts of another trainer: {', '.join(about.get('rollouts', []))}"
    return {
        "study": "watch",
        "question": QUESTION,
        "watch": dict(about),
        "arms": {ARM: {"title": ARM, "description": title, "differs": {}}},
        "contexts": {},
        "seeds": [SEED],
        "measures": list(measures),
        "meanings": {name: asdict(measure) for name, measure in measures.items()},
    }


def _check_folder(options: Options) -> None:
    """Raises ConfigError for a folder that holds something else, or what is to be read."""
    usable(options.out)
    config = options.out / "config.json"
    if config.exists() and not is_watched(options.out):
        raise ConfigError(
            f"--out {options.out} holds another run; expected a new folder or one of `openwindow watch`; choose another"
        )
    for path in options.paths:
        if options.out.resolve() in (path.resolve(), *path.resolve().parents):
            raise ConfigError(
                f"{path!s:.200} lies in --out {options.out}, which is written anew; expected another place; choose another --out"
            )
