"""A set of names in Redis."""

from __future__ import annotations

from .clients import Clients
from .commands import call


def members(clients: Clients, key: str, *, deadline_s: float) -> list[str]:
    """Return the names. Raises BusError."""
    return [name.decode(errors="replace") for name in call(clients, "SMEMBERS", key, deadline_s=deadline_s)]


def add(clients: Clients, key: str, name: str, *, deadline_s: float) -> None:
    """Add a name. Raises BusError."""
    call(clients, "SADD", key, name, deadline_s=deadline_s)


def remove(clients: Clients, key: str, name: str, *, deadline_s: float) -> None:
    """Remove a name. Raises BusError."""
    call(clients, "SREM", key, name, deadline_s=deadline_s)
