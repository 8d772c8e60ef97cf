"""created and updated."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import post_save, pre_save

from .changes import Changes
from .matching import saving_classes
from .snapshot import column_field

if TYPE_CHECKING:
    from .models import ModelPublisher


class Saves:
    """Receivers of the saves of one publisher's model."""

    def __init__(self, publisher: ModelPublisher) -> None:
        self.publisher = publisher
        self._actions = frozenset(publisher.config.actions)
        tracked = {column_field(publisher.model, name) for name in publisher.config.only_if_changed}
        self._changes = Changes(publisher.model, tracked) if tracked and "updated" in self._actions else None

    def connect(self) -> None:
        """Connect to each class whose saves count."""
        publisher = self.publisher
        for sender in saving_classes(publisher.model, include_subclasses=publisher.config.include_subclasses):
            publisher.listen(post_save, self.saved, sender, "post_save")
            if self._changes is not None:
                publisher.listen(pre_save, self.saving, sender, "pre_save")

    def saving(
        self,
        sender: type[Model],
        instance: Model,
        raw: bool,
        using: str,
        update_fields: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note what ONLY_IF_CHANGED will compare."""
        if self._changes is None or self.publisher.silent(raw):
            return
        try:
            self._changes.begin(instance, using, update_fields)
        except Exception as error:
            self.publisher.failed(error, self.publisher.about(instance, "updated"))

    def saved(self, sender: type[Model], instance: Model, created: bool, raw: bool, using: str, **kwargs: Any) -> None:
        """Publish."""
        publisher = self.publisher
        if publisher.silent(raw):
            return
        action = "created" if created else "updated"
        try:
            if self._changes is not None and not self._changes.end(instance, using, created=created):
                return
            if action in self._actions:
                publisher.announce(instance, action, using)
        except Exception as error:
            publisher.failed(error, publisher.about(instance, action))
