"""GroupLink over Redis: one consumer in one group of one stream."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from threading import Lock
from typing import Any

from ..core.config import Retention
from ..core.exceptions import ConsumerNameTaken
from ..core.keys import GroupKeys
from ..core.ports import Claimed, Delivery, Failure, Grave, Opened, Report
from .clients import READ_MARGIN_S, Clients
from .errors import translate
from .processes import pid_namespace, runs
from .scripts import script
from .wire import Wire, pack

BLOCK_MS = 500
"""The longest blocking read: a consumer that is told to stop notices within this time."""
ALIVE_MS = 10_000
"""A heartbeat older than this is a dead consumer's. Beats come every ALIVE_MS / 4."""
IDLE_CONSUMER_MS = 3_600_000
"""An idle consumer with nothing pending and no heartbeat is removed after this time."""
PIN_MS = 7 * 86_400_000
"""A group without a live consumer holds back trimming for so long."""
CLOSE_S = 0.5
"""How long closing waits for a call of the keeper's; a frozen Redis would hold it for seconds."""
SLOTS = 1_000
"""Consumers that one host may have in one group."""


class RedisGroupLink:
    """See core.ports.GroupLink.

    Args:
        clients: the Redis to use.
        keys: of the stream and group.
        name: the consumer's name; "" takes the first free of <host>-1, <host>-2, …
        lease_ms: of what it has in hand, for those who look at it.
        listed: the key of the set that tells which streams are consumed, and this one's name in it.
    """

    def __init__(
        self,
        clients: Clients,
        keys: GroupKeys,
        *,
        name: str = "",
        lease_ms: int = 0,
        listed: tuple[str, str] = ("", ""),
    ) -> None:
        self.keys = keys
        self._lease_ms = lease_ms
        self._listed = listed
        self._clients = clients
        self._wanted = name
        self._consumer = ""
        self._token = os.urandom(8).hex()
        pool = clients.pool(BLOCK_MS / 1000 + READ_MARGIN_S)
        self._wire = Wire(pool, clients.where)
        self._side = Wire(pool, clients.where)
        self._side_lock = Lock()
        self._reads: dict[tuple[int, int | None], bytes] = {}
        self._replies = 0
        self._reads_now = False
        self._notes = [keys.stream, keys.retry, keys.failures]

    @property
    def consumer(self) -> str:
        return self._consumer

    # --- opening and leaving

    def open(self, start: str) -> Opened:
        reply = self._wire.run(script("open"), [self.keys.stream, self.keys.position], self.keys.group, start)
        created, recreated, length, unread = reply
        if self._listed[0]:
            key, name = self._listed
            self._wire.run(script("enlist"), [key], name)
        return Opened(bool(created), bool(recreated), length, None if unread < 0 else unread)

    def join(self) -> str:
        records = self._records()
        held = records.get(self._consumer)
        if held and _record(held).get("token") == self._token:
            return self._consumer
        names = [self._wanted] if self._wanted else [f"{socket.gethostname()}-{n}" for n in range(1, SLOTS + 1)]
        if self._consumer:
            names.insert(0, self._consumer)  # what it has in hand is pending under this one
        now_ms = self._now_ms()
        for name in names:
            seen = records.get(name, b"")
            if seen and not self._is_dead(seen, now_ms):
                continue
            record = json.dumps(
                {
                    "token": self._token, "pid": os.getpid(), "namespace": pid_namespace(),
                    "host": socket.gethostname(), "lease_ms": self._lease_ms,
                }
            )  # fmt: skip
            if self._wire.run(script("join"), [self.keys.consumers], name, seen, record):
                self._consumer = name
                self._reads.clear()
                return name
        raise ConsumerNameTaken(
            f"Stream {self.keys.stream!r}, group {self.keys.group!r}: "
            + (
                f"a consumer named {self._wanted!r} is alive. Stop it, or choose another --consumer."
                if self._wanted
                else f"all {SLOTS} consumer names of this host are in use."
            )
        )

    def leave(self) -> None:
        if self._consumer:
            keys = [self.keys.stream, self.keys.consumers]
            self._wire.run(script("leave"), keys, self.keys.group, self._consumer, self._token)

    def _records(self) -> dict[str, bytes]:
        flat = self._wire.call("HGETALL", self.keys.consumers)
        return {name.decode(): record for name, record in zip(flat[::2], flat[1::2], strict=True)}

    def _now_ms(self) -> int:
        seconds, micros = self._wire.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def _is_dead(self, record: bytes, now_ms: int) -> bool:
        known = _record(record)
        beat, pid = known.get("beat"), known.get("pid")
        if not isinstance(beat, int | float) or now_ms - beat >= ALIVE_MS:
            return True
        # Where the process table is the same one, it knows at once: a killed consumer's successor need not wait.
        namespace = pid_namespace()
        return bool(namespace) and known.get("namespace") == namespace and not (isinstance(pid, int) and runs(pid))

    # --- the hot path

    def send(self, acks: Sequence[bytes], count: int, block_ms: int | None) -> None:
        commands = []
        if acks:
            commands.append(pack("XACK", self.keys.stream, self.keys.group, *acks))
        if count:
            commands.append(self._read_command(count, block_ms))
        self._reads_now = bool(count)
        self._replies = len(commands)
        if commands:
            self._wire.send(*commands)

    def receive(self) -> list[Delivery]:
        replies = [self._wire.receive() for _ in range(self._replies)]
        self._replies = 0
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply, where=self._clients.where) from reply
        if not self._reads_now or not replies[-1]:
            return []
        return [Delivery(entry_id, fields or []) for entry_id, fields in replies[-1][0][1]]

    def _read_command(self, count: int, block_ms: int | None) -> bytes:
        command = self._reads.get((count, block_ms))
        if command is None:
            wait = () if block_ms is None else ("BLOCK", block_ms)
            command = pack(
                "XREADGROUP", "GROUP", self.keys.group, self._consumer, "COUNT", count, *wait,
                "STREAMS", self.keys.stream, ">",
            )  # fmt: skip
            self._reads[count, block_ms] = command
        return command

    # --- claims and settlements

    def claim_due(self, count: int, suspects: bool) -> Claimed:
        taken, lost = self._wire.run(
            script("claim_due"), self._notes, self.keys.group, self._consumer, count, int(suspects)
        )
        return Claimed(_deliveries(taken), lost, b"-")

    def claim_expired(
        self, count: int, lease_ms: int, cursor: bytes, own: bool, in_hand: Sequence[bytes], suspects: bool
    ) -> Claimed:
        taken, following = self._wire.run(
            script("claim_expired"), self._notes,
            self.keys.group, self._consumer, lease_ms, count, cursor, int(own), int(suspects), *in_hand,
        )  # fmt: skip
        fields = self._fields([row[0] for row in taken])
        lost = [row[0] for row in taken if row[0] not in fields]
        found = [(i, attempt, solo, fields[i], crashes) for i, attempt, solo, crashes in taken if i in fields]
        if lost:
            self.ack(lost, fence=False)
        return Claimed(_deliveries(found), lost, following)

    def _fields(self, ids: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Return the fields of entries, given in their order, as far as they are still there."""
        if not ids:
            return {}
        # What a dead consumer left mostly stands together: one command brings it all.
        found = dict(self._wire.call("XRANGE", self.keys.stream, ids[0], ids[-1], "COUNT", 2 * len(ids)))
        for entry_id in ids:
            if entry_id not in found:
                found.update(self._wire.call("XRANGE", self.keys.stream, entry_id, entry_id))
        return found

    def ack(self, entry_ids: Sequence[bytes], fence: bool) -> list[bytes]:
        return self._ids(script("ack"), self._notes, int(fence), *entry_ids)

    def retry(self, failures: Sequence[Failure]) -> list[bytes]:
        flat = [part for failure in failures for part in failure]
        return self._ids(script("retry"), self._notes, *flat)

    def hold(self, entries: Sequence[tuple[bytes, str]]) -> list[bytes]:
        flat = [part for pair in entries for part in pair]
        return self._ids(script("hold"), [*self._notes, self.keys.paused], *flat)

    def bury(self, grave: Grave) -> bool:
        keys = [self.keys.stream, self.keys.dead, self.keys.retry, self.keys.failures, self.keys.consumers]
        [[became, _]] = self._wire.run(
            script("dead"), keys,
            self.keys.group, self._consumer, 0, grave.reason, grave.error, grave.traceback, grave.attempts,
            "", "", 0, grave.entry_id,
        )  # fmt: skip
        return became in (b"done", b"trimmed")

    def _ids(self, what: Any, keys: list[str], *args: Any) -> list[bytes]:
        ids: list[bytes] = self._wire.run(what, keys, self.keys.group, self._consumer, *args)
        return ids

    # --- from other threads, while the loop's own connection is in use

    def renew(self, entry_ids: Sequence[bytes]) -> list[bytes]:
        with self._side_lock:
            gone: list[bytes] = self._side.run(
                script("renew"), [self.keys.stream], self.keys.group, self._consumer, *entry_ids
            )
        return gone

    def release(self, entry_ids: Sequence[bytes]) -> int:
        keys = [self.keys.stream, self.keys.failures]
        with self._side_lock:
            return int(self._side.run(script("release"), keys, self.keys.group, self._consumer, *entry_ids))

    def beat(self, report: Report) -> bool:
        keys = [self.keys.stream, self.keys.consumers, self.keys.groups, self.keys.position, self.keys.stats("")]
        said = (*report[:-1], int(report.paused))
        with self._side_lock:
            return bool(self._side.run(script("beat"), keys, self.keys.group, self._consumer, self._token, *said))

    def orders(self) -> set[str]:
        keys = [self.keys.stream, self.keys.paused, self.keys.replay, self.keys.retry, self.keys.failures]
        with self._side_lock:
            paused = self._side.run(script("orders"), keys, self.keys.group, self._consumer)
        return {name.decode(errors="replace") for name in paused}

    # --- maintenance

    def tidy(self, retention: Retention) -> int:
        stream, group = self.keys.stream, self.keys.group
        self._wire.run(script("tidy"), [stream, self.keys.consumers], group, IDLE_CONSUMER_MS, ALIVE_MS)
        if retention.count is None and retention.age_s is None:
            return 0
        count = "" if retention.count is None else retention.count
        age_ms = "" if retention.age_s is None else int(retention.age_s * 1000)
        removed = 0
        for _ in range(20):
            cut = int(self._wire.run(script("trim"), [stream, self.keys.groups], count, age_ms, PIN_MS))
            removed += cut
            if not cut:
                break
        return removed

    def interrupt(self) -> None:
        self._wire.interrupt()
        self._side.interrupt()

    def close(self) -> None:
        self._wire.close()
        if self._side_lock.acquire(timeout=CLOSE_S):
            self._side.close()
            self._side_lock.release()


def _deliveries(taken: list[Any]) -> list[Delivery]:
    return [
        Delivery(entry_id, fields, attempt, True, bool(solo), crashes)
        for entry_id, attempt, solo, fields, crashes in taken
    ]


def _record(raw: bytes) -> dict[str, Any]:
    """Return a consumer's record; empty if that is none, as somebody else has written it."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
