"""Tell every process at once that a session has ended or a user's rights have changed: the relay asks its rules again.

It is told over a channel of the bus's own. Browsers cannot join it, and what it says lets nobody in: at worst, sockets
are looked at once more.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import msgspec
from django.apps import apps
from django.contrib.auth import user_logged_out
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from . import registry
from .bus import buses
from .core.exceptions import BusError
from .core.keys import stream_key
from .core.revocation import Revocation, mark
from .transport.commands import call

logger = logging.getLogger("django_redis_bus.relay")

CONTROL = "bus:relay:control"
"""The channel, without the key prefix."""
_UNIMPORTANT = frozenset({"last_login"})


def connect() -> None:
    """Listen to what Django says of sessions, users and permissions, where django.contrib.auth is installed."""
    if not apps.is_installed("django.contrib.auth"):
        return
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group, Permission

    user = get_user_model()
    user_logged_out.connect(_logged_out, dispatch_uid="django_redis_bus.revoking")
    post_save.connect(_user_saved, sender=user, dispatch_uid="django_redis_bus.revoking")
    post_delete.connect(_user_saved, sender=user, dispatch_uid="django_redis_bus.revoking")
    for owned in (Group, Permission):  # their rows in the relations go without an m2m_changed
        post_delete.connect(_right_deleted, sender=owned, dispatch_uid="django_redis_bus.revoking")
    m2m_changed.connect(_rights_changed, sender=Group.permissions.through, dispatch_uid="django_redis_bus.revoking")
    for name in ("groups", "user_permissions"):
        through = getattr(getattr(user, name, None), "through", None)
        if through is not None:
            m2m_changed.connect(_rights_changed, sender=through, dispatch_uid=f"django_redis_bus.revoking.{name}")


def revoke(*, user: Any = None, session_key: str | None = None) -> None:
    """Have every process look again at the sockets of a user, of everybody (None), and end those of a session.

    Call it when a rule of yours would now say something else; logout, users and permissions are watched already. A
    process that cannot be told looks again by itself: RELAY["recheck"].

    Args:
        user: a user or a primary key.
        session_key: of a session that ends now.
    """
    pk = getattr(user, "pk", user)
    message = msgspec.json.encode(
        Revocation(user=None if pk is None else str(pk), session=mark(session_key) if session_key else None)
    )
    for alias in buses:
        if not _is_relayed(alias):
            continue
        try:
            bus = buses[alias]
            if not bus.sender.is_resting:
                key = stream_key(bus.config.key_prefix, CONTROL)
                call(bus.clients, "PUBLISH", key, message, deadline_s=bus.config.deadline_s)
        except BusError as error:
            logger.warning("Bus %r: the relay could not be told that rights have changed: %s", alias, error)


def _is_relayed(alias: str) -> bool:
    """Whether a browser may join anything of this bus: else nobody needs to be told."""
    return any(registry.channel(alias, each.name).can_join for each in registry.channels(alias)) or bool(
        buses[alias].config.relay.push
    )


def _logged_out(*, request: Any, user: Any, **kwargs: Any) -> None:
    # Sent before the session is flushed, so its key is what counts, not what the store says.
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key is not None:
        revoke(user=user, session_key=key)


def _user_saved(
    *, instance: Model, created: bool = False, update_fields: Any = None, using: str | None = None, **kwargs: Any
) -> None:
    if created or (update_fields and _UNIMPORTANT.issuperset(update_fields)):
        return
    transaction.on_commit(partial(revoke, user=instance.pk), using=using)


def _right_deleted(*, using: str | None = None, **kwargs: Any) -> None:
    transaction.on_commit(revoke, using=using)


def _rights_changed(*, instance: Model, action: str, reverse: bool, using: str | None = None, **kwargs: Any) -> None:
    if not action.startswith("post_"):
        return
    from django.contrib.auth import get_user_model

    # Of a group, or from the other side of the relation: then it may be anybody.
    user = instance.pk if isinstance(instance, get_user_model()) and not reverse else None
    transaction.on_commit(partial(revoke, user=user), using=using)
