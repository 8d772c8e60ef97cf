"""What a save changed in its row: whether it is worth an event (ONLY_IF_CHANGED), and what to tell of it (CHANGES)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any, NamedTuple

from django.db.models import Field, FileField, Model

from .remembering import Notes
from .snapshot import Reader, key_fields, stored

_SAVE_BASE = Model.save_base.__code__


class _Before(NamedTuple):
    """What is known of a row before it is saved."""

    row: Mapping[str, Any] | None
    """The values that the save may change, by attname. None: there was no row, or nobody knows."""
    counts: bool = True
    """Whether the save may change what is tracked."""


_UNKNOWN = _Before(None)
_OTHER_COLUMNS = _Before(None, counts=False)


class Verdict(NamedTuple):
    """What is known of a save when it ends."""

    counts: bool
    """Whether it created the row or changed a tracked column."""
    changes: Mapping[str, Any] | None = None
    """Old and new value by name in the data; None if there is nothing to tell, or nobody knows."""
    known: Mapping[str, Any] | None = None
    """Stored values that had to be read, by attname."""


CREATED = Verdict(True)


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
    """Compares rows before and after they are written.

    Args:
        model: the publisher's model.
        tracked: the fields of which one must have changed; none if every save counts.
        told: by name in the data, the fields whose changes are told.
        data: what the publisher reads for its events; used to read once what both need.
    """

    def __init__(
        self,
        model: type[Model],
        *,
        tracked: Collection[Field[Any, Any]],
        told: Mapping[str, Field[Any, Any]] | None,
        data: Reader,
    ) -> None:
        self.model = model
        self._pk_attname: str = model._meta.pk.attname
        self._inserted_unseen = all(f.has_default() or f.has_db_default() for f in key_fields(model))
        self._tracked = {field.attname for field in tracked}
        self._told = None if told is None else {name: field.attname for name, field in told.items()}
        self._fields = {field.attname: field for field in [*tracked, *(told or {}).values()]}
        self._data = data
        self._readers: dict[tuple[str, ...], Reader] = {}
        self._notes: Notes[dict[int, _Before]] = Notes()

    def watched(self, written: Collection[str] | None) -> list[str] | None:
        """Return the attnames of the columns to compare.

        Args:
            written: names of the fields that are written; None stands for all.

        None if nothing that is tracked can change.
        """
        attnames = [
            attname
            for attname, field in self._fields.items()
            # A generated column changes with whatever it is made from.
            if written is None or field.name in written or attname in written or getattr(field, "generated", False)
        ]
        return attnames if not self._tracked or self._tracked.intersection(attnames) else None

    def begin(self, instance: Model, using: str, update_fields: Collection[str] | None) -> None:
        """Note what the row holds, before it is saved. At most one query.

        Within a transaction this locks the row, where the database can: a save that waits for another one would
        otherwise be compared with what that has overwritten.
        """
        saves = self._notes.get(instance)
        if saves is None:
            self._notes.put(instance, saves := {})
        save = _save_under_way()
        # This also writes over the note of an earlier save that failed: its frame is gone, this one has its
        # place.
        saves[save] = _UNKNOWN
        saves[save] = self._before(instance, using, update_fields)

    def _before(self, instance: Model, using: str, update_fields: Collection[str] | None) -> _Before:
        attnames = self.watched(update_fields)
        if attnames is None:
            return _OTHER_COLUMNS
        pk = getattr(instance, self._pk_attname)
        if instance._state.adding and (self._inserted_unseen or pk is None):
            return _UNKNOWN
        return _Before(stored(self.model, pk, attnames, using, to_write=True) if attnames else {})

    def end(self, instance: Model, using: str, *, created: bool) -> Verdict:
        """Return what the save that ends has done. At most one query."""
        saves = self._notes.get(instance) or {}
        before = saves.pop(_save_under_way(), _UNKNOWN)
        if not saves:
            self._notes.take(instance)
        if created:
            return CREATED
        if before.row is None:
            return Verdict(before.counts)
        reader = self._reader(tuple(before.row))
        known = None
        if missing := reader.missing(instance, updated=True):
            missing += self._data.missing(instance, updated=True)
            known = stored(self.model, getattr(instance, self._pk_attname), list(dict.fromkeys(missing)), using)
        return self.verdict(before.row, instance, using, known)

    def verdict(
        self, before: Mapping[str, Any], instance: Model, using: str, known: Mapping[str, Any] | None = None
    ) -> Verdict:
        """Return what became of a row, whose watched values were `before` and are what `instance` holds now."""
        now = self._reader(tuple(before)).read(instance, using, updated=True, known=known)
        changed = {attname for attname, old in before.items() if not self._same(attname, old, now[attname])}
        if self._tracked and not self._tracked & changed:
            return Verdict(False)
        if self._told is None:
            return Verdict(True, known=known)
        changes = {
            name: {"old": before[attname], "new": now[attname]}
            for name, attname in self._told.items()
            if attname in changed
        }
        return Verdict(True, changes, known)

    def _reader(self, attnames: tuple[str, ...]) -> Reader:
        reader = self._readers.get(attnames)
        if reader is None:
            reader = self._readers[attnames] = Reader(self.model, [self._fields[a] for a in attnames])
        return reader

    def _same(self, attname: str, before: object, now: object) -> bool:
        if isinstance(self._fields[attname], FileField):
            return (before or "") == (now or "")
        return bool(before == now)
