"""Writers and relays on one database and one Redis, for tests that hurt them, and what came of it.

The database itself notes, by triggers, each change of an order that is committed. The stream has to tell of these
changes and of no others, of each once, and of those of one order in their order.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from django.db.models import Q

from django_redis_bus.models import OutboxEvent
from django_redis_bus.outbox.claiming import lease_until
from django_redis_bus.outbox.rows import now_ms
from tests.app.models import Order
from tests.database_servers import DatabaseServer
from tests.faults.fleet import Command
from tests.servers import Server

TOPIC = "events:order"
OPTIONS = {
    "STREAMS": {TOPIC: {}},
    "PUBLISHERS": {
        "orders": {
            "MODEL": "tests_app.Order", "TOPIC": TOPIC, "KEY": "id", "FIELDS": ["id", "status"], "DELIVERY": "outbox",
        },
    },
    # Nothing may be there twice, however long the machine takes.
    "DEDUPLICATE": "1h",
}  # fmt: skip
# Time for what is in the hands of somebody dead: rows.HOLD_MS, carrying.LEASE_MS; and then some.
PATIENCE_S = 40.0
DELETED = "deleted"

_TABLE = Order._meta.db_table
_NOTE = "INSERT INTO audit (order_id, what) VALUES"
_ROW_TRIGGERS = [
    f"CREATE TRIGGER audit_{event.lower()} AFTER {event} ON {_TABLE} FOR EACH ROW {{begin}} {_NOTE} ({row}) {{end}}"
    for event, row in [
        ("INSERT", "NEW.id, NEW.status"),
        ("UPDATE", "NEW.id, NEW.status"),
        ("DELETE", f"OLD.id, '{DELETED}'"),
    ]
]
AUDIT = {
    "sqlite": [
        "CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER, what VARCHAR(20))",
        *(trigger.format(begin="BEGIN", end="; END") for trigger in _ROW_TRIGGERS),
    ],
    "mysql": [
        "CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, order_id BIGINT, what VARCHAR(20))",
        *(trigger.format(begin="", end="") for trigger in _ROW_TRIGGERS),
    ],
    "postgresql": [
        "CREATE TABLE audit (id BIGSERIAL PRIMARY KEY, order_id BIGINT, what VARCHAR(20))",
        f"""CREATE FUNCTION audit() RETURNS trigger AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN {_NOTE} (OLD.id, '{DELETED}'); ELSE {_NOTE} (NEW.id, NEW.status); END IF;
        RETURN NULL; END $$ LANGUAGE plpgsql""",
        f"CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON {_TABLE} FOR EACH ROW EXECUTE FUNCTION audit()",
    ],
}


NO_AUDIT = {
    "sqlite": [
        "DROP TRIGGER audit_insert",
        "DROP TRIGGER audit_update",
        "DROP TRIGGER audit_delete",
        "DROP TABLE audit",
    ],
    "mysql": [
        "DROP TRIGGER audit_insert",
        "DROP TRIGGER audit_update",
        "DROP TRIGGER audit_delete",
        "DROP TABLE audit",
    ],
    "postgresql": ["DROP FUNCTION audit CASCADE", "DROP TABLE audit"],
}


class Change(NamedTuple):
    """What happened to an order: the status it got, of which each is unique, or that it was deleted."""

    order: int
    what: str


class Shop:
    """Processes that write orders and that relay their events.

    Args:
        server: Redis, of this test's own.
        alias: the database, migrated, of this test's own.
        database: its server; None for SQLite.
        env: returns the environment of a process.
        prefix: of the keys.
        directory: for logs.
    """

    def __init__(
        self,
        server: Server,
        alias: str,
        database: DatabaseServer | None,
        *,
        env: Callable[..., dict[str, str]],
        prefix: str,
        directory: Path,
    ) -> None:
        self.server = server
        self.alias = alias
        self.database = database
        self.client = server.client()
        self.key = f"{prefix}:{TOPIC}"
        self.processes: list[Command] = []
        self.log = directory / "changes"
        self.log.touch()
        self._env = env
        self._directory = directory
        self._numbers = count(1)
        self._execute(AUDIT)

    # --- processes

    def start(self, *arguments: str, die: str = "", **options: Any) -> Command:
        """Start a management command; `options` are settings of the bus.

        Args:
            die: the point at which it ends itself; see outbox_dying.
        """
        env = self._env(
            default_database=self.alias,
            BUS_TEST_URL=self.server.url,
            BUS_TEST_OPTIONS=json.dumps(OPTIONS | options),
        )
        if die:
            env |= {"BUS_TEST_IMPORT": "tests.faults.outbox_dying", "BUS_TEST_DIE": die}
        output = self._directory / f"out-{next(self._numbers)}"
        self.processes.append(Command(list(arguments), env, output))
        return self.processes[-1]

    def writer(self, seed: int = 0) -> Command:
        """Start a process that changes orders until it is killed."""
        return self.start("write_orders", f"--seed={seed}", f"--log={self.log}")

    def relay(self, *arguments: str, **options: Any) -> Command:
        """Start a relay of this database."""
        return self.start("relay_outbox", "--database=default", *arguments, **options)

    def close(self) -> None:
        """End every process."""
        for process in self.processes:
            process.kill()

    def forget(self) -> None:
        """Leave the database as it was; its tables are flushed elsewhere."""
        self._execute(NO_AUDIT)

    def _execute(self, statements: Mapping[str, Iterable[str]]) -> None:
        with connections[self.alias].cursor() as cursor:
            for statement in statements[connections[self.alias].vendor]:
                cursor.execute(statement)
        self.let_go()

    @property
    def output(self) -> str:
        """What all of them have printed."""
        return "\n".join(f"--- {' '.join(p.process.args[3:])}\n{p.output}" for p in self.processes)

    # --- what is done here

    def place(self, orders: int, times: int = 1) -> None:
        """Save new orders in one transaction, and again in another, so often; their events are left to relays."""
        made = [Order() for _ in range(orders)]
        for _ in range(times):
            self._save(made)
        self.let_go()

    def change(self) -> None:
        """Save each order once more, in one transaction; the events are left to relays."""
        self._save(Order.objects.using(self.alias).order_by("id"))
        self.let_go()

    def _save(self, orders: Iterable[Order]) -> None:
        with transaction.atomic(using=self.alias):
            for order in orders:
                order.status = secrets.token_hex(10)
                order.save(using=self.alias)

    def let_time_pass(self) -> None:
        """Let each lease end, each moment come."""
        rows = OutboxEvent.objects.using(self.alias)
        rows.filter(state__in=[OutboxEvent.State.PENDING, OutboxEvent.State.SCHEDULED]).update(
            moment_ms=now_ms(), lease=0
        )
        self.let_go()

    # --- what came of it

    def let_go(self) -> None:
        """Close our connection to the database, so that nobody finds it in their way."""
        try:
            connections[self.alias].close()
        except Error:
            connections[self.alias].connection = None

    def states(self) -> Counter[str]:
        """Return how many rows of the outbox are in each state; empty while the database cannot be asked."""
        try:
            rows = OutboxEvent.objects.using(self.alias)
            return Counter(OutboxEvent.State(state).name for state in rows.values_list("state", flat=True))
        except Error:
            return Counter()
        finally:
            self.let_go()

    def in_hand(self) -> int:
        """Return how many rows somebody has in hand, or may not be taken for another reason."""
        rows = OutboxEvent.objects.using(self.alias).filter(state=OutboxEvent.State.PENDING)
        found = rows.filter(Q(moment_ms__gt=now_ms()) | Q(lease__gte=lease_until(now_ms()))).count()
        self.let_go()
        return found

    def committed(self) -> list[Change]:
        """Return the changes that are in the database, those of one order in their order."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute("SELECT order_id, what FROM audit ORDER BY id")
            found = [Change(*row) for row in cursor.fetchall()]
        self.let_go()
        return found

    def told(self) -> list[Change]:
        """Return the changes that the stream tells of, in its order."""
        return [_change(fields) for _, fields in self.client.xrange(self.key)]

    def ids(self) -> list[str]:
        """Return the ids of the events in the stream."""
        return [fields[b"ce_id"].decode() for _, fields in self.client.xrange(self.key)]

    def logged(self, what: str) -> set[str]:
        """Return the statuses that writers have noted as "committed" or "undone"."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        return {status for line in whole.splitlines() for did, status in [line.split()] if did == what}

    def settle(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until no row waits any more: relays run."""
        end = time.monotonic() + patience_s
        while (states := self.states()).keys() != {"SENT"}:
            assert time.monotonic() < end, f"after {patience_s} s there are {dict(states)}\n{self.output}"
            time.sleep(0.02)

    def drain(self, *arguments: str) -> None:
        """Let a relay send what is due and end."""
        process = self.relay("--burst", *arguments)
        assert process.end(PATIENCE_S) == 0, process.output
        assert set(self.states()) <= {"SENT"}, f"{self.states()}\n{self.output}"

    def reconcile(self) -> None:
        """Fail, naming what is wrong, unless the stream tells what the database knows."""
        committed, told = self.committed(), self.told()
        lost = set(committed) - set(told)
        assert not lost, f"{len(lost)} of {len(committed)} changes were lost: {sorted(lost)[:5]}\n{self.output}"
        ghosts = set(told) - set(committed)
        assert not ghosts, f"{len(ghosts)} events of changes that were not made: {sorted(ghosts)[:5]}\n{self.output}"
        made, heard = _by_order(committed), _by_order(dict.fromkeys(told))
        wrong = [(made[order], heard[order]) for order in made if made[order] != heard[order]]
        assert not wrong, (
            f"{len(wrong)} of {len(made)} orders were told of in another order: {wrong[:2]}\n{self.output}"
        )
        twice = [change for change, times in Counter(told).items() if times > 1]
        assert not twice, f"{len(twice)} of {len(told)} changes were told twice: {twice[:5]}\n{self.output}"
        assert self.states() == {"SENT": len(committed)}, self.output


def _change(fields: dict[bytes, bytes]) -> Change:
    data = json.loads(fields[b"data"])
    deleted = fields[b"ce_type"].endswith(b".deleted")
    return Change(data["id"], DELETED if deleted else data["status"])


def _by_order(changes: Iterable[Change]) -> dict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for change in changes:
        found[change.order].append(change.what)
    return found
