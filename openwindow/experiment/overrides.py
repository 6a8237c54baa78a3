"""Changes to a configuration by dotted names, validated as a whole, and what is wrong with one in one line."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from openwindow.errors import ConfigError

T = TypeVar("T", bound=BaseModel)
_TAGS: Mapping[Any, tuple[str, ...]] = {"base": ("sft", "rl"), "intervention": ("inoculation", "placebo")}
"""field to what pydantic puts after it in the place of an error, and no user wrote"""


def override(config: T, changes: Mapping[str, Any], what: str) -> T:
    """A copy of `config` with dotted fields replaced and everything validated again. Raises ConfigError."""
    tree = config.model_dump()
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        node: dict[str, Any] = tree
        model: BaseModel = config
        for key in path:
            known(f"field of {what}", key, type(model).model_fields, dotted)
            inner = dict(model)[key]
            if not isinstance(inner, BaseModel):
                raise ConfigError(f"{what} sets {dotted!r} but {key!r} is {inner!r} there; set {key!r} as a whole")
            node, model = node[key], inner
        known(f"field of {what}", last, type(model).model_fields, dotted)
        node[last] = value.model_dump() if isinstance(value, BaseModel) else value
    try:
        return type(config).model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(error, type(config), what)) from error


def explain(error: ValidationError, config: type[BaseModel], what: str) -> str:
    """The first problem of a validation error of a configuration in one line."""
    found = error.errors()
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    loc = first["loc"]
    where = (
        ".".join(str(part) for before, part in zip((None, *loc), loc, strict=False) if part not in _TAGS.get(before, ())) or what
    )
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), _field_names(config), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "check the spelling"
        return f"{what} has an unknown field {where!r}; expected one that exists; {hint}"
    if first["type"] == "missing":
        return f"{what} has no field {where!r}; expected a value for it; add it"
    came = repr(first["input"])
    return f"{what}: {where} is {came[:80]}; {first['msg'][0].lower()}{first['msg'][1:]}; fix it"


def _field_names(config: type[BaseModel]) -> list[str]:
    """Names of all fields of a configuration, and of those that its fields hold."""
    models, found = [config], dict.fromkeys([config])
    while models:
        for field in models.pop().model_fields.values():
            for inner in _models_in(field.annotation):
                if inner not in found:
                    found[inner] = None
                    models.append(inner)
    return list(dict.fromkeys(name for model in found for name in model.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The configurations that an annotation names, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def known(what: str, name: str, names: Mapping[str, Any], shown: str | None = None) -> None:
    """Raises ConfigError, with the nearest name, for a name that is not among `names`; `shown` is how it was written."""
    if name in names:
        return
    near = difflib.get_close_matches(name, list(names), n=1)
    meant = ".".join(near[0] if part == name else part for part in (shown or name).split(".")) if near else ""
    hint = f"did you mean {meant!r}?" if near else f"choose one of {', '.join(names)}"
    raise ConfigError(f"unknown {what}: {shown or name!r}; {hint}")
