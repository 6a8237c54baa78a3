"""`openwindow run`: runs or describes a study with the command line's changes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openwindow import api
from openwindow.cli.dry_run import ranking_plan, study_plan
from openwindow.cli.options import assigned, with_options
from openwindow.cli.printing import note, print_json, print_ranking, print_results
from openwindow.errors import ConfigError
from openwindow.experiment.engine import check as check_engine
from openwindow.experiment.overrides import known, override
from openwindow.experiment.study import Study
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


def run(given: Given) -> None:
    """Resolves the study, then describes or runs it. Raises UserError."""
    if given.pilot is not None and not given.dry_run:
        raise ConfigError(f"--pilot {given.pilot} without --dry-run; expected both; add --dry-run, or drop --pilot")
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
        _run_ranking(_changed_ranking(ranking, changes), count, given)
        return
    study = resolve(given.study, model=given.model, seeds=count, quick=given.quick, judge=given.judge, **paths)
    study = override(study, changes, "the command line") if changes else study
    if given.arms is not None:
        study = only_arms(study, given.arms)
    _note_count(count, study.seeds)
    folder = given.out or api.default_out(study.name, given.quick, given.env)
    if given.engine is not None:
        check_engine(study, given.engine)
    if given.dry_run:
        plan, lines = study_plan(study, given.pilot, given.device, folder)
        print_json(plan) if given.json else print("\n".join(lines))
        return
    print_results(_run(study, folder, given), folder, given.json)


def _run_ranking(study: RankingStudy, count: int | None, given: Given) -> None:
    if given.arms is not None:
        raise ConfigError(f"--arms with {study.name}, which ranks all its arms; expected a study of comparisons; drop it")
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
    print_ranking(_run(study, folder, given), folder, given.json)


def _run(study: Study | RankingStudy, folder: Path, given: Given) -> dict[str, Any]:
    """Runs the study and returns its results."""
    console = make_console(stderr=given.json)
    found = api.run(
        study,
        folder,
        overwrite=given.overwrite,
        command=sys.argv,
        console=console,
        device=given.device,
        engine=given.engine,
        sampler=given.sampler,
    )
    return found.results


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


def only_arms(study: Study, text: str) -> Study:
    """The study with only these arms; prints what is left out. Raises ConfigError."""
    kept = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for arm in kept:
        known("arm in --arms", arm, study.arms)
    fewer = override(study, {"quick_arms": kept, "quick": {}}, "--arms").quickened()
    left = [arm for arm in study.arms if arm not in kept]
    lost = len(study.compare) - len(fewer.compare)
    if left:
        comparisons = f", and {lost} of {len(study.compare)} comparisons with them" if lost else ""
        note(f"--arms leaves out {', '.join(left)}{comparisons}: the findings cover only the rest of the claim")
    return fewer


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
