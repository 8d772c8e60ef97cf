"""What Django's types look like as JSON or MessagePack."""

from __future__ import annotations

from functools import cache

from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.db.models.query import QuerySet
from django.utils.functional import Promise

from .core.serializers import SERIALIZERS, Serializer, plain


def enc_hook(value: object) -> object:
    """Return a JSON-ready form of what the serializers do not know themselves.

    Decimal, datetime, date, time, timedelta, UUID, enums, dataclasses and sets need no help. Lazy strings become
    text, a file field its file's name, pydantic models their JSON form.

    Raises TypeError for a model instance or a QuerySet: nothing leaves that was not named.
    """
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, FieldFile):
        return value.name
    if isinstance(value, Model | QuerySet):
        raise TypeError(f"a {type(value).__name__} cannot be published; name the fields that should leave")
    return plain(value)


@cache
def serializers() -> dict[str, Serializer]:
    """Return every serializer by its name in settings."""
    return {name: make(enc_hook) for name, make in SERIALIZERS.items()}
