"""The entry on the wire: CloudEvents 1.0, binary mode, as a stream entry's fields.

Field names follow the Kafka protocol binding (`ce_id`, `content-type`); the data stands in the field `data`.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .attributes import attribute, extension
from .causation import Cause

SPEC_VERSION = "1.0"
DATA = b"data"
ONLY_FOR = b"bus_only_for"
"""First field of a copy that is for one consumer group alone, whose name is its value. The entry follows it."""
# RFC 9110, 8.4.1.2: what HTTP calls "deflate" is the zlib format.
COMPRESSED = "deflate"


def encode(
    *,
    event_id: str,
    source: str,
    event_type: str,
    time_text: str,
    content_type: str,
    data: bytes,
    subject: str | None = None,
    key: str | None = None,
    schema: str | None = None,
    compressed: bool = False,
    cause: Cause | None = None,
    traceparent: str | None = None,
    extensions: Mapping[str, str] | None = None,
) -> list[bytes | str]:
    """Return the fields of one entry, flat. The same order each time: Redis stores repeated field names once."""
    fields: list[bytes | str] = [
        "ce_specversion", SPEC_VERSION, "ce_id", event_id, "ce_source", source, "ce_type", event_type,
        "ce_time", time_text,
    ]  # fmt: skip
    if subject is not None:
        fields += ("ce_subject", attribute("subject", subject))
    if key is not None:
        fields += ("ce_partitionkey", attribute("key", key))
    if schema is not None:
        fields += ("ce_dataschema", schema)
    if traceparent is not None:
        fields += ("ce_traceparent", traceparent)
    if cause is not None:
        if cause.correlation_id is not None:
            fields += ("ce_correlationid", cause.correlation_id)
        if cause.causation_id is not None:
            fields += ("ce_causationid", cause.causation_id)
        fields += ("ce_hops", str(cause.hops))
    if extensions:
        for name, value in extensions.items():
            fields += (f"ce_{extension(name)}", attribute(name, value))
    fields += ("content-type", content_type)
    if compressed:
        fields += ("content-encoding", COMPRESSED)
    fields += (DATA, data)
    return fields


def key_of(flat: Sequence[bytes]) -> bytes | None:
    """Return the ordering key in an entry's flat fields, None if it has none."""
    try:
        return flat[2 * flat[::2].index(b"ce_partitionkey") + 1]
    except (ValueError, IndexError):
        return None
