"""System checks: every mistake that settings or declarations can hold, with an id, what is wrong, and what to type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags
from django.core.checks import register as register_check

from .. import conf
from .channel_layers import check_channel_layers
from .channels import check_channels
from .handlers import check_handlers
from .listeners import check_listeners
from .outbox import check_outbox
from .publishers import check_publishers
from .redaction import check_redaction
from .relay import check_relay
from .settings import check_settings


def register() -> None:
    """Register the checks with Django."""
    register_check(check_bus, Tags.compatibility)


def check_bus(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return everything that is wrong with the configuration of the bus. Touches neither Redis nor a database."""
    found = check_settings()
    configs = conf.configs()
    themes = (
        check_publishers, check_outbox, check_handlers, check_channels, check_listeners, check_relay, check_redaction,
    )  # fmt: skip
    found += check_channel_layers(configs)
    return found + [message for check in themes for message in check(configs)]
