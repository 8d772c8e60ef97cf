"""What a server says of itself, read leniently: managed services leave much of it out."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Any

from ..core.exceptions import AccessRefused, BusError
from .asking import Asking, value

TEXT_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server says of itself. None or "" where it does not.

    Attributes:
        kind: "Redis" or "Valkey".
        where: its address, without user and password.
        policy: maxmemory-policy.
        aof: whether there is an append-only file; snapshots: whether it saves them.
        behind_s: since the last snapshot; None if it saves none.
        answers_ms: how long it took to answer.
    """

    kind: str
    version: str
    where: str
    role: str = ""
    uptime_s: int | None = None
    memory_bytes: int | None = None
    most_bytes: int | None = None
    policy: str = ""
    aof: bool | None = None
    snapshots: bool | None = None
    behind_s: float | None = None
    connections: int | None = None
    blocked: int | None = None
    operations_per_s: int | None = None
    replicas: int | None = None
    answers_ms: float = 0.0


def server(asking: Asking) -> Server:
    """Return what the server says of itself; little, if this user may not ask. Raises BusError if nobody answers."""
    began = monotonic()
    told, saves, time = asking.many([("INFO",), ("CONFIG", "GET", "save"), ("TIME",)])
    answers_ms = (monotonic() - began) * 1000
    said = info(None if isinstance(told, AccessRefused) else value(told))
    is_valkey = said.get("server_name") == "valkey" or "valkey_version" in said
    snapshots = _saves(saves)
    if snapshots is None:
        snapshots = True if number(said, "rdb_saves") else None
    saved = number(said, "rdb_last_save_time")
    seconds = None if isinstance(time, BusError) else int(time[0])
    aof = number(said, "aof_enabled")
    return Server(
        kind="Valkey" if is_valkey else "Redis",
        version=said.get("valkey_version", "") if is_valkey else said.get("redis_version", ""),
        where=asking.bus.clients.where,
        role=said.get("role", ""),
        uptime_s=number(said, "uptime_in_seconds"),
        memory_bytes=number(said, "used_memory"),
        most_bytes=number(said, "maxmemory") or None,
        policy=said.get("maxmemory_policy", ""),
        aof=None if aof is None else bool(aof),
        snapshots=snapshots,
        behind_s=max(0.0, seconds - saved) if snapshots and saved is not None and seconds is not None else None,
        connections=number(said, "connected_clients"),
        blocked=number(said, "blocked_clients"),
        operations_per_s=number(said, "instantaneous_ops_per_sec"),
        replicas=number(said, "connected_slaves"),
        answers_ms=answers_ms,
    )


def info(raw: Any) -> dict[str, str]:
    """Return what INFO has answered, name -> value."""
    lines = raw.decode(errors="replace").splitlines() if isinstance(raw, bytes) else []
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: text[:TEXT_CHARS] for name, colon, text in pairs if colon}


def number(said: dict[str, str], name: str) -> int | None:
    """Return a whole number of what `info` has returned; None if it does not say one."""
    text = said.get(name, "")
    return int(text) if text.isdecimal() else None


def _saves(reply: Any) -> bool | None:
    """Return whether CONFIG GET save names an interval; None if it may not be asked."""
    return bool(reply[1]) if isinstance(reply, list) and len(reply) == 2 else None
