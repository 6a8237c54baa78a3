"""From a resolved study to a finished run folder: folder, environment, model, execution. Results and report come later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.environments.base import BaseEnvironment, Environment, behaviour
from openwindow.environments.find import source_hash
from openwindow.errors import LimitReached, ModelError, OpenWindowError, RunError, StorageError
from openwindow.evals.base import Eval
from openwindow.experiment.engine import check as check_engine
from openwindow.experiment.engine import check_sampler
from openwindow.experiment.evals import evals_of, start_left, start_unit
from openwindow.experiment.parts import WAIT, Part
from openwindow.experiment.provenance import provenance
from openwindow.experiment.run_folder import WHOLE, RunFolder, unit_of
from openwindow.experiment.safety_overlap import lines_of, overlaps
from openwindow.experiment.safety_overlap import write as write_overlaps
from openwindow.experiment.start_units import START, is_trained, stage_unit
from openwindow.experiment.step_tests import is_finished
from openwindow.experiment.study import Study
from openwindow.files.claims import Holder
from openwindow.files.run_files import read_json
from openwindow.formatting import listed
from openwindow.progress import working
from openwindow.training.trl_engine.options import Options

if TYPE_CHECKING:
    from rich.console import Console

NEEDS_TRAIN = 'training needs the packages of the extra `train`: pip install "openwindow[train]"'


def run_study(
    study: Study,
    out: Path,
    *,
    overwrite: bool,
    command: Sequence[str],
    console: Console,
    device: str = "auto",
    part: Part | None = None,
    wait: float = WAIT,
    engine: Options | None = None,
    sampler: str = "own",
) -> list[Holder]:
    """Runs what is not finished into `out`, on `device`; `openwindow.report.of_run.build_run` builds the results and the page.

    Others may run the same study into `out` at the same time: each unit is run by one of them. `part` limits this process to some
    arms and seeds; `wait` is how many minutes to wait for an arm that others need and nobody trains. Returns who is still at work,
    whereupon the last of them is to gather the units and build the results.

    With `engine`, TRL trains the arms; with `sampler` `vllm`, vLLM draws the rollouts of our own loops.
    """
    study.check_options()
    if engine is not None:
        check_engine(study, engine)
    if sampler == "vllm":
        check_sampler(study)
    environment = study.make_environment()
    environment.check()
    part = Part.of(study) if part is None else part
    for arm in part.arms:
        study.arms[arm].check_environment(environment)  # before a model is loaded
    evals, found = evals_of(study), overlaps(study)
    for line in notes_of(environment):
        console.print(line, highlight=False, soft_wrap=True)
    with RunFolder(out) as folder:
        again = folder.open(describe(study), provenance(list(command)), overwrite=overwrite, shared=True)
        write_overlaps(found, out)
        for line in lines_of(found):
            console.print(line, highlight=False, soft_wrap=True)
        finished = again and _is_finished(study, folder, part)
        if finished:
            what = "this run" if part.is_whole(study) else "this part of the run"
            console.print(f"{out} holds {what} already, finished: nothing is run again", highlight=False)
        else:
            tell_damage(folder, console, _within(part))
            with noted(folder):
                _execute(study, environment, folder, console, evals, device, part, wait, engine, sampler)
        # Whoever only concludes may have looked before this part was finished: that one is waited for.
        if others := [holder for holder in folder.claims.others() if holder.name != WHOLE]:
            return others
        with folder.turn(WHOLE):
            conclude(folder, left_of(study, folder))
    return []


def run_on_ray(
    study: Study,
    out: Path,
    run: Callable[[Part], None],
    *,
    overwrite: bool,
    command: Sequence[str],
    console: Console,
    part: Part,
    address: str | None,
    gpus: float | None,
) -> None:
    """As `run_study`; each arm at each seed is a task that calls `run` on a Ray cluster. `address`, `gpus`: `run_jobs`."""
    from openwindow.experiment.ray_shards import check_cluster, jobs_of, run_jobs
    from openwindow.progress import Reporter

    study.check_options()
    study.make_environment().check()
    evals_of(study)
    check_cluster(address)
    with RunFolder(out) as folder, Reporter(console) as reporter:
        folder.report_to(reporter)
        again = folder.open(describe(study), provenance(list(command)), overwrite=overwrite, shared=True)
        if not again or not _is_finished(study, folder, part):
            with noted(folder):
                run_jobs(jobs_of(study, folder, part), run, folder, reporter, address, gpus)
        with folder.turn(WHOLE):
            conclude(folder, left_of(study, folder))


def finish(out: Path, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """What `build` makes of the run folder, while no other process builds it."""
    with RunFolder(out) as folder, folder.turn(WHOLE):
        return build(out)


def notes_of(environment: Environment) -> tuple[str, ...]:
    """What a built-in environment says of its data."""
    return environment.notes() if isinstance(environment, BaseEnvironment) else ()


def tell_damage(folder: RunFolder, console: Console, units: Collection[str] | None = None) -> None:
    """Prints which cells, of all or of some units, are run again because they can no longer be read."""
    for unit, why in folder.damaged(units).items():
        console.print(f"{folder.path / unit} is damaged ({why}); running it again", soft_wrap=True)


@contextmanager
def noted(folder: RunFolder) -> Iterator[None]:
    """Records in status.json that work is in progress and how it ends; raises RunError if memory runs out."""
    folder.status("running")
    try:
        yield
    except KeyboardInterrupt:
        folder.status("interrupted", "stopped from the keyboard")
        raise
    except LimitReached as error:
        folder.status("interrupted", str(error))
        raise
    except OpenWindowError as error:
        _note_failure(folder, str(error))
        raise
    except MemoryError as error:
        _note_failure(folder, "out of memory")
        raise RunError("out of memory; lower micro_batch_size or evaluation.batch_size, or take a smaller model") from error


def conclude(folder: RunFolder, left: Sequence[str] = ()) -> None:
    """Combines what the cells left; `left` are those that are not finished."""
    folder.gather()
    if left:
        folder.status("unfinished", f"Not finished: {listed(left)}.")
    else:
        folder.drop_scratch()
        folder.status("done")


def left_of(study: Study, folder: RunFolder, part: Part | None = None) -> list[str]:
    """The units of the study, or of a part of it, that are not finished."""
    part = Part.of(study) if part is None else part
    starts = [stage_unit(START, study, seed) for seed in part.start_seeds(study) if not is_trained(study, folder, seed)]
    starts += [start_unit(study, seed) for seed in part.start_seeds(study) if start_left(study, folder, seed)]
    return [*starts, *(unit_of(arm, seed) for arm, seed in part.units if not is_finished(study, folder, arm, seed))]


def describe(study: Study) -> dict[str, Any]:
    """config.json: the resolved study in the form that the report reads, and all of it under `study_config`."""
    whole = study.model_dump(mode="json")
    primary = study.compare[0] if study.compare else None
    environment = study.make_environment()
    source = source_hash(study.environment)
    return {
        "study": study.name,
        "question": study.question,
        "claim": study.claim,
        "claim_id": study.claim_id,
        "model": {"name": study.model, "precision": study.precision},
        "seeds": list(study.seeds),
        "contexts": whole["contexts"] | {name: {"about": e.about} for name, e in study.evaluation.elsewhere.items()},
        "arms": {
            name: {
                "title": name,
                "description": study.about.get(name, ""),
                "role": arm.role,
                "differs": study.differs(name),
                "follows": arm.follows,
                "safety": arm.safety,
            }
            for name, arm in study.arms.items()
        },
        "setting": {"name": environment.name, "version": environment.version, "kinds": list(environment.row_kinds)}
        | ({} if source is None else {"source": source})
        | ({"notes": list(said)} if (said := notes_of(environment)) else {}),
        "measures": [measure.name for measure in environment.measures],
        "meanings": {measure.name: asdict(measure) for measure in environment.measures},
        "primary": {
            "measure": primary.measure if primary else behaviour(environment.measures).name,
            "context": primary.context if primary else next(iter(study.contexts)),
        },
        "train": whole["base"],
        "request_stage": whole["request_stage"],
        "eval": whole["evaluation"],
        "study_config": whole,
    }


def _within(part: Part) -> list[str]:
    """The units that the part needs, as patterns."""
    return ["start/[!.]*", "start/[!.]*/seed-*", *(unit_of(arm, seed) for arm, seed in part.units)]


def _is_finished(study: Study, folder: RunFolder, part: Part) -> bool:
    there = study.request_stage is None or bool(read_json(folder.path / "start" / "summary.json"))
    return there and not left_of(study, folder, part) and not folder.damaged(_within(part))


def _execute(
    study: Study,
    environment: Environment,
    folder: RunFolder,
    console: Console,
    evals: Sequence[Eval],
    device: str,
    part: Part,
    wait: float,
    engine: Options | None,
    sampler: str,
) -> None:
    from openwindow.progress import Reporter

    try:
        from openwindow.experiment.execution import Execution
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(f"{error.name} is not installed; {NEEDS_TRAIN}") from error
    with working(console, f"loading {study.model}"):
        model = load(study.model, study.precision, device)
    console.print(
        f"{study.name}: {study.model} in {model.precision}, {len(part.arms)} arms, seeds {list(part.seeds)}",
        highlight=False,
    )
    with environment, Reporter(console) as reporter:
        Execution(study, folder, model, environment, reporter, evals, part, wait, engine, sampler).run()


def _note_failure(folder: RunFolder, message: str) -> None:
    try:
        folder.status("failed", message)
    except StorageError:  # nothing can be written; the message on the terminal must do
        return
