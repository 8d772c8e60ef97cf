"""The two tables, events to be published and events that were handled; and what Django admin shows of Redis.

Moments are whole milliseconds since 1970, UTC: compared and indexed alike on every database, and written without
conversion on the path of each save.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .outbox.states import State


class OutboxEvent(models.Model):
    """An event written in the transaction of the change that it tells of.

    The process that wrote it publishes it after the commit; what that misses, `relay_outbox` ships.
    """

    State = State

    id = models.BigAutoField(primary_key=True)
    bus = models.CharField(max_length=100)
    topic = models.CharField(max_length=500)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=255)
    # A hash of bus, topic and ordering key: rows that share it leave in the order of their ids. None: no order.
    order_key = models.BigIntegerField(null=True)
    # The fields of the stream entry, encoded by `outbox.rows`.
    fields = models.BinaryField()
    # The batch under which a publish that timed out may have added it already; "" if there was none.
    token = models.CharField(max_length=32, default="", blank=True)
    state = models.SmallIntegerField(choices=State.choices, default=State.PENDING)
    # Pending and scheduled: when it may be taken next. Sent and parked: when that was.
    moment_ms = models.BigIntegerField()
    # Until when a relay has it in hand, and which: see `outbox.claiming`. In no index: taking a row costs little.
    lease = models.BigIntegerField(db_default=0)
    created_ms = models.BigIntegerField()
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="", blank=True)

    class Meta:
        verbose_name = _("outbox event")
        verbose_name_plural = _("outbox events")
        indexes = [
            models.Index(fields=["bus", "state", "moment_ms", "id"], name="bus_outbox_next"),
            models.Index(fields=["order_key", "state", "id"], name="bus_outbox_order"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id} ({self.get_state_display()})"


class InboxEvent(models.Model):
    """An event that an idempotent handler has handled, written in the transaction of its effect."""

    # Of the stream, the group, and the event's source and id; see `inbox`.
    digest = models.CharField(max_length=32, primary_key=True)
    group = models.CharField(max_length=200)
    event_id = models.CharField(max_length=255)
    handled_ms = models.BigIntegerField(db_index=True)

    class Meta:
        verbose_name = _("inbox event")
        verbose_name_plural = _("inbox events")

    def __str__(self) -> str:
        return f"{self.group} {self.event_id}"


class Overview(models.Model):
    """A place in Django admin for what is in Redis, and the permissions of all of it. It has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("see_bus", "Can see streams, groups, channels and what is wrong with them"),
            ("see_payloads", "Can see what is in events"),
            ("operate_bus", "Can retry, claim, redrive, replay, pause and publish"),
            ("destroy_bus", "Can discard and trim"),
        ]
        verbose_name = _("overview")
        verbose_name_plural = _("overview")


class StreamPage(models.Model):
    """The place of the streams in Django admin. It has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        verbose_name = _("stream")
        verbose_name_plural = _("streams")


class DeadLetterPage(models.Model):
    """The place of the dead letters in Django admin. It has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")


class ChannelPage(models.Model):
    """The place of the channels in Django admin. It has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
