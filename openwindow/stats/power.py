"""Study planning: how many seeds a study needs, what difference its seeds can detect, and what a finished run could have detected.

The planned test is the part of `paired_difference` that decides with few seeds: Student's t, with the variances of the seeds
and of the units (families of problems) added, and Satterthwaite's degrees of freedom. For two arms of rate r:

    of seeds:  (2 sd^2 + 2 r (1 - r) (1 - icc) / P) / S           S - 1 degrees of freedom
    of units:  2 r (1 - r) icc (1 - shared) / F                   F - 1 degrees of freedom

for S seeds of P problems each, from F families. sd is the standard deviation of an arm's true rate between seeds; icc is the share
of a problem's variance that is due to its family, of which `shared` is the same in both arms and so cancels in their difference.
The plan does not rely on pairing by problem to reduce the seeds' part. Power is that of the noncentral t distribution (Johnson and
Welch 1940, Biometrika 31:362).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import optimize, special

from openwindow.stats.intervals import check_confidence, critical

_GREATEST_SHIFT = 2000.0
"""standard errors; larger than any shift that a proper level and power require"""
SHARED = 0.5
"""share of a family's part that is the same in both arms"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A study that would be large enough; if there is none, `difference` or `seeds` is None, with a reason."""

    seeds: int | None
    problems: int
    """problems per seed and arm"""
    difference: float | None
    """true difference between two rates"""
    power: float | None
    """probability that the interval excludes 0 on the right side, from 0 to 1"""
    reason: str | None


@dataclass(frozen=True, slots=True)
class Noise:
    """Everything except the number of seeds that makes the measured difference of two arms deviate from the true one."""

    problems: int
    """problems per seed and arm"""
    rate: float
    """expected rate in the arms, from 0 to 1"""
    between_seed_sd: float
    """standard deviation of an arm's true rate between seeds"""
    families: int | None = None
    """families of the problems; None: each problem is its own family, and icc does not apply"""
    icc: float = 0.0
    """share of a problem's variance that is due to its family"""

    def check(self, confidence: float, power: float) -> None:
        """Raises ValueError for an impossible plan."""
        check_confidence(confidence)
        if self.problems < 1 or not 0.0 <= self.rate <= 1.0 or not self.between_seed_sd >= 0.0 or not 0.0 <= self.icc <= 1.0:
            raise ValueError(
                f"{self.problems} problems, rate {self.rate}, sd {self.between_seed_sd}, icc {self.icc}; "
                "expected at least 1, 0 to 1, at least 0, and 0 to 1; take them from a pilot"
            )
        if not 1.0 - confidence < power < 1.0:
            raise ValueError(f"power {power}; expected more than {1 - confidence:g} and less than 1; 0.8 is usual")

    def error(self, seeds: int) -> tuple[float, float]:
        """Standard error of the difference, and its degrees of freedom; rates of 0 and 1 are taken half a problem inside."""
        inside = min(max(self.rate, 0.5 / self.problems), 1.0 - 0.5 / self.problems)
        families = self.families if self.families is not None and self.families > 1 else None
        icc = self.icc if families is not None else 0.0
        binomial = 2 * inside * (1 - inside)
        of_seeds = (2 * self.between_seed_sd**2 + binomial * (1 - icc) / self.problems) / seeds
        of_units = binomial * icc * (1 - SHARED) / families if families is not None else 0.0
        variance = of_seeds + of_units
        spread = of_seeds**2 / (seeds - 1) + (of_units**2 / (families - 1) if families is not None else 0.0)
        return math.sqrt(variance), variance**2 / spread


@dataclass(frozen=True, slots=True)
class MeanNoise:
    """What makes the measured difference of two means on any scale deviate from the true one, paired by unit."""

    units: int
    """units, the same ones at every seed"""
    between_seed_sd: float
    """standard deviation, between seeds, of the true difference"""
    unit_sd: float
    """standard deviation, between units, of the true difference"""

    def error(self, seeds: int) -> tuple[float, float]:
        """Standard error of the difference, and its degrees of freedom (Satterthwaite); ValueError below 2 seeds or units."""
        if seeds < 2 or self.units < 2:
            raise ValueError(f"{seeds} seeds and {self.units} units; expected 2 or more of each; take more")
        of_seeds, of_units = self.between_seed_sd**2 / seeds, self.unit_sd**2 / self.units
        variance = of_seeds + of_units
        return math.sqrt(variance), variance**2 / (of_seeds**2 / (seeds - 1) + of_units**2 / (self.units - 1))


def detectable_sum(errors: Sequence[tuple[float, float]], power: float = 0.8, confidence: float = 0.95) -> float:
    """The true sum of independent differences that is detected with probability `power`, from their errors and freedoms."""
    variance = math.fsum(error**2 for error, _ in errors)
    freedom = variance**2 / math.fsum(error**4 / df for error, df in errors)
    return math.sqrt(variance) * _shift_for(power, freedom, confidence)


def power_of(difference: float, seeds: int, noise: Noise, confidence: float = 0.95) -> float:
    """Probability that the interval over `seeds` (at least 2) excludes 0 on the right side of a true `difference`."""
    error, freedom = noise.error(seeds)
    return _power_at(min(abs(difference) / error, _GREATEST_SHIFT), freedom, confidence)


def _power_at(shift: float, freedom: float, confidence: float) -> float:
    """Chance that noncentral t, `shift` standard errors off 0, lies above the two-sided critical value."""
    edge = critical(confidence, freedom)
    return float(special.ndtr(shift - edge)) if math.isinf(freedom) else 1.0 - float(special.nctdtr(freedom, shift, edge))


def _shift_for(power: float, freedom: float, confidence: float) -> float:
    """How many standard errors from 0 a difference must be to be detected with probability `power`."""
    most = 8.0 * critical(confidence, freedom) + 8.0  # detected for certain, to bracket the search
    return float(optimize.brentq(lambda s: _power_at(s, freedom, confidence) - power, 0.0, most))


def detectable(half: float, seeds: int, power: float = 0.8, confidence: float = 0.95) -> float:
    """The true difference that an interval of half-width `half` detects with probability `power`.

    `half` is in the units of the score, taken as the true spread times the critical value of t with `seeds` - 1 degrees of
    freedom, or of the normal distribution with one seed.
    """
    freedom = float(seeds - 1) if seeds > 1 else math.inf
    return half * _shift_for(power, freedom, confidence) / critical(confidence, freedom)


def detectable_difference(seeds: int, noise: Noise, confidence: float = 0.95, power: float = 0.8) -> Plan:
    """The smallest true difference that the study would detect with probability `power`.

    None with one seed, and if no second rate between 0 and 1 is that far from the expected one.
    """
    noise.check(confidence, power)
    if seeds < 2:
        return Plan(seeds, noise.problems, None, None, "one seed does not measure seed-to-seed variation")
    error, freedom = noise.error(seeds)
    difference = _shift_for(power, freedom, confidence) * error
    if difference > max(noise.rate, 1 - noise.rate):
        reason = f"only a difference of {difference:.3g}, more than a rate of {noise.rate:g} leaves room for"
        return Plan(seeds, noise.problems, None, None, reason)
    return Plan(seeds, noise.problems, difference, power, None)


def seeds_needed(difference: float, noise: Noise, confidence: float = 0.95, power: float = 0.8, most: int = 100) -> Plan:
    """The fewest seeds, from 2 to `most`, that detect a true `difference` with probability `power`; None if more are needed."""
    noise.check(confidence, power)
    if difference == 0.0:
        return Plan(None, noise.problems, difference, None, "no number of seeds shows a difference of 0")
    for seeds in range(2, most + 1):
        reached = power_of(difference, seeds, noise, confidence)
        if reached >= power:
            return Plan(seeds, noise.problems, difference, reached, None)
    return Plan(None, noise.problems, difference, None, f"more than {most} seeds")
