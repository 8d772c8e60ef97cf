"""Which writes to published models send no signals and so make no events: what `bus_audit` says of the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from django.db.models import SET_DEFAULT, SET_NULL, ForeignKey, Manager, Model

from django_redis_bus.core.config import BusConfig
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.querysets import PublishingQuerySet

from .matching import concrete, find_model, saving_classes

Kind = Literal["manager", "relation", "on_delete", "m2m", "parent", "call", "sql"]

# The writes that no signal announces, and the action that each would be.
UNANNOUNCED = {"bulk_create": "created", "bulk_update": "updated", "update": "updated"}
_MANAGER = "Use PublishingManager, or a manager of a queryset based on PublishingQuerySet."
_BASE_MANAGER = 'Name a publishing manager for it: class Meta: base_manager_name = "objects".'


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One way to write to a published model without an event.

    Attributes:
        where: the manager, field or place in the code.
        what: what happens there.
        mend: what to do.
        path, line: of the place in the code.
    """

    kind: Kind
    where: str
    what: str
    mend: str
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """One model with its publishers.

    Attributes:
        publishers: the names in PUBLISHERS, by bus.
        actions: what they publish, all together.
        classes: the classes whose instances count as the model's.
    """

    model: type[Model]
    publishers: tuple[tuple[str, str], ...]
    actions: frozenset[str]
    classes: tuple[type[Model], ...]

    @cached_property
    def unannounced(self) -> list[str]:
        """The methods of a plain manager that would have to make events."""
        return [method for method, action in UNANNOUNCED.items() if action in self.actions]


def published(buses: Iterable[BusConfig]) -> list[Published]:
    """Return the models that are published, leaving out entries that the system checks complain about."""
    entries: dict[type[Model], list[tuple[str, Any]]] = {}
    for bus in buses:
        for config in bus.publishers.values():
            if config.model is None or not config.enabled:
                continue
            try:
                entries.setdefault(find_model(config.model), []).append((bus.alias, config))
            except ConfigurationError:
                continue
    return [
        Published(
            model=model,
            publishers=tuple((alias, config.name) for alias, config in found),
            actions=frozenset(action for _, config in found for action in config.actions),
            classes=tuple(
                saving_classes(model, include_subclasses=any(config.include_subclasses for _, config in found))
            ),
        )
        for model, found in entries.items()
    ]


def publishes(manager: Manager[Any]) -> bool:
    """Return whether the writes of a manager are published."""
    try:
        queryset: object = manager.get_queryset()
    except Exception:  # it may want a request, a tenant, …
        return issubclass(getattr(manager, "_queryset_class", object), PublishingQuerySet)
    return isinstance(queryset, PublishingQuerySet)


def holes(entry: Published) -> list[Finding]:
    """Return the ways to write to a published model that its definition leaves open."""
    return [*_managers(entry), *_foreign_keys(entry), *_many_to_many(entry), *_parents(entry)]


def _managers(entry: Published) -> Iterator[Finding]:
    told: dict[str, list[type[Model]]] = {}
    for model in sorted(entry.classes, key=lambda model: len(model.__mro__)):
        for manager in model._meta.managers:
            inherited = any(issubclass(model, other) for other in told.get(manager.name, ()))
            if not entry.unannounced or inherited or publishes(manager):
                continue
            told.setdefault(manager.name, []).append(model)
            default = " (the default manager)" if manager.name == model._default_manager.name else ""
            yield Finding(
                kind="manager",
                where=f"{model.__name__}.{manager.name}{default}",
                what=f"{_listed(entry.unannounced)} make no events",
                mend=_MANAGER,
            )


def _foreign_keys(entry: Published) -> Iterator[Finding]:
    model = entry.model
    for field in model._meta.concrete_fields:
        if not isinstance(field, ForeignKey) or field.remote_field.parent_link:
            continue
        related, on_delete = field.related_model, field.remote_field.on_delete
        where, other = f"{model.__name__}.{field.name}", related._meta.label
        by_base_manager = "updated" in entry.actions and not publishes(model._base_manager)
        if by_base_manager and field.many_to_one and not field.remote_field.hidden:
            accessor = f"{related.__name__}.{field.remote_field.accessor_name}"
            what = f"{accessor}.add() updates it through the base manager, without events"
            yield Finding(kind="relation", where=where, what=what, mend=_BASE_MANAGER)
        if "updated" in entry.actions and (on_delete in (SET_NULL, SET_DEFAULT) or hasattr(on_delete, "deconstruct")):
            if not hasattr(on_delete, "lazy_sub_objs"):
                what = f"deleting a {other} sets it by no manager at all, without events"
                mend = f"Use SET_NULL or SET() with a value, or update the rows before you delete a {related.__name__}."
                yield Finding(kind="on_delete", where=where, what=what, mend=mend)
            elif by_base_manager:
                what = f"deleting a {other} sets it through the base manager, without events"
                yield Finding(kind="on_delete", where=where, what=what, mend=_BASE_MANAGER)
        # Django 6.1 and later.
        if (by_database := getattr(on_delete, "operation", None)) is not None:
            action = "deleted" if by_database == "CASCADE" else "updated"
            if action in entry.actions:
                what = f"deleting a {other} makes the database {by_database} its rows, without events"
                mend = f"Let Django do it: on_delete=models.{by_database.replace(' ', '_')}."
                yield Finding(kind="on_delete", where=where, what=what, mend=mend)


def _many_to_many(entry: Published) -> Iterator[Finding]:
    fields = {field for model in entry.classes for field in model._meta.many_to_many}
    if "m2m_changed" not in entry.actions:
        return
    for field in sorted(fields, key=lambda field: field.name):
        where, other = f"{field.model.__name__}.{field.name}", field.related_model
        remote = field.remote_field
        first = "" if remote.hidden else f": {other._meta.model_name}.{remote.accessor_name}.clear()"
        yield Finding(
            kind="m2m",
            where=where,
            what=f"deleting a {other._meta.label} removes it from there, and Django sends no m2m_changed",
            mend=f"Remove its relations first{first}.",
        )
        through: Any = remote.through
        if not through._meta.auto_created:
            yield Finding(
                kind="m2m",
                where=where,
                what=f"a {through._meta.label} that is saved or deleted as such sends no m2m_changed",
                mend=f"Publish {through._meta.label} as well.",
            )


def _parents(entry: Published) -> Iterator[Finding]:
    for parent in entry.model._meta.get_parent_list():
        if concrete(parent) is not parent or concrete(parent) is concrete(entry.model):
            continue
        yield Finding(
            kind="parent",
            where=parent._meta.label,
            what=f"saving a row as its parent, a {parent.__name__}, is no signal of {entry.model.__name__}",
            mend=f"Publish {parent._meta.label} as well.",
        )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
