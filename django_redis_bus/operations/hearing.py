"""What is said in channels just now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from .. import registry
from ..core.exceptions import ConfigurationError, UnreadableEntry, did_you_mean
from ..core.keys import stream_key
from ..core.live import LiveReader
from ..core.payloads import Payloads
from ..core.redaction import redact
from ..core.subscribing import Key
from ..core.topics import ChannelTopic
from ..transport import hearing
from .asking import PAGE_S, Asking
from .showing import DATA_CHARS, TEXT_CHARS, capped

LONGEST_S = 10.0
MOST_BYTES = 8_000_000
"""So much is heard at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message that was heard. Texts are printable and capped.

    Attributes:
        text: the data as JSON or text; None if who asks may not see it.
    """

    topic: str
    type: str
    event_id: str
    time: str
    text: str | None


def hear(asking: Asking, topics: Sequence[str], *, seconds: float, most: int = 200, payloads: bool) -> list[Heard]:
    """Listen for a while and return what came.

    Args:
        topics: names, and declared channels with placeholders in them. Nothing else is ever made a pattern.
        seconds: how long, at most 10.

    Raises ConfigurationError for a topic that no channel declares, BusError.
    """
    alias, prefix = asking.bus.alias, asking.config.key_prefix
    meant = {topic: _declared(alias, topic) for topic in topics}
    patterns = [declared for topic, declared in meant.items() if topic == declared.name and declared.pattern.parameters]
    keys = [Key(_glob(prefix, declared), is_pattern=True) for declared in patterns]
    keys += [
        Key(stream_key(prefix, topic).encode())
        for topic, declared in meant.items()
        if declared not in patterns  # else it would be heard twice
    ]
    found: list[Heard] = []
    size, before = 0, stream_key(prefix, "").encode()
    for came in hearing.hear(asking.bus.clients, keys, seconds=min(seconds, LONGEST_S), answer_s=PAGE_S):
        try:
            name = came.channel.removeprefix(before).decode()
        except UnicodeDecodeError:
            continue
        declared = meant.get(name) or next((each for each in patterns if each.parse(name) is not None), None)
        if declared is None:  # "chat:*" also matches "chat:a:b", which is no "chat:{room}"
            continue
        found.append(_heard(asking, declared, name, came.data, payloads=payloads))
        size += len(came.data)
        if len(found) >= most or size > MOST_BYTES:
            break
    return found


def _declared(alias: str, topic: str) -> ChannelTopic:
    declared = registry.find_channel(alias, topic)
    if declared is None:
        known = [each.name for each in registry.channels(alias)]
        raise ConfigurationError(f"Bus {alias!r} declares no channel {topic!r}. {did_you_mean(topic, known).strip()}")
    return registry.channel(alias, declared.name)


def _glob(prefix: str, declared: ChannelTopic) -> bytes:
    return stream_key(prefix, declared.pattern.glob).encode()


def _heard(asking: Asking, declared: ChannelTopic, name: str, raw: bytes, *, payloads: bool) -> Heard:
    try:
        # As plain values: what does not fit the payload type is just what one looks for.
        event = LiveReader(Payloads(name, None, 1), max_bytes=asking.config.max_event_bytes).read(name, raw)
    except UnreadableEntry as error:
        return Heard(
            topic=capped(name, TEXT_CHARS), type="", event_id="", time="", text=f"(unreadable: {error.reason})"
        )
    return Heard(
        topic=capped(name, TEXT_CHARS),
        type=capped(event.type, TEXT_CHARS),
        event_id="" if event.foreign else capped(event.id, TEXT_CHARS),
        time=capped(event.time_text or "", TEXT_CHARS),
        text=_text(event.data, declared.redact) if payloads else None,
    )


def _text(data: Any, paths: Sequence[str]) -> str:
    if isinstance(data, bytes):
        return repr(data[:DATA_CHARS])
    try:
        plain = redact(data, paths)
        said = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    except (RecursionError, ValueError, TypeError):
        return "(unreadable)"
    return capped(said, DATA_CHARS)
