"""Whether a server is well, where an error might be the fault of one entry."""

from __future__ import annotations

from ..core.exceptions import BusError
from ..core.keys import dedup_key
from .clients import Clients
from .commands import call


def takes_writes(clients: Clients, stream: str, *, deadline_s: float) -> bool:
    """Return whether Redis would add something at the place of a stream; nothing is changed.

    PING is answered by a replica, too, and by a server that is full.
    """
    try:
        # No event has an empty id, so this key never exists; and NOMKSTREAM leaves it at that.
        call(clients, "XADD", dedup_key(stream, ""), "NOMKSTREAM", "*", "probe", "1", deadline_s=deadline_s)
    except BusError:
        return False
    return True


def lets_in(clients: Clients, *, deadline_s: float) -> bool:
    """Return whether Redis knows this user; what may be written by it is another question."""
    try:
        # No user can be forbidden this one, and an unknown one is refused.
        call(clients, "HELLO", deadline_s=deadline_s)
    except BusError:
        return False
    return True
