"""Computes results.json from the folder of a ranking study: scores before training, reductions after it, and their correlation.

It reads files and imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from openwindow.errors import ConfigError
from openwindow.experiment.overrides import explain
from openwindow.experiment.study import Study
from openwindow.files.kept import is_kept, kept_results
from openwindow.files.run_files import finite, read_json, rows_in
from openwindow.files.writing import write_json
from openwindow.prompt_ranking.study import ASKING, RankingStudy, wordings
from openwindow.report.ranking_page import write_ranking_page
from openwindow.report.study_page import build_report
from openwindow.results.build import build_results
from openwindow.results.load import items
from openwindow.stats import Correlation, arm_rate, t_interval
from openwindow.stats.rankings import Kind, Ranking, mean_correlation, ranking_correlation

Json = dict[str, Any]
RANKED = "start/ranking"
SCORES = {
    "elicitation": "share of sampled replies that show the behaviour under the prompt, before training",
    "uplift": "what the prompt adds to the log-probability of the flawed data's answers before training, in nats per token",
}
KINDS: tuple[Kind, ...] = ("pearson", "spearman")
SUBSETS = {"all": "all wordings", "asking": "those that ask, however faintly"}
INTERVALS = (
    "95 %: the wider of a bootstrap over kinds of prompts (and seeds, where there are several) and Fisher's z. The wordings are "
    "the authors' own list, a few of each kind; intervals cover other kinds like these, and are conditional on one start"
)


def is_ranking(out: Path) -> bool:
    """Whether the folder belongs to a ranking study."""
    described = read_json(out / "config.json").get("study_config")
    return isinstance(described, dict) and "parts" in described


def build_ranking(out: Path) -> Json:
    """Computes and writes results.json and report.html of the study and of its parts, and returns the study's results.

    Those of a kept ranking are of the whole run, and stay as they are.
    """
    results = kept_results(out) if is_kept(out) else ranking_results(out)
    for name in results["settings"]:
        build_report(out / name)
    if not is_kept(out):
        write_json(out / "results.json", results)
    write_ranking_page(results, out)
    return results


def ranking_results(out: Path) -> Json:
    """The results of what has been run so far. Raises ConfigError if the folder holds no such run."""
    config, provenance = read_json(out / "config.json"), read_json(out / "provenance.json")
    try:
        study = RankingStudy.model_validate(config.get("study_config", {}))
    except ValidationError as error:
        raise ConfigError(
            f"{explain(error, RankingStudy, str(out / 'config.json'))}: another version of openwindow made this run; use that one"
        ) from error
    run = {name: build_results(out / name) for name in study.parts if (out / name / "config.json").is_file()}
    settings = {name: _setting(study, name, found, out / name) for name, found in run.items()}
    means = {score: {kind: asdict(_mean(settings, score, kind)) for kind in KINDS} for score in SCORES}
    verdict = verdict_of_mean(means["elicitation"]["pearson"], study.smallest_effect)
    missing = [{"what": name, "reason": "not run yet"} for name in study.parts if name not in run]
    return {
        **{key: value for key, value in config.items() if key != "study_config"},
        "openwindow": provenance.get("openwindow", ""),
        "commit": provenance.get("commit", ""),
        "preface": [f"{name}: {line}" for name, found in run.items() for line in found["preface"]],
        "answer": _answer(means, verdict, study, len(settings)),
        "verdict": verdict,
        "means": means,
        "settings": settings,
        "source": study.source,
        "scores": SCORES,
        "intervals": INTERVALS,
        "arms": {f"{name}/{arm}": cells for name, found in run.items() for arm, cells in found["arms"].items()},
        "comparisons": [
            {**c, "arm": f"{name}/{c['arm']}", "against": f"{name}/{c['against']}"}
            for name, found in run.items()
            for c in found["comparisons"]
        ],
        "unmeasured": missing + _unmeasured(settings),
        "timing": _summed([found["timing"] for found in run.values()]),
    }


def _setting(study: RankingStudy, name: str, found: Json, folder: Path) -> Json:
    """One environment: its prompts with their scores and reductions, and the correlations over them."""
    part = study.parts[name]
    measure = part.compare[0].measure
    texts = wordings(part)
    elicited, neutral = elicitations(part, folder)
    lifted = read_json(folder / RANKED / "uplifts.json")
    reduced = {c["arm"]: c for c in found["comparisons"] if c["measure"] == measure and c["context"] == part.plain}
    prompts = [
        {
            "arm": arm,
            "kind": part.arms[arm].group,
            "text": text,
            "elicitation": elicited[arm],
            "uplift": _mean_record([v for v in items(lifted.get(arm)) if finite(v) is not None]),
            "after": _cell(found, part, arm, measure),
            "reduction": _reduction(reduced[arm]),
        }
        for arm, text in texts.items()
    ]
    ranked = {
        subset: {score: _ranking(prompts, score, subset == "asking", len(part.seeds)) for score in SCORES} for subset in SUBSETS
    }
    return {
        "measure": measure,
        "neutral_before": neutral,
        "no_mitigation": _cell(found, part, part.with_role("control")[0], measure),
        "untrained": _cell(found, part, part.with_role("start")[0], measure),
        "prompts": prompts,
        "correlations": {
            subset: {
                score: {kind: asdict(ranking_correlation(r, kind, np.random.default_rng(0))) for kind in KINDS}
                for score, r in by_score.items()
            }
            for subset, by_score in ranked.items()
        },
        "published": study.published.get(name),
    }


def _ranking(prompts: Sequence[Json], score: str, asking: bool, seeds: int) -> Ranking:
    kept = [p for p in prompts if not asking or p["kind"] in ASKING]
    return Ranking(
        [p[score]["estimate"] for p in kept],
        [p["reduction"]["by_seed"] or [None] * seeds for p in kept],
        kinds=[p["kind"] for p in kept],
    )


def _mean(settings: Mapping[str, Json], score: str, kind: Kind) -> Correlation:
    seeds = [len(s["prompts"][0]["reduction"]["by_seed"]) or 1 for s in settings.values()]
    rankings = [_ranking(s["prompts"], score, False, n) for s, n in zip(settings.values(), seeds, strict=True)]
    return mean_correlation(rankings, kind, np.random.default_rng(0))


def elicitations(part: Study, folder: Path) -> tuple[dict[str, Json], Json]:
    """For each wording, the rate of the behaviour before training, over dev problems; and the rate without a wording."""
    measure = part.compare[0].measure
    scores: dict[str, dict[str, list[bool | None]]] = {}
    for row in rows_in(folder / RANKED / "rollouts.jsonl"):
        if isinstance(row.get("context"), str) and isinstance(row.get("problem"), str) and measure in row:
            scores.setdefault(row["context"], {}).setdefault(row["problem"], []).append(row[measure])
    found = {context: _rate(scores.get(context, {})) for context in (part.plain, *wordings(part))}
    return {arm: found[arm] for arm in wordings(part)}, found[part.plain]


def _rate(by_problem: Mapping[str, Sequence[bool | None]]) -> Json:
    """The mean over problems of each problem's share among its scored draws."""
    known = {problem: [float(v) for v in draws if v is not None] for problem, draws in by_problem.items()}
    e = arm_rate([{problem: sum(values) / len(values) if values else None for problem, values in known.items()}], unit="problem")
    reason = e.reason if by_problem else "not sampled yet"
    return {"estimate": e.estimate, "low": e.low, "high": e.high, "n": e.n, "reason": reason}


def _mean_record(values: Sequence[float]) -> Json:
    if not values:
        return {"estimate": None, "low": None, "high": None, "n": 0, "reason": "not measured yet"}
    interval = t_interval(values)
    ends = (None, None) if interval is None else (interval.low, interval.high)
    reason = None if interval is not None else "one row, or all rows alike"
    return {"estimate": float(np.mean(values)), "low": ends[0], "high": ends[1], "n": len(values), "reason": reason}


def _reduction(c: Json) -> Json:
    """The control's rate minus the arm's: the comparison with its sign reversed."""

    def turned(value: float | None) -> float | None:
        return None if value is None else 0.0 - value

    by_seed = [turned(v) for v in c["by_seed"]]
    return {
        "estimate": turned(c["difference"]),
        "low": turned(c["high"]),
        "high": turned(c["low"]),
        "n_pairs": c["n_pairs"],
        "by_seed": by_seed,
        "reason": c["reason"],
    }


def _cell(found: Json, part: Study, arm: str, measure: str) -> Json:
    cell: Json = found["arms"][arm]["measures"][measure][part.plain]
    return cell


def verdict_of_mean(mean: Mapping[str, Any], smallest_effect: float) -> str:
    """`supported` if the interval is above 0, `not supported` if below `smallest_effect`, otherwise `inconclusive`."""
    if mean["low"] is None or mean["high"] is None:
        return "inconclusive"
    if mean["low"] > 0:
        return "supported"
    return "not supported" if mean["high"] < smallest_effect else "inconclusive"


def in_words(c: Mapping[str, Any]) -> str:
    """A correlation with its interval: `+0.62 [+0.10, +0.85]`."""
    if c["estimate"] is None:
        return f"not measured ({c['reason']})"
    interval = "" if c["low"] is None else f" [{c['low']:+.2f}, {c['high']:+.2f}]"
    return f"{c['estimate']:+.2f}{interval}"


def _answer(means: Json, verdict: str, study: RankingStudy, settings: int) -> str:
    elicited, lifted = (in_words(means[score]["pearson"]) for score in SCORES)
    names = "environment" if settings == 1 else "environments"
    seeds = "1 seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    return (
        f"Over {settings} {names}, the mean of Pearson's r with the reduction after training is {elicited} for elicitation before "
        f"training and {lifted} for log-probability uplift (95 % intervals over prompts; {seeds}): the claim is {verdict}."
    )


def _unmeasured(settings: Mapping[str, Json]) -> list[Json]:
    rows = []
    for name, found in settings.items():
        for subset, by_score in found["correlations"].items():
            for score, by_kind in by_score.items():
                rows += [
                    {"what": f"{name}, {kind} of {score}, {SUBSETS[subset]}", "reason": c["reason"]}
                    for kind, c in by_kind.items()
                    if c["reason"]
                ]
        rows += [
            {"what": f"{name}, reduction under {p['arm']}", "reason": p["reduction"]["reason"] or "not run yet"}
            for p in found["prompts"]
            if p["reduction"]["estimate"] is None
        ]
    return rows


def _summed(timings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {phase: round(sum(t.get(phase, 0.0) for t in timings), 2) for phase in sorted({p for t in timings for p in t})}
