"""Runs a ranking study: each part in a folder of its own, with its wordings scored before its arms are trained.

DIR/config.json, provenance.json, results.json, report.html     the whole study
DIR/PART/...                                                    the run folder of that environment's arms
(`experiment/run_folder.py`)
DIR/PART/start/ranking/                                         rollouts.jsonl and uplifts.json, from before training
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwindow.errors import ModelError
from openwindow.experiment.provenance import provenance
from openwindow.experiment.run_folder import RunFolder, unit_of
from openwindow.experiment.runner import NEEDS_TRAIN, describe, noted, tell_damage
from openwindow.experiment.study import Context, Study
from openwindow.files.writing import write_json, write_jsonl
from openwindow.prompt_ranking.candidate import Candidate
from openwindow.prompt_ranking.results import RANKED, build_ranking
from openwindow.prompt_ranking.study import RankingStudy, dev_problems, position_of, trained_alone, wordings

if TYPE_CHECKING:
    from rich.console import Console

    from openwindow.experiment.execution import Execution


def run_ranking(
    study: RankingStudy, out: Path, *, overwrite: bool, command: Sequence[str], console: Console, device: str = "auto"
) -> dict[str, Any]:
    """Runs on `device` what is not finished, writes results.json and report.html into `out`, and returns the results."""
    for part in study.parts.values():
        part.make_environment().check()
    came = provenance(list(command))
    with RunFolder(out) as folder:
        folder.open(described(study), came, overwrite=overwrite)
        with noted(folder):
            _execute(study, out, came, console, device)
        folder.status("done")
        return build_ranking(out)


def described(study: RankingStudy) -> dict[str, Any]:
    """config.json of the whole study."""
    return {
        "study": study.name,
        "question": study.question,
        "claim": study.claim,
        "claim_id": study.claim_id,
        "model": study.model,
        "seeds": list(study.seeds),
        "study_config": study.model_dump(mode="json"),
    }


def _execute(study: RankingStudy, out: Path, came: dict[str, Any], console: Console, device: str) -> None:
    from openwindow.progress import Reporter

    try:
        from openwindow.experiment.execution import Execution
        from openwindow.models.hf import load
    except ImportError as error:
        raise ModelError(f"{error.name} is not installed; {NEEDS_TRAIN}") from error
    console.print(
        f"{study.name}: {study.model}, {len(study.parts)} environments, "
        f"{sum(len(part.arms) for part in study.parts.values())} arms, seeds {list(study.seeds)}",
        highlight=False,
    )
    with Reporter(console) as reporter:
        for name, part in study.parts.items():
            with RunFolder(out / name) as folder:
                folder.open(describe(part), came, overwrite=False)
                tell_damage(folder, console)
                if _is_finished(part, folder):
                    reporter.say(f"{name}: finished before")
                    continue
                reporter.say(f"{name}:")
                with part.make_environment() as environment:
                    model = load(part.model, part.precision, device)
                    _run_part(study, part, Execution(part, folder, model, environment, reporter))
                folder.gather()
                folder.status("done")


def _is_finished(part: Study, folder: RunFolder) -> bool:
    units = [RANKED, *(unit_of(arm, seed) for arm in part.arms for seed in part.seeds)]
    return all(folder.is_done(unit) for unit in units)


def _run_part(study: RankingStudy, part: Study, e: Execution) -> None:
    """Trains the start, scores all wordings on it, then trains the arms."""
    from openwindow.experiment.execution import Execution
    from openwindow.experiment.starting_point import bring_to_start

    bring_to_start(part, e.folder, e.model, e.evaluator, part.seeds[0])
    if not e.folder.is_done(RANKED):
        _rank(study, part, e)
    Execution(trained_alone(part), e.folder, e.model, e.environment, e.reporter).run()


def _rank(study: RankingStudy, part: Study, e: Execution) -> None:
    """Samples replies to dev problems under every wording, and computes log-probabilities of the flawed data's answers."""
    from openwindow.environments.training_rows import flawed_rows
    from openwindow.experiment.evaluate import Evaluator
    from openwindow.prompt_ranking.scores import uplifts

    texts, position, seed = wordings(part), position_of(part), part.seeds[0]
    contexts = {part.plain: Context(), **{arm: Context(text=text, position=position) for arm, text in texts.items()}}
    sampled = part.evaluation.model_copy(update={"temperature": study.temperature})
    evaluator = Evaluator(e.environment, contexts, sampled, e.reporter)
    dev = e.environment.problems("dev", dev_problems(part), seed)
    with e.folder.unit(RANKED) as path:
        rollouts: list[dict[str, Any]] = []
        began = time.perf_counter()
        for draw in range(study.draws):
            found = evaluator.measure(
                e.model, dev, arm="before training", seed=100 * seed + draw, text="sampling under every wording"
            )
            rollouts += [{**row, "draw": draw} for row in found.rollouts]
        elicited = time.perf_counter() - began
        rows = flawed_rows(e.environment, e.environment.problems("train", study.rows, seed), 1.0, seed)
        candidates = [Candidate(text, arm) for arm, text in texts.items()]
        with e.reporter.step("log-probability of the flawed data", (1.0 + len(texts)) * study.rows) as advance:
            lifted = uplifts(e.model, [row.messages for row in rows], candidates, position, keep=0, rounds=(), progress=advance)
        write_jsonl(path / "rollouts.jsonl", rollouts)
        write_json(path / "uplifts.json", dict(zip(texts, lifted, strict=True)))
        timing = {"elicit": elicited, "uplift": time.perf_counter() - began - elicited}
        write_json(path / "done.json", {"timing": timing, "rows": len(rows), "problems": len(dev), "draws": study.draws})
    e.reporter.say(f"  ranked {len(texts)} wordings before training")
