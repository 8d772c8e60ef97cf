"""The history of a channel: read it, go on from a place in it."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from ..core.keys import ChannelKeys
from .clients import Clients
from .commands import arun, run
from .scripts import script

_OFFSET = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")


class Resumed(NamedTuple):
    """What a history says to somebody who comes, or comes back.

    Attributes:
        epoch: of the history; None if there is none.
        offset: of its newest message, "0-0" before the first; None if there is no history.
        recovered: True: `messages` are all that follow the place asked for. False: some of them are lost, or more than
            the limit. None: no place was asked for.
        messages: JSON, oldest first; the newest ones where nothing could be recovered.
    """

    epoch: str | None
    offset: str | None
    recovered: bool | None
    messages: list[bytes]


def resume(
    clients: Clients,
    keys: ChannelKeys,
    epoch: str | None = None,
    offset: str | None = None,
    *,
    limit: int,
    deadline_s: float,
    begin_ms: int | None = None,
) -> Resumed:
    """Return what follows a place in the history of a channel, or its newest messages.

    Args:
        keys: of the channel.
        epoch, offset: the place; None for no place.
        limit: most messages to return.
        deadline_s: how long it may take.
        begin_ms: begin an epoch where there is none, so that somebody who comes before the first message has a place
            to come back to. Without a message it is kept for so long after the last who asked. None to change nothing.

    Raises BusError.
    """
    return _resumed(
        run(clients, script("resume"), *_asked(keys, epoch, offset, limit, begin_ms), deadline_s=deadline_s)
    )


async def aresume(
    clients: Clients,
    keys: ChannelKeys,
    epoch: str | None = None,
    offset: str | None = None,
    *,
    limit: int,
    deadline_s: float,
    begin_ms: int | None = None,
) -> Resumed:
    """The async twin of `resume`."""
    asked = _asked(keys, epoch, offset, limit, begin_ms)
    return _resumed(await arun(clients, script("resume"), *asked, deadline_s=deadline_s))


def rotate(clients: Clients, keys: ChannelKeys, epoch: str, *, deadline_s: float) -> str | None:
    """End an epoch of which Redis has lost a part; return the one that holds now, None without a history.

    Somebody else may have ended it already: then nothing changes. Raises BusError.
    """
    answer: bytes = run(clients, script("rotate"), [keys.live], epoch, new_epoch(), deadline_s=deadline_s)
    return answer.decode() or None


async def arotate(clients: Clients, keys: ChannelKeys, epoch: str, *, deadline_s: float) -> str | None:
    """The async twin of `rotate`."""
    answer: bytes = await arun(clients, script("rotate"), [keys.live], epoch, new_epoch(), deadline_s=deadline_s)
    return answer.decode() or None


def new_epoch() -> str:
    """Return a name that no other epoch has."""
    return os.urandom(8).hex()


def _asked(
    keys: ChannelKeys, epoch: str | None, offset: str | None, limit: int, begin_ms: int | None
) -> tuple[Any, ...]:
    if not epoch and not offset:
        place = ("", "")
    elif epoch and offset and _OFFSET.fullmatch(offset):
        place = (epoch, offset)
    else:  # what a browser may send: Redis would read "1" as an id, or refuse the whole script
        place = ("?", "0-0")
    fresh = ("", 0) if begin_ms is None else (new_epoch(), begin_ms)
    return ([keys.live, keys.history], *place, limit, *fresh)


def _resumed(answer: Any) -> Resumed:
    epoch, offset, recovered, *messages = answer
    known = None if recovered < 0 else recovered == 1
    return Resumed(epoch.decode() or None, offset.decode() or None, known, messages)
