"""Changes a configuration by dotted names, validates it as a whole, and reports what is wrong in one line."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from openwindow.errors import ConfigError
from openwindow.interventions import INTERVENTIONS
from openwindow.interventions.base import Intervention

T = TypeVar("T", bound=BaseModel)
_TAGS: Mapping[str, frozenset[str]] = {
    "base": frozenset({"sft", "rl"}),
    "intervention": frozenset({"one", "several", *INTERVENTIONS}),
}
"""field to the union tags that pydantic inserts into the location of an error, and that the user never typed"""


@runtime_checkable
class Derived(Protocol):
    """A configuration some of whose fields follow from others, as a study's arms follow from its base."""

    def as_changes(self) -> dict[str, Any]:
        """Field to value; fields that follow from others as their difference from those."""
        ...


def override(config: T, changes: Mapping[str, Any], what: str) -> T:
    """A copy of `config` with dotted fields replaced and validated again. Raises ConfigError."""
    return _changed(config, changes, what, ())


def _changed(config: T, changes: Mapping[str, Any], what: str, within: tuple[str, ...]) -> T:
    """The same for a configuration inside another one, at the fields `within`."""
    tree = config.as_changes() if isinstance(config, Derived) else dict(config)
    inner: dict[str, dict[str, Any]] = {}
    for dotted, value in changes.items():
        first, _, rest = dotted.partition(".")
        known(f"field of {what}", first, type(config).model_fields, ".".join((*within, dotted)))
        if rest:
            inner.setdefault(first, {})[rest] = value
        else:
            tree[first] = value
    for first, nested in inner.items():
        if not isinstance(tree[first], BaseModel):
            shown = ".".join((*within, first, next(iter(nested))))
            raise ConfigError(f"{what} sets {shown!r} but {first!r} is {tree[first]!r} there; set {first!r} as a whole")
        tree[first] = _changed(tree[first], nested, what, (*within, first))
    try:
        return type(config).model_validate(tree)
    except ValidationError as error:
        raise ConfigError(explain(error, type(config), what, within)) from error


def explain(error: ValidationError, config: type[BaseModel], what: str, within: tuple[str, ...] = ()) -> str:
    """The first problem of a configuration's validation error in one line; `within` is where the configuration is nested."""
    found = error.errors()
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    loc = (*within, *first["loc"])
    where = _where(loc) or what
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), _field_names(config), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "check the spelling"
        return f"{what} has an unknown field {where!r}; expected one that exists; {hint}"
    if first["type"] == "missing":
        return f"{what} has no field {where!r}; expected a value for it; add it"
    came = repr(first["input"])
    return f"{what}: {where} is {came[:80]}; {first['msg'][0].lower()}{first['msg'][1:]}; fix it"


def _where(loc: Sequence[int | str]) -> str:
    """The location of an error as a user would write it."""
    said: list[str] = []
    for part in loc:
        if not any(part in _TAGS.get(before, ()) for before in said[-2:]):
            said.append(str(part))
    return ".".join(said)


def _field_names(config: type[BaseModel]) -> list[str]:
    """Names of all fields of a configuration and of the configurations inside it."""
    models, found = [config], dict.fromkeys([config])
    while models:
        for field in models.pop().model_fields.values():
            for inner in _models_in(field.annotation):
                if inner not in found:
                    found[inner] = None
                    models.append(inner)
    return list(dict.fromkeys(name for model in found for name in model.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The configurations that an annotation names, at any depth."""
    if annotation is Intervention:
        return [*INTERVENTIONS.values()]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def known(what: str, name: str, names: Mapping[str, Any], shown: str | None = None) -> None:
    """Raises ConfigError, suggesting the nearest name, if a name is not in `names`; `shown` is how the user wrote it."""
    if name in names:
        return
    near = difflib.get_close_matches(name, list(names), n=1)
    meant = ".".join(near[0] if part == name else part for part in (shown or name).split(".")) if near else ""
    hint = f"did you mean {meant!r}?" if near else f"choose one of {', '.join(names)}"
    raise ConfigError(f"unknown {what}: {shown or name!r}; {hint}")
