"""Which pages may open a socket: a browser sends its user's cookies to whoever a foreign page connects it to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator

from ..bus import Bus
from ..core.telling import printable

logger = logging.getLogger("django_redis_bus.relay")

LOG_EVERY_S = 10.0
"""Foreign pages may come by the thousand."""
LOGGED_LONGEST = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_allowed(scope: Mapping[str, Any], *buses: Bus) -> bool:
    """Return whether the page at the other end is one of ours: what RELAY["origins"] of one of the buses names; where
    a bus names none, one of ALLOWED_HOSTS, or of the socket's own host if they are "*".

    Without the header, which every browser sends, only "*" lets in.
    """
    raw = _header(scope, b"origin")
    try:
        origin = None if raw is None else urlsplit(raw.decode("ascii"))
        if any(_is_ours(origin, scope, bus) for bus in buses):
            return True
    except ValueError:  # a port that is none, a bracket that is not closed
        pass
    _log_refused(raw, _header(scope, b"host"))
    return False


def _is_ours(origin: SplitResult | None, scope: Mapping[str, Any], bus: Bus) -> bool:
    named = bus.config.relay.origins
    if named is not None:
        return bool(OriginValidator(None, named).valid_origin(origin))
    hosts = AllowedHostsOriginValidator(None)
    if "*" not in hosts.allowed_origins:
        return bool(hosts.valid_origin(origin))
    # Any host may serve this site, which makes no other site's page one of ours.
    return origin is None or _is_same(origin, _header(scope, b"host"))


def _is_same(origin: SplitResult, host: bytes | None) -> bool:
    port = _DEFAULT_PORTS.get(origin.scheme)
    if host is None or port is None or origin.hostname is None:
        return False
    asked = urlsplit(f"//{host.decode('ascii')}")
    return (origin.hostname, origin.port or port) == (asked.hostname, asked.port or port)


def _header(scope: Mapping[str, Any], wanted: bytes) -> bytes | None:
    return next((value for name, value in scope.get("headers", ()) if name == wanted), None)


class _Refused:
    """When a refusal was last logged, and how many were not."""

    logged_at_s = float("-inf")
    since = 0


def _log_refused(origin: bytes | None, host: bytes | None) -> None:
    now_s = monotonic()
    if now_s - _Refused.logged_at_s < LOG_EVERY_S:
        _Refused.since += 1
        return
    more = f" ({_Refused.since} more since the last such line)" if _Refused.since else ""
    _Refused.logged_at_s, _Refused.since = now_s, 0
    logger.warning(
        "A page of origin %s was refused a socket to %s. If it is yours, name it in RELAY['origins'].%s",
        _shown(origin),
        _shown(host),
        more,
    )


def _shown(header: bytes | None) -> str:
    return "(none)" if header is None else printable(header.decode("latin-1"))[:LOGGED_LONGEST]
