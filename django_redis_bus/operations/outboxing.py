"""What lies in a row of the outbox, as a person may see it."""

from __future__ import annotations

import msgspec
from django.utils.translation import gettext as _

from .. import consuming, registry
from ..bus import buses
from ..core.exceptions import UnreadableEntry
from ..core.redaction import redact
from ..core.serializers import plain
from ..core.telling import printable
from ..core.topics import StreamTopic
from ..models import OutboxEvent
from ..outbox.rows import decode_fields
from .showing import DATA_CHARS, class_of

ATTRIBUTE_CHARS = 80
"""So much of a key or a subject is shown in a list."""


def payload(row: OutboxEvent) -> str:
    """Return the payload in a row as indented JSON, without what REDACT hides; or why it cannot be read."""
    try:
        fields = decode_fields(row.fields)
    except UnreadableEntry as error:
        return printable(str(error))
    if row.bus not in buses:
        refused = _("REDIS_BUS has no alias “%(alias)s”: nobody can say what of this may be shown.")
        return refused % {"alias": printable(row.bus)}
    stream = registry.find_stream(row.bus, row.topic) or StreamTopic("undeclared", bus=row.bus)
    flat = [part.encode(errors="replace") if isinstance(part, str) else part for part in fields]
    bus = buses[row.bus]
    try:
        data = consuming.reader(bus, stream, row.topic).plain_data(flat)
        shown = redact(data, consuming.redacted(bus, stream))
    except RecursionError:  # nested too deeply
        data = None
    if data is None:
        return _("The payload cannot be read.")
    text = msgspec.json.format(msgspec.json.encode(shown, enc_hook=plain), indent=2).decode(errors="replace")
    return printable(text[:DATA_CHARS], keep="\n")


def error_class(row: OutboxEvent) -> str:
    """Return why a row failed for who may see no payloads, as errors quote them: only the error's class."""
    return class_of(row.error) or (_("It could not be published.") if row.error else "")


def key_and_subject(row: OutboxEvent) -> tuple[str, str]:
    """Return the ordering key and the subject of a row's event, capped; "" for what it has not, or cannot be read."""
    try:
        fields = decode_fields(row.fields)
    except UnreadableEntry:
        return "", ""
    said = dict(zip(fields[::2], fields[1::2], strict=True))
    return _text(said.get("ce_partitionkey")), _text(said.get("ce_subject"))


def _text(value: bytes | str | None) -> str:
    if isinstance(value, bytes):
        value = value[:ATTRIBUTE_CHARS].decode(errors="replace")
    return printable((value or "")[:ATTRIBUTE_CHARS])
