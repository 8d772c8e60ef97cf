"""What Redis tells of streams and of their groups: many in one round trip each, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..core.exceptions import BusError
from .asking import Asking
from .pausing import Pause
from .pausing import field as pause_field
from .pausing import parsed as pauses_of
from .records import Record, records
from .replaying import FIELDS as REPLAY_FIELDS
from .replaying import Replay
from .replaying import parsed as replay_of
from .values import Count


class GroupSeen(NamedTuple):
    """A group as XINFO GROUPS has it.

    Attributes:
        unread: counted where Redis does not know.
        lowest: id of its first pending entry; first: of its first unread one; "" if there is none.
        alive_ms: when it last had a live consumer; None if that is not noted.
    """

    name: str
    last_delivered: str
    pending: int
    unread: Count
    lowest: str
    first: str
    alive_ms: int | None


class StreamSeen(NamedTuple):
    """A stream.

    Attributes:
        kind: of the key: "stream", "none", or another type.
        newest: how many of its newest entries were looked at, and the id of the oldest of them.
        groups: those that were looked at.
    """

    kind: str
    dead: int
    pauses: tuple[Pause, ...]
    length: int = 0
    added: int = 0
    first_id: str = ""
    last_id: str = ""
    bytes: int | None = None
    newest: tuple[int, str] = (0, "")
    groups: tuple[GroupSeen, ...] = ()
    groups_in_all: int = 0


class ConsumerSeen(NamedTuple):
    """A consumer as XINFO CONSUMERS has it."""

    name: str
    pending: int
    idle_ms: int


class GroupNoted(NamedTuple):
    """What stands in the side keys of a group.

    Attributes:
        next_ms: when the first retry is due.
        consumers: None if they were not asked for.
        keys: ordering keys of the first entries that wait for a retry.
    """

    retrying: int
    due: int
    next_ms: float | None
    records: dict[str, Record]
    replay: Replay | None
    consumers: tuple[ConsumerSeen, ...] | None
    keys: tuple[str, ...]


def streams_seen(
    asking: Asking, topics: Sequence[str], *, most: int, groups: int, always: Mapping[str, Sequence[tuple[str, str]]]
) -> list[StreamSeen | BusError]:
    """Return what is to be seen of each stream, or why it is not.

    Args:
        most: entries counted at most for a group whose lag Redis does not know.
        groups: so many are looked at, those with most to do.
        always: topic -> groups that are looked at in any case, each with a handler ("" for none).

    Raises BusError if Redis cannot be asked at all.
    """
    asked = []
    for topic in topics:
        keys = asking.keys(topic)
        named = always.get(topic, ())
        names = sorted({group for group, _ in named})
        handlers = [pause_field(group, handler) for group, handler in named if handler]
        args = (most, groups, len(names), *names, *names, *handlers)
        asked.append(((keys.stream, keys.dead, keys.groups, keys.paused), args))
    replies = asking.run_many("see_stream", asked)
    return [reply if isinstance(reply, BusError) else _stream(*reply) for reply in replies]


def groups_noted(asking: Asking, groups: Sequence[tuple[str, str]], *, whole: bool) -> list[GroupNoted | BusError]:
    """Return what is noted of each group, or why it cannot be read.

    Args:
        groups: topic and group.
        whole: also its consumers, and the ordering keys that wait for a retry.

    Raises BusError if Redis cannot be asked at all.
    """
    asked = []
    for topic, group in groups:
        keys = asking.keys(topic, group)
        asked.append(((keys.stream, keys.consumers, keys.retry, keys.replay), (group, int(whole), *REPLAY_FIELDS)))
    replies = asking.run_many("see_group", asked)
    return [
        reply if isinstance(reply, BusError) else _noted(group, whole, *reply)
        for (_, group), reply in zip(groups, replies, strict=True)
    ]


def id_ms(entry_id: str) -> int:
    """Return the milliseconds in an entry id."""
    return int(entry_id.partition("-")[0])


def _stream(
    kind: bytes,
    dead: int,
    paused: list[bytes],
    length: int = 0,
    added: int = 0,
    first: bytes = b"",
    last: bytes = b"",
    size: int | bytes = b"",
    newest: tuple[int, bytes] = (0, b""),
    groups: Sequence[Sequence[Any]] = (),
    groups_in_all: int = 0,
) -> StreamSeen:
    number, oldest = newest
    return StreamSeen(
        kind=kind.decode(errors="replace"),
        dead=dead,
        pauses=pauses_of(paused),
        length=length,
        added=added,
        first_id=first.decode(),
        last_id=last.decode(),
        bytes=size if isinstance(size, int) else None,
        newest=(number, oldest.decode()),
        groups=tuple(_group(*group) for group in groups),
        groups_in_all=groups_in_all,
    )


def _group(
    name: bytes, last: bytes, pending: int, unread: int, more: int, lowest: bytes, first: bytes, alive: bytes
) -> GroupSeen:
    noted = alive.decode(errors="replace")
    return GroupSeen(
        name=name.decode(errors="replace"),
        last_delivered=last.decode(),
        pending=pending,
        unread=Count(max(0, unread), bool(more)),
        lowest=lowest.decode(),
        first=first.decode(),
        alive_ms=int(noted) if noted.isdecimal() and len(noted) < 19 else None,
    )


def _noted(
    group: str,
    whole: bool,
    retrying: int,
    due: int,
    following: bytes,
    said: list[bytes],
    replay: Sequence[bytes | None],
    consumers: Sequence[tuple[bytes, int, int]],
    keys: Sequence[bytes],
) -> GroupNoted:
    return GroupNoted(
        retrying=retrying,
        due=due,
        next_ms=float(following) if following else None,
        records=records(said),
        replay=replay_of(group, replay) if replay else None,
        consumers=tuple(ConsumerSeen(name.decode(errors="replace"), *rest) for name, *rest in consumers)
        if whole
        else None,
        keys=tuple(key.decode(errors="replace") for key in keys),
    )
