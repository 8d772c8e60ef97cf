"""Bytes from data and back: JSON (default) and MessagePack, and compression.

A serializer is a `Serializer` value: a content type, an encoder and a way to make typed decoders.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

Decode = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serializer:
    """One wire format of the data.

    Attributes:
        content_type: as written to the entry.
        encode: data to bytes.
        decoder: a function from a payload type (Any for plain values) to a function from bytes to data.
    """

    content_type: str
    encode: Callable[[object], bytes]
    decoder: Callable[[Any], Decode]


def is_model(kind: type) -> bool:
    """Return whether `dec_hook` can build this: pydantic's models and what looks like them."""
    return hasattr(kind, "model_validate")


def dec_hook(kind: type, value: Any) -> Any:
    """Build what msgspec has no decoder for: pydantic models (also nested in other types)."""
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        # How msgspec's dec_hook is to say that it does not know a type.
        raise NotImplementedError(f"no way to read a {kind.__name__}")
    try:
        return validate(value)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        if errors is None:
            raise
        # Pydantic's own text quotes the data, which must not reach logs and dead letters.
        first, *more = errors(include_url=False, include_context=False, include_input=False)
        rest = f" (and {len(more)} more)" if more else ""
        raise ValueError(f"{first['msg']}{rest} - at `${''.join(map(_step, first['loc']))}`") from None


def _step(part: str | int) -> str:
    """One step of a path as msgspec writes it: keys that may be data are not shown."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if part.isidentifier() else "[...]"


def json_serializer(enc_hook: Callable[[object], object]) -> Serializer:
    """Return the JSON serializer; `enc_hook` turns what JSON lacks into what it has."""
    return Serializer(
        content_type="application/json",
        encode=msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="string").encode,
        decoder=lambda kind: msgspec.json.Decoder(kind, dec_hook=dec_hook).decode,
    )


def msgpack_serializer(enc_hook: Callable[[object], object]) -> Serializer:
    """Return the MessagePack serializer; `enc_hook` turns what MessagePack lacks into what it has."""
    return Serializer(
        content_type="application/msgpack",
        encode=msgspec.msgpack.Encoder(enc_hook=enc_hook, decimal_format="string").encode,
        decoder=lambda kind: msgspec.msgpack.Decoder(kind, dec_hook=dec_hook).decode,
    )


SERIALIZERS: dict[str, Callable[[Callable[[object], object]], Serializer]] = {
    "json": json_serializer,
    "msgpack": msgpack_serializer,
}


# Subclasses of what msgspec encodes (SafeString, numpy's floats, a frozen clock's datetime) as what they are.
_EXACT: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
    (Decimal, Decimal),
    (datetime, lambda value: datetime.combine(value, value.timetz())),
    (date, lambda value: date(value.year, value.month, value.day)),
)


def plain(value: object) -> object:
    """The part of an encoder hook that needs no Django: pydantic models, subclasses of plain types.

    Raises TypeError, naming the type, for what has no JSON form.
    """
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)  # what model_validate will look for
    for kind, exact in _EXACT:
        if isinstance(value, kind) and not isinstance(value, bool):
            return exact(value)
    raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} has no JSON form")


def compress(data: bytes) -> bytes:
    """Return `data` compressed with zlib (RFC 1950), level 6."""
    return zlib.compress(data)


def decompress(data: bytes, *, limit_bytes: int) -> bytes:
    """Return the inflated data.

    Raises ValueError if it is not zlib data or is cut short, OverflowError if it would exceed `limit_bytes`.
    """
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data, limit_bytes + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(out) > limit_bytes:
        raise OverflowError(f"inflates to more than {limit_bytes} bytes")
    if not inflater.eof:
        raise ValueError("compressed data is cut short")
    if inflater.unused_data:
        raise ValueError("something follows the compressed data")
    return out
