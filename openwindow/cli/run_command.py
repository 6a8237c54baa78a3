"""`openwindow run`: runs or describes a study with the command line's changes."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from openwindow import api
from openwindow.cli.dry_run import ranking_plan, study_plan
from openwindow.cli.options import assigned, with_options
from openwindow.cli.printing import note, print_json, print_ranking, print_results
from openwindow.errors import ConfigError
from openwindow.experiment.engine import check as check_engine
from openwindow.experiment.overrides import override
from openwindow.experiment.parts import WAIT, Part
from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.study import Study
from openwindow.files.claims import Holder
from openwindow.models.base import Precision
from openwindow.progress import make_console
from openwindow.prompt_ranking.study import RankingStudy
from openwindow.studies import resolve, resolve_ranking
from openwindow.training.trl_engine.options import Options


@dataclass(frozen=True, slots=True)
class Given:
    """The options of the command."""

    study: str
    env: str | None
    model: str | None
    seeds: str | None
    arms: str | None
    only_seeds: str | None
    wait: float | None
    ray: str | None
    gpus_per_arm: float | None
    changes: Sequence[str]
    quick: bool
    precision: Precision | None
    device: str
    mbpp: Path | None
    data: Path | None
    judge: str | None
    pairs: Mapping[str, Any]
    out: Path | None
    overwrite: bool
    dry_run: bool
    pilot: Path | None
    json: bool
    engine: Options | None = None
    sampler: str = "own"


@dataclass(frozen=True, slots=True)
class Worker:
    """Runs a part of the study of a command in another process, perhaps on another machine, in the same folder."""

    given: Given
    words: tuple[str, ...]
    """The command line."""
    folder: str
    """Where it was given."""

    def __call__(self, part: Part) -> None:
        """Raises UserError, RunError."""
        from openwindow.experiment.runner import run_study

        try:
            os.chdir(self.folder)
        except OSError as error:
            raise ConfigError(
                f"{platform.node()} has no folder {self.folder}; expected one that all machines of the cluster have; run from there"
            ) from error
        sys.argv = [*self.words]
        _, study = resolved(self.given)
        assert isinstance(study, Study)  # the command has checked it
        out, console = _out_of(study, self.given), make_console(stderr=True)
        run_study(
            study, out, overwrite=False, command=self.words, console=console, device=self.given.device, part=part,
            engine=self.given.engine, sampler=self.given.sampler,
        )  # fmt: skip


def resolved(given: Given) -> tuple[int | None, Study | RankingStudy]:
    """The study with what the command line changes, and how many seeds it asks for, if it gives a number. Raises UserError."""
    count, values = (None, None) if given.seeds is None else seeds_of(given.seeds)
    listed = assigned(given.changes)
    with_options(
        listed, {"seeds": ("--seeds", given.seeds), "model": ("--model", given.model), "environment": ("--env", given.env)}
    )
    changes = with_options(listed, {"precision": ("--precision", given.precision), "seeds": ("--seeds", values)})
    paths: dict[str, Any] = {
        "env": given.env,
        "mbpp": str(given.mbpp) if given.mbpp else None,
        "data": str(given.data) if given.data else None,
        "pairs": {name: value for name, value in given.pairs.items() if value},
    }
    ranking = resolve_ranking(given.study, model=given.model, seeds=count, quick=given.quick, **paths)
    if ranking is not None:
        return count, _changed_ranking(ranking, changes)
    study = resolve(given.study, model=given.model, seeds=count, quick=given.quick, judge=given.judge, **paths)
    return count, override(study, changes, "the command line") if changes else study


def run(given: Given) -> None:
    """Resolves the study, then describes or runs it. Raises UserError."""
    _check(given)
    count, study = resolved(given)
    if isinstance(study, RankingStudy):
        _run_ranking(study, count, given)
        return
    part, folder = part_of(study, given), _out_of(study, given)
    _note_count(count, study.seeds)
    if given.engine is not None:
        check_engine(study, given.engine)
    if given.dry_run:
        plan, lines = study_plan(study, given.pilot, given.device, folder, part)
        print_json(plan) if given.json else print("\n".join(lines))
        return
    if given.ray is not None:
        from openwindow.experiment.runner import finish, run_on_ray
        from openwindow.report.of_run import build_run

        gpus = 0.0 if given.gpus_per_arm is None and given.device == "cpu" else given.gpus_per_arm
        worker = Worker(replace(given, overwrite=False), tuple(sys.argv), str(Path.cwd()))
        run_on_ray(
            study, folder, worker, overwrite=given.overwrite, command=sys.argv, console=make_console(stderr=given.json),
            part=part, address=given.ray or None, gpus=gpus,
        )  # fmt: skip
        print_results(finish(folder, build_run), folder, given.json)
        return
    parts = {"part": part, "wait": WAIT if given.wait is None else given.wait, "engine": given.engine, "sampler": given.sampler}
    found = _run(study, folder, given, **parts)
    if found.at_work:
        _print_progress(study, folder, found.at_work, given.json)
    else:
        print_results(found.results, folder, given.json)


def _check(given: Given) -> None:
    """Raises ConfigError for options that do not go together, or cannot be."""
    if given.pilot is not None and not given.dry_run:
        raise ConfigError(f"--pilot {given.pilot} without --dry-run; expected both; add --dry-run, or drop --pilot")
    if given.wait is not None and not 0 <= given.wait < math.inf:
        raise ConfigError(f"--wait is {given.wait}; expected minutes, 0 or more; give for example --wait 60")
    if given.gpus_per_arm is not None and given.ray is None:
        raise ConfigError(f"--gpus-per-arm {given.gpus_per_arm:g} without --ray; expected both; add --ray, or drop it")
    if given.gpus_per_arm is not None and not 0 <= given.gpus_per_arm < math.inf:
        raise ConfigError(f"--gpus-per-arm is {given.gpus_per_arm}; expected a number of GPUs, 0 or more; give for example 1")
    if given.ray is not None and given.wait is not None:
        raise ConfigError(f"--wait {given.wait:g} with --ray, which starts no arm before what it needs; expected one; drop --wait")


def _out_of(study: Study, given: Given) -> Path:
    return given.out or api.default_out(study.name, given.quick, given.env)


def _run_ranking(study: RankingStudy, count: int | None, given: Given) -> None:
    options = {"--arms": given.arms, "--only-seeds": given.only_seeds, "--wait": given.wait, "--ray": given.ray}
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"{name} with {study.name}, which ranks all its arms; expected a study of comparisons; drop it")
    if given.engine is not None:
        raise ConfigError(f"--engine with {study.name}, whose arms are trained by our own loops; expected a study of arms; drop it")
    if given.pilot is not None:
        raise ConfigError(f"--pilot with {study.name}, which decides by correlations; expected a study of comparisons; drop it")
    _note_count(count, study.seeds)
    folder = given.out or api.default_out(study.name, given.quick)
    if given.dry_run:
        plan, lines = ranking_plan(study, given.device, folder)
        print_json(plan) if given.json else print("\n".join(lines))
        return
    print_ranking(_run(study, folder, given).results, folder, given.json)


def _run(study: Study | RankingStudy, folder: Path, given: Given, **parts: Any) -> api.Run:
    console = make_console(stderr=given.json)
    return api.run(study, folder, overwrite=given.overwrite, command=sys.argv, console=console, device=given.device, **parts)


def seeds_of(text: str) -> tuple[int | None, tuple[int, ...] | None]:
    """How many seeds (`3`), or which ones (`1,2,3`, or `7,` for one); the other is None. Raises ConfigError."""
    parts = text.split(",")
    try:
        numbers = tuple(int(part) for part in (parts[:-1] if len(parts) > 1 and not parts[-1].strip() else parts))
    except ValueError:
        raise ConfigError(
            f"--seeds is {text[:60]!r}; expected a whole number, or the seeds with commas; give one, such as --seeds 3 or 1,2,3"
        ) from None
    return (numbers[0], None) if len(parts) == 1 else (None, numbers)


def part_of(study: Study, given: Given) -> Part:
    """The part of the study that is run: `--arms` at `--only-seeds`. Raises ConfigError."""
    arms = None if given.arms is None else [name.strip() for name in given.arms.split(",")]
    if given.only_seeds is None:
        return Part.of(study, arms)
    try:
        seeds = [int(seed) for seed in given.only_seeds.strip().removesuffix(",").split(",")]
    except ValueError:
        raise ConfigError(
            f"--only-seeds is {given.only_seeds[:60]!r}; expected seeds; give some, such as --only-seeds 2,3"
        ) from None
    return Part.of(study, arms, seeds)


def _print_progress(study: Study, folder: Path, at_work: Sequence[Holder], as_json: bool) -> None:
    """What is finished and who is at work on the rest; the last of them builds the results."""
    units = Part.of(study).units
    finished = sum((folder / unit_of(arm, seed) / "done.json").is_file() for arm, seed in units)
    if as_json:
        print_json({"finished": finished, "of": len(units), "at_work": [asdict(holder) for holder in at_work]})
        return
    print(f"{finished} of {len(units)} arms are finished in {folder}; at work:")
    for holder in at_work[:10]:
        print(f"  {holder.name}: {holder}{f', {holder.doing}' if holder.doing else ''}")
    if len(at_work) > 10:
        print(f"  and {len(at_work) - 10} more")
    print(f"The last of them builds the results; `openwindow report {folder}` does so from what is there now.")


def _note_count(count: int | None, seeds: Sequence[int]) -> None:
    """Explains a single number that could be mistaken for a seed."""
    if count is not None and tuple(seeds) != (count,):
        note(f"--seeds {count} is a number of seeds ({', '.join(map(str, seeds[:3]))}{', ...' if len(seeds) > 3 else ''}); "
             f"for the seed {count} alone give --seeds {count},")  # fmt: skip


def _changed_ranking(study: RankingStudy, changes: Mapping[str, Any]) -> RankingStudy:
    """Changes fields of the ranking itself, and all other fields in every part. Raises ConfigError."""
    own = {name: value for name, value in changes.items() if name.partition(".")[0] in RankingStudy.model_fields}
    rest = {name: value for name, value in changes.items() if name not in own}
    parts = {name: override(part, rest, "the command line") for name, part in study.parts.items()} if rest else study.parts
    return override(study, {**({"parts": parts} if rest else {}), **own}, "the command line") if changes else study
