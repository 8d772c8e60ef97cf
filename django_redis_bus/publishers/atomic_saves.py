"""A save and its outbox row are one transaction.

Django sends post_save after the transaction of the save. Without one around both, the row would be a transaction of
its own, and a process that dies between the two would have made a change without its event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple

from django.db import connections, router, transaction
from django.db.models import Model

_NAME = "save_base"
# Where `using` stands among the arguments that Django gives by name.
_USING = 3

SaveBase = Callable[..., None]


class _Wrapped(NamedTuple):
    publishers: int
    own: SaveBase | None
    """What the class itself defines; None if it inherits it."""
    ours: SaveBase


_wrapped: dict[type[Model], _Wrapped] = {}


def begin(classes: Iterable[type[Model]]) -> None:
    """Have each save of instances of these classes, and of no others, in a transaction; until as many end()."""
    for model in classes:
        known = _wrapped.get(model)
        if known is None:
            own = vars(model).get(_NAME)
            known = _Wrapped(0, own, _in_transaction(model, own))
            setattr(model, _NAME, known.ours)
        _wrapped[model] = known._replace(publishers=known.publishers + 1)


def end(classes: Iterable[type[Model]]) -> None:
    """Undo begin()."""
    for model in classes:
        known = _wrapped.pop(model)
        if known.publishers > 1:
            _wrapped[model] = known._replace(publishers=known.publishers - 1)
        elif vars(model)[_NAME] is not known.ours:
            # Somebody has wrapped it since then. Ours stays inside and does nothing any more.
            continue
        elif known.own is None:
            delattr(model, _NAME)
        else:
            setattr(model, _NAME, known.own)


def _in_transaction(model: type[Model], own: SaveBase | None) -> SaveBase:
    """Return what takes the place of the `save_base` of `model`."""

    @wraps(own or Model.save_base)
    def save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        save = own.__get__(self) if own is not None else super(model, self).save_base  # type: ignore[misc]
        # A child that its publisher leaves out inherits this.
        if type(self) not in _wrapped:
            save(*args, **kwargs)
            return
        using = kwargs.get("using") or (args[_USING] if len(args) > _USING else None)
        if using is None:
            using = router.db_for_write(type(self), instance=self)
            if len(args) <= _USING:
                # Asked once, for a router need not give the same answer twice.
                kwargs["using"] = using
        connection = connections[using]
        # Without autocommit there is always a transaction.
        if connection.in_atomic_block or not connection.get_autocommit():
            save(*args, **kwargs)
            return
        with transaction.atomic(using=using, savepoint=False):
            save(*args, **kwargs)

    return save_base
