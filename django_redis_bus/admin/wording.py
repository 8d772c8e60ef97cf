"""Moments and numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import formats, timezone


def number_text(number: int) -> str:
    """Return a number as the user's language groups its digits."""
    return formats.number_format(number, use_l10n=True, force_grouping=True)


def moment_text(unix_ms: int) -> str:
    """Return milliseconds since 1970 as a date and a time in the user's time zone and language."""
    try:
        local = timezone.localtime(datetime.fromtimestamp(unix_ms / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return "–"
    return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {formats.time_format(local, 'H:i:s')}"
