"""What the commands of operators have in common: visits, questions before the act, and what is told of it."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ..core.exceptions import BusError, ConfigurationError, GroupMissing, PayloadError, UnknownTopic, did_you_mean
from ..core.sections import duration_s
from ..operations import streams
from ..operations.asking import ACT_S, Asking
from ..operations.telling import outcome, tell
from ..operations.values import Acted
from .options import EXIT_USAGE, bus_of
from .plain import plain

BY_CHANCE = ("running", "changed", "gone", "theirs already")
"""Why something is left alone of all that match: it is not what was meant any more."""
WHY = {
    "running": "a consumer has it in hand",
    "gone": "it is not there, or not any more",
    "changed": "it has changed meanwhile",
    "theirs already": "that consumer owns it already",
    "trimmed": "its payload is gone from the stream",
    "no group": "its group is not there; start a consumer of it",
    "unreadable": "no bus wrote this dead letter",
    "too many fields": "the stream has it no more, and it has too many fields to be copied",
}


def add_yes(parser: CommandParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask first")


def usage(text: str) -> CommandError:
    """Return the error for a command line that cannot be."""
    return CommandError(text, returncode=EXIT_USAGE)


def visit(options: dict[str, Any], within_s: float = ACT_S) -> Asking:
    """Return a visit to the bus that --bus names. Raises CommandError."""
    return Asking(bus_of(options), within_s)


def operator() -> str:
    """Return who sits at the terminal, for the log."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id that has no name
        return f"user {os.getuid()}"


@contextmanager
def told(options: dict[str, Any], topic: str = "", group: str = "") -> Iterator[None]:
    """Turn errors of operations into those of a command: 2 for what was typed wrong, 1 for all that went wrong."""
    try:
        yield
    except (GroupMissing, ConfigurationError) as error:
        raise usage(nothing_there(options, topic, group) or str(error)) from error
    except (PayloadError, UnknownTopic) as error:
        raise usage(str(error)) from error
    except BusError as error:
        raise CommandError(str(error)) from error


def nothing_there(options: dict[str, Any], topic: str, group: str = "") -> str:
    """Return what to say of a stream or a group that is not there; "" if both are, or nobody can tell."""
    try:
        report = streams.stream(visit(options), topic, group)
        known = [] if report.exists else [each.topic for each in streams.streams(visit(options)).items]
    except BusError:
        return ""
    if not (report.exists or report.declaration or report.dead or report.trouble):
        return f"There is no stream {topic!r}. {did_you_mean(topic, known).strip()}"
    names = [each.name for each in report.groups]
    if group and group not in names:
        return f"Stream {topic!r} has no group {group!r}. {did_you_mean(group, names).strip()}"
    return ""


def confirm(command: BaseCommand, options: dict[str, Any], question: str) -> None:
    """Ask before something is done, unless --yes has answered. Raises CommandError if it must not be done."""
    if options["yes"]:
        return
    if not sys.stdin.isatty():
        raise usage(f"{question} Nobody can answer here: give --yes.")
    command.stderr.write(f"{question} [y/N] ", str, ending="")
    command.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done.")


def perform(
    command: BaseCommand,
    options: dict[str, Any],
    act: Callable[[Asking, str], Acted],
    *,
    did: str,
    what: str,
    about: str,
    named: bool,
    beside: str = "",
) -> None:
    """Do something to all that is meant, in as many visits as it takes; log it, and tell what was done.

    Args:
        act: does it, on a visit and from a place on.
        did: what is done then: "redriven".
        what, about: for the log, see telling.tell.
        named: the entries were named one by one, so none of them may be left alone.
        beside: what else is to be said of what was done: "; the group is paused".

    Ends the process with 1 if something could not be done. Raises CommandError if Redis goes away.
    """
    total, after = Acted(), ""
    where = f"{about} on {bus_of(options).clients.where}"
    try:
        while True:
            acted = act(visit(options), after)
            total, after = total.plus(acted), acted.following
            if not acted.more:
                break
            note(command, f"{total.done:,} {did} so far …")
    except BusError as error:
        tell(operator(), what, where, f"{outcome(total)}; then {error}")
        if total.done:
            raise CommandError(f"{error} Before that: {outcome(total)}.") from error
        raise
    tell(operator(), what, where, total)
    left = [f"{number:,} left alone: {WHY.get(why, why)}." for why, number in sorted(total.left_alone.items())]
    write(command, options, total, "\n".join([f"{total.done:,} {did}{beside if total.done else ''}.", *left]))
    if any(named or reason not in BY_CHANCE for reason in total.left_alone):
        sys.exit(1)


def note(command: BaseCommand, text: str) -> None:
    """Tell something beside what the command prints."""
    command.stderr.write(text, str)


def write(command: BaseCommand, options: dict[str, Any], value: Any, text: str) -> None:
    """Print a value as JSON with --json, else a text."""
    command.stdout.write(json.dumps(plain(value), indent=2) if options["json"] else text)


def many(number: object, one: str, more: str = "") -> str:
    """Return a number with its noun: "1 entry", "≥ 10,000 entries"."""
    text = f"{number:,}" if isinstance(number, int) else str(number)
    return f"{text} {one if text == '1' else more or f'{one}s'}"


def seconds(text: str) -> float:
    """Return the seconds that an option says: "90", "5m"."""
    return duration_s(float(text) if text.replace(".", "", 1).isdecimal() else text)


seconds.__name__ = "time such as 90 or 5m,"
