"""What a payload type asks for, as a short list of plain fields: what a form for it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

import msgspec
import msgspec.inspect as inspect

from ..core.payloads import type_name
from ..core.serializers import is_model, plain

Kind: TypeAlias = Literal["text", "int", "float", "decimal", "bool", "choice", "date", "datetime", "uuid", "json"]
MOST_FIELDS = 100
"""A type of more is filled in as JSON."""
MOST_CHOICES = 500
HELP_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a payload.

    Attributes:
        name: on the wire.
        kind: what is to be filled in; "json" for everything that is more than one value, or of a rare type.
        required: it has no default.
        nullable: it may be null.
        default: plain value; None where there is none, or where it is made anew each time.
        choices: of a "choice", plain values.
        least, most: bounds of a number, or of the characters of a text; None if there is none.
        help: as the type's author says.
    """

    name: str
    kind: Kind
    required: bool = True
    nullable: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a payload type asks for.

    Attributes:
        name: of the type; "" if any plain values will do.
        fields: None if it is no type with fields: it is filled in as JSON.
    """

    name: str = ""
    fields: tuple[Field, ...] | None = None


def shape_of(kind: Any) -> Shape:
    """Return what a payload type asks for: a dataclass, TypedDict, msgspec.Struct, pydantic model, or Any."""
    if kind is Any:
        return Shape()
    fields = tuple(_model_fields(kind) if is_model(kind) else _fields(inspect.type_info(kind)))
    usable = 0 < len(fields) <= MOST_FIELDS
    return Shape(name=type_name(kind), fields=fields if usable else None)


def _fields(info: Any) -> Iterator[Field]:
    # A tagged Struct needs its tag in the data, and only JSON has a place for it.
    if getattr(info, "tag", None) is not None or getattr(info, "array_like", False):
        return
    if not isinstance(info, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
        return
    for each in info.fields:
        default = None if each.default is msgspec.NODEFAULT else _plain(each.default)
        yield _field(each.encode_name, each.type, required=each.required, default=default)


def _model_fields(model: Any) -> Iterator[Field]:
    for name, about in getattr(model, "model_fields", {}).items():
        required = about.is_required()
        try:
            info: Any = inspect.type_info(about.annotation)
        except (TypeError, NameError):
            info = inspect.AnyType()  # pydantic knows more types than msgspec
        default = None if required or about.default_factory is not None else _plain(about.default)
        yield _field(
            about.validation_alias if isinstance(about.validation_alias, str) else about.alias or name,
            info,
            required=required,
            default=default,
            help=about.description or "",
        )


def _field(name: str, info: Any, *, required: bool, default: Any, help: str = "") -> Field:
    nullable, about = False, help
    while True:
        if isinstance(info, inspect.Metadata):
            schema = info.extra_json_schema or {}
            about = about or str(schema.get("description") or schema.get("title") or "")
            info = info.type
        elif isinstance(info, inspect.UnionType) and any(isinstance(t, inspect.NoneType) for t in info.types):
            nullable = True
            rest = [t for t in info.types if not isinstance(t, inspect.NoneType)]
            info = rest[0] if len(rest) == 1 else inspect.AnyType()
        else:
            break
    kind, choices = _kind(info)
    least, most = _bounds(info)
    return Field(
        name=name,
        kind=kind,
        required=required,
        nullable=nullable,
        default=default,
        choices=choices,
        least=least,
        most=most,
        help=about[:HELP_CHARS],
    )


_KINDS: dict[type, Kind] = {
    inspect.StrType: "text",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.DecimalType: "decimal",
    inspect.BoolType: "bool",
    inspect.DateType: "date",
    inspect.UUIDType: "uuid",
}


def _kind(info: Any) -> tuple[Kind, tuple[Any, ...]]:
    if isinstance(info, inspect.EnumType):
        return _choice([member.value for member in info.cls])
    if isinstance(info, inspect.LiteralType):
        return _choice(list(info.values))
    if isinstance(info, inspect.DateTimeType):
        # One that must have no zone is not what a form makes.
        return ("json" if info.tz is False else "datetime"), ()
    return _KINDS.get(type(info), "json"), ()


def _choice(values: list[Any]) -> tuple[Kind, tuple[Any, ...]]:
    if 0 < len(values) <= MOST_CHOICES and all(isinstance(value, str | int) for value in values):
        return "choice", tuple(values)
    return "json", ()


def _bounds(info: Any) -> tuple[float | None, float | None]:
    if isinstance(info, inspect.StrType):
        return info.min_length, info.max_length
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return info.ge, info.le
    return None, None


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if value is msgspec.UNSET:
        return None
    try:
        return msgspec.to_builtins(value, enc_hook=plain)
    except Exception:  # whatever its author has made the default of a payload
        return None
