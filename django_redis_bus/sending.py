"""Send messages to one bus: with a deadline, behind a circuit breaker, and with a way out when it fails."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import TypeAlias, cast

import msgspec
from asgiref.sync import sync_to_async
from django.db import transaction

from .backpressure import Fullness
from .core.breaker import Breaker, Circuit
from .core.config import BusConfig, Limit
from .core.events import Message, Published
from .core.exceptions import AccessRefused, BusError, CircuitOpen, StreamFull, TransportError, Unavailable
from .core.keys import stream_key
from .outbox import rows, table
from .outbox.backlog import Backlog
from .outbox.waking import notify
from .switches import Switches
from .transport.clients import Clients
from .transport.publish import Appended, Cast, Done, Entry, Live, aappend, append

logger = logging.getLogger("django_redis_bus.sending")

Result: TypeAlias = Published | BusError
Attempted: TypeAlias = Done | BusError

_LEAST_S = 0.001
_MIGHT_WORK_LATER = (TransportError, AccessRefused)
"""What is the server's trouble and not the event's."""


class Sender:
    """Sends to one bus, from any thread and event loop.

    Args:
        config: the bus's.
        clients: its connections.
        limit_of: the MAX_LAG of a stream, by its concrete name.

    Attributes:
        counts: how many events of this process went to the "outbox", were "dropped", or "failed".
    """

    def __init__(self, config: BusConfig, clients: Clients, limit_of: Callable[[str], Limit | None]) -> None:
        self.config = config
        self.counts: Counter[str] = Counter()
        self._lock = Lock()
        self._clients = clients
        self._breaker = Breaker(failures=config.circuit.failures, cooldown_s=config.circuit.cooldown_s)
        self._backlog = Backlog(config.alias)
        self._fullness = Fullness(config, clients, limit_of)
        self.switches = Switches(config, clients)

    @property
    def fast_path(self) -> bool:
        """Whether the process that writes a row of the outbox publishes it after the commit."""
        return self.config.outbox.fast_path

    @property
    def is_resting(self) -> bool:
        """Whether the next attempt would not be made, because the circuit is open and no probe is due."""
        return self._breaker.is_open and self.circuit().retry_in_s > 0

    def circuit(self) -> Circuit:
        """Return the state of the circuit breaker."""
        return self._breaker.circuit(monotonic())

    # --- one attempt: what Redis made of each message

    def attempt(self, messages: Sequence[Message], deadline_s: float | None = None) -> list[Attempted]:
        """Try once to send the messages in one round trip; nothing is raised and nothing done about failures."""
        if not messages:
            return []
        if not self._breaker.allows(monotonic()):
            return self._open(len(messages))
        within_s, begun = deadline_s or self.config.deadline_s, monotonic()
        try:
            refused = self._fullness.refused(messages, within_s)
        except Unavailable as error:
            return self._note([error] * len(messages), within_s)
        entries = [self._entry(m) for i, m in enumerate(messages) if i not in refused]
        left_s = max(within_s - (monotonic() - begun), _LEAST_S)
        replies = append(self._clients, entries, window_s=self.config.deduplicate_s, deadline_s=left_s)
        self._note(replies, within_s)
        # Redis has just answered, so this costs no deadline.
        if self.config.publishers and self.switches.are_stale and replies and not isinstance(replies[-1], BusError):
            self.switches.refresh()
        return _merged(len(messages), refused, replies)

    async def aattempt(self, messages: Sequence[Message], deadline_s: float | None = None) -> list[Attempted]:
        """The async twin of `attempt`. Publishers are synchronous, so their switches are not asked for here."""
        if not messages:
            return []
        if not self._breaker.allows(monotonic()):
            return self._open(len(messages))
        within_s, begun = deadline_s or self.config.deadline_s, monotonic()
        try:
            refused = await self._fullness.arefused(messages, within_s)
        except Unavailable as error:
            return self._note([error] * len(messages), within_s)
        entries = [self._entry(m) for i, m in enumerate(messages) if i not in refused]
        left_s = max(within_s - (monotonic() - begun), _LEAST_S)
        replies = await aappend(self._clients, entries, window_s=self.config.deduplicate_s, deadline_s=left_s)
        self._note(replies, within_s)
        return _merged(len(messages), refused, replies)

    def is_off(self, publisher: str) -> bool:
        """Return whether a publisher is switched off. Asks Redis where nothing else would tell this process."""
        switches = self.switches
        if (switches.off(publisher) or not self.fast_path) and switches.are_stale and self._breaker.allows(monotonic()):
            self._note([switches.refresh() or Appended(None, known=True)], self.config.deadline_s)
        return switches.off(publisher)

    # --- send: the attempt, and ON_FAILURE for what it could not add

    def send(self, messages: Sequence[Message], *, using: str | None, deadline_s: float | None) -> list[Result]:
        """Send the messages in one round trip; one result per message, nothing is raised.

        Args:
            using: the database whose outbox takes what cannot be added now; None for the default.
            deadline_s: in place of DEADLINE.
        """
        if self._backlog:
            return self._send_behind(messages, using, deadline_s)
        attempted = self.attempt(messages, deadline_s)
        if not any(isinstance(reply, BusError) for reply in attempted):
            return self._published(messages, attempted)
        return self._make_up(messages, attempted, using)

    async def asend(self, messages: Sequence[Message], *, using: str | None, deadline_s: float | None) -> list[Result]:
        """The async twin of `send`."""
        if self._backlog:
            return await sync_to_async(self._send_behind)(messages, using, deadline_s)
        attempted = await self.aattempt(messages, deadline_s)
        if not any(isinstance(reply, BusError) for reply in attempted):
            return self._published(messages, attempted)
        return await sync_to_async(self._make_up)(messages, attempted, using)

    def _send_behind(self, messages: Sequence[Message], using: str | None, deadline_s: float | None) -> list[Result]:
        """Send while this process has events of its own in the outbox: none may overtake one of its key there."""
        behind = self._backlog.behind(messages)
        now = [m for i, m in enumerate(messages) if i not in behind]
        attempted = iter(self.attempt(now, deadline_s) if now else ())
        waits = Unavailable("earlier events of its key wait in the outbox")
        return self._make_up(messages, [waits if i in behind else next(attempted) for i in range(len(messages))], using)

    def _make_up(self, messages: Sequence[Message], attempted: Sequence[Attempted], using: str | None) -> list[Result]:
        """Do what ON_FAILURE says about what could not be added."""
        results = self._published(messages, attempted)
        # What is live has no memory: it comes now or not at all.
        spilled = [i for i, e in enumerate(attempted) if messages[i].live is None and self._spills(e, using)]
        if spilled:
            self._spill(results, messages, spilled, using)
        if self.config.on_failure == "drop":
            self._drop(results, messages)
        self._count("failed", sum(isinstance(result, BusError) for result in results))
        return results

    def _spills(self, error: Attempted, using: str | None) -> bool:
        if isinstance(error, StreamFull):
            return error.spill
        if not isinstance(error, _MIGHT_WORK_LATER):
            return False
        policy = self.config.on_failure
        return policy == "spill" or (policy is None and _outbox(using) is not None)

    def _spill(
        self, results: list[Result], messages: Sequence[Message], which: Sequence[int], using: str | None
    ) -> None:
        spilled = []
        for i in which:
            token = getattr(results[i], "token", "")
            spilled.append(msgspec.structs.replace(messages[i], token=token) if token else messages[i])
        try:
            alias = _outbox(using) or table.default()
            # A savepoint of its own: where this fails, a transaction of the caller's must not be broken by it.
            with transaction.atomic(using=alias):
                stored = rows.store(self.config.alias, spilled, using=alias, moment_ms=rows.now_ms())
                notify(alias)
        except Exception:
            # The errors of the attempts stay what they are: the caller hears of them.
            logger.exception("Bus %r: %d event(s) could not be spilled to the outbox", self.config.alias, len(which))
            return
        if self._backlog.begin(alias, stored[-1].id):
            logger.warning(
                "Bus %r: events go to the outbox of database %r until Redis takes them again (%s). "
                "`manage.py relay_outbox` must run to ship them.",
                self.config.alias, alias, str(results[which[0]]).rstrip("."),
            )  # fmt: skip
        for i in which:
            results[i] = Published(topic=messages[i].topic, event_id=messages[i].event_id, state="outbox")
        self._count("outbox", len(which))

    def _drop(self, results: list[Result], messages: Sequence[Message]) -> None:
        dropped = [i for i, result in enumerate(results) if isinstance(result, _MIGHT_WORK_LATER)]
        if dropped:
            logger.warning(
                "Bus %r: %d event(s) dropped, as ON_FAILURE says: %s",
                self.config.alias, len(dropped), results[dropped[0]],
            )  # fmt: skip
        for i in dropped:
            results[i] = Published(topic=messages[i].topic, event_id=messages[i].event_id, state="dropped")
        self._count("dropped", len(dropped))

    # --- pieces

    def _entry(self, message: Message) -> Entry | Live:
        key = stream_key(self.config.key_prefix, message.topic)
        if message.live is not None:
            return Live(key, cast("bytes", message.fields[0]), message.live)
        # CloudEvents: an id is unique within its source, the third of the fields.
        source = cast("str", message.fields[5])
        return Entry(key, f"{source}:{message.event_id}", message.fields, message.once, message.token)

    def _open(self, count: int) -> list[Attempted]:
        circuit = self.circuit()
        error = CircuitOpen(
            f"Redis at {self._clients.where} does not answer; bus {self.config.alias!r} asks it again in "
            f"{circuit.retry_in_s:.1f} s."
        )
        return [error] * count

    def _note(self, replies: list[Attempted], within_s: float) -> list[Attempted]:
        """Tell the breaker how an exchange went."""
        if not replies:
            return replies
        # The last one: a chunk that met no answer ends the sending.
        lost = replies[-1]
        if not isinstance(lost, Unavailable):
            if self._breaker.succeeded():
                logger.warning("Bus %r: Redis answers again, the circuit is closed", self.config.alias)
        # Who was in a greater hurry than DEADLINE has learned nothing that others should know.
        elif within_s >= self.config.deadline_s and self._breaker.failed(monotonic(), random.random()):
            logger.error("Bus %r: the circuit is open: %s", self.config.alias, lost)
        return replies

    def _published(self, messages: Sequence[Message], attempted: Sequence[Attempted]) -> list[Result]:
        results: list[Result] = []
        for message, reply in zip(messages, attempted, strict=True):
            if isinstance(reply, BusError):
                results.append(reply)
                continue
            results.append(_cast(message, reply) if type(reply) is Cast else _added(message, cast("Appended", reply)))
        return results

    def _count(self, what: str, events: int) -> None:
        with self._lock:
            self.counts[what] += events


def _added(message: Message, reply: Appended) -> Published:
    return Published(
        topic=message.topic,
        event_id=message.event_id,
        entry_id=reply.entry_id,
        state="known" if reply.known else "added",
    )


def _cast(message: Message, reply: Cast) -> Published:
    return Published(
        topic=message.topic,
        event_id=message.event_id,
        state="sent",
        receivers=reply.receivers,
        offset=reply.offset,
        epoch=reply.epoch,
    )


def _merged(count: int, refused: Mapping[int, BusError], replies: Sequence[Attempted]) -> list[Attempted]:
    if not refused:
        return list(replies)
    rest = iter(replies)
    return [refused[i] if i in refused else next(rest) for i in range(count)]


def _outbox(using: str | None) -> str | None:
    """Return the database whose outbox takes what cannot be sent: `using` if it has one, else the default."""
    try:
        for alias in dict.fromkeys((using or table.default(), table.default())):
            if table.exists(alias):
                return alias
    except Exception:
        pass  # a test without access to a database, a process without one: then there is no outbox
    return None
