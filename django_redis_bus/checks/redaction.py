"""Checks of REDACT: paths that lead nowhere hide nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec.inspect as types
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from .. import registry
from ..core.config import BusConfig
from ..core.exceptions import ConfigurationError, did_you_mean
from ..core.payloads import Payloads, type_name
from ..core.redaction import EACH, Path, parse_path
from ..core.serializers import is_model
from ..core.topics import ChannelTopic, StreamTopic

_WITH_FIELDS = (types.StructType, types.DataclassType, types.TypedDictType, types.NamedTupleType)
_WITH_ITEMS = (types.ListType, types.SetType, types.FrozenSetType, types.VarTupleType)
# What is in them is known to nobody here.
_OPAQUE = (types.AnyType, types.CustomType, types.ExtType, types.RawType)


def check_redaction(configs: Mapping[str, BusConfig]) -> list[CheckMessage]:
    """bus.E019, W011: what cannot be a path, and paths that the topic's payload type does not have."""
    messages: list[CheckMessage] = []
    for alias, config in configs.items():
        topics: list[StreamTopic | ChannelTopic] = [*registry.streams(alias), *registry.channels(alias)]
        for topic in topics:
            is_stream = isinstance(topic, StreamTopic)
            section = "STREAMS" if is_stream else "CHANNELS"
            configured = config.streams.get(topic.name) if is_stream else config.channels.get(topic.name)
            in_settings = configured.redact if configured else ()
            place = f"REDIS_BUS[{alias!r}][{section!r}][{topic.name!r}]['REDACT']" if in_settings else repr(topic)
            for text in in_settings or topic.redact:
                try:
                    path = parse_path(text)
                except ConfigurationError as error:
                    messages.append(Error(f"{place}: {error}", hint="Example: 'card.number'.", id="bus.E019"))
                    continue
                # The data of older versions had other fields, and an upcaster may quote them.
                known = None if topic.payloads.upcasters else lost(topic.payloads, path)
                if known is not None:
                    messages.append(
                        CheckWarning(
                            f"{place}: {text!r} hides nothing: {_kinds(topic.payloads)} has no such field.",
                            hint=did_you_mean(*known).strip() if known[1] else "There are no fields so far down.",
                            id="bus.W011",
                        )
                    )
    return messages


def lost(payloads: Payloads, path: Path) -> tuple[str, set[str]] | None:
    """Return the step at which a path leaves each payload type, and the names known there; None if one has it."""
    kinds = [payloads.single] if payloads.by_type is None else list(payloads.by_type.values())
    return _in_any([types.type_info(Any if kind is None else kind) for kind in kinds], path)


def _in_any(infos: Iterable[Any], path: Path) -> tuple[str, set[str]] | None:
    at, known = path[0] if path else "", set[str]()
    for info in infos:
        found = _lost(info, path)
        if found is None:
            return None
        if found[1]:
            at, known = found[0], known | found[1]
    return at, known


def _lost(info: Any, path: Path) -> tuple[str, set[str]] | None:
    if not path:
        return None
    step, rest = path[0], path[1:]
    if isinstance(info, types.UnionType):
        return _in_any(info.types, path)
    if isinstance(info, _WITH_ITEMS):
        return _lost(info.item_type, rest if step == EACH else path)
    if isinstance(info, types.TupleType):
        return _in_any(info.item_types, rest if step == EACH else path)
    if isinstance(info, types.DictType):
        return _lost(info.value_type, rest)
    parts = _parts(info)
    if parts is None:
        return None if isinstance(info, _OPAQUE) else (step, set())
    if step == EACH:
        return _in_any([info for _, info in parts], rest)
    for end in range(1, len(path) + 1):
        into = [part for names, part in parts if ".".join(path[:end]) in names]
        if into:
            return _in_any(into, path[end:])
    return step, {name for names, _ in parts for name in names}


def _parts(info: Any) -> list[tuple[set[str], Any]] | None:
    """Return the names of each field, and its type; None for what has no fields."""
    if isinstance(info, _WITH_FIELDS):
        return [({field.name, field.encode_name}, field.type) for field in info.fields]
    if isinstance(info, types.CustomType) and is_model(info.cls) and hasattr(info.cls, "model_fields"):
        return [
            ({name, field.serialization_alias or field.alias or name}, _info(field.annotation))
            for name, field in info.cls.model_fields.items()
        ]
    return None


def _info(annotation: Any) -> Any:
    try:
        return types.type_info(annotation)
    except (TypeError, NameError):
        return types.AnyType()


def _kinds(payloads: Payloads) -> str:
    kinds = [payloads.single] if payloads.by_type is None else payloads.by_type.values()
    return " or ".join(dict.fromkeys(type_name(kind) for kind in kinds))
