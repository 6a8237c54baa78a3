"""How a configuration holds interventions: one, several in order, or none, including a user's own.

    intervention: Interventions = None

A mapping with a `kind` of `INTERVENTIONS` becomes its object. An object of another subclass of `Intervention` is used as it is
and stored with the name of its class; what is read back from a run folder is a record, which is displayed and not trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from openwindow.interventions import INTERVENTIONS
from openwindow.interventions.base import Intervention

DEFINED_IN = "defined_in"


class Recorded(Intervention):
    """An intervention of a user's own, as a run folder describes it."""

    defined_in: str
    """Module and name of its class."""
    fields: Mapping[str, Any] = {}
    """Its configuration."""


def written(value: Intervention) -> dict[str, Any]:
    """An intervention as JSON: its kind, and the fields that were set."""
    if isinstance(value, Recorded):
        return {"kind": value.kind, DEFINED_IN: value.defined_in, **value.fields}
    own = {} if type(value) in INTERVENTIONS.values() else {DEFINED_IN: f"{type(value).__module__}:{type(value).__qualname__}"}
    return {"kind": value.kind, **own, **value.model_dump(mode="json", exclude_unset=True)}


class _Configured:
    """How pydantic reads and writes a field of interventions."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        listed: Any = Union[tuple(INTERVENTIONS.values())]  # noqa: UP007
        one = core_schema.no_info_wrap_validator_function(
            _read, handler.generate_schema(Annotated[listed, Field(discriminator="kind")])
        )
        choices: dict[Any, CoreSchema] = {
            "none": core_schema.none_schema(),
            "one": one,
            "several": core_schema.tuple_schema([one], variadic_item_index=0),
        }
        writing = core_schema.plain_serializer_function_ser_schema(_written)
        return core_schema.tagged_union_schema(choices, discriminator=_how, serialization=writing)


Interventions = Annotated[Intervention | tuple[Intervention, ...] | None, _Configured()]


def _how(value: Any) -> str:
    return "none" if value is None else "several" if isinstance(value, list | tuple) else "one"


def _read(value: Any, listed: Any) -> Any:
    if isinstance(value, Intervention):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("intervention", "expected an object of a subclass of Intervention, or a mapping with its kind")
    if DEFINED_IN in value:
        fields = {name: field for name, field in value.items() if name not in ("kind", DEFINED_IN)}
        return Recorded(kind=str(value.get("kind")), defined_in=str(value[DEFINED_IN]), fields=fields)
    return listed(value)


def _written(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [written(one) for one in value]
    return None if value is None else written(value)
