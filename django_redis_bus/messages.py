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
from .core.events import LIVE_ONLY, Keeping, Message
from .core.exceptions import ConfigurationError, EventTooLarge, PayloadError, UnreadableEntry, did_you_mean
from .core.live import encode_live
from .core.serializers import Serializer, compress
from .core.topics import Address, ChannelTopic
from .encoding import serializers


class Attributes(TypedDict, total=False):
    """What may be said of an event beside its data. See Stream.publish, and Channel.publish for the last."""

    type: str | None
    key: str | None
    subject: str | None
    id: str | None
    time: datetime | None
    extensions: Mapping[str, str] | None
    traceparent: str | None
    ephemeral: bool


class MessageFactory:
    """Makes the messages of one bus."""

    def __init__(self, config: BusConfig) -> None:
        self._config = config
        self._serializer = serializers()[config.serializer]
        self._json = serializers()["json"]
        self._kept: dict[ChannelTopic, Keeping] = {}
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
        ephemeral: bool = False,
    ) -> Message:
        """Return the message for a concrete stream or channel. See Stream.publish for the arguments and errors."""
        topic, name = address.topic, address.name
        config = self._config
        if topic.bus_alias != config.alias:
            raise ConfigurationError(f"{topic!r} belongs to bus {topic.bus_alias!r}, not to {config.alias!r}.")
        serializer = self._json if isinstance(topic, ChannelTopic) else self._serializer
        event_type = attribute("type", type) if type else self._type_of(address, data)
        encoded = self._encode(address, serializer, data)
        try:
            topic.payloads.check_encoded(event_type, encoded, serializer)
        except UnreadableEntry as error:
            raise PayloadError(str(error), topic=name) from None
        cause = cause_of(handling.get(), max_hops=config.max_hops)
        event_id = attribute("id", id) if id is not None else os.urandom(16).hex()
        version = topic.payloads.version
        # A type that itself ends in a version would be read as that version, unless a schema says otherwise.
        versioned = version > 1 or split_version(event_type)[1] is not None
        said: dict[str, Any] = {
            "event_id": event_id,
            "source": config.source,
            "event_type": event_type,
            "time_text": self._now() if time is None else _time_text(time),
            "subject": subject,
            "key": key,
            "schema": dataschema(topic.name, version) if versioned else None,
            "cause": cause,
            "traceparent": (
                attribute("traceparent", traceparent) if traceparent else cause.traceparent if cause else None
            ),
            "extensions": extensions,
        }
        if isinstance(topic, ChannelTopic):
            raw = encode_live(data=encoded, ephemeral=ephemeral, **said)
            keeping = LIVE_ONLY if ephemeral else self._keeping(topic)
            return Message(topic=name, event_id=event_id, type=event_type, fields=[raw], key=key, live=keeping)
        if ephemeral:
            raise ConfigurationError(f"Stream {name!r} keeps what is published: ephemeral=True is for channels.")
        compressed = config.compress_over is not None and len(encoded) > config.compress_over
        body = compress(encoded) if compressed else encoded
        fields = encode(content_type=serializer.content_type, data=body, compressed=compressed, **said)
        return Message(topic=name, event_id=event_id, type=event_type, fields=fields, key=key, once=id is not None)

    def _keeping(self, channel: ChannelTopic) -> Keeping:
        found = self._kept.get(channel)
        if found is None:
            found = self._kept[channel] = channel.under(self._config.channels.get(channel.name)).keeping
        return found

    def _type_of(self, address: Address, data: Any) -> str:
        topic, name = address.topic, address.name
        found = topic.payloads.type_of(data)
        if found is not None:
            return found
        if topic.payloads.by_type is not None:
            raise PayloadError(
                f"{address} has several event types; say type=…. {did_you_mean('', topic.payloads.by_type)}", topic=name
            )
        fixed = topic.pattern.fixed
        return f"{self._config.source}.{fixed}" if fixed else self._config.source

    def _encode(self, address: Address, serializer: Serializer, data: Any) -> bytes:
        try:
            encoded = serializer.encode(data)
        except Exception as error:  # whatever a __str__ or a model's serializer raises
            reason = str(error).rstrip(".")
            raise PayloadError(f"{address}: the data cannot be encoded: {reason}.", topic=address.name) from error
        if len(encoded) > self._config.max_event_bytes:
            raise EventTooLarge(
                f"{address}: {len(encoded)} bytes of data, MAX_EVENT_BYTES is {self._config.max_event_bytes}. "
                "Publish a reference to where the data is instead.",
                topic=address.name,
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
