"""A queryset and a manager that publish what Django sends no signals for: bulk_create, bulk_update and update.

    class Order(models.Model):
        objects = PublishingManager()

They may also be bases of a project's own. Publishers are configured as ever: in PUBLISHERS, for the model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

# What knows the publishers is imported by the methods: this module is imported while models are being made.

Row = TypeVar("Row", bound=models.Model)


class PublishingQuerySet(models.QuerySet[Row]):
    """A queryset whose writes are events as those of `Model.save` are.

    What makes events is one transaction: rows and, with DELIVERY "outbox", the rows of their events. The number of
    queries does not grow with the number of rows, but that of the reads does, in parts of up to 1,000. Where no
    publisher wants to hear of it, nothing is other than in Django.
    """

    def bulk_create(
        self,
        objs: Iterable[Row],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Row]:
        """As Django's; publishes "created" for each row.

        Raises NotSupportedError where a publisher wants events and nobody can tell of which rows: with
        ignore_conflicts or update_conflicts, and on databases that do not return new primary keys (MySQL).
        """
        from .publishers import bulk

        insert = bulk.Insert(self.model, ignoring=ignore_conflicts, updating=update_conflicts)
        if not insert.heard:
            return super().bulk_create(
                objs, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
            )
        self._for_write = True
        objs = list(objs)
        insert.check_keys(objs, self.db)
        with bulk.together(self.db):
            created = super().bulk_create(objs, batch_size)
            insert.announce(created, self.db)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[Row], fields: Iterable[str], batch_size: int | None = None) -> int:
        """As Django's; publishes "updated" for each row. The queries are those of `update`, for each of its batches."""
        from .publishers import bulk

        objs, fields = tuple(objs), tuple(fields)
        if not bulk.Update(self.model, dict.fromkeys(fields)).heard:
            return super().bulk_update(objs, fields, batch_size)
        self._for_write = True
        with bulk.together(self.db):
            # It calls update().
            return super().bulk_update(objs, fields, batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def update(self, **kwargs: Any) -> int:
        """As Django's; publishes "updated" for each row.

        Locks the rows, where the database can, and reads their keys, with the old values of what ONLY_IF_CHANGED and
        CHANGES look at. Updates those with one statement, and reads of them what their events hold.

        Raises NotSupportedError where a publisher wants events and the primary key is set by an expression, and
        OperationalError if more rows match than a statement takes keys, and others come or go meanwhile.
        """
        from .publishers import bulk

        query = self.query
        change = bulk.Update(self.model, kwargs)
        if not change.heard or query.is_sliced or query.combinator:
            return super().update(**kwargs)  # which refuses the latter two
        if query.distinct_fields:  # as Django does from 6.0 on; before, it updated the other rows as well
            raise TypeError("Cannot call update() after .distinct(*fields).")
        self._for_write = True
        using = self.db
        if query.annotations:
            # Only looks at the arguments: what Django refuses by them (an order) spoils no transaction.
            super(PublishingQuerySet, self.using(using).none()).update(**kwargs)
        with bulk.together(using):
            rows = change.rows(self, using)
            updated = super(PublishingQuerySet, change.exactly(self, rows, using)).update(**kwargs)
            change.check(updated, rows, using)
            change.announce(rows, using)
        self._result_cache = None
        return updated

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's, which sends signals; the events of all rows, those of cascades included, are one batch."""
        from .publishers import bulk, deletes

        if not deletes.listening(self.model):
            return super().delete()
        self._for_write = True
        with bulk.together(self.db):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


if TYPE_CHECKING:
    _Manager = models.Manager
else:
    _Manager = models.Manager.from_queryset(PublishingQuerySet)


class PublishingManager(_Manager[Row]):
    """The manager of PublishingQuerySet."""
