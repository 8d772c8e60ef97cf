"""ONLY_IF_CHANGED: whether a save changed any of the tracked columns of the row."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any

from django.db.models import Field, FileField, Model

from .remembering import Notes
from .snapshot import Reader, key_fields, stored

_SAVE_BASE = Model.save_base.__code__
# What the row held before the save, by attname. Empty: there was no row, or nobody knows.
Before = Mapping[str, Any]


def _save_under_way() -> int:
    """Return an identity of the innermost save_base() that this is called from, 0 outside of any.

    pre_save and post_save say nothing that sets one save apart from another of the same instance, which any
    receiver may make in between, and which may fail. Their common caller does.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _SAVE_BASE:
        frame = frame.f_back
    return id(frame) if frame is not None else 0


class Changes:
    """Compares rows before and after saves.

    Args:
        model: the publisher's model.
        fields: the tracked fields.
    """

    def __init__(self, model: type[Model], fields: Collection[Field[Any, Any]]) -> None:
        self.model = model
        self._pk_attname: str = model._meta.pk.attname
        self._inserted_unseen = all(f.has_default() or f.has_db_default() for f in key_fields(model))
        self._fields = {field.attname: field for field in fields}
        self._readers: dict[tuple[str, ...], Reader] = {}
        # None in place of a row: the save cannot change what is tracked.
        self._notes: Notes[dict[int, Before | None]] = Notes()

    def begin(self, instance: Model, using: str, update_fields: Collection[str] | None) -> None:
        """Note what the row holds, before it is saved. At most one query."""
        saves = self._notes.get(instance)
        if saves is None:
            self._notes.put(instance, saves := {})
        save = _save_under_way()
        # This also writes over the note of an earlier save that failed: its frame is gone, this one has its
        # place.
        saves[save] = {}
        saves[save] = self._row(instance, using, update_fields)

    def _row(self, instance: Model, using: str, update_fields: Collection[str] | None) -> Before | None:
        written = [
            attname
            for attname, field in self._fields.items()
            # A generated column changes with whatever it is made from.
            if update_fields is None
            or field.name in update_fields
            or attname in update_fields
            or getattr(field, "generated", False)
        ]
        if not written:
            return None
        pk = getattr(instance, self._pk_attname)
        if instance._state.adding and (self._inserted_unseen or pk is None):
            return {}
        return stored(self.model, pk, written, using) or {}

    def end(self, instance: Model, using: str, *, created: bool) -> bool:
        """Return whether the save that ends created the row or changed a tracked column. At most one query."""
        saves = self._notes.get(instance) or {}
        before = saves.pop(_save_under_way(), {})
        if not saves:
            self._notes.take(instance)
        if created:
            return True
        if before is None:
            return False
        if not before:
            return True
        now = self._reader(tuple(before)).read(instance, using, updated=True)
        return any(not self._same(attname, old, now[attname]) for attname, old in before.items())

    def _reader(self, attnames: tuple[str, ...]) -> Reader:
        reader = self._readers.get(attnames)
        if reader is None:
            reader = self._readers[attnames] = Reader(self.model, [self._fields[a] for a in attnames])
        return reader

    def _same(self, attname: str, before: object, now: object) -> bool:
        if isinstance(self._fields[attname], FileField):
            return (before or "") == (now or "")
        return bool(before == now)
