"""Moments and numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import formats, timezone

from ..operations.wording import number_text

__all__ = ["moment_text", "number_text"]


def moment_text(unix_ms: int) -> str:
    """Return milliseconds since 1970 as a date and a time in the user's time zone and language."""
    try:
        local = timezone.localtime(datetime.fromtimestamp(unix_ms / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return "–"
    return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {formats.time_format(local, 'H:i:s')}"
