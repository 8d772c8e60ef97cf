"""What the data of a topic may be: payload types, schema versions, upcasters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import msgspec.inspect

from .attributes import split_version
from .exceptions import ConfigurationError, PayloadError, UnreadableEntry, did_you_mean
from .policy import Reason
from .serializers import Decode, Serializer, dec_hook, is_model

Upcaster = Callable[[Any], Any]
_PATH = re.compile(r" - at `([^`]+)`")


def type_name(kind: object) -> str:
    """Return how a payload type is called in messages."""
    return getattr(kind, "__name__", None) or str(kind)


class Payloads:
    """The payload type or types of one stream or channel.

    Args:
        topic: its name, for messages.
        payload: None (any plain values), one type for every event, or a mapping of event type to payload type. Types
            are whatever msgspec reads: dataclass, TypedDict, msgspec.Struct, and pydantic models.
        version: the current schema version of all of them.
        what: "Stream" or "Channel", for messages.
    """

    def __init__(self, topic: str, payload: Any, version: int, *, what: str = "Stream") -> None:
        if version < 1:
            raise ConfigurationError(f"{what} {topic!r}: version starts at 1.")
        self.topic = topic
        self._what = what
        self.version = version
        self.by_type: dict[str, Any] | None = dict(payload) if isinstance(payload, Mapping) else None
        self.single: Any = Any if payload is None or self.by_type is not None else payload
        self.upcasters: dict[int, Upcaster] = {}
        self._decoders: dict[tuple[str, int, str], Decode] = {}
        for kind in [self.single, *(self.by_type or {}).values()]:
            self._check(kind)

    def _check(self, kind: Any) -> None:
        try:
            unknown = next((t for t in _custom_types(msgspec.inspect.type_info(kind)) if not is_model(t)), None)
            if unknown is not None:
                raise TypeError(f"nothing is known of {type_name(unknown)}")
        except (TypeError, NameError) as error:
            raise ConfigurationError(
                f"{self._what} {self.topic!r}: payload {type_name(kind)} cannot be used: {str(error).rstrip('.')}. "
                "Use a dataclass, a TypedDict, a msgspec.Struct or a pydantic model with resolvable annotations."
            ) from error

    def kind(self, event_type: str) -> Any:
        """Return the payload type of an event type (Any if nothing is declared).

        Raises UnreadableEntry for a type that the declared mapping lacks.
        """
        if self.by_type is None:
            return self.single
        try:
            return self.by_type[event_type]
        except KeyError:
            raise UnreadableEntry(
                Reason.UNKNOWN_TYPE,
                f"{self._what} {self.topic!r} declares no event type {event_type[:200]!r}. "
                f"{did_you_mean(event_type, self.by_type)}",
            ) from None

    def type_of(self, data: object) -> str | None:
        """Return the one event type whose payload type `data` is an instance of, if there is exactly one."""
        if self.by_type is None:
            return None
        fits = [name for name, kind in self.by_type.items() if kind is type(data)]
        return fits[0] if len(fits) == 1 else None

    def resolve(self, event_type: str, schema: str | None) -> tuple[str, int]:
        """Return the type and the schema version that an event of this type and `dataschema` on the wire has."""
        version: int | None = None
        if schema is not None:
            version = split_version(schema)[1]
        elif event_type not in (self.by_type or ()):
            event_type, version = split_version(event_type)
        return event_type, 1 if version is None else version

    def decoder(self, event_type: str, version: int, serializer: Serializer) -> Decode:
        """Return the function from data bytes to typed data for events of this type and version.

        Raises UnreadableEntry for an unknown type or version. The returned function raises UnreadableEntry.
        """
        # Without a mapping every type has one decoder: types come from the wire, and there may be any number of them.
        known = (event_type if self.by_type else "", version, serializer.content_type)
        read = self._decoders.get(known)
        if read is None:
            read = self._decoders[known] = self._decoder(self.kind(event_type), version, serializer)
        return read

    def _decoder(self, kind: Any, version: int, serializer: Serializer) -> Decode:
        steps = self._steps(version)
        decode = serializer.decoder(Any if steps else kind)

        def upcast(data: bytes) -> Any:
            value = decode(data)
            for step in steps:
                value = step(value)
            return convert(value, kind)

        value_of = upcast if steps else decode

        def read(data: bytes) -> Any:
            try:
                return value_of(data)
            except msgspec.ValidationError as error:
                raise UnreadableEntry(Reason.INVALID_PAYLOAD, f"{type_name(kind)}: {one_path(str(error))}") from None
            except RecursionError:
                raise UnreadableEntry(Reason.UNDECODABLE, "the data is nested too deeply") from None
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UnreadableEntry(Reason.UNDECODABLE, f"{serializer.content_type}: {error}") from None
            except Exception as error:
                raise UnreadableEntry(
                    Reason.INVALID_PAYLOAD, f"{type_name(kind)}, version {version}: {error!r:.500}"
                ) from error

        return read

    def _steps(self, version: int) -> list[Upcaster]:
        if version > self.version:
            raise UnreadableEntry(
                Reason.UNKNOWN_VERSION,
                f"schema version {version} of {self._what.lower()} {self.topic!r} is newer than {self.version}, "
                "the newest here",
            )
        missing = [v for v in range(version, self.version) if v not in self.upcasters]
        if missing:
            raise UnreadableEntry(
                Reason.UNKNOWN_VERSION,
                f"{self._what.lower()} {self.topic!r} has no upcaster from schema version {missing[0]} to "
                f"{missing[0] + 1}",
            )
        return [self.upcasters[v] for v in range(version, self.version)]

    def check_encoded(self, event_type: str, data: bytes, serializer: Serializer) -> None:
        """Check data about to be published by reading it back.

        Raises PayloadError naming the topic, the payload type and the path.
        """
        if self.by_type is None and self.single is Any:
            return
        try:
            self.decoder(event_type, self.version, serializer)(data)
        except UnreadableEntry as error:
            raise PayloadError(
                f"{self._what} {self.topic!r}: {error}", topic=self.topic, path=error_path(str(error))
            ) from None

    def convert(self, event_type: str, value: Any) -> Any:
        """Return plain text values of a foreign entry as the payload type; numbers may be given as text.

        Raises UnreadableEntry.
        """
        kind = self.kind(event_type)
        if kind is Any:
            return value
        try:
            return convert(value, kind, strict=False)
        except Exception as error:
            said = f"{one_path(str(error)):.500}"
            raise UnreadableEntry(Reason.INVALID_PAYLOAD, f"{type_name(kind)}: {said}") from None


def convert(value: Any, kind: Any, *, strict: bool = True) -> Any:
    """Return plain values as `kind`. Raises msgspec.ValidationError naming the path."""
    return msgspec.convert(value, kind, strict=strict, dec_hook=dec_hook)


def _custom_types(info: Any, seen: set[int] | None = None) -> Iterator[type]:
    """Yield the types within a type that msgspec leaves to `dec_hook`."""
    seen = set() if seen is None else seen
    if isinstance(info, tuple):
        for each in info:
            yield from _custom_types(each, seen)
    elif isinstance(info, msgspec.inspect.CustomType):
        yield info.cls
    elif isinstance(info, msgspec.Struct) and id(info) not in seen:
        seen.add(id(info))  # types may hold themselves
        for name in info.__struct_fields__:
            yield from _custom_types(getattr(info, name), seen)


def one_path(message: str) -> str:
    """Return a msgspec error message with one path in it: a pydantic model inside another type names its own part."""
    paths = _PATH.findall(message)
    if len(paths) < 2:
        return message
    return f"{_PATH.sub('', message)} - at `{paths[-1]}{paths[0][1:]}`"


def error_path(message: str) -> str:
    """Return the path that a msgspec error message names, or "$"."""
    found = _PATH.search(message)
    return found[1] if found else "$"
