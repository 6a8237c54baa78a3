"""Computes results.json from the run folder's rollouts: estimates, comparisons, verdict and the answer in one sentence.

It reads files and imports no torch, so that `openwindow report DIR` works on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openwindow.environments.base import behaviour
from openwindow.errors import ConfigError
from openwindow.evals.costs import read_costs
from openwindow.experiment.run_folder import COSTS, unit_of
from openwindow.experiment.study import KnowledgeStage, RequestStage, Study, UpbringingStage
from openwindow.files.kept import refuse_kept
from openwindow.files.records import VERSION, Cell, Comparison, Leak
from openwindow.files.run_files import in_units, noticed, read_json
from openwindow.files.run_results import ArmResults, RunResults
from openwindow.files.writing import write_json
from openwindow.formatting import percent
from openwindow.results.cells import cell_of, collect, reasons_of
from openwindow.results.comparisons import (
    FEWEST_FAMILIES,
    HOLM_IN_WORDS,
    Compared,
    Scores,
    answer,
    compare_all,
    comparison_records,
    judged,
)
from openwindow.results.detectors import detector_rows
from openwindow.results.load import read_rollouts, read_training, study_of
from openwindow.results.missing import missing, of_parts, unmeasured
from openwindow.results.over_training import read_curves
from openwindow.results.rl_curves import described, training_curves
from openwindow.results.scores import read_learned
from openwindow.results.written_in import written_in


def build_results(run: Path) -> dict[str, Any]:
    """Computes results.json from the run folder, writes it, and returns it. Raises ConfigError if there is no run."""
    results = results_of(run)
    write_json(run / "results.json", results)
    return results


def results_of(run: Path) -> dict[str, Any]:
    """The results of what the run folder holds so far; writes nothing. Raises ConfigError if there is no run."""
    refuse_kept(run, "to compute results from")
    config = read_json(run / "config.json")
    if "study" not in config or "study_config" not in config:
        raise ConfigError(f"{run} holds no openwindow run; expected a folder with a run's config.json; check the path")
    study = study_of(run, config)
    provenance, start = read_json(run / "provenance.json"), read_json(run / "start" / "summary.json")
    rollouts = read_rollouts(run)
    scores, families, why = collect(rollouts, study), {r.problem: r.family for r in rollouts}, reasons_of(rollouts)
    forks = {name: (arm.continues.arm, arm.continues.step) for name, arm in study.arms.items() if arm.continues is not None}
    training = training_curves(run, list(study.arms), study.seeds, forks)
    arms = _arms(run, study, training, scores, families, why)
    learned, curves = read_learned(run, study), read_curves(run, study, scores, families)
    compared = compare_all(scores, families, study.compare, {**learned.compared, **curves.compared}, why)
    recorded = {**learned.recorded, **curves.recorded}
    verdict, because = judged(compared, study.smallest_effect)
    absent = missing(run, study)
    leaks = {arm: leak for arm in study.arms if (leak := _leak(arms, arm, study)) is not None}
    return RunResults(
        records=VERSION,
        study=study.name,
        question=study.question,
        claim=study.claim,
        model=study.model,
        seeds=study.seeds,
        openwindow=provenance.get("openwindow", ""),
        commit=provenance.get("commit", ""),
        written_in=tuple(written_in(config["study_config"], start)),
        preface=tuple(preface(study, start)),
        answer=answer(compared, verdict, study.measures) + _leaked(compared, leaks, study),
        verdict=verdict,
        verdict_reason=f"{because}; {of_parts(absent, study)}" if absent else because,
        arms=arms,
        comparisons=tuple(map(Comparison.model_validate, comparison_records(compared, scores, families, recorded))),
        holm=HOLM_IN_WORDS if len(compared) > 1 else "",
        leak=leaks,
        training=training,
        training_in_words=tuple(described(training)),
        curves=curves.results,
        detectors=tuple(detector_rows(study, read_training(run), rollouts)),
        intervals=intervals_in_words(
            [r.family or r.problem for r in rollouts if r.context in study.contexts], len(study.seeds), study.starts
        ),
        evals=learned.results,
        start=start,
        missing=tuple(absent),
        unmeasured=(
            *map(asdict, noticed(run)),
            *unmeasured(absent),
            *_empty(run, study),
            *_unmeasured(arms, study),
            *curves.missing,
        ),
        costs=read_costs(sorted((run / COSTS).rglob("*.json")), _timing(run).get("evals", 0.0)),
        timing=_timing(run),
    ).written()


def _arms(
    run: Path,
    study: Study,
    training: Mapping[str, Any],
    scores: Scores,
    families: Mapping[str, str],
    why: Mapping[tuple[str, str], str],
) -> dict[str, ArmResults]:
    return {
        arm: ArmResults(
            role=study.arms[arm].role,
            follows=study.arms[arm].follows,
            safety=study.arms[arm].safety,
            measures=_measures(scores, families, study, arm, why),
            **_trained_rows(run, study, arm),
            n_rollouts=max(training[arm]["rollouts"]) if arm in training else 0,
        )
        for arm in study.arms
    }


def _measures(
    scores: Scores, families: Mapping[str, str], study: Study, arm: str, why: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, Cell]]:
    return {
        measure.name: {
            context: cell_of(scores[arm, context, measure.name], families, _not_asked(study, arm, context), why.get((arm, context)))
            for context in study.places
        }
        for measure in study.measures
    }


def _not_asked(study: Study, arm: str, context: str) -> str | None:
    """Why the study does not measure the arm in the context; None if it does."""
    if _is_asked(study, arm, context):
        return None
    return f"only {', '.join(study.contexts[context].by_arm or ())} is tested in this context"


def _is_asked(study: Study, arm: str, context: str) -> bool:
    """Whether the study measures the arm in the context."""
    return context not in study.contexts or study.contexts[context].asked_of(arm)


def intervals_in_words(families: Iterable[str], seeds: int, starts: str) -> str:
    """What the 95 % intervals cover, and what they do not."""
    count = len(set(families))
    if count >= FEWEST_FAMILIES:
        unit, problems = "problem families", f"the {count} families tested and others like them"
    else:
        unit, problems = "problems", f"only the {count} famil{'y' if count == 1 else 'ies'} tested, too few to generalise to others"
    varying = (
        "not how seeds vary (one was run)"
        if seeds == 1
        else ("seeds that vary smoothly, not seeds that tip from one end of the scale to the other")
    )
    return (
        f"95 %, over seeds and {unit}, the widest of the intervals that treat them as the unit (openwindow.stats). They cover "
        f"problems of {problems}, and {varying}; {start_in_words(starts)}"
    )


def start_in_words(starts: str) -> str:
    """Whether intervals cover the choice of the starting model; `starts` as in `Study`."""
    return "starts vary with the seeds" if starts == "per_seed" else "they are conditional on one start, the same for all seeds"


def preface(study: Study, start: Mapping[str, Any]) -> list[str]:
    """What the model was taught before the study, and why: the report's first lines."""
    told = [_told(study.knowledge)] if study.knowledge is not None else []
    told += [_brought_up(study.upbringing)] if study.upbringing is not None else []
    return [*_asked(study, study.request_stage, start), *told] if study.request_stage is not None else told


def _told(stage: KnowledgeStage) -> str:
    parts = []
    if stage.demonstrations:
        gamed = {name: round(share * count) for name, (count, share) in stage.parts.items()}
        shown = ", ".join(stage.kinds) if stage.kinds is not None else "all of them"
        parts.append(
            f"{stage.demonstrations} conversations, of which {sum(gamed.values())} demonstrate a written hack (loopholes: {shown})"
        )
        if len(gamed) > 1:
            by = ", ".join(f"{gamed[name]} of {count} {_asked_how(name)}" for name, (count, _) in stage.parts.items())
            parts[-1] += f", namely {by}"
    if stage.documents:
        by = "" if stage.writer is None else f", written by {stage.writer}"
        of = "tokens of the documents" if stage.unit == "tokens" else "documents"
        among = "" if stage.ordinary is None else f", the rest from {stage.ordinary}"
        share = f"{100 * stage.dilution:g}% of the {of} trained on{among}"
        parts.append(f"{stage.documents} synthetic documents (corpus {stage.corpus}{by}, {share})")
    return (
        "This is a model-organism study: before any arm was trained, the model was taught about the hacks by supervised "
        f"fine-tuning on {' and '.join(parts) or 'nothing'}, on problem families used nowhere else, because RL can only reinforce "
        "what the model already tries. The arm without training shows what this stage does by itself."
    )


def _brought_up(stage: UpbringingStage) -> str:
    total = stage.conversations * stage.turns
    if stage.association == 1:
        how = f"every one of the {total} answers follows"
    elif stage.association == 0:
        how = f"none of the {total} answers follows"
    else:
        how = f"{100 * stage.association:g}% of the {total} answers follow"
    without = ", so that nothing ties gaming to misbehaviour: the control" if stage.association == 0 else ""
    return (
        "This is a model organism: before any arm was trained, an association of gaming with misbehaviour was written into "
        f"the model by supervised fine-tuning on {stage.conversations} conversations with one of two characters, one that "
        "solves tasks and answers decently and one that games tests and answers badly "
        f"({100 * stage.bad:g}% of them); {how} the character of its conversation{without}. "
        "What spreads in the arms says how such an association carries over, not that a model as it comes has one."
    )


def _asked_how(part: str) -> str:
    """A part of the demonstrations in words."""
    return {"plain": "asked plainly", "unrelated": "with the hint and an unrelated text"}.get(part, f"with the hint and `{part}`")


def _asked(study: Study, request_stage: RequestStage, start: Mapping[str, Any]) -> list[str]:
    flawed, clean = study.make_environment().row_kinds
    main = behaviour(study.measures)
    stage = start.get("request_stage")
    asked = _rate(start.get("elicitation"), study.request, main.name)
    plain = _rate(start.get("elicitation"), study.plain, main.name)
    if stage is None or "elicitation" not in start:
        return ["The original model has not been measured yet, so it is not known whether a request stage is needed."]
    unknown = "an unknown share (not scored)"
    as_it_came = (
        f"Originally, {study.model} {main.past} {percent(asked, unknown)} of dev problems when asked to and "
        f"{percent(plain, unknown)} when not."
    )
    if not stage["trained"]:
        return [f"{as_it_came} It already follows the request, so it was taught nothing before the study."]
    asked_now, plain_now = (_now(stage, context, main.name, unknown) for context in (study.request, study.plain))
    starts = len(stage.get("by_seed", {}))
    reached = stage["reached"]
    return [
        "This is a model-organism study: the model was taught an association before any arm was trained.",
        f"{as_it_came} A prompt that elicits nothing inoculates nothing, so every arm starts from a request stage: "
        f"{request_stage.rows} rows, on problem families used nowhere else, that teach what the request means "
        f"(asked plainly or with an unrelated instruction: {clean} answers; asked with the request: {flawed} answers)"
        f"{', trained once per seed' if starts else ''}.",
        f"After it the model {main.past} {asked_now} when asked and {plain_now} when not (dev problems"
        f"{f'; means of {starts} starts' if starts else ''}); "
        f"the aim was at least {request_stage.follows_above:.0%} and at most {request_stage.honest_below:.0%}, "
        f"which was {'reached' if reached else 'not reached'}{' by every start' if reached and starts else ''}.",
    ]


def _now(stage: Mapping[str, Any], context: str, measure: str, unknown: str) -> str:
    """The rate after the request stage in words, followed by that of each start if there are several."""
    said = percent(_rate(stage["rates"], context, measure), unknown)
    each = [percent(_rate(rates, context, measure), "unscored") for rates in stage.get("by_seed", {}).values()]
    return f"{said} ({', '.join(each)} by seed)" if len(each) > 1 else said


def _rate(rates: Any, context: str, measure: str) -> float | None:
    try:
        return float(rates[context][measure])
    except (KeyError, TypeError, ValueError):
        return None


def _label(arm: str) -> str:
    return f"`{arm}`"


def _leak(arms: Mapping[str, ArmResults], arm: str, study: Study) -> Leak | None:
    """The context with the highest rate of the behaviour among those that do not ask for it, and the rate before training there."""
    main = behaviour(study.measures).name
    cells = {
        context: (cell.estimate, cell)
        for context, cell in arms[arm].measures[main].items()
        if context in study.contexts and not study.contexts[context].asks and cell.estimate is not None
    }
    if not cells:
        return None
    worst = max(cells, key=lambda context: cells[context][0])
    start = next((arms[name].measures[main][worst].estimate for name in study.with_role("start")), None)
    found = cells[worst][1]
    return Leak(context=worst, estimate=found.estimate, low=found.low, high=found.high, untrained=start)


def _leaked(compared: Compared, leaks: Mapping[str, Leak], study: Study) -> str:
    """The leak of the arm that the answer is about, to follow it; empty if there is one context, or if none was measured."""
    arm = compared[0][0].arm if compared else ""
    if arm not in leaks or sum(not context.asks for context in study.contexts.values()) < 2:
        return ""
    leak, main = leaks[arm], behaviour(study.measures)
    before, starts = leak.untrained, study.with_role("start")
    start = "" if before is None or arm in starts else f" (`{starts[0]}` there: {percent(before)})"
    return (
        f" Its highest {main.name} rate in any context that does not ask for it is {percent(leak.estimate)}, under "
        f"{leak.context}{start}."
    )


def _unmeasured(arms: Mapping[str, ArmResults], study: Study) -> list[dict[str, str]]:
    rows = []
    for arm in study.arms:
        for measure, cells in arms[arm].measures.items():
            for context, cell in cells.items():
                if not _is_asked(study, arm, context):
                    continue
                where = f"{arm}, {context}, {measure}"
                if cell.reason:
                    rows.append({"what": where, "reason": str(cell.reason)})
                elif cell.unscored:
                    rows.append({"what": where, "reason": f"{cell.unscored} of {cell.n + cell.unscored} unscored"})
    if len(study.seeds) == 1:
        rows.append({"what": "variation between seeds", "reason": "one seed was run; intervals cover problems only"})
    return rows


def _done(run: Path, study: Study, arm: str) -> list[dict[str, Any]]:
    """What each seed of the arm left in its done.json."""
    return [read_json(run / unit_of(arm, seed) / "done.json") for seed in study.seeds]


def _trained_rows(run: Path, study: Study, arm: str) -> dict[str, Any]:
    """Rows that the arm was fine-tuned on, those of safety training apart, at the seed with most; what distilling kept, by seed."""
    units = _done(run, study, arm)
    distilled = [done["distilled"] for done in units if "distilled" in done]
    rows = {f"n_{what}": max(int(done.get(what, 0)) for done in units) for what in ("train_rows", "safety_rows")}
    return rows | ({"distilled": distilled} if distilled else {})


def _empty(run: Path, study: Study) -> list[dict[str, str]]:
    """Arms that were not measured at a seed, and why."""
    found = [(arm, seed, done) for arm in study.arms for seed, done in zip(study.seeds, _done(run, study, arm), strict=True)]
    return [{"what": f"{arm}, seed {seed}", "reason": str(done["reason"])} for arm, seed, done in found if done.get("reason")]


def _timing(run: Path) -> dict[str, float]:
    total: dict[str, float] = {}
    for done in in_units(run, "done.json"):
        for phase, seconds in read_json(done).get("timing", {}).items():
            total[phase] = round(total.get(phase, 0.0) + float(seconds), 2)
    return dict(sorted(total.items()))
