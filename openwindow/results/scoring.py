"""Reads scores of models from what the evals of a run left."""

from __future__ import annotations

from openwindow.evals.score_names import Readout
from openwindow.evals.scoring.scores import Readings, read_one, read_two
from openwindow.results.eval_units import START, EvalUnits, replies


class Scoring:
    """Reads scores from the units of a run; what was read once is kept."""

    def __init__(self, units: EvalUnits) -> None:
        self.units = units
        self._one: dict[tuple[str, int | None, str, Readout], Readings] = {}
        self._two: dict[tuple[str, str, str, Readout], Readings] = {}

    def of(self, who: str, context: str, readout: Readout, step: int | None = None) -> Readings:
        """The readings of an arm when it was trained or after a step, or of the start."""
        key = (who, step, context, readout)
        if key not in self._one:
            units = self.units
            own = units.starts if who == START else units.arms[who] if step is None else units.steps[who][step]
            self._one[key] = read_one(replies(own), units.about, context, readout)
        return self._one[key]

    def between(self, arm: str, base: str, context: str, readout: Readout) -> Readings:
        """The readings of an arm less those of another, or of the start."""
        key = (arm, base, context, readout)
        if key not in self._two:
            other = self.units.start if base == START else self.units.arms[base]
            self._two[key] = read_two(replies(self.units.arms[arm]), replies(other), self.units.about, context, readout)
        return self._two[key]
