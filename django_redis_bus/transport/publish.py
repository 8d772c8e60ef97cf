"""Append events: any number of entries in one round trip, one result for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from ..core.exceptions import BusError, Unavailable
from .clients import Clients
from .errors import LOST, translate
from .wire import pack

Append = tuple[str, list[bytes | str]]
"""A stream key and the flat fields of one entry."""

# Written as one piece; more would only grow the buffers of both sides.
CHUNK = 1_000


def append(clients: Clients, entries: Sequence[Append]) -> list[str | BusError]:
    """XADD every entry and return its id or its error, in order.

    A lost connection leaves open whether Redis has added what was under way: those are errors, nothing is sent again.
    """
    results: list[str | BusError] = []
    for at in range(0, len(entries), CHUNK):
        chunk = entries[at : at + CHUNK]
        results += _append(clients, chunk)
        if isinstance(results[-1], Unavailable):
            break  # each further chunk would wait for a deadline of its own
    return results + results[-1:] * (len(entries) - len(results))


def _append(clients: Clients, entries: Sequence[Append]) -> list[str | BusError]:
    results: list[str | BusError] = []
    connection: Any = None
    pool: Any = None
    try:
        pool = clients.publishing()
        connection = pool.get_connection()
        connection.send_packed_command([_packed(entries)], check_health=False)
        for _ in entries:
            try:
                results.append(connection.read_response(disable_decoding=True).decode())
            except ResponseError as error:
                results.append(translate(error, where=clients.where))
    except BaseException as error:
        if connection is not None:
            connection.disconnect()  # replies may still be owed on it
        if not isinstance(error, (*LOST, ResponseError)):  # the latter: refused while connecting
            raise
        failure = translate(error, where=clients.where)
        results += [failure] * (len(entries) - len(results))
    finally:
        if connection is not None and pool is not None:
            pool.release(connection)
    return results


async def aappend(clients: Clients, entries: Sequence[Append]) -> list[str | BusError]:
    """The async twin of `append`."""
    results: list[str | BusError] = []
    for at in range(0, len(entries), CHUNK):
        chunk = entries[at : at + CHUNK]
        results += await _aappend(clients, chunk)
        if isinstance(results[-1], Unavailable):
            break
    return results + results[-1:] * (len(entries) - len(results))


async def _aappend(clients: Clients, entries: Sequence[Append]) -> list[str | BusError]:
    results: list[str | BusError] = []
    connection: Any = None
    pool: Any = None
    try:
        pool = clients.async_pool()
        connection = await pool.get_connection()
        await connection.send_packed_command(_packed(entries), check_health=False)
        for _ in entries:
            try:
                results.append((await connection.read_response(disable_decoding=True)).decode())
            except ResponseError as error:
                results.append(translate(error, where=clients.where))
    except BaseException as error:
        if connection is not None:
            await connection.disconnect(nowait=True)
        if not isinstance(error, (*LOST, ResponseError)):  # the latter: refused while connecting
            raise
        failure = translate(error, where=clients.where)
        results += [failure] * (len(entries) - len(results))
    finally:
        if connection is not None and pool is not None:
            await pool.release(connection)
    return results


def _packed(entries: Sequence[Append]) -> bytes:
    # hiredis itself, in one piece: redis-py's own packing takes three times as long and a system call per command.
    return b"".join([pack("XADD", key, "*", *fields) for key, fields in entries])
