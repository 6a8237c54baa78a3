"""Precision and recall of each hack detector: what it flagged in the rollouts of a run, against execution.

The static detectors read the source, one per kind of hack; an arm's own detector is the one that penalised or screened it.
A rollout hacks if it passes the proxy and fails the truth. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openwindow.experiment.study import Study
from openwindow.files.records import Rollout, TrainingRollout


def detector_rows(study: Study, training: Sequence[TrainingRollout], test: Sequence[Rollout]) -> list[dict[str, Any]]:
    """One row per place and detector, for RL studies: counts, and precision and recall, None if undefined.

    `where` is `training` or `test`; `arm` is None for the static detectors, which read the rollouts of all arms, except those
    whose grader had no loophole: an attempt that cannot succeed is not a hack.
    """
    graded = {name: arm for name, arm in study.arms.items() if arm.needs_loopholes}
    asked = [r for r in test if r.arm in graded and r.seed in study.seeds]
    drawn = [r for r in training if r.arm in graded and r.seed in study.seeds]
    rows = [*_static("training", [r for r in drawn if r.hackable]), *_static("test", asked)]
    for name, arm in graded.items():
        if arm.detector is not None:
            said = [(r.scores.get("hack"), r.flagged) for r in drawn if r.arm == name and r.flagged is not None]
            rows.append(_row("training", name, arm.detector, said))
    return rows


def _static(where: str, rollouts: Sequence[Rollout]) -> list[dict[str, Any]]:
    """The static detectors, together and by kind of hack; none where no rollout was searched for hacks."""
    rollouts = [r for r in rollouts if r.scores.get("attempted", False) is not None]
    if not rollouts:
        return []
    together = _row(where, None, "static, any kind", [(r.scores.get("hack"), bool(r.kinds)) for r in rollouts])
    kinds = dict.fromkeys(kind for r in rollouts for kind in r.kinds)
    return [
        together,
        *(_row(where, None, f"static, {kind}", [(r.scores.get("hack"), kind in r.kinds) for r in rollouts]) for kind in kinds),
    ]


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
