"""Arms as version 1 of a study's configuration stored them: roles implied by names, and one field per RL mitigation.

It reads old run folders, and study files written for that version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openwindow.errors import ConfigError
from openwindow.experiment.arm import Role
from openwindow.experiment.overrides import override
from openwindow.interventions.addenda import ADDENDA, PLACEBOS
from openwindow.interventions.base import Intervention
from openwindow.interventions.distillation import Distillation
from openwindow.interventions.hack_penalty import HackPenalty
from openwindow.interventions.inoculation import Instruction
from openwindow.interventions.preference import PreferenceReward
from openwindow.interventions.rl_prompting import Hint, Recontextualization

ROLES: Mapping[str, Role] = {"untrained": "start", "no_mitigation": "control", "placebo": "placebo", "clean": "ceiling"}
"""arm to its role"""
_FIELDS: Mapping[str, tuple[type[Intervention], ...]] = {
    "prompting": (Hint, Instruction, Recontextualization),
    "preference": (PreferenceReward,),
    "penalty": (HackPenalty,),
    "distil": (Distillation,),
}
"""field to the interventions that replaced it, in the order in which they act"""


def labels(name: str) -> dict[str, Any]:
    """The labels implied by an arm's name: `inoculated_2` is the second of its group."""
    group, _, number = name.rpartition("_")
    treated: Role | None = "treatment" if name.startswith("inoculated") else None
    return {"role": ROLES.get(name, treated), "group": group if number.isdigit() else ""}


def translated(fields: Mapping[str, Any], before: Sequence[Intervention] = ()) -> dict[str, Any]:
    """The fields of an RL arm with `intervention` instead of those of version 1; `before` are the base's. Raises ConfigError."""
    heads = {name.partition(".")[0] for name in fields}
    if not heads & {*_FIELDS, "penalty_from"}:
        return dict(fields)
    rest = {name: value for name, value in fields.items() if name.partition(".")[0] not in (*_FIELDS, "penalty_from")}
    found: list[Any] = []
    for name, kinds in _FIELDS.items():
        mine: list[Any] = [i for i in before if isinstance(i, kinds)]
        inner = {key.partition(".")[2]: value for key, value in fields.items() if key.startswith(f"{name}.")}
        if name in fields:
            mine = [] if fields[name] is None else _made(name, fields[name])
        if inner:
            if name == "prompting" or len(mine) != 1:
                raise ConfigError(f"{name}.{next(iter(inner))} is set, and there is no {name} to change; set intervention instead")
            mine = [_with(mine[0], inner, name)]
        found += mine
    return {**rest, "intervention": tuple(_late(found, fields.get("penalty_from", 0)))}


def _late(found: Sequence[Any], start: int) -> list[Any]:
    """The interventions, with a penalty that begins after `start` steps."""
    penalties = [i for i in found if isinstance(i, HackPenalty) or (isinstance(i, Mapping) and i["kind"] == "hack_penalty")]
    if start and not penalties:
        raise ConfigError(
            f"penalty_from is {start} and there is no penalty that could begin then; expected both or neither; set penalty, or "
            "drop penalty_from"
        )
    return [_with(i, {"from_step": start}, "penalty") if start and i in penalties else i for i in found]


def _with(value: Any, changes: Mapping[str, Any], name: str) -> Any:
    return {**value, **changes} if isinstance(value, Mapping) else override(value, changes, name)


def _made(name: str, value: Any) -> list[Any]:
    """What one field became: objects, or mappings that are still to be validated."""
    if isinstance(value, Intervention) or not isinstance(value, Mapping):
        return [value]
    given = {key: field for key, field in value.items() if key != "kind"}
    if name == "prompting":
        return [*_prompting(given)]
    kind = {"preference": "preference", "penalty": "hack_penalty", "distil": "distillation"}[name]
    return [{"kind": kind, **given}]


def _prompting(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Addenda by name, as their texts."""
    texts = {str(name): text for name, text in (PLACEBOS if given.get("placebo") else ADDENDA).items()}
    sampled, trained = given.get("sampled", "neutral"), given.get("trained")
    for addendum in (sampled, trained):
        if addendum is not None and addendum not in texts:
            raise ConfigError(f"prompting has the addendum {addendum!r}; expected one of {', '.join(texts)}; choose one")
    hint = [{"kind": "hint"}] if given.get("hint", True) else []
    if trained is not None and trained != sampled:
        both = {"sampled": [t for t in [texts[sampled]] if t], "trained": [t for t in [texts[trained]] if t]}
        return [*hint, {"kind": "recontextualization", **both}]
    kind = "placebo" if given.get("placebo") else "inoculation"
    return [*hint, *([{"kind": kind, "texts": [texts[sampled]]}] if texts[sampled] else [])]
