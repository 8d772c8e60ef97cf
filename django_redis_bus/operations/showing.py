"""One entry of a stream as a person may see it: decoded, redacted, escaped of what a terminal would obey, capped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..core.topics import StreamTopic
from .asking import Asking

DATA_CHARS = 20_000
"""So much of the data is shown."""
TEXT_CHARS = 500
"""So much of an attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An entry as it is shown. No text in it holds control characters, or is longer than it may be.

    Attributes:
        entry_id: of the stream.
        at: when it was added, by its id; None for an id that is no moment.
        event_id, type, source, subject, key, time: as the entry says; "" where it does not.
        attributes: everything else that it says, name and value, in its order: content type, trace, extensions.
        data: the payload as indented JSON, as text, or as repr of bytes; None if it may not be seen, or is not there.
        hidden: it may not be seen by who asks.
        trouble: why it cannot be read, as a consumer would say; "" if it can.
        foreign: no bus wrote it.
        size: bytes of its names and values.
    """

    entry_id: str
    at: datetime | None
    event_id: str = ""
    type: str = ""
    source: str = ""
    subject: str = ""
    key: str = ""
    time: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    data: str | None = None
    hidden: bool = False
    trouble: str = ""
    foreign: bool = False
    size: int = 0


class Showing:
    """Shows the entries of one stream.

    Args:
        asking: the visit.
        topic: concrete name of the stream; it need not be declared.
        payloads: whether who asks may see payloads. Paths that REDACT names are hidden from everybody.
    """

    def __init__(self, asking: Asking, topic: str, *, payloads: bool) -> None:
        self.topic = topic
        self.payloads = payloads
        self.stream: StreamTopic | None = None
        raise NotImplementedError

    def shown(self, entry_id: bytes, flat: Sequence[bytes]) -> Shown:
        """Return an entry as it may be shown."""
        raise NotImplementedError

    def matches(self, flat: Sequence[bytes], *, type: str = "", key: str = "", text: str = "") -> bool:
        """Return whether an entry is looked for.

        Args:
            type, key: exactly these; "" for any.
            text: is somewhere in it, whatever the case of its letters; what must not be seen is not searched.
        """
        raise NotImplementedError

    def error(self, text: str) -> str:
        """Return what a failed handler said, as far as who asks may see it: without payloads only the error's class."""
        raise NotImplementedError
