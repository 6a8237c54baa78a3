"""What a study would do and could detect, before it is run: arms, comparisons, what would support the claim, and its power.

It trains nothing, writes nothing, and imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openwindow.errors import ConfigError
from openwindow.evals.score_names import NATS
from openwindow.experiment.compare import Compare
from openwindow.experiment.study import Study
from openwindow.files.run_files import Json, read_json
from openwindow.results.comparisons import FEWEST_FAMILIES, POWER
from openwindow.results.score_plan import ICC, RATE, SEED_SD, in_words, score_plans
from openwindow.stats import FEWEST_SEEDS, Noise, detectable_difference, seeds_needed

NOTHING = "no comparison decides, so there is nothing to detect or miss"
_MANY_FAMILIES = 20
"""families below which the test detects less than planned: in simulated studies with nine families, 60 % instead of 80 %"""


def plan_of(study: Study, pilot: Path | None) -> dict[str, Any]:
    """The plan of a resolved study; `pilot` is a run folder from which the spread between seeds is taken. Raises UserError."""
    study.check_options()
    environment = study.make_environment()
    drawn = [list(environment.problems("test", study.evaluation.problems, seed)) for seed in study.seeds]
    families = len({problem.family for problems in drawn for problem in problems})
    problems = min(map(len, drawn))
    deciding = [named for named in study.compare if named.decides]
    of_environment = [named for named in deciding if named.score is None]
    ran = {} if pilot is None else _results_of(pilot)
    rate, sd, spread = (
        (RATE, SEED_SD, _assumed()) if pilot is None or not of_environment else _from_pilot(pilot, ran, of_environment)
    )
    noise = Noise(problems, rate, sd, families if families >= FEWEST_FAMILIES else None, ICC)
    return {
        "study": study.name,
        "question": study.question,
        "claim": study.claim,
        "model": study.model,
        "environment": study.environment,
        "seeds": list(study.seeds),
        "problems": problems,
        "families": families,
        "arms": {arm: study.about.get(arm, "") for arm in study.arms},
        "contexts": list(study.places),
        "support": [_support(named) for named in deciding],
        "described": len(study.compare) - len(deciding),
        "spread": spread,
        "power": _power(study, noise) if of_environment else "" if deciding else NOTHING,
        "detectable": detectable_difference(len(study.seeds), noise, power=POWER).difference if of_environment else None,
        "scores": score_plans(study, ran),
    }


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """The plan, formatted for a terminal."""
    seeds = ", ".join(map(str, plan["seeds"]))
    lines = [
        f"{plan['study']}: {plan['question']}",
        f"Claim: {plan['claim']}",
        f"Model {plan['model']}, environment {plan['environment']}; seed{'' if len(plan['seeds']) == 1 else 's'} {seeds}; "
        f"{plan['problems']} test problems per seed, from {plan['families']} famil{'y' if plan['families'] == 1 else 'ies'}.",
        "Arms:",
        *(f"  {arm}{': ' if about else ''}{about}" for arm, about in plan["arms"].items()),
        f"Contexts: {', '.join(plan['contexts'])}",
        "The claim is supported if each of these holds:" if plan["support"] else "No comparison decides: the study describes.",
        *(f"  {line}" for line in plan["support"]),
    ]
    if plan["described"]:
        lines.append(f"Also described: {plan['described']} comparison{'' if plan['described'] == 1 else 's'}.")
    power = [f"Power: {plan['power']} ({plan['spread']})."] if plan["power"] else []
    of_scores = ["Power for the scores of the evals:", *(f"  {in_words(one)}" for one in plan["scores"])] if plan["scores"] else []
    return [*lines, *power, *of_scores, "Nothing was trained or written."]


def _support(named: Compare) -> str:
    """What would support the claim."""
    against = named.against + (f" under {named.against_context}" if named.against_context else "")
    where = named.where if named.score is None else f"{named.where} in the evals"
    over = " on average over the steps of the training" if named.over == "training" else ""
    what = f"{named.what} under {where}{over}: {named.arm} minus {against}, the entire 95 % interval"
    if named.margin is not None:
        return (
            f"{what} above -{named.margin:g} {NATS} (kept)"
            if named.unit == NATS
            else f"{what} above -{100 * named.margin:g} points (kept)"
        )
    return f"{what} {'below' if named.expect == 'less' else 'above'} 0"


def _assumed() -> str:
    return (
        f"no pilot: assumes rates of {100 * RATE:.0f} %, {100 * SEED_SD:.0f} points between seeds (standard deviation) and "
        "half of the variance between families; --pilot DIR takes these from a run"
    )


def _power(study: Study, noise: Noise) -> str:
    """The smallest difference detectable with 80 % power, and the seeds that the smallest effect of interest requires."""
    seeds = len(study.seeds)
    counted = "1 seed" if seeds == 1 else f"{seeds} seeds"
    if seeds < FEWEST_SEEDS:
        first = f"{counted} give no verdict, which takes {FEWEST_SEEDS} or more" if seeds > 1 else "1 seed gives no verdict"
    else:
        found = detectable_difference(seeds, noise, power=POWER)
        first = f"{counted} detect no difference with 80 % power: {found.reason}"
        if found.difference is not None:
            first = f"{counted} detect a difference of {100 * found.difference:.0f} points or more with 80 % power"
            if noise.families is not None and noise.families < _MANY_FAMILIES:
                first += f" (somewhat larger ones in practice, since {noise.families} families are few)"
    if study.smallest_effect == 0:
        return first
    needed = seeds_needed(study.smallest_effect, noise, power=POWER)
    more = "" if noise.families is None else ", or more families"
    many = f"{needed.reason}{more}" if needed.seeds is None else f"{max(needed.seeds, FEWEST_SEEDS)} seeds"
    return f"{first}; {100 * study.smallest_effect:g} points, the smallest effect of interest, would take {many}"


def _results_of(pilot: Path) -> Json:
    """The results of a pilot. Raises ConfigError if it has none."""
    results = read_json(pilot / "results.json")
    if not results.get("comparisons"):
        raise ConfigError(
            f"--pilot {pilot} holds no results.json with comparisons; expected the folder of a finished run; check it"
        )
    return results


def _from_pilot(pilot: Path, results: Json, deciding: Sequence[Compare]) -> tuple[float, float, str]:
    """Mean rate and standard deviation between seeds of an arm, from the pilot's seeds, and a description of their source."""
    wanted = {(n.arm, n.against, n.measure, n.context, n.over) for n in deciding}
    variances, rates, problems = [], [], []
    for c in results["comparisons"]:
        gaps = [gap for gap in c["by_seed"] if gap is not None]
        over = c.get("over") or "end"
        if (c["arm"], c["against"], c["measure"], c["context"], over) in wanted and len(gaps) > 1:
            variances.append(float(np.var(gaps, ddof=1)))
            problems.append(c["n_pairs"] / len(gaps))
            places = ((c["arm"], c["context"]), (c["against"], c.get("against_context") or c["context"]))
            rates += [_pilot_rate(results, over, arm, c["measure"], place) for arm, place in places]
    if not variances:
        raise ConfigError(
            f"--pilot {pilot} has none of the comparisons that decide here at two seeds or more; expected a run of the same study "
            "with several seeds; give another"
        )
    rate = float(np.clip(np.mean(rates), 0.05, 0.95))
    sampling = 2 * rate * (1 - rate) * (1 - ICC) / float(np.mean(problems))
    sd = math.sqrt(max(0.0, float(np.mean(variances)) - sampling) / 2)
    few = "" if len(variances) * (len(results["seeds"]) - 1) > 10 else ", a guess from few seeds"
    return (
        rate,
        sd,
        f"pilot {pilot}: rates of {100 * rate:.0f} %, {100 * sd:.0f} points between seeds{few}; half the variance between families",
    )


def _pilot_rate(results: Json, over: str, arm: str, measure: str, place: str) -> float:
    """The pilot's rate of an arm at its end, or its mean over the training."""
    if over == "training":
        return float(results["curves"]["arms"][arm]["measures"][measure][place]["area"]["estimate"])
    return float(results["arms"][arm]["measures"][measure][place]["estimate"])
