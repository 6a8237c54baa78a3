"""Scores as cells of a seed-by-unit table, and how much of their spread comes from seeds and from units.

Every mean in `openwindow.stats` is the mean over seeds of each seed's mean over units, so a cell of seed s weighs
1 / (S * n_s), where S is the number of seeds with a scored cell and n_s the number of scored cells of that seed. The same unit
(a problem, a prompt) may occur under several seeds, and several items (problems of a family, replies to a problem) may belong
to one unit; the cells of a unit are then not independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Value = bool | float | None
"""A score, or None if it could not be measured."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """The scored cells, ordered by seed and then by unit id, so that results do not depend on the order of a mapping."""

    values: Floats
    """one score per cell"""
    seeds: Ints
    """the scored seed of each cell, 0 to seed_count - 1"""
    units: Ints
    """the unit of each cell, 0 to unit_count - 1"""
    weights: Floats
    """the share of each cell in the mean; they add up to 1"""
    seed_count: int
    """seeds with at least one scored cell"""
    unit_count: int
    """distinct units with at least one scored cell"""
    by_seed: tuple[float | None, ...]
    """mean of each given seed, None if it has no scored cell"""

    @property
    def seed_means(self) -> Floats:
        """The means of the scored seeds."""
        return np.array([mean for mean in self.by_seed if mean is not None], dtype=np.float64)

    @property
    def mean(self) -> float:
        """The mean over seeds of the seeds' means; there must be a scored cell."""
        return math.fsum(self.seed_means) / self.seed_count

    @property
    def size(self) -> float:
        """The number of equally weighted cells that the weights are equivalent to (Kish 1965)."""
        return 1.0 / float(self.weights @ self.weights)


@dataclass(frozen=True, slots=True)
class Spread:
    """Components of the variance of `Cells.mean`, in squared units of the score."""

    seed: float
    """from the spread of the seeds' means; 0 with one seed, where it is unknown"""
    unit: float
    """from the spread between units within seeds, treating cells of one unit as dependent; 0 with one unit"""
    cell: float
    """the part contained in both `seed` and `unit`: what remains of a cell after subtracting its seed's and its unit's mean"""
    independent: float
    """what `unit` would be if no unit had two cells"""


def check_value(value: Value, unit_id: str) -> float | None:
    """The score as a float; ValueError if it is not finite, since NaN must not stand for 'not measured'."""
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"the score of {unit_id!r} is {number}; expected a finite number; use None for an unscored one")
    return number


def tabulate(values_by_seed: Sequence[Mapping[str, Value]], clusters: Mapping[str, str] | None = None) -> Cells:
    """The scored cells from one mapping (item id to score) per seed; the same id under two seeds is the same item.

    `clusters` names the unit of each item; an item that is not in it, or every item if it is None, is its own unit.
    """
    scored = [
        {item: number for item in sorted(of_seed) if (number := check_value(of_seed[item], item)) is not None}
        for of_seed in values_by_seed
    ]
    present = [of_seed for of_seed in scored if of_seed]
    unit_of = {item: (clusters or {}).get(item, item) for of_seed in present for item in of_seed}
    index = {unit: i for i, unit in enumerate(sorted(set(unit_of.values())))}
    sizes = [len(of_seed) for of_seed in present]
    return Cells(
        values=np.array([value for of_seed in present for value in of_seed.values()], dtype=np.float64),
        seeds=np.repeat(np.arange(len(present), dtype=np.int64), sizes),
        units=np.array([index[unit_of[item]] for of_seed in present for item in of_seed], dtype=np.int64),
        weights=np.repeat(np.array([1.0 / (len(present) * n) for n in sizes], dtype=np.float64), sizes),
        seed_count=len(present),
        unit_count=len(index),
        by_seed=tuple(math.fsum(of_seed.values()) / len(of_seed) if of_seed else None for of_seed in scored),
    )


def spread_of(cells: Cells) -> Spread:
    """The components of the variance of the mean, for seeds crossed with units.

    `seed` + `unit` - `cell` is the variance of the mean when both seeds and units are drawn at random (Cameron,
    Gelbach and Miller 2011, J Bus Econ Stat 29:238). Here `cell` is the residual from the two-way table, not from the
    grand mean, so that a real seed or unit effect is not subtracted with it; if no unit occurs under two seeds the
    two cannot be separated, and `cell` equals `unit`.
    """
    seeds, count = cells.seed_count, cells.unit_count
    within = cells.values - cells.seed_means[cells.seeds]
    weighted = cells.weights * within
    of_unit = np.bincount(cells.units, weights=weighted, minlength=count)
    unit = float(of_unit @ of_unit) * count / (count - 1) if count > 1 else 0.0
    total = len(cells.values)
    independent = float(weighted @ weighted) * total / (total - 1) if total > 1 else 0.0
    cell = _crossing(cells, within, unit)
    seed = float(np.var(cells.seed_means, ddof=1)) / seeds if seeds > 1 else 0.0
    return Spread(seed=seed, unit=unit, cell=cell, independent=independent)


def _crossing(cells: Cells, within: Floats, unit: float) -> float:
    """`Spread.cell`, from the means of the cells that share both seed and unit; `within`: deviations from the seeds' means."""
    met, of_pair = np.unique(cells.seeds * cells.unit_count + cells.units, return_inverse=True)
    freedom = len(met) - cells.seed_count - cells.unit_count + 1
    if freedom < 1:
        return unit
    mean, weight = np.bincount(of_pair, weights=within) / np.bincount(of_pair), np.bincount(of_pair, weights=cells.weights)
    unit_of = met % cells.unit_count
    residual = mean - (np.bincount(unit_of, weights=mean) / np.bincount(unit_of))[unit_of]
    return float(residual @ residual) / freedom * float(weight @ weight)


def effective_size(cells: Cells, spread: Spread) -> float:
    """How many independent cells the cells are worth for the unit-level interval, between 1 and their number.

    This is the number of cells over the design effect (Kish 1965), which is never taken below 1. If the cells show no
    spread the design effect is unknown, and each unit counts once however many cells it has.
    """
    if spread.independent <= 0.0 or spread.unit <= 0.0:
        return float(cells.unit_count)
    return cells.size / max(1.0, spread.unit / spread.independent)
