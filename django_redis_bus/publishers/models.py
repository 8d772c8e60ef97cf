"""Publishers with MODEL: which part of an instance becomes data, topic, key and type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import Field, Model

from django_redis_bus.core.config import PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError

from .addressing import Lookup, Template, on_instance, text_of
from .deletes import Deletes
from .matching import find_model
from .publisher import Publisher
from .relations import Relations
from .saves import Saves
from .snapshot import Reader, column_field, key_fields

ACTIONS = ("created", "updated", "deleted", "m2m_changed")


class _Row(NamedTuple):
    """What TOPIC, TYPE and KEY look at: stored values of columns, and the instance for the rest."""

    values: Mapping[str, Any]
    instance: Model | None


def type_text(model: type[Model], config: PublisherConfig) -> str:
    """Return TYPE, or what stands for it: a pattern in which {action} is still to be filled in."""
    return config.type or f"{model._meta.app_label}.{model._meta.model_name}.{{action}}"


def data_fields(model: type[Model], config: PublisherConfig) -> dict[str, Field[Any, Any]]:
    """Return the field of each name in the data, as FIELDS and EXCLUDE ask for; PAYLOAD is not looked at.

    Raises ConfigurationError for a name that is no column.
    """
    if config.fields is not None and config.fields != "__all__":
        names = list(config.fields)
    elif config.fields or config.exclude:
        names = [field.name for field in model._meta.concrete_fields]
    else:
        names = [field.name for field in key_fields(model)]
    excluded = {column_field(model, name) for name in config.exclude}
    fields = {name: column_field(model, name) for name in names}
    return {name: field for name, field in fields.items() if field not in excluded}


class ModelPublisher(Publisher):
    """Publishes what happens to the instances of one model.

    Attributes:
        model: as configured; instances may also be of its proxies and, with INCLUDE_SUBCLASSES, of its
        children. reader: reads the columns that data, topic and key need, in one go. needs_instance: whether
        an event takes more than a primary key.
    """

    def __init__(self, alias: str, config: PublisherConfig) -> None:
        super().__init__(alias, config)
        self.model = find_model(config.model or "")
        unknown = set(config.actions) - set(ACTIONS)
        if unknown:
            raise ConfigurationError(f"unknown ACTIONS: {', '.join(sorted(unknown))}")
        self._own_key = [field.attname for field in key_fields(self.model)]
        self._columns = {field.attname: field for field in key_fields(self.model)}
        self._attributes = False
        self._data = [] if self.payload else self._data_columns()
        self._topic = Template(config.topic, self._lookup)
        event_type = type_text(self.model, config)
        self._types = {a: Template(event_type.replace("{action}", a), self._lookup) for a in ACTIONS}
        self._key = self._lookup(config.key) if config.key else None
        self.reader = Reader(self.model, self._columns.values())
        self.reads_more_than_key = len(self._columns) > len(self._own_key)
        self.needs_instance = bool(self.payload or self.when or self._attributes or self.reads_more_than_key)
        self._parts: list[Saves | Deletes | Relations] = []
        if {"created", "updated"} & set(config.actions):
            self._parts.append(Saves(self))
        if "deleted" in config.actions:
            self._parts.append(Deletes(self))
        if "m2m_changed" in config.actions:
            self._parts.append(Relations(self))

    def connect(self) -> None:
        """Connect to the signals of ACTIONS, of each class whose instances count as the model's."""
        for part in self._parts:
            part.connect()

    def _data_columns(self) -> list[tuple[str, str]]:
        """Return the name in the data and the attname of each column that FIELDS and EXCLUDE ask for."""
        return [(name, self._read(field)) for name, field in data_fields(self.model, self.config).items()]

    def _read(self, field: Field[Any, Any]) -> str:
        self._columns[field.attname] = field
        return field.attname

    def _lookup(self, path: str) -> Lookup:
        """Return the lookup of a path on a `_Row`: a column's stored value, or an attribute."""
        try:
            attname = self._read(column_field(self.model, path))
        except ConfigurationError:
            self._attributes = True
            attribute = on_instance(path)
            return lambda row: attribute(row.instance)
        return lambda row: row.values[attname]

    def announce(
        self,
        instance: Model,
        action: str,
        using: str,
        *,
        known: Mapping[str, Any] | None = None,
        m2m: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish that `action` happened to `instance`, unless WHEN says no.

        Args:
            using: the database it happened on.
            known: values of columns read earlier, for a row that is gone.
            m2m: what is added to the data under "m2m".
        """
        if self.when is not None and not self.when(instance, action):
            return
        values = self.reader.read(instance, using, updated=action in ("updated", "m2m_changed"), known=known)
        data = self.payload(instance, action) if self.payload is not None else self._named(values)
        self._publish(_Row(values, instance), data, action, using, m2m)

    def announce_key(self, pk: object, action: str, using: str, *, m2m: Mapping[str, Any]) -> None:
        """Publish that `action` happened to the row `pk`; for publishers that need no instance."""
        values = dict.fromkeys(self._own_key, pk)
        self._publish(_Row(values, None), self._named(values), action, using, m2m)

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[attname] for name, attname in self._data}

    def _publish(self, row: _Row, data: object, action: str, using: str, m2m: Mapping[str, Any] | None) -> None:
        if m2m is not None and isinstance(data, Mapping):
            data = {**data, "m2m": m2m}
        subject = text_of(tuple(row.values[attname] for attname in self._own_key))
        self.publish(
            self._about(subject, action),
            data,
            topic=self._topic.name(row),
            type=self._types[action].name(row),
            key=subject if self._key is None else text_of(self._key(row)),
            subject=subject,
            using=using,
        )

    def about(self, instance: Model, action: str) -> str:
        """Return what an event is about, for the log: model, primary key and action, nothing else."""
        return self._about(text_of(getattr(instance, self.model._meta.pk.attname)), action)

    def _about(self, subject: str | None, action: str) -> str:
        # A key may be any text, also one with line breaks that would forge log lines.
        return f"{self.model._meta.label} {subject!r:.100} {action}"
