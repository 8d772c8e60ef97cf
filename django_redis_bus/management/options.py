"""Options that the long-running commands have in common."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ..bus import Bus, buses
from ..core.exceptions import BusError

EXIT_USAGE = 2


def add_bus(parser: CommandParser) -> None:
    parser.add_argument("--bus", default="default", metavar="ALIAS", help="alias in REDIS_BUS (default: default)")


def add_reload(parser: CommandParser) -> None:
    parser.add_argument("--reload", action="store_true", help="restart when code changes")


def bus_of(options: dict[str, Any]) -> Bus:
    """Return the bus that --bus names. Raises CommandError."""
    try:
        return buses[options["bus"]]
    except BusError as error:
        raise CommandError(str(error), returncode=EXIT_USAGE) from error


def count_from(least: int) -> Any:
    """Return the type of an option that is a whole number."""

    def whole(text: str) -> int:
        value = int(text)
        if value < least:
            raise ValueError
        return value

    whole.__name__ = f"whole number from {least}"
    return whole
