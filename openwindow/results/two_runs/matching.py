"""Arms of two runs under one name: what B calls otherwise is read as if it had the name of its counterpart in A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from openwindow.errors import ConfigError
from openwindow.files.run_files import Json
from openwindow.formatting import listed
from openwindow.results.load import items, mapping
from openwindow.results.two_runs.read import Side

Matches = Mapping[str, str]
"""arm of A to the arm of B that it is compared with"""


def matches_of(given: str) -> dict[str, str]:
    """`a=b,c=d` as arms of A and their counterparts in B. Raises ConfigError."""
    found: dict[str, str] = {}
    for part in given.split(","):
        one, equals, other = (piece.strip() for piece in part.partition("="))
        if not (one and equals and other):
            raise ConfigError(f"--match has {part.strip()!r}; expected ARM_OF_A=ARM_OF_B, several with commas between; fix it")
        if one in found or other in found.values():
            twice = one if one in found else other
            raise ConfigError(f"--match names {twice!r} twice; expected every arm once; drop one of the two")
        found[one] = other
    return found


def check_matches(a: Side, b: Side, matches: Matches) -> None:
    """Raises ConfigError for an arm that a run does not have, or if the folders hold no arms."""
    if matches and a.kind == "eval":
        raise ConfigError("--match pairs arms of two runs, and these are evals of models, which have none; expected runs; drop it")
    for side, name, named in ((a, "A", matches), (b, "B", matches.values())):
        for arm in named:
            if arm not in side.arms:
                raise ConfigError(
                    f"--match names {arm!r}, and {name} has no arm of that name; expected {listed(side.arms)}; choose one"
                )


def renamed(b: Side, matches: Matches) -> Side:
    """B with its arms under the names of A; an arm of B whose name is another's now is called `NAME (of B)`."""
    if not matches:
        return b
    to = {other: one for one, other in matches.items()}
    to |= {arm: f"{arm} (of B)" for arm in b.arms if arm in matches and arm not in to}
    return replace(
        b,
        config=_config(b.config, to),
        rollouts=tuple(replace(r, arm=to.get(r.arm, r.arm)) for r in b.rollouts),
        asked=tuple(replace(r, arm=to.get(r.arm, r.arm)) for r in b.asked),
        own_names={new: old for old, new in to.items()},
    )


def _config(config: Json, to: Mapping[str, str]) -> Json:
    """config.json with the arms of the study, and of its comparisons, under their new names."""
    study = mapping(config, "study_config")

    def named(one: Any) -> Any:
        return {**one, **{key: to.get(one[key], one[key]) for key in ("arm", "against") if one.get(key) in to}}

    changed: dict[str, Any] = {}
    for key in ("arms", "about"):
        if mapping(study, key):
            changed[key] = {to.get(arm, arm): value for arm, value in mapping(study, key).items()}
    if items(study.get("compare")):
        changed["compare"] = [named(one) if isinstance(one, dict) else one for one in items(study.get("compare"))]
    arms = {to.get(arm, arm): value for arm, value in mapping(config, "arms").items()}
    return {**config, "arms": arms, **({"study_config": {**study, **changed}} if study else {})}


def matched(a: Side, b: Side) -> dict[str, Any]:
    """Which arms are compared, `[A's name, B's name]` each, and which of either run with none."""
    return {
        "matched": [[arm, b.own(arm)] for arm in a.arms if arm in b.arms],
        "only_a": [arm for arm in a.arms if arm not in b.arms],
        "only_b": [b.own(arm) for arm in b.arms if arm not in a.arms],
    }


def in_words(arms: Mapping[str, Sequence[Any]]) -> list[str]:
    """Arms under two names, and those that match nothing; empty if all match under one name."""
    lines = [f"`{one}` of A is compared with `{other}` of B." for one, other in arms["matched"] if one != other]
    only = [(name, arms[f"only_{name.lower()}"]) for name in ("A", "B")]
    if not any(names for _, names in only):
        return lines
    said = "; ".join(f"of {name}: {listed([f'`{arm}`' for arm in names])}" for name, names in only if names)
    both = all(names for _, names in only)
    how = f" Arms of other names are compared with --match {only[0][1][0]}={only[1][1][0]}." if both else ""
    return [*lines, f"Arms without a counterpart, {said}.{how}"]
