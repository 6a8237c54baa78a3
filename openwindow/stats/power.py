"""How many seeds a study needs, or what difference its seeds can show, before it is run.

The test planned for is Student's t over the seeds' paired differences (df = S - 1), the part of `paired_difference`
that decides with few seeds. A seed's difference between two arms of rate r over P problems has the variance 2 * sd^2
+ 2 * r * (1 - r) / P, sd the standard deviation of an arm's true rate between seeds; pairing by problem makes the
second term smaller, which is not counted on. Power is that of the noncentral t distribution (Johnson and Welch 1940,
Biometrika 31:362).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import optimize, special

from openwindow.stats.intervals import check_confidence, critical

_GREATEST_SHIFT = 2000.0
"""standard errors; wider than any shift that a proper level and power ask for"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A study that would be large enough; `difference` or `seeds` is None, with a reason, if none is."""

    seeds: int | None
    problems: int
    """problems per seed and arm"""
    difference: float | None
    """true difference between two rates"""
    power: float | None
    """chance that the interval leaves out 0 on the right side, from 0 to 1"""
    reason: str | None


def _check(problems: int, rate: float, between_seed_sd: float, confidence: float, power: float) -> None:
    """ValueError for a plan that cannot be."""
    check_confidence(confidence)
    if problems < 1 or not 0.0 <= rate <= 1.0 or not between_seed_sd >= 0.0:
        raise ValueError(
            f"{problems} problems, rate {rate}, sd {between_seed_sd}; expected at least 1, 0 to 1, and at least 0; "
            "take them from a pilot"
        )
    if not 1.0 - confidence < power < 1.0:
        raise ValueError(f"power {power}; expected more than {1 - confidence:g} and less than 1; 0.8 is usual")


def _error(seeds: int, problems: int, rate: float, between_seed_sd: float) -> float:
    """Standard error of the difference; a rate of 0 or 1 is taken half a problem inside, so that it has a spread."""
    inside = min(max(rate, 0.5 / problems), 1.0 - 0.5 / problems)
    return math.sqrt((2 * between_seed_sd**2 + 2 * inside * (1 - inside) / problems) / seeds)


def power_of(difference: float, seeds: int, problems: int, rate: float, between_seed_sd: float, confidence: float) -> float:
    """Chance that t over `seeds` (at least 2) leaves out 0 on the right side of a true `difference`."""
    shift = min(abs(difference) / _error(seeds, problems, rate, between_seed_sd), _GREATEST_SHIFT)
    return _power_at(shift, seeds, confidence)


def _power_at(shift: float, seeds: int, confidence: float) -> float:
    """Chance that noncentral t, `shift` standard errors off 0, lies above the two-sided critical value."""
    return 1.0 - float(special.nctdtr(seeds - 1, shift, critical(confidence, seeds - 1)))


def detectable_difference(
    seeds: int, problems: int, rate: float, between_seed_sd: float, confidence: float = 0.95, power: float = 0.8
) -> Plan:
    """The smallest true difference that the study would show with probability `power`.

    `rate` is the rate expected in the arms and `between_seed_sd` its standard deviation between seeds, both from 0 to
    1. None with one seed, and if no second rate between 0 and 1 lies that far from `rate`.
    """
    _check(problems, rate, between_seed_sd, confidence, power)
    if seeds < 2:
        return Plan(seeds, problems, None, None, "one seed does not measure seed-to-seed variation")
    shift = optimize.brentq(lambda s: _power_at(s, seeds, confidence) - power, 0.0, _most_shift(seeds, confidence))
    difference = float(shift) * _error(seeds, problems, rate, between_seed_sd)
    if difference > max(rate, 1 - rate):
        reason = f"only a difference of {difference:.3g}, more than a rate of {rate:g} leaves room for"
        return Plan(seeds, problems, None, None, reason)
    return Plan(seeds, problems, difference, power, None)


def _most_shift(seeds: int, confidence: float) -> float:
    """A shift that is detected for certain, to bracket the search."""
    return 8.0 * critical(confidence, seeds - 1) + 8.0


def seeds_needed(
    difference: float,
    problems: int,
    rate: float,
    between_seed_sd: float,
    confidence: float = 0.95,
    power: float = 0.8,
    most: int = 100,
) -> Plan:
    """The fewest seeds, from 2 to `most`, that show a true `difference` with probability `power`; None if more."""
    _check(problems, rate, between_seed_sd, confidence, power)
    if difference == 0.0:
        return Plan(None, problems, difference, None, "no number of seeds shows a difference of 0")
    for seeds in range(2, most + 1):
        reached = power_of(difference, seeds, problems, rate, between_seed_sd, confidence)
        if reached >= power:
            return Plan(seeds, problems, difference, reached, None)
    return Plan(None, problems, difference, None, f"more than {most} seeds")
