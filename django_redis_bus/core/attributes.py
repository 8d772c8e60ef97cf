"""What CloudEvents attributes may hold, and the schema versions that types and dataschemas name.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system
"""

from __future__ import annotations

import re

from .exceptions import PayloadError

_NAME = re.compile(r"[a-z0-9]{1,40}")
# Of "data" the specification says that it is no attribute; "datacontenttype" travels as content-type.
RESERVED = {
    "specversion", "id", "source", "type", "time", "subject", "partitionkey", "dataschema", "traceparent",
    "correlationid", "causationid", "hops", "data", "datacontenttype",
}  # fmt: skip
# What Redis or the publisher adds to a channel's message.
_OF_CHANNELS = {"epoch", "offset", "ephemeral", "foreign"}
# Control characters, lone surrogates and noncharacters (CloudEvents 1.0.2, "Type System", String).
_PLANE_ENDS = "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")
_VERSION = re.compile(r"[.:/#]v([0-9]{1,9})\Z")


def is_text(value: str) -> bool:
    """Return whether the specification allows these characters in an attribute."""
    return value.isprintable() or not _FORBIDDEN.search(value)


def attribute(name: str, value: object) -> str:
    """Return a CloudEvents attribute's value if it is one.

    Raises PayloadError when it is no text, is empty, or holds characters that the specification forbids.
    """
    if not isinstance(value, str):
        raise PayloadError(f"The event's {name} must be text, not {type(value).__name__}: write str(…).", path=name)
    if not value or not is_text(value):
        raise PayloadError(f"The event's {name} must be text without control characters and not empty.", path=name)
    return value


def extension(name: object) -> str:
    """Return the name of an extension attribute if it is one. Raises PayloadError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED | _OF_CHANNELS:
        raise PayloadError(
            f"{name!r} is no name for an extension: at most 40 lower-case letters and digits that no attribute uses.",
            path=str(name),
        )
    return name


def dataschema(topic: str, version: int) -> str:
    """Return the `dataschema` URI that names a schema version: "bus:events:order:v2"."""
    return f"bus:{topic}:v{version}"


def split_version(text: str) -> tuple[str, int | None]:
    """Return a type or dataschema without its version, and the version: "order.created.v2" is "order.created" and 2."""
    found = _VERSION.search(text)
    return (text[: found.start()], int(found[1])) if found else (text, None)
