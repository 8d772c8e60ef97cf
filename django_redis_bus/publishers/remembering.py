"""Notes about an object, kept between two signals about it and not longer than the object lives."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

Note = TypeVar("Note")


class Notes(Generic[Note]):
    """A mapping from objects to notes, by identity.

    Not a WeakKeyDictionary: model instances compare by primary key, and have no hash before they have one.
    Not an attribute of the instance either: it would be pickled and copied with it.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[Any], Note]] = {}

    def put(self, subject: object, note: Note) -> None:
        """Remember `note` about `subject`, in place of what was there."""
        key = id(subject)
        entries = self._entries
        entries[key] = (weakref.ref(subject, lambda _: entries.pop(key, None)), note)

    def get(self, subject: object) -> Note | None:
        """Return the note about `subject`, if there is one."""
        entry = self._entries.get(id(subject))
        return entry[1] if entry else None

    def take(self, subject: object) -> Note | None:
        """Return the note about `subject` and forget it."""
        entry = self._entries.pop(id(subject), None)
        return entry[1] if entry else None

    def __len__(self) -> int:
        return len(self._entries)
