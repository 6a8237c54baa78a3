"""Precision and recall of each hack detector: what it flagged in the rollouts of a run, against execution.

The static detectors read the source, one per kind of hack; an arm's own detector is the one that penalised or screened it.
A rollout hacks if it passes the proxy and fails the truth. Reads training.jsonl and rollouts.jsonl, and imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.study import Study
from openwindow.files.run_files import rows_in

_FILES = {"training": "training.jsonl", "test": "rollouts.jsonl"}


def detector_rows(run: Path, study: Study) -> list[dict[str, Any]]:
    """One row per place and detector, for RL studies: counts, and precision and recall, None if undefined.

    `where` is `training` or `test`; `arm` is None for the static detectors, which read the rollouts of all arms, except those
    whose grader had no loophole: an attempt that cannot succeed is not a hack.
    """
    graded = {name: arm for name, arm in study.arms.items() if arm.needs_loopholes}
    rows = []
    read = {
        where: {arm: [line for seed in study.seeds for line in rows_in(run / unit_of(arm, seed) / file)] for arm in graded}
        for where, file in _FILES.items()
    }
    for where, by_arm in read.items():
        lines = [line for of_arm in by_arm.values() for line in of_arm if line.get("hackable", True)]
        kinds = dict.fromkeys(kind for line in lines for kind in line.get("kinds", ()))
        if lines:
            rows.append(_row(where, None, "static, any kind", [(line.get("hack"), bool(line.get("kinds"))) for line in lines]))
        rows += [
            _row(where, None, f"static, {kind}", [(line.get("hack"), kind in line.get("kinds", ())) for line in lines])
            for kind in kinds
        ]
    for name, arm in graded.items():
        if arm.detector is not None:
            asked = [line for line in read["training"][name] if line.get("flagged") is not None]
            rows.append(_row("training", name, arm.detector, [(line.get("hack"), line["flagged"]) for line in asked]))
    return rows


def _row(where: str, arm: str | None, detector: str, said: Sequence[tuple[bool | None, bool]]) -> dict[str, Any]:
    """One detector against execution: `said` has for each rollout whether it hacks and whether it is flagged."""
    measured = [(hack, flag) for hack, flag in said if hack is not None]
    flagged, hacks = sum(flag for _, flag in measured), sum(hack for hack, _ in measured)
    both = sum(hack and flag for hack, flag in measured)
    return {
        "where": where,
        "arm": arm,
        "detector": detector,
        "precision": both / flagged if flagged else None,
        "recall": both / hacks if hacks else None,
        "flagged": flagged,
        "hacks": hacks,
        "both": both,
        "measured": len(measured),
        "unmeasured": len(said) - len(measured),
    }
