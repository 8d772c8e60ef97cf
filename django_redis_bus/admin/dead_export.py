"""Dead letters as a file. It changes nothing, but payloads leave with it: so it is recorded as acts are."""

from __future__ import annotations

import re

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from ..core.exceptions import ConfigurationError
from ..models import DeadLetterPage
from ..operations import dead
from ..operations.asking import Asking
from .acts import NOT_RECORDED
from .audit import Record, filter_of
from .dead_filter import match_of, query_of
from .visits import Visit
from .whereabouts import whereabouts

EXPORT_S = 20.0
EXPORT_BYTES = 32 * 1024 * 1024
"""An export is in memory whole before its first byte leaves: what breaks off midway would pass for complete."""


def export(visit: Visit) -> HttpResponseBase:
    """Return matching dead letters as a file, a JSON object per line."""
    topic, match = visit.needed("stream"), match_of(visit)
    Asking(visit.bus).now_ms()  # a Redis that does not answer is not waited for so long
    said = f"export {filter_of(query_of(match))}"
    try:
        record = Record(visit.request, DeadLetterPage, whereabouts(visit, topic).about, said)
    except DatabaseError:
        messages.error(visit.request, NOT_RECORDED)
        return HttpResponseRedirect(visit.url("dead", stream=topic))
    lines, size = [], 0
    for line in dead.export(visit.asking, topic, match, payloads=visit.rights.payloads):
        size += len(line)
        if size > EXPORT_BYTES:
            record.end("refused, as it is too large")
            raise ConfigurationError(
                _("That is more than a page exports. Filter the list, or use the command: manage.py bus_dead export.")
            )
        lines.append(line.rstrip("\n"))
    record.end(f"{len(lines):,} exported")
    body = "".join(f"{line}\n" for line in lines).encode(errors="replace")
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", topic)[:80].strip("-.") or "stream"
    headers = {
        "Content-Disposition": f'attachment; filename="dead-letters-{name}.jsonl"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(body, content_type="application/x-ndjson; charset=utf-8", headers=headers)
