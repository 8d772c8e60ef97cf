"""Moments and numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import formats, timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from ..core.telling import printable
from ..operations.wording import number_text

__all__ = ["linked", "moment_text", "number_text"]


def moment_text(unix_ms: int) -> str:
    """Return milliseconds since 1970 as a date and a time in the user's time zone and language."""
    try:
        local = timezone.localtime(datetime.fromtimestamp(unix_ms / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return "–"
    return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {formats.time_format(local, 'H:i:s')}"


def linked(said: str, url: str, text: str, **more: str) -> SafeString:
    """Return a sentence as HTML, with a link at its %(link)s.

    Args:
        text: of the link; it may come from the wire, as the other values may.
    """
    link = format_html('<a href="{}"><bdi>{}</bdi></a>', url, printable(text))
    values = {name: conditional_escape(value) for name, value in more.items()}
    return mark_safe(conditional_escape(said) % (values | {"link": link}))
