"""manage.py write_orders: a process that fault tests let write, and kill.

Each change puts a text of its own into the order's `status`, so that a row, an event and a line of the log can be told
to be about the same change.
"""

from __future__ import annotations

import random
import secrets
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection, transaction

from django_redis_bus.querysets import PublishingQuerySet
from tests.app.models import Order

RECENT = 8
LONGEST_PAUSE_S = 0.01
PAUSE_AFTER_ERROR_S = 0.05


class RolledBack(Exception):
    """Ends a transaction, or a part of one, that shall not have happened."""


class Command(BaseCommand):
    help = "Create, change and delete orders in transactions of every shape, many of them rolled back, until killed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--log", type=Path, help="notes each change: '<committed|undone> <status>'")
        parser.add_argument("--once", type=int, metavar="N", help="create N orders in one transaction, and end")

    def handle(self, *args: Any, seed: int, log: Path | None, once: int | None, **options: Any) -> None:
        writer = Writer(random.Random(seed))
        if once is not None:
            with transaction.atomic():
                for _ in range(once):
                    writer.create()
            return
        self.stdout.write("writing")
        self.stdout.flush()
        while True:
            writer.turn()
            if log is not None:
                with log.open("a") as file:
                    file.writelines(writer.lines)
            time.sleep(writer.chance.random() * LONGEST_PAUSE_S)


class Writer:
    """Changes orders at random.

    Attributes:
        lines: what is known of the changes of the last turn. Of those under way when the database went nothing is.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.lines: list[str] = []
        self._statuses: list[str] = []

    def turn(self) -> None:
        self.lines = []
        self._statuses = []
        try:
            if self.chance.random() < 0.4:
                self._alone()
            else:
                self._transaction()
        except RolledBack:
            self._note("undone", self._statuses)
        except Error:
            # Also deadlocks: both writers change the same orders.
            self._close()
        else:
            self._note("committed", self._statuses)

    def create(self) -> None:
        Order.objects.create(status=self._status())

    def _alone(self) -> None:
        """One change that is a transaction of its own."""
        order = self._some()
        if order is None or self.chance.random() < 0.5:
            self.create()
        else:
            order.status = self._status()
            order.save(force_update=True)

    def _transaction(self) -> None:
        with transaction.atomic():
            for _ in range(self.chance.randint(1, 4)):
                if self.chance.random() < 0.3:
                    self._undone()
                self._step()
            if self.chance.random() < 0.4:
                raise RolledBack

    def _undone(self) -> None:
        before = len(self._statuses)
        try:
            with transaction.atomic():
                self._step()
                raise RolledBack
        except RolledBack:
            self._note("undone", self._statuses[before:])
            del self._statuses[before:]

    def _step(self) -> None:
        order = self._some()
        if order is None:
            self.create()
            return
        match self.chance.choice(["create", "save", "save", "update", "delete"]):
            case "create":
                self.create()
            case "save":
                order.status = self._status()
                order.save(force_update=True)
            case "update":
                some = PublishingQuerySet(Order).filter(pk__in=[order.pk, order.pk + 1])
                if not some.update(status=self._status()):
                    self._statuses.pop()  # they have been deleted: that was no change
            case "delete":
                # Locked: Django tells of a deletion also if somebody else has been faster.
                for found in Order.objects.select_for_update().filter(pk=order.pk):
                    found.delete()

    def _some(self) -> Order | None:
        recent = list(Order.objects.order_by("-pk")[:RECENT])
        return self.chance.choice(recent) if recent else None

    def _status(self) -> str:
        self._statuses.append(secrets.token_hex(10))
        return self._statuses[-1]

    def _note(self, what: str, statuses: list[str]) -> None:
        self.lines += [f"{what} {status}\n" for status in statuses]

    @staticmethod
    def _close() -> None:
        time.sleep(PAUSE_AFTER_ERROR_S)
        try:
            connection.close()
        except Error:
            connection.connection = None
