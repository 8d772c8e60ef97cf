"""Who is in a room, kept where all processes see it. The rules are in lua/present.lua."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..core.keys import ChannelKeys
from .clients import Clients
from .commands import arun
from .scripts import script


class Present(NamedTuple):
    """A socket by which a user is in a room."""

    socket: str
    user: str
    """The user's id; a user is there as long as one socket is."""
    member: bytes
    """What the others see of the user, JSON."""


class Announcement(NamedTuple):
    """The pieces of the message that tells of somebody: head, a number, before_type, the type, before_member, the
    member, tail."""

    head: bytes
    before_type: bytes
    before_member: bytes
    tail: bytes
    joined: bytes
    left: bytes


async def apresent(
    clients: Clients,
    keys: ChannelKeys,
    *,
    present: Iterable[Present],
    gone: Iterable[Present],
    expiry_ms: int,
    announcement: Announcement,
    wanted: bool,
    deadline_s: float,
) -> list[bytes]:
    """Note sockets that are there and some that have gone; publish to the channel whom that, or time, made come or go.

    Args:
        present: sockets that live; each has to be named again before `expiry_ms` have passed.
        gone: sockets that have ended, of this process.
        announcement: how it is told.
        wanted: return the members; else [].

    Raises BusError.
    """
    sockets = [part for each in present for part in (each.socket, each.user, each.member)]
    answer: list[bytes] = await arun(
        clients,
        script("present"),
        [keys.members, keys.people],
        keys.channel,
        expiry_ms,
        int(wanted),
        *announcement,
        len(sockets) // 3,
        *sockets,
        *(f"{each.socket} {each.user}" for each in gone),
        deadline_s=deadline_s,
    )
    return [member.partition(b" ")[2] for member in answer]
