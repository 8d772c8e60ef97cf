"""Live: all that one event loop hears of one bus, over one connection that heals."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

from ...core.exceptions import BusError, Unavailable
from ...core.gaps import Gap, Reason
from ...core.globs import matcher
from ...core.keys import stream_key
from ...core.subscribing import Key, Subscriber
from ...core.telling import loggable, printable
from .connection import Connection, Route, Routes
from .session import Entry

logger = logging.getLogger("django_redis_bus.listener")

ATTACH_S = 5.0
RETRY_REFUSED_S = 5.0
ROUTES = 10_000
"""Most names of which it is remembered who wants them."""

OnMessage = Callable[[str, bytes, str | None], object]
OnGap = Callable[[Gap], object]
Accepts = Callable[[str], bool]


class Attachment:
    """What one user of a Live hears; made by `Live.attach`.

    Attributes:
        topics: its names and patterns, without the key prefix.
    """

    def __init__(
        self,
        live: Live,
        keys: dict[Key, str],
        on_message: OnMessage,
        on_gap: OnGap,
        accepts: Mapping[str, Accepts],
        prefix: bytes,
    ) -> None:
        self.topics = tuple(keys.values())
        self.keys = keys
        self.on_message = on_message
        self.on_gap = on_gap
        self.accepts = accepts
        self.prefix = prefix
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.deaf = False
        """It heard, and does not now."""
        self._live = live

    @property
    def attached(self) -> bool:
        """Whether Redis has once confirmed all of it."""
        return self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None

    async def close(self) -> None:
        """Hear no more; Redis is told of the names that nobody else wants."""
        await self._live.detach(self)


class Live:
    """Serves every subscription of one event loop. Connects with the first, disconnects after the last.

    Args:
        connect: makes an unopened connection.
        where: the server, for messages.
        prefix: key prefix of the bus.
        luck: returns a random number in [0, 1).
        counts: what to count in; default a new Counter.

    Attributes:
        counts: "received", "gaps", "reconnects", "failed"; those who attach add "delivered", "dropped", "unreadable".
        pressed: queues for which the reading has to wait: see `queues`.
    """

    def __init__(
        self,
        connect: Callable[[], Subscriber],
        *,
        where: str,
        prefix: str,
        luck: Callable[[], float],
        counts: Counter[str] | None = None,
    ) -> None:
        self.where = where
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.pressed: list[Any] = []
        self.routes: Routes = {}
        self._prefix = prefix
        self._entries: dict[Key, Entry] = {}
        self._attachments: dict[Attachment, None] = {}
        self._connection = Connection(connect, where=where, served=self, luck=luck)
        self._runner: asyncio.Task[None] | None = None
        self._trouble: BusError | None = None
        self._again: asyncio.TimerHandle | None = None

    @property
    def is_connected(self) -> bool:
        """Whether everything that was attached is subscribed now."""
        return self._connection.is_open and all(entry.active for entry in self._entries.values())

    async def attach(
        self,
        *,
        channels: Iterable[str] = (),
        patterns: Iterable[str] = (),
        on_message: OnMessage,
        on_gap: OnGap = lambda gap: None,
        accepts: Mapping[str, Accepts] | None = None,
        raw: bool = False,
        deadline_s: float | None = ATTACH_S,
    ) -> Attachment:
        """Hear what is published to these channels, from when this returns; the callbacks may be called before.

        Args:
            channels: names of topics. Each is taken literally, whatever it holds.
            patterns: Redis glob patterns of names of topics. Never make one of what a user typed.
            on_message: called in the event loop, in order, with the topic, the bytes, and the pattern it came by or
                None. It has to return at once. A message that several of the names and patterns match comes once.
            on_gap: called when messages may be missing, before the first message after the hole.
            accepts: for some of the patterns, which of the topics that match it are meant; asked once per topic.
            raw: names and patterns are Redis's own, without the key prefix. Names that begin with `__key` always are.
            deadline_s: how long Redis may take to confirm; None waits as long as it takes.

        Raises:
            Unavailable: Redis has not confirmed in time.
            AccessRefused: wrong password, or this user may not subscribe to one of them.
        """
        keys = {self._key(name, False, raw): name for name in channels}
        keys |= {self._key(pattern, True, raw): pattern for pattern in patterns}
        if not keys:
            raise ValueError("attach() takes at least one channel or pattern.")
        prefix = b"" if raw or not self._prefix else f"{self._prefix}:".encode()
        attachment = Attachment(self, keys, on_message, on_gap, accepts or {}, prefix)
        self._add(attachment)
        try:
            async with asyncio.timeout(deadline_s):
                await attachment.ready
        except TimeoutError:
            await self.detach(attachment)
            what = ", ".join(map(printable, attachment.topics))
            raise Unavailable(
                f"Redis at {self.where} has not confirmed within {deadline_s:g} s that it listens to {what:.200}. "
                f"{self._trouble or ''}".rstrip()
            ) from self._trouble
        except BaseException:
            await self.detach(attachment)
            raise
        return attachment

    async def detach(self, attachment: Attachment) -> None:
        """Undo `attach`."""
        if attachment not in self._attachments:
            return
        del self._attachments[attachment]
        idle = []
        for key in attachment.keys:
            entry = self._entries[key]
            entry.users.pop(attachment, None)
            if not entry.users:
                idle.append(self._entries.pop(key))
        self.routes.clear()
        if self._attachments:
            self._connection.unsubscribe(idle)
        else:
            await self.close()

    async def close(self) -> None:
        """Forget every attachment and disconnect."""
        self._attachments.clear()
        self._entries.clear()
        self.routes.clear()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.wait([runner])

    def _add(self, attachment: Attachment) -> None:
        self._attachments[attachment] = None
        new = []
        for key in attachment.keys:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(key)
                new.append(entry)
            entry.users[attachment] = None
        self.routes.clear()
        self._connection.subscribe(new)
        self._look(attachment)
        if self._runner is None:
            self._runner = asyncio.create_task(self._connection.run(), name=f"listen to {self.where}")

    def _key(self, text: str, is_pattern: bool, raw: bool) -> Key:
        if not raw and not text.startswith("__key"):  # Redis's own notifications know no prefix
            text = stream_key(self._prefix, text)  # nothing in a prefix is special in a pattern
        return Key(text.encode(), is_pattern)

    # --- what the connection asks and tells: see Served

    def entries(self) -> Iterable[Entry]:
        return self._entries.values()

    def route(self, key: Any) -> tuple[Route, ...]:
        came_by, channel = (Key(key[0], True), key[1]) if isinstance(key, tuple) else (Key(key), key)
        entry = self._entries.get(came_by)
        found: list[Route] = []
        for attachment in entry.users if entry is not None else ():
            topic = channel.removeprefix(attachment.prefix).decode(errors="backslashreplace")
            if self._way(attachment, topic, channel) == came_by:
                pattern = attachment.keys[came_by] if came_by.is_pattern else None
                found.append((attachment.on_message, topic, pattern))
        if len(self.routes) >= ROUTES:
            self.routes.clear()
        routes = self.routes[key] = tuple(found)
        return routes

    def _way(self, attachment: Attachment, topic: str, channel: bytes) -> Key | None:
        """Return by which of its names and patterns an attachment hears a channel: the first there is."""
        for key, text in attachment.keys.items():
            if not self._entries[key].active:
                continue
            if key.is_pattern:
                accepts = attachment.accepts.get(text)
                if matcher(key.name)(channel) and (accepts is None or accepts(topic)):
                    return key
            elif key.name == channel:
                return key
        return None

    def confirmed(self, entry: Entry) -> None:
        entry.active = True
        self._trouble = None
        self.routes.clear()
        refused_at, entry.refused_at = entry.refused_at, None
        for attachment in list(entry.users):
            if refused_at is not None and attachment.attached:
                self._tell(
                    attachment,
                    Gap(topics=(attachment.keys[entry.key],), reason="refused", seconds=monotonic() - refused_at),
                )
            self._look(attachment)

    def _look(self, attachment: Attachment) -> None:
        if not attachment.ready.done() and all(self._entries[key].active for key in attachment.keys):
            attachment.ready.set_result(None)

    def refused(self, entry: Entry, error: BusError) -> None:
        for attachment in list(entry.users):
            if not attachment.ready.done():
                attachment.ready.set_exception(error)
        if any(attachment.attached for attachment in entry.users):
            if entry.refused_at is None:
                entry.refused_at = monotonic()
                logger.error("Redis refuses %r; tried again until it is mended. %s", entry.key.name, error)
            if self._again is None:
                self._again = asyncio.get_running_loop().call_later(RETRY_REFUSED_S, self._ask_again)

    def _ask_again(self) -> None:
        self._again = None
        self._connection.subscribe([entry for entry in self._entries.values() if entry.refused_at is not None])

    def lost(self, error: BusError, *, for_good: bool) -> None:
        self._trouble = error
        self.routes.clear()
        for entry in self._entries.values():
            entry.active = False
        for attachment in self._attachments:
            if attachment.attached:
                attachment.deaf = True
            elif for_good and not attachment.ready.done():
                attachment.ready.set_exception(error)

    def gap(self, reason: Reason, seconds: float) -> None:
        for attachment in list(self._attachments):
            if attachment.deaf:
                attachment.deaf = False
                self._tell(attachment, Gap(topics=attachment.topics, reason=reason, seconds=seconds))

    def _tell(self, attachment: Attachment, gap: Gap) -> None:
        self.counts["gaps"] += 1
        try:
            attachment.on_gap(gap)
        except Exception as error:
            text, exc_info = loggable(error)
            logger.error("A gap could not be passed on: %s.%s", printable(str(gap)), text, exc_info=exc_info)
