"""deleted: one event for each row that goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import post_delete, pre_delete

from .matching import cascading_classes, child_classes, row_classes
from .remembering import Notes
from .snapshot import stored

if TYPE_CHECKING:
    from .models import ModelPublisher

# Who wants to hear of rows that may go when rows of a class do.
_listening: dict[type[Model], list[Deletes]] = {}


def listening(model: type[Model]) -> bool:
    """Return whether deleting instances of `model` may make events now, its cascades included."""
    return any(not deletes.publisher.silent(raw=False) for deletes in _listening.get(model, ()))


class Deletes:
    """Receivers of the deletions of one publisher's model.

    The rows of the model's own table are watched, not those of its children: Django announces a deleted
    child once as the child and once as its parent, and with `keep_parents=True` the row of the parent stays.
    The parent's announcement is therefore the one that tells the truth about the parent's row, and there is
    one for each.
    """

    def __init__(self, publisher: ModelPublisher) -> None:
        self.publisher = publisher
        model = publisher.model
        self._pk_attname: str = model._meta.pk.attname
        self._rows = row_classes(model)
        self._strangers = [] if publisher.config.include_subclasses else child_classes(model)
        self._origins: list[type[Model]] = []
        # One delete() may collect the same row as a proxy and as the concrete class, and announce both.
        self._may_repeat = len(self._rows) > 1 or bool(self._strangers)
        # Primary keys dealt with, by the instance or queryset whose delete() is under way.
        self._done: Notes[set[object]] = Notes()
        self._read_before: Notes[Mapping[str, Any]] = Notes()

    def connect(self) -> None:
        """Connect to the classes over the model's table."""
        publisher = self.publisher
        for sender in self._rows:
            publisher.listen(post_delete, self.deleted, sender, "post_delete")
            if self._may_repeat or publisher.reads_more_than_key:
                publisher.listen(pre_delete, self.deleting, sender, "pre_delete")
        for sender in self._strangers:
            publisher.listen(post_delete, self.stranger_deleted, sender, "post_delete")
        self._origins = cascading_classes(publisher.model)
        for origin in self._origins:
            _listening.setdefault(origin, []).append(self)

    def disconnect(self) -> None:
        """Undo what connect() did beside connecting receivers."""
        for origin in self._origins:
            _listening[origin].remove(self)
        self._origins = []

    def deleting(self, sender: type[Model], instance: Model, using: str, origin: object = None, **kwargs: Any) -> None:
        """Read what the instance does not hold, while its row is there."""
        # Every pre_delete comes before the first post_delete: what is noted here is of an earlier deletion.
        done = self._done.get(origin) if origin is not None else None
        if done is not None:
            done.discard(getattr(instance, self._pk_attname))
        publisher = self.publisher
        if publisher.silent(raw=False):
            return
        try:
            missing = publisher.reader.missing(instance)
            if missing:
                row = stored(publisher.model, getattr(instance, self._pk_attname), missing, using)
                self._read_before.put(instance, row or {})
        except Exception as error:
            publisher.failed(error, publisher.about(instance, "deleted"))

    def deleted(self, sender: type[Model], instance: Model, using: str, origin: object = None, **kwargs: Any) -> None:
        """Publish, unless this row was dealt with."""
        known = self._read_before.take(instance)
        publisher = self.publisher
        if publisher.silent(raw=False) or not self._first_time(instance, origin):
            return
        try:
            publisher.announce(instance, "deleted", using, known=known)
        except Exception as error:
            publisher.failed(error, publisher.about(instance, "deleted"))

    def stranger_deleted(self, sender: type[Model], instance: Model, origin: object = None, **kwargs: Any) -> None:
        """Keep the parent half of a child's deletion quiet: INCLUDE_SUBCLASSES is False."""
        self._first_time(instance, origin)

    def _first_time(self, instance: Model, origin: object) -> bool:
        if not self._may_repeat or origin is None:
            return True
        done = self._done.get(origin)
        if done is None:
            self._done.put(origin, done := set())
        pk = getattr(instance, self._pk_attname)
        if pk in done:
            return False
        done.add(pk)
        return True
