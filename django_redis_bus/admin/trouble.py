"""The page in place of one that cannot be shown: what is wrong, and what to do about it."""

from __future__ import annotations

from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..core.exceptions import (
    AccessRefused,
    BusError,
    ConfigurationError,
    OutOfMemory,
    PayloadError,
    PublishError,
    TransportError,
    UnknownTopic,
)
from .frame import Frame

AGAIN_S = 5
"""After so long a page in trouble asks again, with JavaScript."""

_ADVICE: tuple[tuple[type[BusError], Promise], ...] = (
    (
        AccessRefused,
        gettext_lazy(
            "Check the user and the password in LOCATION, and which commands and keys Redis lets this user use."
        ),
    ),
    (OutOfMemory, gettext_lazy("Redis has no memory left. Give it more (maxmemory), or trim streams.")),
    (
        TransportError,
        gettext_lazy(
            "Check that the server runs and that this machine reaches it at the address in LOCATION. "
            "This page asks again by itself."
        ),
    ),
    (PublishError, gettext_lazy("Redis answered, and refused the command. The reason above is its own.")),
)


def trouble(frame: Frame, error: BusError, *, status: int | None = None) -> TemplateResponse:
    """Return the page that tells of an error.

    Args:
        status: of the answer; None: 404 for a topic that is not there, 400 for other bad input, 503 for Redis.
    """
    if isinstance(error, (ConfigurationError, PayloadError, UnknownTopic)):
        status = status or (404 if isinstance(error, UnknownTopic) else 400)
        title = _("Not found") if status == 404 else _("That cannot be")
    else:
        status = status or 503
        title = _("Redis refuses") if isinstance(error, PublishError) else _("Redis cannot be asked")
    return frame.page(
        "trouble.html",
        title,
        status=status,
        # What was posted is not asked for again by itself.
        refresh_s=AGAIN_S if isinstance(error, TransportError) and frame.request.method == "GET" else None,
        problem=str(error),
        advice=next((advice for kind, advice in _ADVICE if isinstance(error, kind)), ""),
        is_about_redis=status == 503,
    )
