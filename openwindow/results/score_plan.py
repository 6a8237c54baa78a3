"""What the comparisons of scores that a study names could detect, before it is run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openwindow.evals.base import Eval
from openwindow.evals.score_names import NATS, SCORES
from openwindow.experiment.compare import Compare
from openwindow.experiment.evals import evals_of
from openwindow.experiment.study import Study
from openwindow.formatting import effect
from openwindow.results.comparisons import POWER
from openwindow.stats import FEWEST_SEEDS, MeanNoise, Noise, detectable, detectable_sum
from openwindow.stats.intervals import critical

RATE, SEED_SD, ICC = 0.5, 0.1, 0.5
"""assumed without a pilot: the rate of arms, the standard deviation of an arm's true rate between seeds, and the share of
the variance of a problem's outcome that is due to its family (which pilots do not show either); a scenario is a family
"""
PROBE_SEED_SD, PROBE_SCENARIO_SD = 0.05, 0.2
"""assumed of a probe without a pilot, in nats per token: how far the difference of two arms varies between seeds, and between
scenarios
"""


def score_plans(study: Study, pilot: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A plan for each comparison of a score that decides; `pilot`: results of an earlier run, if any. Raises UserError."""
    named = [c for c in study.compare if c.score is not None and c.decides]
    if not named:
        return []
    specs = evals_of(study)
    return [_plan(c, str(c.score), specs, study, pilot) for c in named]


def in_words(plan: Mapping[str, Any]) -> str:
    """One line on what a comparison could detect."""
    nats = plan["unit"] == NATS
    unit = NATS if nats else "points"
    what = f"{plan['what']}, {plan['arm']} minus {plan['against']}"
    if plan["detectable"] is None:
        return f"{what}: {plan['reason']}."
    smallest = "" if plan["smallest"] is None else f"; the smallest effect of interest is {effect(plan['smallest'], nats)}"
    return (
        f"{what}: {plan['seeds']} seeds and {plan['scenarios']} scenarios detect {effect(plan['detectable'], nats)} {unit} or more "
        f"with 80 % power ({plan['spread']}){smallest}."
    )


def _plan(named: Compare, score: str, specs: Sequence[Eval], study: Study, pilot: Mapping[str, Any]) -> dict[str, Any]:
    counts = [_scenarios(part, named, specs) for part in SCORES.get(score, {score: 1})]
    seeds = len(study.seeds)
    found, spread, reason = None, "", None
    if seeds < FEWEST_SEEDS:
        reason = f"{seeds} seed{' gives' if seeds == 1 else 's give'} no verdict, which takes {FEWEST_SEEDS} or more"
    elif min(counts) < 2:
        reason = "one scenario shows no spread"
    else:
        size, spread = _detectable(named, counts, seeds, pilot)
        found = size if size <= named.largest else None
        reason = None if found is not None else f"only a difference of {effect(size)} points, more than there can be ({spread})"
    return {
        "what": named.what,
        "context": named.where,
        "arm": named.arm,
        "against": named.against,
        "unit": named.unit,
        "seeds": seeds,
        "scenarios": sum(counts),
        "detectable": found,
        "smallest": named.margin or named.smallest or (study.smallest_effect if named.unit != NATS else None),
        "spread": spread,
        "reason": reason,
    }


def _scenarios(part: str, named: Compare, specs: Sequence[Eval]) -> int:
    """Scenarios of the main items of a suite or an eval; those with a probe, for one."""
    items = [(spec.name, item) for spec in specs if part in spec.parts() for item in spec.items()]
    main = [(name, item) for name, item in items if item.role == "main"]
    return len({(name, item.scenario) for name, item in main if named.readout == "behaviour" or item.probe is not None})


def _detectable(named: Compare, counts: Sequence[int], seeds: int, pilot: Mapping[str, Any]) -> tuple[float, str]:
    """The difference that is found with 80 % power, and where the spread that it rests on comes from."""
    sd = _pilot_sd(named, pilot)
    if sd is not None:
        half = critical(0.95, seeds - 1) * sd / math.sqrt(seeds)
        return detectable(half, seeds, POWER), f"pilot: differences vary by {effect(sd, named.unit == NATS)} between seeds"
    if named.readout == "probe":
        errors = [MeanNoise(n, PROBE_SEED_SD, PROBE_SCENARIO_SD).error(seeds) for n in counts]
        spread = f"no pilot: assumes differences that vary by {PROBE_SEED_SD:g} between seeds and {PROBE_SCENARIO_SD:g} by scenario"
        return detectable_sum(errors, POWER), spread
    errors = [Noise(n, RATE, SEED_SD, n, ICC).error(seeds) for n in counts]
    return detectable_sum(
        errors, POWER
    ), f"no pilot: assumes rates of {100 * RATE:.0f} % and {100 * SEED_SD:.0f} points between seeds"


def _pilot_sd(named: Compare, pilot: Mapping[str, Any]) -> float | None:
    """The standard deviation between seeds of the same difference in the pilot; None without two seeds that differ."""
    key = (named.arm, named.against, named.what, named.where)
    for row in pilot.get("comparisons", []):
        gaps = [gap for gap in row["by_seed"] if gap is not None]
        if (row["arm"], row["against"], row["measure"], row["context"]) == key and len(gaps) > 1:
            sd = float(np.std(gaps, ddof=1))
            return sd if sd > 1e-9 else None
    return None
