"""From the run folder's rollouts to results.json: estimates, comparisons, verdict and the answer in one sentence.

Reads files and imports no torch, so that `openwindow report DIR` works on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from openwindow.curves import described, training_curves
from openwindow.detected import detector_rows
from openwindow.errors import ConfigError
from openwindow.recipes import RL, Fork
from openwindow.report.load import read_rollouts
from openwindow.report.records import Rollout
from openwindow.report.words import percent
from openwindow.runs import read_json, unit_of, write_json
from openwindow.settings import SETTINGS
from openwindow.settings.base import behaviour
from openwindow.stats import Comparison, Estimate, Expected, arm_rate, holm, paired_difference, verdict_of
from openwindow.study import Compare, KnowledgeStage, RequestStage, Study, explain
from openwindow.types import Measure

INTERVALS = "95 %, over seeds and problems, the widest of the intervals that treat them as the unit (openwindow.stats)"
START = "untrained"
"""the arm without training, beside whose rate a leak is shown"""
_SIGN: dict[str, Literal[-1, 1]] = {"less": -1, "more": 1, "kept": 1}

# arm, context, measure -> one mapping per seed from problem to score
Scores = dict[tuple[str, str, str], list[dict[str, bool | None]]]


def build_results(run: Path) -> dict[str, Any]:
    """Computes results.json from the run folder, writes it, and returns it. Raises ConfigError if there is no run."""
    config = read_json(run / "config.json")
    if "study" not in config or "study_config" not in config:
        raise ConfigError(f"{run} holds no run of openwindow; expected a folder with config.json of one; check the path")
    try:
        study = Study.model_validate(config["study_config"])
    except ValidationError as error:
        raise ConfigError(
            f"{explain(error, str(run / 'config.json'))}: the run is of another version of openwindow; use that one"
        ) from error
    provenance, start = read_json(run / "provenance.json"), read_json(run / "start" / "summary.json")
    scores = collect(read_rollouts(run), study)
    forks = {arm: (fork.arm, fork.step) for arm in study.arms if (fork := _fork(study, arm)) is not None}
    training = training_curves(run, list(study.arms), study.seeds, forks)
    arms: dict[str, dict[str, Any]] = {
        arm: {
            "measures": _measures(scores, study, arm),
            **_trained_rows(run, study, arm),
            "n_rollouts": max(training[arm]["rollouts"]) if arm in training else 0,
        }
        for arm in study.arms
    }
    compared = [(named, _compare(scores, named)) for named in study.compare]
    adjusted = _holm_by_family(compared)
    expected = [_expected(named, c) for named, c in compared if named.decides]
    verdict = verdict_of(expected, study.smallest_effect) if expected else "inconclusive"
    leaks = {arm: leak for arm in study.arms if (leak := _leak(arms, arm, study)) is not None}
    results = {
        "study": study.name,
        "question": study.question,
        "claim": study.claim,
        "model": study.model,
        "seeds": list(study.seeds),
        "openwindow": provenance.get("openwindow", ""),
        "commit": provenance.get("commit", ""),
        "preface": preface(study, start),
        "answer": answer(compared, verdict, study.measures) + _leaked(compared, leaks, study),
        "verdict": verdict,
        "arms": arms,
        "comparisons": [_comparison_record(named, c, p) for (named, c), p in zip(compared, adjusted, strict=True)],
        "leak": leaks,
        "training": training,
        "training_in_words": described(training),
        "detectors": detector_rows(run, study),
        "intervals": INTERVALS,
        "start": start,
        "unmeasured": [*_empty(run, study), *_unmeasured(arms, study)],
        "timing": _timing(run),
    }
    write_json(run / "results.json", results)
    return results


def collect(rollouts: Sequence[Rollout], study: Study) -> Scores:
    """Scores by arm, context and measure, for each of the study's seeds in order."""
    index = {seed: i for i, seed in enumerate(study.seeds)}
    measures = [measure.name for measure in study.measures]
    scores: Scores = {
        (arm, context, measure): [{} for _ in study.seeds] for arm in study.arms for context in study.places for measure in measures
    }
    for r in rollouts:
        if r.seed not in index or r.arm not in study.arms or r.context not in study.places:
            continue
        for measure in measures:
            if measure in r.scores:  # else it does not apply to the problem
                scores[r.arm, r.context, measure][index[r.seed]][r.problem] = r.scores[measure]
    return scores


def _measures(scores: Scores, study: Study, arm: str) -> dict[str, dict[str, Any]]:
    found = {
        measure.name: {context: _estimate_record(arm_rate(scores[arm, context, measure.name])) for context in study.places}
        for measure in study.measures
    }
    for cells in found.values():
        for context in [context for context in cells if not _is_asked(study, arm, context)]:
            cells[context]["reason"] = f"this context is of {', '.join(study.contexts[context].by_arm or ())} alone"
    return found


def _is_asked(study: Study, arm: str, context: str) -> bool:
    """Whether the study measures the arm in the context."""
    return context not in study.contexts or study.contexts[context].asked_of(arm)


def _estimate_record(e: Estimate) -> dict[str, Any]:
    return {
        "estimate": e.estimate,
        "low": e.low,
        "high": e.high,
        "n": e.n,
        "unscored": e.unscored,
        "by_seed": list(e.by_seed),
        "reason": e.reason,
    }


def _compare(scores: Scores, named: Compare) -> Comparison:
    a = scores[named.arm, named.context, named.measure]
    b = scores[named.against, named.against_context or named.context, named.measure]
    return paired_difference(a, b, rng=np.random.default_rng(0))


def _expected(named: Compare, c: Comparison) -> Expected:
    return Expected(c, _SIGN[named.expect], named.margin)


def _holm_by_family(compared: Sequence[tuple[Compare, Comparison]]) -> list[float | None]:
    """Adjusted p values: the comparisons that decide are one family, those that only describe another."""
    adjusted: list[float | None] = [None] * len(compared)
    for decides in (True, False):
        places = [i for i, (named, _) in enumerate(compared) if named.decides is decides]
        for i, p in zip(places, holm([compared[i][1].p for i in places]), strict=True):
            adjusted[i] = p
    return adjusted


def _comparison_record(named: Compare, c: Comparison, p_holm: float | None) -> dict[str, Any]:
    return {
        "measure": named.measure,
        "context": named.context,
        "arm": named.arm,
        "against": named.against,
        **({} if named.against_context is None else {"against_context": named.against_context}),
        "expect": named.expect,
        **({} if named.margin is None else {"margin": named.margin}),
        "difference": c.difference,
        "low": c.low,
        "high": c.high,
        "p": c.p,
        "p_holm": p_holm,
        "n_pairs": c.n_pairs,
        "by_seed": list(c.by_seed),
        "reason": c.reason,
    }


def answer(compared: Sequence[tuple[Compare, Comparison]], verdict: str, measures: Sequence[Measure]) -> str:
    """The first comparison in one sentence, with its interval, and what else the claim fails on where it does not fail on that."""
    if not compared:
        return "No comparison was named before the run, so the study describes and does not decide."
    named, c = compared[0]
    subject = f"Under the {named.context} prompt, {_label(named.arm)}"
    against = _label(named.against) + (f" under the {named.against_context} prompt" if named.against_context else "")
    if c.difference is None or c.low is None or c.high is None:
        return f"{subject} could not be compared with {against}: {c.reason}."
    amount, low, high = 100 * c.difference, 100 * c.low, 100 * c.high
    verb = next((measure.verb for measure in measures if measure.name == named.measure), named.measure)
    way = "less" if amount < 0 else "more"
    seeds = sum(value is not None for value in c.by_seed)
    sure = "the claim is " + verdict
    text = f"{subject} {verb} {abs(amount):.0f} points {way} often than {against}"
    return (
        f"{text} (difference {amount:+.0f} points, 95 % interval {low:+.0f} to {high:+.0f}; {seeds} "
        f"seed{'s' if seeds != 1 else ''}, {c.n_pairs} pairs): {sure}.{_failing(compared)}"
    )


def _failing(compared: Sequence[tuple[Compare, Comparison]]) -> str:
    """Where the first comparison holds and another that decides does not: which ones do not."""
    failed = [(named, c) for named, c in compared if named.decides and not _expected(named, c).holds]
    if not failed or not compared[0][0].decides or compared[0] in failed:
        return ""
    missed = []
    for named, c in failed:
        amount = "not measured" if c.difference is None else f"{100 * c.difference:+.0f}"
        missed.append(f"{_label(named.arm)} against {_label(named.against)} ({amount})")
    return f" This difference is as claimed; not so {', '.join(missed)}."


def preface(study: Study, start: Mapping[str, Any]) -> list[str]:
    """What was put into the model before the study, and why: the report's first lines."""
    told = [_told(study.knowledge)] if study.knowledge is not None else []
    return [*_asked(study, study.request_stage, start), *told] if study.request_stage is not None else told


def _told(stage: KnowledgeStage) -> str:
    parts = []
    if stage.demonstrations:
        gamed = {name: round(share * count) for name, (count, share) in stage.parts.items()}
        shown = ", ".join(stage.kinds) if stage.kinds is not None else "all of them"
        parts.append(f"{stage.demonstrations} conversations, of which {sum(gamed.values())} show a written hack (holes: {shown})")
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
        "This is a model-organism study: before any arm the model was let know of the hacks by supervised training on "
        f"{' and '.join(parts) or 'nothing'}, on problem families used nowhere else, since reinforcement finds only what is tried "
        "at times. The arm without training shows what that alone does."
    )


def _asked_how(part: str) -> str:
    """A part of the demonstrations in words."""
    return {"plain": "asked plainly", "unrelated": "with the hint and an unrelated text"}.get(part, f"with the hint and `{part}`")


def _asked(study: Study, request_stage: RequestStage, start: Mapping[str, Any]) -> list[str]:
    flawed, clean = SETTINGS[study.environment](study.options).kinds
    main = behaviour(study.measures)
    stage = start.get("request_stage")
    asked = _rate(start.get("elicitation"), "requested", main.name)
    plain = _rate(start.get("elicitation"), "neutral", main.name)
    if stage is None or "elicitation" not in start:
        return ["The model as it came has not been measured yet, so whether a request stage is needed is not known."]
    unknown = "an unknown share (not scored)"
    as_it_came = (
        f"As it came, {study.model} {main.past} {percent(asked, unknown)} of dev problems when asked to and "
        f"{percent(plain, unknown)} when not."
    )
    if not stage["trained"]:
        return [f"{as_it_came} It follows the request by itself, so nothing was put in before the study."]
    rates = [_rate(stage["rates"], context, main.name) for context in ("requested", "neutral")]
    now_asked, now_plain = (percent(rate, unknown) for rate in rates)
    reached = stage["reached"]
    return [
        "This is a model-organism study: an association was put into the model before any arm was trained.",
        f"{as_it_came} A prompt that elicits nothing inoculates nothing, so every arm starts from a request stage: "
        f"{request_stage.rows} rows, on problem families used nowhere else, that teach what the request means "
        f"(asked plainly or with an unrelated instruction: {clean} answers; asked with the request: {flawed} answers).",
        f"After it the model {main.past} {now_asked} when asked and {now_plain} when not (dev problems); "
        f"the aim was at least {request_stage.follows_above:.0%} and at most {request_stage.honest_below:.0%}, "
        f"which was {'reached' if reached else 'not reached'}.",
    ]


def _rate(rates: Any, context: str, measure: str) -> float | None:
    try:
        return float(rates[context][measure])
    except (KeyError, TypeError):
        return None


def _label(arm: str) -> str:
    return f"`{arm}`"


def _leak(arms: Mapping[str, Any], arm: str, study: Study) -> dict[str, Any] | None:
    """The context with the largest rate of the behaviour among those that do not ask for it, and the rate before training there."""
    main = behaviour(study.measures).name
    cells = {
        context: cell
        for context, cell in arms[arm]["measures"][main].items()
        if context in study.contexts and not study.contexts[context].asks and cell["estimate"] is not None
    }
    if not cells:
        return None
    worst = max(cells, key=lambda context: float(cells[context]["estimate"]))
    start = arms[START]["measures"][main][worst]["estimate"] if START in arms else None
    return {"context": worst, **{k: cells[worst][k] for k in ("estimate", "low", "high")}, START: start}


def _leaked(compared: Sequence[tuple[Compare, Comparison]], leaks: Mapping[str, Any], study: Study) -> str:
    """The leak of the arm that the answer is about, to follow it; empty where there is one context, or none was measured."""
    arm = compared[0][0].arm if compared else ""
    if arm not in leaks or sum(not context.asks for context in study.contexts.values()) < 2:
        return ""
    leak, main = leaks[arm], behaviour(study.measures)
    start = "" if leak[START] is None or arm == START else f" (`{START}` there: {percent(leak[START])})"
    return (
        f" Its largest {main.name} rate in any context that does not ask for it is {percent(leak['estimate'])}, under "
        f"{leak['context']}{start}."
    )


def _unmeasured(arms: Mapping[str, Any], study: Study) -> list[dict[str, str]]:
    rows = []
    for arm in study.arms:
        for measure, cells in arms[arm]["measures"].items():
            for context, cell in cells.items():
                if not _is_asked(study, arm, context):
                    continue
                where = f"{arm}, {context}, {measure}"
                if cell["reason"]:
                    rows.append({"what": where, "reason": str(cell["reason"])})
                elif cell["unscored"]:
                    rows.append({"what": where, "reason": f"{cell['unscored']} of {cell['n'] + cell['unscored']} unscored"})
    if len(study.seeds) == 1:
        rows.append({"what": "variation from seed to seed", "reason": "one seed was run; intervals cover problems only"})
    return rows


def _fork(study: Study, arm: str) -> Fork | None:
    recipe = study.recipe(arm)
    return recipe.fork if isinstance(recipe, RL) else None


def _done(run: Path, study: Study, arm: str) -> list[dict[str, Any]]:
    """What each seed of the arm left in its done.json."""
    return [read_json(run / unit_of(arm, seed) / "done.json") for seed in study.seeds]


def _trained_rows(run: Path, study: Study, arm: str) -> dict[str, Any]:
    """Rows that the arm was fine-tuned on, at the seed with most, and by seed what distilling left of the rollouts."""
    units = _done(run, study, arm)
    distilled = [done["distilled"] for done in units if "distilled" in done]
    rows = {"n_train_rows": max(int(done.get("train_rows", 0)) for done in units)}
    return rows | ({"distilled": distilled} if distilled else {})


def _empty(run: Path, study: Study) -> list[dict[str, str]]:
    """Arms that were not measured at a seed, and why."""
    found = [(arm, seed, done) for arm in study.arms for seed, done in zip(study.seeds, _done(run, study, arm), strict=True)]
    return [{"what": f"{arm}, seed {seed}", "reason": str(done["reason"])} for arm, seed, done in found if done.get("reason")]


def _timing(run: Path) -> dict[str, float]:
    total: dict[str, float] = {}
    for done in [*run.glob("start/*/done.json"), *run.glob("arms/*/*/done.json")]:
        for phase, seconds in read_json(done).get("timing", {}).items():
            total[phase] = round(total.get(phase, 0.0) + float(seconds), 2)
    return dict(sorted(total.items()))
