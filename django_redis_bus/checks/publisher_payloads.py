"""Whether the data that FIELDS and EXCLUDE make has what the stream's payload type requires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec.inspect
from django.core.checks import CheckMessage, Error
from django.db.models import Model

from django_redis_bus.core.config import PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.payloads import type_name
from django_redis_bus.publishers.models import ACTIONS, data_fields

from .emitted import model_types, topic_of


def check_payload(alias: str, config: PublisherConfig, model: type[Model], place: str) -> Iterator[CheckMessage]:
    """Yield bus.E121 for each payload type that lacks fields.

    Says nothing of a PAYLOAD function, of types that msgspec does not look into (pydantic), of event types that
    only an event makes whole, and of publishers that other checks complain about.
    """
    if config.payload is not None:
        return
    try:
        topic = topic_of(alias, config.topic)
        types = model_types(model, config)
        names = set(data_fields(model, config))
    except ConfigurationError:
        return
    if topic is None:
        return
    told: set[tuple[str, ...]] = set()
    for action, event_type in types.items():
        by_type = topic.payloads.by_type
        kind = topic.payloads.single if by_type is None else by_type.get(event_type.text)
        there = names | {"m2m"} if action == "m2m_changed" else names
        missing = tuple(name for name in _required(kind) if name not in there)
        if not missing or action not in ACTIONS or (type_name(kind), *missing) in told:
            continue
        told.add((type_name(kind), *missing))
        yield Error(
            f"{place} sends {event_type.text!r} without what {type_name(kind)}, its payload type in {topic.what} "
            f"{topic.name!r}, requires: {', '.join(missing)}.",
            hint=_hint(model, missing),
            id="bus.E121",
        )


def _required(kind: Any) -> list[str]:
    """Return the keys that data must have to be read as `kind`; none for what is not read from a mapping."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.StructType) and info.array_like:
        return []
    if isinstance(info, msgspec.inspect.StructType | msgspec.inspect.DataclassType | msgspec.inspect.TypedDictType):
        return [field.encode_name for field in info.fields if field.required]
    return []


def _hint(model: type[Model], missing: tuple[str, ...]) -> str:
    columns = {name for field in model._meta.concrete_fields for name in (field.name, field.attname)} | {"pk"}
    strangers = [name for name in missing if name not in columns]
    if not strangers:
        return "Add them to FIELDS, or build the data in a PAYLOAD function."
    return (
        f"Build the data in a PAYLOAD function, or give these fields of the type a default: {', '.join(strangers)}. "
        f"{model._meta.label} has no such columns."
    )
