"""The part of a study that one process runs, and what an arm needs of others. Imports no torch.

Arms and seeds are independent after the stages before all arms, apart from an arm that starts where another one ended, or learns
from its rollouts. So any number of processes may run parts of one study into one folder (`run_folder.py`), the same ones even:
each takes what nobody has taken.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from openwindow.errors import ConfigError
from openwindow.experiment.arm import Arm
from openwindow.experiment.overrides import known
from openwindow.experiment.run_folder import unit_of
from openwindow.experiment.study import Study
from openwindow.formatting import listed
from openwindow.interventions.distillation import Distillation

WAIT = 24 * 60.0
"""minutes to wait for an arm that nobody is training yet"""


@dataclass(frozen=True, slots=True)
class Part:
    """Some arms of a study at some of its seeds, in the study's order; without arms, only the stages before all of them."""

    arms: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, study: Study, arms: Collection[str] | None = None, seeds: Collection[int] | None = None) -> Part:
        """All arms or seeds where they are not named. Raises ConfigError for those that the study does not have."""
        for arm in arms or ():
            known("arm in --arms", arm, study.arms)
        there = listed([str(seed) for seed in study.seeds])
        for seed in seeds or ():
            if seed not in study.seeds:
                raise ConfigError(f"--only-seeds has {seed}; expected seeds of the study ({there}); give those, or change --seeds")
        return cls(
            tuple(arm for arm in study.arms if arms is None or arm in arms),
            tuple(seed for seed in study.seeds if seeds is None or seed in seeds),
        )

    @property
    def units(self) -> list[tuple[str, int]]:
        """Arm and seed of each unit, seed by seed."""
        return [(arm, seed) for seed in self.seeds for arm in self.arms]

    def is_whole(self, study: Study) -> bool:
        """Whether it is all of the study."""
        return self == Part.of(study)

    def start_seeds(self, study: Study) -> tuple[int, ...]:
        """The seeds of the starts that its arms have."""
        return tuple(dict.fromkeys(start_seed(study, seed) for seed in self.seeds))


def start_seed(study: Study, seed: int) -> int:
    """The seed of the start that the arms of a seed have."""
    return seed if seed in study.start_seeds else study.start_seeds[0]


def sources(arm: Arm) -> tuple[str, ...]:
    """The arms that must be finished before this one is trained, at the same seed."""
    distilled = [i.arm for i in arm.interventions if isinstance(i, Distillation)]
    named = [arm.follows, None if arm.continues is None else arm.continues.arm, *distilled]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def needs(study: Study, arm: str, seed: int) -> list[str]:
    """The units that must be finished before this one is trained."""
    return [unit_of(source, seed) for source in sources(study.arms[arm])]
