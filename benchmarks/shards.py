"""Many shards of one study into one run folder, by a stub in place of a model: time of each, files, and the report.

    python benchmarks/shards.py [--arms 20] [--seeds 50] [--problems 16] [--workers 2] [--out FOLDER]

Each arm at each seed is a shard of its own, as `openwindow run STUDY --arms A --only-seeds S` would run it: it opens the folder,
claims its unit, asks the stub every test problem, grades the replies, and puts the unit in place. `--workers` processes run them,
until none is left. Then one process gathers the units and builds results.json and report.html.

Printed: seconds per shard, and how many of those come from sharing the folder (claims, signs of life, and looks at what the others
do), counted call by call; the number and size of the files; seconds for the report.
"""

from __future__ import annotations

import argparse
import io
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from openwindow.experiment.arms import RLArm
from openwindow.experiment.parts import Part
from openwindow.experiment.run_folder import RunFolder
from openwindow.experiment.runner import finish, run_study
from openwindow.experiment.study import Compare, Context, Evaluation, Study
from openwindow.files.claims import BEAT, Claims, _Held
from openwindow.files.claims import NAME as CLAIMS
from openwindow.models import hf
from openwindow.models.base import Conversation, Progress, Reply, Sampling
from openwindow.progress import make_console
from openwindow.report.of_run import build_run
from openwindow.training.config import GRPO
from openwindow.types import StopReason

MOST = 60.0
"""seconds within which the report is to be there"""


class Stub:
    """Answers with a number that depends on the prompt."""

    name, precision, device = "stub", "fp32", SimpleNamespace(type="cpu")

    def generate(self, conversations: Sequence[Conversation], sampling: Sampling, progress: Progress | None = None) -> list[Reply]:
        """A reply of one word to each."""
        return [Reply(str(sum(c[-1].content.encode()) % 7), StopReason.END, 1) for c in conversations]


class Counted:
    """Calls of some functions in this process, and the seconds that they took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._inside = False

    def wrap(self, owner: type, name: str) -> None:
        """Counts a function."""
        real: Any = vars(owner)[name]

        def timed(*given: Any, **named: Any) -> Any:
            outer, self._inside, began = self._inside, True, time.perf_counter()
            try:
                return real(*given, **named)
            finally:
                self._inside = outer
                if not outer:
                    self.seconds += time.perf_counter() - began
                    self.calls += name == "_take"

        setattr(owner, name, timed)


def study_of(arms: int, seeds: int, problems: int) -> Study:
    """Arms that train nothing, and differ in a number that does not matter."""
    train = GRPO(learning_rate=0.0)
    return Study(
        name="shards",
        question="How many shards fit into a folder?",
        claim="A thousand.",
        model="stub",
        precision="fp32",
        environment="letter_count",
        seeds=tuple(range(1, seeds + 1)),
        contexts={"neutral": Context(), "requested": Context(text="Just say a number.", asks=True)},
        base=RLArm(problems=4, train=train),
        arms={f"arm-{i:02}": {"problems": 5 + i} for i in range(arms)},
        evaluation=Evaluation(problems=problems),
        compare=(Compare(arm="arm-01", against="arm-00"),),
    )


def work(study: Study, out: Path, turn: int, workers: int, found: Any) -> None:
    """Runs every `workers`-th shard; puts (seconds, seconds from sharing, claims) of each."""
    vars(hf)["load"] = lambda *_: Stub()
    counted = Counted()
    for name in ("_take", "others", "tidy"):
        counted.wrap(Claims, name)
    for arm, seed in itertools.islice(Part.of(study).units, turn, None, workers):
        part, began, before, calls = Part((arm,), (seed,)), time.perf_counter(), counted.seconds, counted.calls
        run_study(study, out, overwrite=False, command=sys.argv, console=make_console(file=io.StringIO()), part=part)
        found.put((time.perf_counter() - began, counted.seconds - before, counted.calls - calls))


def sign(times: int = 200) -> float:
    """Seconds that one sign of life takes."""
    with tempfile.TemporaryDirectory() as folder:
        held = _Held.made(Path(folder) / "a.1", "a", str)
        assert held is not None
        began = time.perf_counter()
        for _ in range(times):
            held.show()
        spent = time.perf_counter() - began
        held.release()
    return spent / times


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ.setdefault("OPENWINDOW_LEDGER", os.devnull)
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch) / "run"
        study = study_of(given.arms, given.seeds, given.problems)
        context = multiprocessing.get_context("fork")
        found: Any = context.SimpleQueue()
        began = time.perf_counter()
        others = [context.Process(target=work, args=(study, out, i, given.workers, found)) for i in range(given.workers)]
        with Claims(out / CLAIMS).attempt("benchmark"):  # so that no shard takes itself for the last and builds the results
            for process in others:
                process.start()
            times = [found.get() for _ in Part.of(study).units]
            for process in others:
                process.join()
        spent = time.perf_counter() - began
        shards = len(times)
        whole, sharing, claimed = (sum(column) / shards for column in zip(*times, strict=True))
        print(f"{shards} shards by {given.workers} processes: {spent:.0f} s, {1000 * whole:.0f} ms each")
        print(
            f"of these for {claimed:.1f} claims: {1000 * sharing:.1f} ms; a sign of life, each {BEAT:.0f} s: {1000 * sign():.1f} ms"
        )
        began = time.perf_counter()
        with RunFolder(out) as folder:
            folder.gather()
        gathered = time.perf_counter() - began
        results = finish(out, build_run)
        report = time.perf_counter() - began
        files = [path for path in out.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        page = (out / "report.html").stat().st_size
        print(f"{len(files)} files, {size / 2**20:.0f} MiB, of which report.html {page / 2**20:.0f} MiB")
        print(
            f"report of {sum(1 for _ in (out / 'rollouts.jsonl').open())} replies: {report:.0f} s, gathering {gathered:.1f} s of it"
        )
        missing = len(results["missing"])
        print(f"missing {missing}; the report took {'less' if report < MOST else 'more'} than {MOST:.0f} s")
        sys.exit(0 if not missing and report < MOST else 1)


if __name__ == "__main__":
    main()
