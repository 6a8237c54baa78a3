"""What differs between two runs, and what is the same: fields of the study, model, code, machine, environment, grader, evals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from openwindow.errors import OpenWindowError
from openwindow.experiment.study import Study
from openwindow.files.records import object_of
from openwindow.files.run_files import read_json, rows_in
from openwindow.formatting import compact
from openwindow.results.load import items, mapping, text
from openwindow.results.records import Json
from openwindow.results.two_runs.read import Side

Field = tuple[str, str]
"""the group and the name of something that a run says of itself"""
ABSENT = "not there"
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_MOST = 200
"""characters of a value that are kept"""


def differing(a: Side, b: Side) -> dict[str, list[dict[str, str]]]:
    """`differs`: group, field, and its value in A and in B; `same`: group, field and value of what is worth saying of both."""
    one, other = (_fields(side, study) for side, study in zip((a, b), _normal(a, b), strict=True))
    found: dict[str, list[dict[str, str]]] = {"differs": [], "same": []}
    for group, field in dict.fromkeys([*one, *other]):
        x, y = one.get((group, field)), other.get((group, field))
        names = {"group": group, "field": field}
        if x != y:
            found["differs"].append(names | {"a": _shown(x), "b": _shown(y)})
        elif group != "study":
            found["same"].append(names | {"value": _shown(x)})
    return found


def _shown(value: Any) -> str:
    said = ABSENT if value is None else compact(value)
    return said if len(said) <= _MOST else f"{said[:_MOST]}…"


def _normal(a: Side, b: Side) -> tuple[Json, Json]:
    """Both studies in the form of this version, so that only what they mean differs; as they are stored if one cannot be read."""
    stored = mapping(a.config, "study_config"), mapping(b.config, "study_config")
    try:
        one, other = (Study.model_validate(of).model_dump(mode="json") for of in stored)
    except (ValidationError, OpenWindowError):
        return stored
    return one, other


def _fields(side: Side, study: Json) -> dict[Field, Any]:
    if side.kind == "eval":
        return {key: value for key, value in _of_eval(side.results).items() if value not in _NOTHING}
    provenance, setting = side.provenance, mapping(side.config, "setting")
    resolved = mapping(provenance, "resolved")
    found: dict[Field, Any] = {
        ("model", "model"): side.model,
        ("model", "precision"): resolved.get("precision") or mapping(side.config, "model").get("precision"),
        ("model", "device"): resolved.get("device"),
        ("seeds", "seeds"): side.seeds,
        **_code(provenance),
        ("grader", "environment"): setting.get("name"),
        ("grader", "version"): setting.get("version"),
        ("grader", "source"): setting.get("source"),
        ("grader", "measures"): side.config.get("measures"),
        ("machine", "cpu"): provenance.get("cpu"),
        ("machine", "threads"): provenance.get("threads"),
        ("machine", "platform"): provenance.get("platform"),
    }
    found |= {("evals", f"{name} version"): mapping(side.evals, name).get("version") for name in side.evals}
    found |= {("study", field): value for field, value in flat(study) if field not in ("model", "seeds", "name")}
    found |= {("study", "name"): study.get("name") or side.config.get("study")}
    return {key: value for key, value in found.items() if value not in _NOTHING}


def _code(provenance: Json) -> dict[Field, Any]:
    dirty = provenance.get("dirty")
    found: dict[Field, Any] = {
        ("code", "openwindow"): provenance.get("openwindow"),
        ("code", "commit"): provenance.get("commit"),
        ("code", "uncommitted changes"): None if dirty is None else "yes" if dirty else "no",
        ("code", "python"): provenance.get("python"),
    }
    return found | {("code", name): version for name, version in sorted(mapping(provenance, "packages").items())}


def _of_eval(results: Json) -> dict[Field, Any]:
    judge, identity = mapping(results, "judge"), mapping(results, "identity")
    found: dict[Field, Any] = {
        ("model", "model"): results.get("model"),
        ("model", "adapters"): [object_of(of).get("weights") for of in items(identity.get("adapters"))] or None,
        ("code", "openwindow"): results.get("openwindow"),
        ("code", "inspect_ai"): results.get("inspect_ai"),
        ("grader", "judge"): judge.get("model") or "none",
        ("grader", "judge version"): judge.get("version"),
        ("grader", "coherence threshold"): results.get("coherence_threshold"),
        ("grader", "pass share"): results.get("pass_share"),
        ("evals", "contexts"): list(mapping(results, "contexts")),
        ("evals", "prompting"): text(mapping(results, "prompting"), "note"),
    }
    found |= {("evals", name): value for name, value in flat(mapping(results, "settings"))}
    evals = mapping(results, "evals")
    return found | {("evals", f"{name} version"): mapping(evals, name).get("version") for name in evals}


def flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of nested objects by their dotted names; an empty object and a list are values."""
    for key, inner in value.items():
        name = f"{above}{key}"
        if isinstance(inner, dict) and inner:
            yield from flat(inner, f"{name}.")
        else:
            yield name, inner


def copied(a: Side, b: Side) -> bool:
    """Whether one folder is a copy of the other: both were started by one command in one second on one machine."""
    keys = ("started", "command", "commit")
    one, other = ({key: text(of.provenance, key) for key in keys} for of in (a, b))
    return bool(one["started"]) and one == other


def training_steps(a: Side, b: Side) -> dict[str, int]:
    """Steps of training that both recorded in metrics.jsonl, and those with the same values, times left out."""
    one, other = _steps(a), _steps(b)
    shared = one.keys() & other.keys()
    return {
        "steps": len(shared),
        "equal": sum(all(one[key][name] == other[key][name] for name in one[key].keys() & other[key].keys()) for key in shared),
        "only_a": len(one) - len(shared),
        "only_b": len(other) - len(shared),
    }


def _steps(side: Side) -> dict[tuple[str, ...], dict[str, Any]]:
    """What was measured at each step; a step that occurs twice is told apart by its place."""
    path, called = side.path / "metrics.jsonl", {own: arm for arm, own in side.own_names.items()}
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    for row in rows_in(path) if path.is_file() else []:
        key = (called.get(str(row.get("arm")), str(row.get("arm"))), *(str(row.get(name)) for name in ("seed", "stage", "step")))
        seen[key] += 1
        found[*key, str(seen[key])] = {name: value for name, value in row.items() if "/" in name and not name.startswith("time/")}
    return found


def unfinished(side: Side) -> str | None:
    """Why a run is not finished, in words; None if it is, or if it is an eval."""
    if side.kind == "eval" or side.state in ("done", ""):
        return None
    message = text(read_json(side.path / "status.json"), "message")
    return f"{side.state}{f': {message}' if message else ''}"
