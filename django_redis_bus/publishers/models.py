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
from .snapshot import Reader, column_field, key_fields, relation_on

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


def told_fields(model: type[Model], config: PublisherConfig) -> dict[str, Field[Any, Any]] | None:
    """Return the field of each name under "changes" in the data, as CHANGES asks for; None if it does not.

    Raises ConfigurationError for a name that is no column, and if there are no names: nothing leaves unnamed.
    """
    if not config.changes:
        return None
    if config.payload is None and (config.fields or config.exclude):
        return data_fields(model, config)
    if config.only_if_changed:
        return {name: column_field(model, name) for name in config.only_if_changed}
    raise ConfigurationError("CHANGES tells old and new values, and neither FIELDS nor ONLY_IF_CHANGED names any")


class ModelPublisher(Publisher):
    """Publishes what happens to the instances of one model.

    Attributes:
        model: as configured; instances may also be of its proxies and, with INCLUDE_SUBCLASSES, of its children.
        reader: reads the columns that data, topic and key need, in one go.
        needs_instance: whether an event takes more than a primary key.
        shows_instance: whether code of the project gets to see the instance.
        relations: the foreign keys that lead from it to what topic and key need.
        told: the fields whose changes are told, None if none are.
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
        self.relations: list[str] = []
        self.told = told_fields(self.model, config)
        self._data = [] if self.payload else self._data_columns()
        self._topic = Template(config.topic, self._lookup)
        event_type = type_text(self.model, config)
        self._types = {a: Template(event_type.replace("{action}", a), self._lookup) for a in ACTIONS}
        self._key = self._lookup(config.key) if config.key else None
        self.reader = Reader(self.model, self._columns.values())
        self.reads_more_than_key = len(self._columns) > len(self._own_key)
        self.shows_instance = bool(self.payload or self.when or self._attributes)
        self.needs_instance = self.shows_instance or self.reads_more_than_key
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

    def disconnect(self) -> None:
        """Undo connect()."""
        super().disconnect()
        for part in self._parts:
            if isinstance(part, Saves | Deletes):
                part.disconnect()

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
            if relation := relation_on(self.model, path):
                self.relations.append(relation)
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
        **parts: Mapping[str, Any] | None,
    ) -> None:
        """Publish that `action` happened to `instance`, unless WHEN says no.

        Args:
            using: the database it happened on.
            known: values of columns read earlier.
            parts: what is added to the data: `m2m`, `changes`.
        """
        if self.when is not None and not self.when(instance, action):
            return
        values = self.reader.read(instance, using, updated=action in ("updated", "m2m_changed"), known=known)
        data = self.payload(instance, action) if self.payload is not None else self._named(values)
        self._publish(_Row(values, instance), data, action, using, parts)

    def announce_key(self, pk: object, action: str, using: str, **parts: Mapping[str, Any]) -> None:
        """Publish that `action` happened to the row `pk`; for publishers that need no instance."""
        values = dict(zip(self._own_key, pk if isinstance(pk, tuple) else (pk,), strict=True))
        self._publish(_Row(values, None), self._named(values), action, using, parts)

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[attname] for name, attname in self._data}

    def _publish(self, row: _Row, data: object, action: str, using: str, parts: Mapping[str, object]) -> None:
        if parts and isinstance(data, Mapping):
            data = {**data, **{name: part for name, part in parts.items() if part is not None}}
        subject = text_of(tuple(row.values[attname] for attname in self._own_key))
        self.publish(
            self.about_key(subject, action),
            data,
            topic=self._topic.name(row),
            type=self._types[action].name(row),
            key=subject if self._key is None else text_of(self._key(row)),
            subject=subject,
            using=using,
        )

    def about(self, instance: Model, action: str) -> str:
        """Return what an event is about, for the log: model, primary key and action, nothing else."""
        return self.about_key(getattr(instance, self.model._meta.pk.attname), action)

    def about_key(self, pk: object, action: str) -> str:
        """Return the same of a row whose primary key is all that is known."""
        # A key may be any text, also one with line breaks that would forge log lines.
        return f"{self.model._meta.label} {text_of(pk)!r:.100} {action}"
