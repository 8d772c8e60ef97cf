"""m2m_changed, seen from either side of the relation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Field, ForeignKey, ManyToManyField, Model
from django.db.models.signals import m2m_changed

from .matching import concrete, saving_classes
from .remembering import Notes

if TYPE_CHECKING:
    from .models import ModelPublisher

_DONE = {"post_add": "added", "post_remove": "removed", "post_clear": "cleared"}


class Relations:
    """Receivers of the changes to the many-to-many fields of one publisher's model."""

    def __init__(self, publisher: ModelPublisher) -> None:
        self.publisher = publisher
        self._classes = frozenset(
            saving_classes(publisher.model, include_subclasses=publisher.config.include_subclasses)
        )

    def connect(self) -> None:
        """Connect to the table of each many-to-many field, those of children included."""
        fields: dict[type[Model], ManyToManyField[Any, Any]] = {}
        for model in self._classes:
            for field in model._meta.many_to_many:
                fields.setdefault(_through(field), field)
        for through, field in fields.items():
            relation = _Relation(field)
            receiver = partial(self.changed, relation)
            self.publisher.listen(m2m_changed, receiver, through, f"m2m_changed:{field.name}")

    def changed(
        self,
        relation: _Relation,
        sender: type[Model],
        instance: Model,
        action: str,
        reverse: bool,
        pk_set: set[Any] | None,
        using: str,
        **kwargs: Any,
    ) -> None:
        """Publish an event for each instance of the model that has other relations than before."""
        publisher = self.publisher
        if publisher.silent(raw=False) or (not reverse and type(instance) not in self._classes):
            return
        try:
            if action == "pre_clear":
                relation.clearing(instance, using, reverse=reverse)
            elif action in _DONE:
                # post_add is sent as well when everything was there already.
                ids = relation.cleared(instance) if action == "post_clear" else pk_set
                if ids:
                    self._announce(relation, instance, _DONE[action], _ordered(ids), using, reverse=reverse)
        except Exception as error:
            publisher.failed(error, f"{publisher.model._meta.label} m2m_changed ({relation.field.name})")

    def _announce(
        self, relation: _Relation, instance: Model, action: str, ids: list[Any], using: str, *, reverse: bool
    ) -> None:
        publisher = self.publisher
        m2m: dict[str, Any] = {"field": relation.field.name, "action": action, "ids": ids}
        if not reverse:
            publisher.announce(instance, "m2m_changed", using, m2m=m2m)
            return
        m2m["ids"] = [getattr(instance, relation.far.target_field.attname)]
        if not publisher.needs_instance and relation.names_keys_of(publisher.model):
            for pk in ids:
                publisher.announce_key(pk, "m2m_changed", using, m2m=m2m)
            return
        for affected in relation.instances(publisher.model, ids, using):
            publisher.announce(affected, "m2m_changed", using, m2m=m2m)


class _Relation:
    """One many-to-many field.

    Attributes:
        field: the field.
        near: the foreign key of its through table to the model that has the field.
        far: the foreign key to the other model.
    """

    def __init__(self, field: ManyToManyField[Any, Any]) -> None:
        through = _through(field)
        self.field = field
        self.near = _foreign_key(through, field.m2m_field_name())
        self.far = _foreign_key(through, field.m2m_reverse_field_name())
        self._cleared: Notes[list[Any]] = Notes()

    def clearing(self, instance: Model, using: str, *, reverse: bool) -> None:
        """Note what is about to be cleared: afterwards nobody knows. One query."""
        here, there = (self.far, self.near) if reverse else (self.near, self.far)
        rows = here.model._default_manager.using(using).filter(
            **{here.attname: getattr(instance, here.target_field.attname)}
        )
        self._cleared.put(instance, list(rows.values_list(there.attname, flat=True)))

    def cleared(self, instance: Model) -> list[Any]:
        """Return what `clearing` noted."""
        return self._cleared.take(instance) or []

    def names_keys_of(self, model: type[Model]) -> bool:
        """Return whether the ids on the side of the field are primary keys of `model`."""
        return concrete(self.field.model) is concrete(model) and self.near.target_field.primary_key

    def instances(self, model: type[Model], ids: Sequence[Any], using: str) -> Iterable[Model]:
        """Return the instances that `ids` mean, as far as they are instances of `model`. One query."""
        child_has_it = concrete(self.field.model) is not concrete(model) and issubclass(self.field.model, model)
        manager = (self.field.model if child_has_it else model)._base_manager
        return manager.using(using).filter(**{f"{self.near.target_field.attname}__in": ids}).order_by("pk")


def _through(field: ManyToManyField[Any, Any]) -> type[Model]:
    through = field.remote_field.through
    assert through is not None
    return through


def _foreign_key(through: type[Model], name: str) -> ForeignKey[Any, Any]:
    field: Field[Any, Any] | Any = through._meta.get_field(name)
    assert isinstance(field, ForeignKey)
    return field


def _ordered(ids: Iterable[Any]) -> list[Any]:
    try:
        return sorted(ids)
    except TypeError:
        return list(ids)
