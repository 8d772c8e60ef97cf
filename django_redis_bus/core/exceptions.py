"""Every exception of the package.

BusError
├── ConfigurationError          settings or declarations that cannot work
├── UnknownTopic                a topic that nothing declares (also a LookupError)
├── PayloadError                data that does not fit its topic (also a ValueError)
│   └── EventTooLarge
├── PublishError                Redis refused this command
│   ├── AccessRefused           wrong password, or a user without the permission
│   └── StreamFull              the stream is at its MAX_LAG
├── HopLimitExceeded            events that cause each other in a circle
├── UnreadableEntry             an entry that cannot become an Event; ends as a dead letter
├── ConsumerNameTaken           a live consumer already has this name
└── TransportError              Redis could not be asked
    ├── Unavailable             refused, timed out, loading, failing over
    │   └── CircuitOpen         it did not answer before, so it was not asked
    ├── OutOfMemory             Redis is at its maxmemory
    └── GroupMissing            the stream or its consumer group has gone

`Retry` and `Reject`, which a handler raises to say what should happen, are in `core.policy`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class BusError(Exception):
    """Base class of everything this package raises."""


class ConfigurationError(BusError):
    """Settings or declarations that cannot work; the message names the place and the mend."""


class UnknownTopic(BusError, LookupError):
    """A topic that neither settings nor code declare."""

    @classmethod
    def among(cls, name: str, known: Iterable[str], *, alias: str, what: str = "stream") -> UnknownTopic:
        """Build the error for `name`.

        Args:
            name: what was asked for.
            known: the topics that bus `alias` knows.
            alias: of the bus.
            what: "stream", "channel", or "stream or channel".
        """
        kinds = what.split(" or ")
        keys = " or ".join(f"['{kind.upper()}S']" for kind in kinds)
        written = " or ".join(f"{kind.capitalize()}({name!r})" for kind in kinds)
        return cls(
            f"Bus {alias!r} knows no {what} {name!r}. {did_you_mean(name, known)}"
            f"Declare it in REDIS_BUS[{alias!r}]{keys} or as {written} in a topics.py."
        )

    @classmethod
    def misfit(cls, name: str, topic: str, *, alias: str) -> UnknownTopic:
        """Build the error for a name of the form of channel `topic`, with a value that does not fit its type."""
        return cls(
            f"Bus {alias!r}: {name!r} looks like channel {topic!r}, and a value in it does not fit the type in its "
            "parameters, or is not written as that type is ('007' for an int)."
        )


class PayloadError(BusError, ValueError):
    """Data that does not fit the payload type of its topic.

    Attributes:
        topic: the topic's name.
        path: where in the data, as a JSON path ("$.lines[0].price"), or "$".
    """

    def __init__(self, message: str, *, topic: str = "", path: str = "$") -> None:
        super().__init__(message)
        self.topic = topic
        self.path = path


class EventTooLarge(PayloadError):
    """Encoded data above MAX_EVENT_BYTES."""


class PublishError(BusError):
    """Redis was reached and refused this command."""


class AccessRefused(PublishError):
    """Wrong password, or a user who lacks a permission."""


class StreamFull(PublishError):
    """The slowest group of the stream is as far behind as its MAX_LAG allows; nothing was added.

    Attributes:
        spill: whether ON_FULL says that such events go to the outbox.
    """

    def __init__(self, message: str, *, spill: bool = False) -> None:
        super().__init__(message)
        self.spill = spill


class HopLimitExceeded(BusError):
    """An event would be caused by a chain of more than MAX_HOPS events: handlers answer each other in a circle."""


class UnreadableEntry(BusError):
    """A stream entry that cannot become an Event.

    Attributes:
        reason: the dead letter's reason, one of those named in `core.policy.Reason`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConsumerNameTaken(BusError):
    """Another live consumer of the group has the name asked for."""


class TransportError(BusError):
    """Redis could not be asked, or did not answer."""


class Unavailable(TransportError):
    """Connection refused or lost, time-out, LOADING, READONLY, CLUSTERDOWN, failover.

    Attributes:
        token: names the batch in which the event may have been added all the same: send it again with this token, and
            it is added once. "" if it was not sent at all, or went alone: then its id is enough.
        perhaps_sent: it was on its way when the connection was lost or the time was up: Redis may have taken it.
    """

    def __init__(self, message: str, *, token: str = "", perhaps_sent: bool = False) -> None:
        super().__init__(message)
        self.token = token
        self.perhaps_sent = perhaps_sent


class CircuitOpen(Unavailable):
    """Redis did not answer before, so it was not asked: see CIRCUIT."""


class OutOfMemory(TransportError):
    """Redis is at its maxmemory and refuses writes."""


class GroupMissing(TransportError):
    """The stream or its consumer group has gone (XGROUP DESTROY, DEL, FLUSHALL, failover to an empty replica)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'x'? " or the list of what is known, for the middle of an error message."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean {close[0]!r}? "
    if not names:
        return "None is declared yet. "
    return "Known: " + ", ".join(map(repr, names[:20])) + (", …" if len(names) > 20 else "") + ". "
