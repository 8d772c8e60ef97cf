"""Which pages may open a socket: a browser sends its user's cookies to whoever a foreign page connects it to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator

from ..bus import Bus


def is_allowed(bus: Bus, scope: Mapping[str, Any]) -> bool:
    """Return whether the page at the other end is one of ours: RELAY["origins"], else one of ALLOWED_HOSTS.

    Without the header, which every browser sends, only "*" lets in.
    """
    allowed = bus.config.relay.origins
    check = AllowedHostsOriginValidator(None) if allowed is None else OriginValidator(None, allowed)
    origin = next((value for name, value in scope.get("headers", ()) if name == b"origin"), None)
    try:
        parsed = None if origin is None else urlsplit(origin.decode("ascii"))
        return bool(check.valid_origin(parsed))
    except ValueError:  # a port that is none, a bracket that is not closed
        return False
