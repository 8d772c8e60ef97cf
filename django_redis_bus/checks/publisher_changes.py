"""Whether CHANGES has something to tell, and somebody who can read it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec.inspect
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db.models import Model

from django_redis_bus.core.config import PublisherConfig
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.payloads import type_name
from django_redis_bus.publishers.models import data_fields

from .emitted import model_types, topic_of

NAME = "changes"


def check_changes(alias: str, config: PublisherConfig, model: type[Model], place: str) -> Iterator[CheckMessage]:
    """Yield bus.E122, E123, E124 and W102 about CHANGES. Says nothing of mistakes that other checks complain about."""
    if not config.changes:
        return
    at = f"{place}['CHANGES']"
    if "updated" not in config.actions:
        yield CheckWarning(
            f"{at} has no effect: updates are not published.",
            hint='Add "updated" to ACTIONS or remove CHANGES: it is about updates only.',
            id="bus.W102",
        )
        return
    named = config.payload is None and (config.fields or config.exclude)
    if not named and not config.only_if_changed:
        also = "" if config.payload is not None else ", or in FIELDS"
        hint = f"Nothing leaves that was not named. Name the columns in ONLY_IF_CHANGED{also}."
        yield Error(f"{at} tells old and new values of no column: none is named.", hint=hint, id="bus.E122")
    try:
        names = set() if config.payload is not None else set(data_fields(model, config))
        topic = topic_of(alias, config.topic)
        updated = model_types(model, config)["updated"].text
    except ConfigurationError:
        return
    if NAME in names:
        yield Error(
            f"{at} puts {NAME!r} into the data, where {model._meta.label}.{NAME} stands already.",
            hint="Leave that column out of FIELDS, or build the data in a PAYLOAD function under another name.",
            id="bus.E124",
        )
    if topic is None:
        return
    by_type = topic.payloads.by_type
    kind = topic.payloads.single if by_type is None else by_type.get(updated)
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType | msgspec.inspect.DataclassType | msgspec.inspect.TypedDictType):
        return
    if NAME not in [field.encode_name for field in info.fields]:
        yield Error(
            f"{at} puts {NAME!r} into the data, and {type_name(kind)}, the payload type of {updated!r} in {topic.what} "
            f"{topic.name!r}, has no such field: no handler would see it.",
            hint=f"Add a field to {type_name(kind)}: {NAME}: dict[str, Any] | None = None.",
            id="bus.E123",
        )
