"""Streams and their groups: how long, how far behind, who works on them."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.config import Retention
from .asking import Asking
from .pausing import Pause
from .replaying import Replay
from .values import NONE, Count, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerReport:
    """A consumer of a group.

    Attributes:
        is_alive: its heartbeat is younger than ten seconds.
        beat_s: age of its last heartbeat; None if it has none (it left, or is no consumer of a bus).
        pending: entries that it has read and not settled.
        idle_s: since it last asked for something.
        host, pid, lease_s, held, oldest_id, oldest_s, paused: as it says of itself at its last heartbeat: how many
            entries it has in hand, and the one it has had longest; None or "" if it says nothing.
    """

    name: str
    is_alive: bool
    beat_s: float | None
    pending: int
    idle_s: float
    host: str = ""
    pid: int | None = None
    lease_s: float | None = None
    held: int | None = None
    oldest_id: str = ""
    oldest_s: float | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerReport:
    """A handler that this project declares in a group.

    Attributes:
        types: those it wants, sorted; () for all.
    """

    name: str
    types: tuple[str, ...]
    idempotent: bool
    max_attempts: int
    pause: Pause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """A consumer group of a stream.

    Attributes:
        exists: False for one that handlers declare and no consumer has made yet.
        handlers: declared in this project; () for a group of another program.
        pending: read, not settled.
        unread: not read yet; counted where Redis does not know (its lag is nil).
        oldest_s: age of the oldest event it has not settled, by its entry id; None if it is up to date.
        retrying: waiting for a retry; `due` of them are due now; the next is due in `next_s` seconds.
        alive: consumers with a heartbeat.
        last_alive_s: since there was one; None if never.
        keys: ordering keys of events that wait for a retry, of the first of them: later events of these keys pass.
        consumers: () in a listing.
    """

    name: str
    exists: bool
    handlers: tuple[HandlerReport, ...]
    pending: int = 0
    unread: Count = NONE
    oldest_s: float | None = None
    retrying: int = 0
    due: int = 0
    next_s: float | None = None
    alive: int = 0
    last_alive_s: float | None = None
    last_delivered: str = ""
    pause: Pause | None = None
    replay: Replay | None = None
    keys: tuple[str, ...] = ()
    consumers: tuple[ConsumerReport, ...] = ()

    @property
    def behind(self) -> Count:
        """Events that it has not settled: unread and pending."""
        return Count(self.unread.number + self.pending, self.unread.at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """A stream.

    Attributes:
        declaration: name it is declared under ("tenant:{tenant}:orders"); "" if nothing declares it.
        trouble: why Redis does not tell of it (another type of key, no permission); "" if it does.
        exists: there is such a key.
        length: entries in it.
        bytes: of memory; None where Redis does not tell.
        added: entries ever added.
        per_s: rate of the newest entries; None where there are too few to say.
        dead: dead letters.
        oldest_s: greatest of its groups.
        retention: what holds for it.
        removable: what trimming by it would remove now.
    """

    topic: str
    declaration: str
    trouble: str = ""
    exists: bool = False
    length: int = 0
    bytes: int | None = None
    first_id: str = ""
    last_id: str = ""
    added: int = 0
    per_s: float | None = None
    dead: int = 0
    retention: Retention
    removable: Count = NONE
    groups: tuple[GroupReport, ...] = ()

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest event that some group has not settled; None if all are up to date."""
        return max((group.oldest_s for group in self.groups if group.oldest_s is not None), default=None)


def streams(asking: Asking, *, after: str = "", count: int = 50) -> Page[StreamReport]:
    """Return the streams of the bus: declared ones without placeholders, and those that consumers have opened.

    Raises BusError if Redis cannot be asked at all.
    """
    raise NotImplementedError


def stream(asking: Asking, topic: str) -> StreamReport:
    """Return one stream with everything about its groups and consumers, whether or not it is declared or exists.

    Raises BusError if Redis cannot be asked.
    """
    raise NotImplementedError
