"""created and updated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.db import OperationalError
from django.db.models import Model
from django.db.models.signals import post_save, pre_save

from . import atomic_saves
from .changes import Changes, Verdict
from .matching import saving_classes
from .snapshot import column_field, locks

if TYPE_CHECKING:
    from .models import ModelPublisher

_ALWAYS = Verdict(True)
# Who wants to hear of the saves of a class, also of those that no signal announces.
_listening: dict[type[Model], list[Saves]] = {}


def listening(model: type[Model], action: str) -> list[Saves]:
    """Return those that publish `action` of instances of `model` now, in the order in which they were connected."""
    return [s for s in _listening.get(model, ()) if action in s.actions and not s.publisher.silent(raw=False)]


class Saves:
    """Receivers of the saves of one publisher's model.

    Attributes:
        actions: what is published.
    """

    def __init__(self, publisher: ModelPublisher) -> None:
        config = publisher.config
        self.publisher = publisher
        self.actions = frozenset(config.actions)
        self._classes: list[type[Model]] = []
        self._changes = None
        if "updated" in self.actions and (config.only_if_changed or publisher.told is not None):
            self._changes = Changes(
                publisher.model,
                tracked={column_field(publisher.model, name) for name in config.only_if_changed},
                told=publisher.told,
                data=publisher.reader,
            )

    def connect(self) -> None:
        """Connect to each class whose saves count."""
        publisher = self.publisher
        self._classes = saving_classes(publisher.model, include_subclasses=publisher.config.include_subclasses)
        for sender in self._classes:
            _listening.setdefault(sender, []).append(self)
            publisher.listen(post_save, self.saved, sender, "post_save")
            if self._changes is not None:
                publisher.listen(pre_save, self.saving, sender, "pre_save")
        if publisher.config.delivery == "outbox":
            atomic_saves.begin(self._classes)

    def disconnect(self) -> None:
        """Undo what connect() did beside connecting receivers."""
        for sender in self._classes:
            _listening[sender].remove(self)
        if self.publisher.config.delivery == "outbox":
            atomic_saves.end(self._classes)
        self._classes = []

    def saving(
        self,
        sender: type[Model],
        instance: Model,
        raw: bool,
        using: str,
        update_fields: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note what the row holds."""
        if self._changes is None or self.publisher.silent(raw):
            return
        try:
            self._changes.begin(instance, using, update_fields)
        except Exception as error:
            if isinstance(error, OperationalError) and locks(using):
                # A deadlock: MariaDB has rolled the transaction back by now, and would go on as if it had not.
                raise
            self.publisher.failed(error, self.publisher.about(instance, "updated"))

    def saved(self, sender: type[Model], instance: Model, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
        """Publish."""
        publisher = self.publisher
        if publisher.silent(raw):
            return
        action = "created" if created else "updated"
        try:
            verdict = self._changes.end(instance, using, created=created) if self._changes is not None else _ALWAYS
            if verdict.counts and action in self.actions:
                publisher.announce(instance, action, using, known=verdict.known, changes=verdict.changes)
        except Exception as error:
            publisher.failed(error, publisher.about(instance, action))

    # --- rows that are written without a signal

    def watched(self, written: Collection[str]) -> list[str] | None:
        """Return the attnames of what to know of rows before fields `written` are written; None if that is no event."""
        return [] if self._changes is None else self._changes.watched(written)

    def inserted(self, instance: Model, using: str, known: Mapping[str, Any]) -> None:
        """Publish that the row of `instance` was made; `known` has by attname what the instance does not hold."""
        try:
            self.publisher.announce(instance, "created", using, known=known)
        except Exception as error:
            self.publisher.failed(error, self.publisher.about(instance, "created"))

    def rewritten(self, instance: Model, using: str, before: Mapping[str, Any]) -> None:
        """Publish that the row was updated that `instance` was loaded from; `before` has what is `watched`."""
        try:
            verdict = self._changes.verdict(before, instance, using) if self._changes is not None else _ALWAYS
            if verdict.counts:
                self.publisher.announce(instance, "updated", using, changes=verdict.changes)
        except Exception as error:
            self.publisher.failed(error, self.publisher.about(instance, "updated"))

    def rewritten_unseen(self, pk: object, using: str) -> None:
        """Publish that the row `pk` was updated; for publishers that need no instance, and watch nothing."""
        try:
            self.publisher.announce_key(pk, "updated", using)
        except Exception as error:
            self.publisher.failed(error, self.publisher.about_key(pk, "updated"))
