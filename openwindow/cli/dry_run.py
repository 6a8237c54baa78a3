"""`openwindow run --dry-run`: the resolved study, what is trained and measured, how long it takes, what would count as support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from openwindow.cli import estimates
from openwindow.experiment.cost import of_study
from openwindow.experiment.evals import evals_of
from openwindow.experiment.parts import Part
from openwindow.experiment.safety_overlap import lines_of, overlaps
from openwindow.experiment.study import Study
from openwindow.prompt_ranking.study import RankingStudy, cost_of, wordings
from openwindow.results.plan import plan_lines, plan_of

SECONDS = (0.1, 0.2)
"""seconds per reply of the embedded model, in whole studies on two cores: with hardware bf16, and in float32"""
_NOT_LISTED = {"name", "question", "claim", "claim_id", "quick", "quick_arms", "about", "compare", "arms", "contexts"}
"""fields of a study that the rest of the plan states, or that would make it another study"""


def study_plan(study: Study, pilot: Path | None, device: str, out: Path, part: Part) -> tuple[dict[str, Any], list[str]]:
    """The plan of a study, of which `part` is to be run, as JSON and as lines. Raises UserError."""
    time = time_of(of_study(study, part.arms, len(part.seeds)))
    specs = evals_of(study)  # what they lack is said now rather than at the run
    costs = estimates.of_study(study, specs)
    plan = plan_of(study, pilot)
    shown, safety = plan_lines(plan), overlaps(study)
    fields = dict(fields_of(study))
    whole = {
        **plan,
        "safety": {mix: found.record() for mix, found in safety.items()},
        "device": device,
        "out": str(out),
        "part": {"arms": list(part.arms), "seeds": list(part.seeds)},
        "time": time,
        "costs": costs,
        "resolved": study.model_dump(mode="json"),
    }
    limited = f"Of it this would run {', '.join(part.arms)} at seeds {', '.join(map(str, part.seeds))}."
    lines = [
        *shown[:-1],
        *(line[0].upper() + line[1:] for line in lines_of(safety)),
        *(() if part.is_whole(study) else (limited,)),
        f"Time: {time}.",
        *costs.get("in_words", ()),
        f"Device {device}; results would go to {out}.",
        "Fields (change one with --set FIELD=VALUE):",
        *(f"  {name} = {_short(value)}" for name, value in fields.items()),
        shown[-1],
    ]
    return whole, lines


def ranking_plan(study: RankingStudy, device: str, out: Path) -> tuple[dict[str, Any], list[str]]:
    """The same for a study of rankings."""
    time = time_of(cost_of(study))
    parts: dict[str, dict[str, Any]] = {
        name: {
            "study": part.name,
            "environment": part.environment,
            "arms": list(part.arms),
            "wordings": wordings(part),
            "problems": part.evaluation.problems,
        }
        for name, part in study.parts.items()
    }
    support = (
        "the mean over environments of Pearson's r, of how often a wording elicits the behaviour before training with how far it "
        "reduces it after training, has its whole 95 % interval above 0"
    )
    plan = {
        "study": study.name,
        "question": study.question,
        "claim": study.claim,
        "model": study.model,
        "seeds": list(study.seeds),
        "parts": parts,
        "support": [support],
        "device": device,
        "out": str(out),
        "time": time,
        "resolved": study.model_dump(mode="json"),
    }
    lines = [
        f"{study.name}: {study.question}",
        f"Claim: {study.claim}",
        f"Model {study.model}; seed{'' if len(study.seeds) == 1 else 's'} {', '.join(map(str, study.seeds))}.",
        f"Before training, every wording is sampled {study.draws} times on each dev problem, and scored on {study.rows} rows.",
        "Then one arm per wording is trained, and measured on held-out problems:",
        *(
            f"  {name}: {part['environment']}, {len(part['wordings'])} wordings, {len(part['arms'])} arms, "
            f"{part['problems']} test problems per seed"
            for name, part in parts.items()
        ),
        f"The claim is supported if {support}.",
        f"Time: {time}.",
        f"Device {device}; results would go to {out}.",
        "Nothing was trained or written.",
    ]
    return plan, lines


def time_of(cost: float) -> str:
    """How long it takes, in words; `cost` is in replies of the embedded model."""
    low, high = (_duration(cost * seconds) for seconds in SECONDS)
    return (
        f"roughly {low} with bf16 in hardware to {high} in float32, for the embedded model on two otherwise idle cores; "
        "other models and machines were not measured (compute grows with the number of weights)"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return "1 minute"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def fields_of(config: BaseModel, within: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted field and value of a configuration, as `--set` takes them; a mapping is one value."""
    for name, value in config:
        dotted = f"{within}{name}"
        if dotted in _NOT_LISTED:
            continue
        if isinstance(value, BaseModel):
            yield from fields_of(value, f"{dotted}.")
        else:
            yield dotted, value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(map(str, value))}}}"
    if isinstance(value, tuple):
        return str(list(value))[:100]
    return "null" if value is None else str(value)[:100]
