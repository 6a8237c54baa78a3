"""The kinds of arm a study may have, and how a mapping of dotted fields becomes an arm. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from openwindow.errors import ConfigError
from openwindow.experiment.arm import Arm, Fork, changes_of
from openwindow.experiment.overrides import override
from openwindow.experiment.rl_arm import RLArm
from openwindow.experiment.sft_arm import Data, SFTArm
from openwindow.experiment.version_1 import labels, translated

__all__ = ["AnyArm", "Arm", "Data", "Fork", "RLArm", "SFTArm", "arm_of", "changes_of", "check_sources"]


def _kind(value: Any) -> str:
    """The kind of an arm; `sft` if the configuration does not say."""
    return str(value.get("kind", "sft")) if isinstance(value, dict) else str(value.kind)


AnyArm = Annotated[Annotated[SFTArm, Tag("sft")] | Annotated[RLArm, Tag("rl")], Discriminator(_kind)]


def arm_of(name: str, value: Any, base: Arm) -> Any:
    """Turns `value` into an arm: it is one already, or a mapping from dotted fields of `base` to values; anything else is returned.

    A mapping without a `role` is of version 1, in which the name implied the role. Raises ConfigError.
    """
    if isinstance(value, Arm):
        if type(value) is not type(base):
            raise ConfigError(
                f"arm {name!r} is of kind {value.kind!r} and the base is {base.kind!r}; expected one kind; use base.but"
            )
        return value
    if not isinstance(value, Mapping):
        return value
    changes = dict(value) if "role" in value else {**labels(name), **value}
    if isinstance(base, RLArm):
        changes = translated(changes, base.interventions)
    return override(base, changes, f"arm {name!r}")


def check_sources(arms: Mapping[str, Arm], base: Arm) -> None:
    """Raises ConfigError for an arm that forks from or distils an arm that it cannot; arms are in training order."""
    before: dict[str, Arm] = {}
    for name, arm in arms.items():
        arm.check_sources(name, before, base)
        before[name] = arm
