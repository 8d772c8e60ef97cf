"""From data to a Message: encoded, validated and stamped, ready to be sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from time import time
from typing import Any, TypedDict

from .core.attributes import attribute, dataschema, split_version
from .core.causation import cause_of, handling
from .core.config import BusConfig
from .core.envelope import encode
from .core.events import Message
from .core.exceptions import ConfigurationError, EventTooLarge, PayloadError, UnreadableEntry, did_you_mean
from .core.serializers import compress
from .core.topics import Address
from .encoding import serializers


class Attributes(TypedDict, total=False):
    """What may be said of an event beside its data. See Stream.publish."""

    type: str | None
    key: str | None
    subject: str | None
    id: str | None
    time: datetime | None
    extensions: Mapping[str, str] | None
    traceparent: str | None


class MessageFactory:
    """Makes the messages of one bus."""

    def __init__(self, config: BusConfig) -> None:
        self._config = config
        self._serializer = serializers()[config.serializer]
        self._clock = (-1, "")

    def make(
        self,
        address: Address,
        data: Any,
        *,
        type: str | None = None,
        key: str | None = None,
        subject: str | None = None,
        id: str | None = None,
        time: datetime | None = None,
        extensions: Mapping[str, str] | None = None,
        traceparent: str | None = None,
    ) -> Message:
        """Return the message for a concrete stream. See Stream.publish for the arguments and errors."""
        stream, name = address.stream, address.name
        config = self._config
        if stream.bus_alias != config.alias:
            raise ConfigurationError(f"{stream!r} belongs to bus {stream.bus_alias!r}, not to {config.alias!r}.")
        event_type = attribute("type", type) if type else self._type_of(address, data)
        encoded = self._encode(name, data)
        try:
            stream.payloads.check_encoded(event_type, encoded, self._serializer)
        except UnreadableEntry as error:
            raise PayloadError(str(error), topic=name) from None
        compressed = config.compress_over is not None and len(encoded) > config.compress_over
        cause = cause_of(handling.get(), max_hops=config.max_hops)
        event_id = attribute("id", id) if id is not None else os.urandom(16).hex()
        version = stream.payloads.version
        # A type that itself ends in a version would be read as that version, unless a schema says otherwise.
        versioned = version > 1 or split_version(event_type)[1] is not None
        fields = encode(
            event_id=event_id,
            source=config.source,
            event_type=event_type,
            time_text=self._now() if time is None else _time_text(time),
            content_type=self._serializer.content_type,
            data=compress(encoded) if compressed else encoded,
            subject=subject,
            key=key,
            schema=dataschema(stream.name, version) if versioned else None,
            compressed=compressed,
            cause=cause,
            traceparent=attribute("traceparent", traceparent) if traceparent else cause.traceparent if cause else None,
            extensions=extensions,
        )
        return Message(topic=name, event_id=event_id, type=event_type, fields=fields, key=key, once=id is not None)

    def _type_of(self, address: Address, data: Any) -> str:
        stream, name = address.stream, address.name
        found = stream.payloads.type_of(data)
        if found is not None:
            return found
        if stream.payloads.by_type is not None:
            raise PayloadError(
                f"Stream {name!r} has several event types; say type=…. {did_you_mean('', stream.payloads.by_type)}",
                topic=name,
            )
        return f"{self._config.source}.{stream.name.replace(':', '.')}"

    def _encode(self, topic: str, data: Any) -> bytes:
        try:
            encoded = self._serializer.encode(data)
        except Exception as error:  # whatever a __str__ or a model's serializer raises
            reason = str(error).rstrip(".")
            raise PayloadError(f"Stream {topic!r}: the data cannot be encoded: {reason}.", topic=topic) from error
        if len(encoded) > self._config.max_event_bytes:
            raise EventTooLarge(
                f"Stream {topic!r}: {len(encoded)} bytes of data, MAX_EVENT_BYTES is {self._config.max_event_bytes}. "
                "Publish a reference to where the data is instead.",
                topic=topic,
            )
        return encoded

    def _now(self) -> str:
        """RFC 3339, UTC. `isoformat` on each event would cost as much as encoding its data."""
        now = time()
        second, text = self._clock
        if second != int(now):
            second = int(now)
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._clock = (second, text)
        return f"{text}.{int((now - second) * 1e6):06d}Z"


def _time_text(value: object) -> str:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise PayloadError("The event's time must be an aware datetime; use django.utils.timezone.now().", path="time")
    return value.isoformat()
