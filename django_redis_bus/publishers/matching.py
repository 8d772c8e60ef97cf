"""Which model classes send the signals that a publisher's MODEL asks for.

Receivers are connected class by class, never to every sender: one receiver of `post_delete` without a sender
switches off Django's fast deletes for the whole project.
"""

from __future__ import annotations

from django.apps import apps
from django.db.models import CASCADE, ForeignKey, Model

from django_redis_bus.core.exceptions import ConfigurationError

ModelClass = type[Model]


def find_model(label: str) -> ModelClass:
    """Return the model "app_label.Model". Raises ConfigurationError."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise ConfigurationError(f"{label!r} is not a model: {error}") from error


def concrete(model: ModelClass) -> ModelClass:
    """Return the model that has the table: `model`, or what it is a proxy of."""
    return model._meta.concrete_model or model


def row_classes(model: ModelClass) -> list[ModelClass]:
    """Return the classes over the table of `model`: the concrete model and all its proxies."""
    return [candidate for candidate in apps.get_models() if concrete(candidate) is concrete(model)]


def child_classes(model: ModelClass) -> list[ModelClass]:
    """Return the multi-table children of `model`, at any depth, with their proxies."""
    parent = concrete(model)
    return [
        candidate
        for candidate in apps.get_models()
        if concrete(candidate) is not parent and issubclass(candidate, parent)
    ]


def saving_classes(model: ModelClass, *, include_subclasses: bool) -> list[ModelClass]:
    """Return the classes whose saves are saves of `model`.

    A save through a proxy is sent by the proxy; a save of a child is sent by the child alone, never by its
    parent.
    """
    return row_classes(model) + (child_classes(model) if include_subclasses else [])


def cascading_classes(model: ModelClass) -> list[ModelClass]:
    """Return the classes of which a deletion may delete rows of `model`: its own, and those its foreign keys lead to.

    Generic relations are not followed.
    """
    found: dict[ModelClass, None] = {}
    ahead = [model]
    while ahead:
        here = ahead.pop()
        for candidate in row_classes(here) + child_classes(here):
            if candidate in found:
                continue
            found[candidate] = None
            keys = [field for field in candidate._meta.concrete_fields if isinstance(field, ForeignKey)]
            ahead += [key.related_model for key in keys if key.remote_field.on_delete is CASCADE]
    return list(found)
