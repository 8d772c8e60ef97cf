"""Revocation: what processes tell each other when a session has ended or rights have changed."""

from __future__ import annotations

from hashlib import sha256

import msgspec


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sockets have to be looked at."""

    user: str | None = None
    """Primary key as text; None for everybody, if no session is named."""
    session: str | None = None
    """The mark of a session that has ended."""


def mark(session_key: str) -> str:
    """Return what names a session in messages between processes, without being its key."""
    return sha256(f"django_redis_bus:{session_key}".encode()).hexdigest()[:32]


def read(raw: bytes) -> Revocation | None:
    """Return a Revocation, None for anything else."""
    try:
        return msgspec.json.decode(raw, type=Revocation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
