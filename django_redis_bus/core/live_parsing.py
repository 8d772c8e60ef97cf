"""CHANNELS and RELAY as values; the rest of REDIS_BUS is parsed by `core.parsing`."""

from __future__ import annotations

import re
from collections.abc import Callable

from .config import ChannelConfig, RelayConfig
from .exceptions import ConfigurationError
from .patterns import Pattern
from .sections import Problem, Section, at_least, flag, names

_SECONDS = "a number of seconds or a text such as '30s'"
_WHOLE = "a whole number, at least 1"
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
_RULE = "a permission such as 'chat.view_room', or the dotted path of a function (user, **parameters) -> bool"


def channel(place: str, name: str, raw: object, problems: list[Problem]) -> ChannelConfig:
    """Return one entry of CHANNELS."""
    s = Section(place, raw, problems)
    config = ChannelConfig(
        name=name,
        history=s.get("HISTORY", _up_to(1_000_000), "a number of messages, 0 to 1,000,000", None),
        history_age_s=s.get("HISTORY_AGE", at_least(1), f"{_SECONDS}, at least 1", None),
        can_join=s.get("CAN_JOIN", _dotted, _RULE, None),
        can_publish=s.get("CAN_PUBLISH", _dotted, _RULE, None),
        presence=s.get("PRESENCE", flag, "True or False", None),
        redact=s.get("REDACT", names, "a list of paths in the data", ()),
    )
    s.finish()
    return config


def relay(place: str, raw: object, problems: list[Problem]) -> RelayConfig:
    """Return RELAY."""
    s = Section(place, raw, problems)
    config = RelayConfig(
        queue=s.get("queue", at_least(1, whole=True), _WHOLE, 256),
        message_bytes=s.get("message_bytes", at_least(1, whole=True), "a number of bytes, at least 1", 16_384),
        rate=s.get("rate", _number, "a number of frames per second, above 0", 10.0),
        burst=s.get("burst", at_least(1, whole=True), _WHOLE, 30),
        rooms=s.get("rooms", at_least(1, whole=True), _WHOLE, 50),
        recheck_s=s.get("recheck", at_least(1), f"{_SECONDS}, at least 1", 30.0),
        presence_s=s.get("presence", at_least(1), f"{_SECONDS}, at least 1", 30.0),
        keepalive_s=s.get("keepalive", at_least(1), f"{_SECONDS}, at least 1", 15.0),
        spread_s=s.get("spread", at_least(0), _SECONDS, 10.0),
        history=s.get("history", at_least(0, whole=True), "a number of messages", 1_000),
        push=s.get("push", _topics, "a list of channel names such as 'user:{user.pk}'", ()),
        origins=s.get("origins", names, "a list of origins such as 'https://shop.example'", None),
        identity=s.get("identity", _dotted, "the dotted path of a function", None),
    )
    s.finish()
    return config


def _up_to(most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise ValueError
        return value

    return read


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError
    return float(value)


def _dotted(value: object) -> str:
    if not isinstance(value, str) or not _DOTTED.fullmatch(value):
        raise ValueError
    return value


def _topics(value: object) -> tuple[str, ...]:
    found = names(value)
    try:
        for name in found:
            Pattern(name)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    return found
