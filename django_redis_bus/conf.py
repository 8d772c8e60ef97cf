"""The one file that reads settings: REDIS_BUS as values, until it changes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from .core.config import BusConfig
from .core.parsing import parse_buses
from .core.sections import Problem

EMBEDDED_DIR = ".redis-bus"
"""Where an embedded server without a path keeps its data, below BASE_DIR or the current directory."""


def raw() -> dict[str, dict[str, Any]]:
    """Return REDIS_BUS as it stands in the settings."""
    found: dict[str, dict[str, Any]] = getattr(settings, "REDIS_BUS", {"default": {"LOCATION": "embedded://"}})
    return found


@cache
def _parsed() -> tuple[dict[str, BusConfig], list[Problem]]:
    return parse_buses(raw())


def configs() -> dict[str, BusConfig]:
    """Return every configured bus by alias."""
    return _parsed()[0]


def problems() -> list[Problem]:
    """Return what is wrong in REDIS_BUS; the system checks show it."""
    return _parsed()[1]


def embedded_dir() -> Path:
    """Return where an embedded server without a path of its own keeps its data."""
    return Path(getattr(settings, "BASE_DIR", None) or Path.cwd()) / EMBEDDED_DIR


def channel_layers() -> dict[str, Any]:
    """Return CHANNEL_LAYERS of Django Channels; empty without it."""
    found = getattr(settings, "CHANNEL_LAYERS", None)
    return found if isinstance(found, dict) else {}


def debug() -> bool:
    """Return settings.DEBUG."""
    return bool(settings.DEBUG)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "REDIS_BUS":
        _parsed.cache_clear()
