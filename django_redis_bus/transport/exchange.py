"""Put a piece of work through one connection, within one deadline. What is written and read is the work's affair."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Protocol

import redis.exceptions
from redis.exceptions import ResponseError

from ..core.exceptions import Unavailable
from .clients import Clients
from .deadline import within
from .errors import LOST


class Work(Protocol):
    """Commands to write, the replies to them, and what they mean; knows no connection.

    Attributes:
        unsent: whether there are commands to be written now.
        expected: how many replies they are owed.
        replies: those that have come.
        stale: whether the server has refused in a way that a new connection might not meet.
    """

    unsent: bool
    expected: int
    replies: list[Any]
    stale: bool

    def pieces(self) -> Iterator[bytes]:
        """Return the commands, packed, in pieces to be written one by one."""
        ...

    def settle(self) -> None:
        """All expected replies are there: take them, and prepare what has to be written next, if anything."""
        ...

    def fail(self, error: BaseException, sent: bool) -> None:
        """The connection is lost, or there was none. `sent` tells whether the commands may have arrived."""
        ...


def perform(clients: Clients, work: Work, deadline_s: float) -> None:
    """Do the work, sync. A dead or refused connection is told to `work`; nothing is ever sent twice."""
    lender = connection = None
    try:
        lender = clients.publishing()  # outside the deadline: it may start an embedded server
        with within(deadline_s):
            connection = lender.take()
            while work.unsent:
                connection.exchange(work.pieces(), work.expected, work.replies)
                work.settle()
    except BaseException as error:
        if lender is not None and connection is not None:
            lender.drop(connection)  # replies may still be owed on it
        # Refused while connecting; or there is no server to connect to, as an embedded one does not come up.
        if not isinstance(error, (*LOST, ResponseError, Unavailable)):
            raise
        work.fail(_told(error, deadline_s), connection is not None)
        return
    if work.stale:
        lender.drop(connection)
    else:
        lender.give(connection)


async def aperform(clients: Clients, work: Work, deadline_s: float) -> None:
    """The async twin of `perform`."""
    pool: Any = None
    connection: Any = None
    try:
        pool = clients.async_pool()
        async with asyncio.timeout(deadline_s):
            connection = await pool.get_connection()
            while work.unsent:
                await connection.exchange(work.pieces(), work.expected, work.replies)
                work.settle()
        if work.stale:
            await connection.disconnect(nowait=True)
    except BaseException as error:
        if connection is not None:
            await connection.disconnect(nowait=True)
        if not isinstance(error, (*LOST, ResponseError, Unavailable)):
            raise
        work.fail(_told(error, deadline_s), connection is not None)
    finally:
        if connection is not None:
            await pool.release(connection)


def _told(error: BaseException, deadline_s: float) -> BaseException:
    # asyncio's says nothing, the socket's and redis-py's not how long it took.
    if isinstance(error, TimeoutError | redis.exceptions.TimeoutError):
        return TimeoutError(f"no answer within {deadline_s:g} s")
    return error
