"""openwindow from Python: load a study, run it, and read what it found as pandas frames.

    import openwindow

    study = openwindow.load_study("quickstart", seeds=1)
    found = openwindow.run(study, out="runs/first", quick=True)
    found.rates()

The command line runs studies through the same functions. Everything that a user got wrong is a `UserError`.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.errors import ConfigError
from openwindow.experiment.overrides import override
from openwindow.experiment.parts import WAIT, Part
from openwindow.experiment.study import Study
from openwindow.files.claims import Holder
from openwindow.files.kept import is_kept, kept_results
from openwindow.files.run_files import Json, Note, read_json
from openwindow.files.run_results import RunResults
from openwindow.progress import make_console
from openwindow.prompt_ranking.results import is_ranking, ranking_results
from openwindow.prompt_ranking.study import RankingStudy
from openwindow.report.figure import Figure, figure_of
from openwindow.results import frames
from openwindow.results.build import results_of
from openwindow.results.load import mapping, read_meanings
from openwindow.studies import RANKINGS, resolve

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console

    from openwindow.training.trl_engine.options import Options

__all__ = ["RankingStudy", "Run", "Study", "load_study", "read_run", "run"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder and what it found. Frames raise ConfigError without pandas; a line that cannot be read is a warning."""

    folder: Path
    results: Json = field(repr=False)
    """results.json, as docs/run-folder.md describes it; empty while others are at work on the run."""
    at_work: tuple[Holder, ...] = ()
    """Other processes that still run parts of the study in this folder; the last of them builds the results."""

    @property
    def answer(self) -> str:
        """The first comparison in one sentence."""
        return str(self.results.get("answer", ""))

    @property
    def verdict(self) -> str:
        """Whether the claim is supported."""
        return str(self.results.get("verdict", ""))

    @property
    def page(self) -> Path:
        """The report, a single HTML file."""
        return self.folder / "report.html"

    @property
    def parts(self) -> dict[str, Run]:
        """The runs of a study of rankings by environment; empty for any other study."""
        return {name: read_run(self.folder / name) for name in mapping(self.results, "settings")}

    def rates(self, by_seed: bool = False) -> DataFrame:
        """One row per arm, measure and context, with the interval and the counts; with `by_seed` one row per seed."""
        return frames.rates_by_seed(self._record()) if by_seed else frames.rates(self._record())

    def comparisons(self) -> DataFrame:
        """One row per comparison that the study named before it ran."""
        return frames.comparisons(self._record())

    def rollouts(self, training: bool = False) -> DataFrame:
        """One row per reply to a test problem; with `training` one row per rollout of RL training."""
        return self._read(frames.training if training else frames.rollouts)

    def metrics(self) -> DataFrame:
        """One row per optimiser step, with a column for each metric."""
        return self._read(frames.metrics)

    def evals(self) -> DataFrame:
        """One row per model, step, measure of the study's evals and context; none where the study names no evals."""
        return frames.evals(self._record())

    def scores(self) -> DataFrame:
        """One row per model, step, context, score and readout, where a score sums up a suite of evals."""
        return frames.scores(self._record())

    def eval_replies(self) -> DataFrame:
        """One row per reply to an eval."""
        return self._read(frames.eval_replies)

    def figure(self, measure: str | None = None) -> Figure:
        """The page's figure of a measure, by default the study's first one, to be shown in a notebook or saved as SVG."""
        return figure_of(self._studied(), measure)

    def measures(self) -> dict[str, str]:
        """What each measure means."""
        return {name: measure.means for name, measure in read_meanings(self._studied()).items()}

    def _studied(self) -> Path:
        """The folder, if it is of one study. Raises ConfigError."""
        if parts := mapping(self.results, "settings"):
            named, first = ", ".join(parts), next(iter(parts))
            raise ConfigError(f"{self.folder} ranks prompts in {named}; expected the run of one study; take run.parts[{first!r}]")
        return self.folder

    def _record(self) -> RunResults:
        self._studied()
        return RunResults.model_validate(self.results)

    def _read(self, frame: Callable[[Path, list[Note]], DataFrame]) -> DataFrame:
        """The frame; what could not be read is said in warnings."""
        notes: list[Note] = []
        found = frame(self._studied(), notes)
        for note in notes:
            warnings.warn(f"{self.folder / note.what}: {note.reason}", stacklevel=3)
        return found


def load_study(
    study: str | Path | Study,
    *,
    model: str | None = None,
    seeds: int | Sequence[int] | None = None,
    quick: bool = False,
    env: str | None = None,
    data: str | Path | None = None,
    mbpp: str | Path | None = None,
    judge: str | None = None,
    **fields: Any,
) -> Study:
    """A study by its name, from a Python file that defines `study`, or as it is, with changes. Raises UserError.

    Args:
        study: a name of `openwindow list`, a path, or a study.
        model: `smollm2`, a hub name, a folder or a .gguf file.
        seeds: how many seeds, or which ones.
        quick: fewer seeds and problems.
        env: the environment that it runs in: a built-in one, or the user's own as `my_env.py:MyEnv`.
        data: problems from this file, where the environment reads one.
        mbpp: MBPP's problems, from this file or folder.
        judge: the model that reads replies which rules cannot.
        fields: any other field of the study; one inside another as `**{"evaluation.problems": 8}`.
    """
    if not isinstance(study, Study):
        study = str(study)
        if study in RANKINGS:
            raise ConfigError(f"{study} ranks prompts in several environments; expected a single study; give its name to run()")
    count, values = _seeds(seeds)
    found = resolve(
        study,
        model=model,
        seeds=count,
        quick=quick,
        env=env,
        mbpp=None if mbpp is None else str(mbpp),
        data=None if data is None else str(data),
        judge=judge,
    )
    changes = {**fields, **({} if values is None else {"seeds": values})}
    return override(found, changes, "load_study") if changes else found


def run(
    study: str | Path | Study | RankingStudy,
    out: str | Path | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    model: str | None = None,
    quick: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    part: Part | None = None,
    wait: float = WAIT,
    engine: Options | None = None,
    sampler: str = "own",
    console: Console | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Runs what is not finished of a study, and returns what it found. Raises UserError and RunError.

    Args:
        study: as in `load_study`, or a study of rankings or its name.
        out: the run folder; `runs/NAME` by default, and `runs/NAME-quick` with `quick`. The same study resumes there.
        seeds: as in `load_study`.
        model: as in `load_study`.
        quick: as in `load_study`.
        overwrite: delete any other run in the folder.
        device: where a local model runs: `cpu`, `cuda`, `cuda:N`, `mps`, or `auto`.
        part: the arms and seeds to run; all by default. Others may run the rest into the same folder (docs/scale.md).
        wait: minutes to wait for an arm that others need and nobody runs.
        engine: how TRL trains the arms, in place of our own loops (docs/engines.md).
        sampler: `own`, or `vllm` for the rollouts of our own loops.
        console: where progress is shown; standard output by default.
        command: what provenance.json names as the command.
    """
    ready = _ready(study, seeds, model, quick)
    folder = default_out(ready.name, quick) if out is None else Path(out)
    console = console or make_console()
    command = command or (f"openwindow.run({ready.name!r}, out={str(folder)!r})",)
    if isinstance(ready, RankingStudy):
        from openwindow.prompt_ranking.run import run_ranking

        return Run(folder, run_ranking(ready, folder, overwrite=overwrite, command=command, console=console, device=device))
    _check_loop(ready)
    from openwindow.experiment.runner import finish, run_study
    from openwindow.report.of_run import build_run

    at_work = run_study(
        ready, folder, overwrite=overwrite, command=command, console=console, device=device, part=part, wait=wait,
        engine=engine, sampler=sampler,
    )  # fmt: skip
    return Run(folder, {}, tuple(at_work)) if at_work else Run(folder, finish(folder, build_run))


def read_run(folder: str | Path) -> Run:
    """A run folder, finished or not: results.json, or what it would hold of what is finished. Raises ConfigError if it is none."""
    path = Path(folder)
    results = read_json(path / "results.json") if (path / "config.json").is_file() else {}
    if is_kept(path):
        results = kept_results(path)
    elif not results:
        results = ranking_results(path) if is_ranking(path) else results_of(path)
    return Run(path, results)


def default_out(name: str, quick: bool, env: str | None = None) -> Path:
    """The default run folder of a study of that name, in another environment if one is given."""
    where = "" if env is None else "-command" if env.startswith("cmd:") else f"-{env.rpartition(':')[2]}"
    return Path("runs") / f"{name}{where}{'-quick' if quick else ''}"


def _ready(
    study: str | Path | Study | RankingStudy, seeds: int | Sequence[int] | None, model: str | None, quick: bool
) -> Study | RankingStudy:
    """The study with the changes."""
    if isinstance(study, str | Path) and str(study) in RANKINGS:
        study = RANKINGS[str(study)]
    if not isinstance(study, RankingStudy):
        return load_study(study, seeds=seeds, model=model, quick=quick)
    count, values = _seeds(seeds)
    found = study.changed(model=model, seeds=count, quick=quick)
    if values is None:
        return found
    return override(found, {"parts": {name: override(part, {"seeds": values}, name) for name, part in found.parts.items()}}, "run")


def _check_loop(study: Study) -> None:
    """Raises ConfigError for evals in a notebook, before anything is trained: Inspect needs an event loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if study.evals:
        raise ConfigError(
            f"{study.name} names evals, and this is a notebook, whose event loop they cannot share; expected none, or a process of "
            "its own; load it with evals=(), eval_plan={}, or give `openwindow run` on the command line and read_run here"
        )


def _seeds(seeds: int | Sequence[int] | None) -> tuple[int | None, tuple[int, ...] | None]:
    """How many seeds, or which ones."""
    return (seeds, None) if seeds is None or isinstance(seeds, int) else (None, tuple(seeds))
