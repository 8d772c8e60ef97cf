"""The values of an instance's columns, as they stand in its row after the save that is being announced."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import django
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connections
from django.db.models import CompositePrimaryKey, Field, FileField, ForeignKey, Model, QuerySet
from django.db.models.fields.files import FieldFile

from django_redis_bus.core.exceptions import ConfigurationError, did_you_mean

from .decimals import Rounding, rounding

# What a column of Django's own field classes holds once it is stored. `Order(total="9.90")` holds a str
# until it is loaded again; the event says Decimal both times.
_KINDS: Mapping[str, type] = {
    "AutoField": int, "BigAutoField": int, "SmallAutoField": int, "IntegerField": int, "BigIntegerField": int,
    "SmallIntegerField": int, "PositiveIntegerField": int, "PositiveBigIntegerField": int,
    "PositiveSmallIntegerField": int, "BooleanField": bool, "DecimalField": decimal.Decimal,
    "FloatField": float, "CharField": str, "TextField": str, "SlugField": str, "UUIDField": uuid.UUID,
    "DateTimeField": dt.datetime, "DateField": dt.date, "TimeField": dt.time,
    "DurationField": dt.timedelta,
}  # fmt: skip
# Until Django 6.0 an update leaves the old value of a GeneratedField on the instance.
_GENERATED_GO_STALE = django.VERSION < (6, 0)


class Column(NamedTuple):
    """One column that a publisher reads."""

    attname: str
    kind: type | None
    """The type of a stored value; None for fields that are not Django's own."""
    clean: Callable[[Any], Any]
    """Makes what was assigned what will be loaded."""
    generated: bool
    kept: Rounding | None
    """Makes a decimal what the column of a database keeps of it; None if that is all of it."""


def column_field(model: type[Model], name: str) -> Field[Any, Any]:
    """Return the concrete field that `name` means: a field's name, its attname ("customer_id") or "pk".

    Raises ConfigurationError, saying what it is instead or what there is.
    """
    if name == "pk" and not isinstance(model._meta.pk, CompositePrimaryKey):
        return model._meta.pk
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    known = [field.name for field in model._meta.concrete_fields]
    label = model._meta.label
    try:
        other = model._meta.get_field(name)
    except FieldDoesNotExist:
        message = f"{label} has no field {name!r}. {did_you_mean(name, known)}Its fields: {', '.join(known)}."
        raise ConfigurationError(message) from None
    kind = "many-to-many" if other.many_to_many else "reverse" if other.auto_created else "virtual"
    raise ConfigurationError(
        f"{label}.{name} is a {kind} field, not a column. Build its part of the data in a PAYLOAD function; "
        f"the columns are: {', '.join(known)}."
    )


def relation_on(model: type[Model], path: str) -> str:
    """Return the foreign keys that an attribute path begins with, as prefetch_related() takes them; "" if none."""
    steps: list[str] = []
    here: Any = model
    for step in path.split("."):
        field = next((f for f in here._meta.concrete_fields if f.name == step), None)
        if not isinstance(field, ForeignKey):
            break
        steps.append(step)
        here = field.related_model
    return "__".join(steps)


def key_fields(model: type[Model]) -> list[Field[Any, Any]]:
    """Return the field or fields of the primary key."""
    return list(model._meta.pk_fields)


def column(field: Field[Any, Any]) -> Column:
    """Return how the column of `field` is read."""
    target = field
    while isinstance(target, ForeignKey):
        target = target.target_field
    kept = rounding(target)
    # A field class of someone else's may well hold something that to_python() would not take.
    own = kept is not None or type(target).__module__.startswith("django.db.models.")
    kind = _KINDS.get(target.get_internal_type()) if own else None
    return Column(field.attname, kind, _cleaner(target, kind), getattr(field, "generated", False), kept)


def _cleaner(field: Field[Any, Any], kind: type | None) -> Callable[[Any], Any]:
    if isinstance(field, FileField):
        return lambda value: value.name if isinstance(value, FieldFile) else value
    if kind is None:
        return lambda value: bytes(value) if isinstance(value, memoryview) else value

    def clean(value: Any) -> Any:
        if isinstance(value, Enum):
            return value.value
        try:
            value = field.to_python(value)
        except (ValidationError, TypeError, ValueError):
            return value
        # A SafeString is a str to everyone but an encoder.
        return str.__str__(value) if isinstance(value, str) else value

    return clean


def locking(queryset: QuerySet[Any], using: str) -> QuerySet[Any]:
    """Return the query that holds its rows against other writers, where the database can. Needs a transaction."""
    # As an UPDATE does: rows that refer to these, and are made meanwhile, must not wait.
    no_key = connections[using].features.has_select_for_no_key_update
    return queryset.using(using).select_for_update(no_key=no_key)


def locks(using: str) -> bool:
    """Return whether rows that are about to be written can be held now: in a transaction of a database that can."""
    connection = connections[using]
    return connection.features.has_select_for_update and not connection.get_autocommit()


def stored(
    model: type[Model], pk: object, attnames: Sequence[str], using: str, *, to_write: bool = False
) -> dict[str, Any] | None:
    """Return the stored values of one row, by attname, with one query; None if there is no such row.

    Args:
        to_write: whether the row is about to be written: within a transaction they are what that will overwrite.
    """
    rows: QuerySet[Any] = model._base_manager.using(using)
    if to_write and locks(using):
        # A manager's own query may have what no database locks.
        rows = locking(QuerySet(model), using)
    # No LIMIT: some databases (Oracle) do not take it together with a lock.
    for row in rows.filter(pk=pk).order_by().values_list(*attnames):
        return dict(zip(attnames, row, strict=True))
    return None


class Reader:
    """Reads some columns of instances of one model.

    Args:
        model: the publisher's model; instances may be of its proxies and children.
        fields: which columns.
    """

    def __init__(self, model: type[Model], fields: Iterable[Field[Any, Any]]) -> None:
        self.model = model
        self._pk_attname: str = model._meta.pk.attname
        self.columns: dict[str, Column] = {field.attname: column(field) for field in fields}

    def missing(self, instance: Model, *, updated: bool = False) -> list[str]:
        """Return the attnames of the columns whose stored value the instance does not hold.

        It lacks deferred fields (asking for them would be one query each), expressions such as F("count") +
        1, and generated columns after an update.
        """
        loaded = instance.__dict__
        return [
            attname
            for attname, (_, kind, _, generated, _) in self.columns.items()
            if attname not in loaded
            or (type(loaded[attname]) is not kind and hasattr(loaded[attname], "resolve_expression"))
            or (generated and updated and _GENERATED_GO_STALE)
        ]

    def read(
        self, instance: Model, using: str, *, updated: bool = False, known: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the stored values by attname, with no query if the instance holds them and with one if not.

        Args:
            updated: whether the instance was just updated, not created.
            known: values read earlier, for a row that is gone by now.
        """
        missing = self.missing(instance, updated=updated)
        fetched = known or {}
        if missing and not fetched:
            fetched = stored(self.model, getattr(instance, self._pk_attname), missing, using) or {}
        if lacking := [attname for attname in missing if attname not in fetched]:
            raise LookupError(f"the row is gone, and the instance does not hold {', '.join(lacking)}")
        values = {}
        for attname, kind, clean, _, kept in self.columns.values():
            value = fetched[attname] if attname in fetched else getattr(instance, attname)
            if value is not None and type(value) is not kind:
                value = clean(value)
            values[attname] = value if kept is None else kept(value, using)
        return values
