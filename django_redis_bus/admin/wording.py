"""Moments as text."""

from __future__ import annotations

from django.utils import formats, timezone

from ..templatetags.bus_console import moment


def moment_text(unix_ms: int) -> str:
    """Return milliseconds since 1970 as a date and a time in the user's time zone and language."""
    found = moment(unix_ms)
    if found is None:
        return "–"
    local = timezone.localtime(found)
    return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {formats.time_format(local, 'H:i:s')}"
