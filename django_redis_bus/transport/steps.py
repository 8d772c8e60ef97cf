"""What is sent, what becomes of it, and the steps in between. Values only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..core.events import Keeping
from ..core.exceptions import BusError


class Entry(NamedTuple):
    """One entry to add.

    Attributes:
        key: of the stream.
        event_id: what tells this event from every other one of the stream.
        fields: flat: field, value, field, value, …
        once: an event of this id may have been added before, so look.
        token: of the batch under which it may have been added before; "" if there was none.
    """

    key: str
    event_id: str
    fields: list[bytes | str]
    once: bool = False
    token: str = ""


class Appended(NamedTuple):
    """An entry that is in its stream.

    Attributes:
        entry_id: given by Redis; None if it was added before, by a batch.
        known: it had been added before.
    """

    entry_id: str | None
    known: bool


class Live(NamedTuple):
    """One message to publish.

    Attributes:
        channel: its name in Redis.
        data: the JSON.
        keeping: what the channel keeps of it.
    """

    channel: str
    data: bytes
    keeping: Keeping


class Cast(NamedTuple):
    """A message that was published.

    Attributes:
        receivers: how many connections heard it.
        epoch, offset: where it stands in the history; None if it is not kept.
    """

    receivers: int
    epoch: str | None = None
    offset: str | None = None


Done: TypeAlias = Appended | Cast
Outcome: TypeAlias = Done | BusError | Exception


class Step(Protocol):
    """Some commands of a chunk.

    Attributes:
        indexes: which entries of the chunk they send.
        size: bytes of their data.
        replies: how many replies they are owed.
        token: under which the entries may have been added if the replies never come.
        in_order: what follows under the same key waits until this is done, and is not sent if it is refused.
    """

    @property
    def indexes(self) -> Sequence[int]: ...
    @property
    def size(self) -> int: ...
    @property
    def replies(self) -> int: ...
    @property
    def token(self) -> str: ...
    @property
    def in_order(self) -> bool: ...

    def pieces(self) -> Iterator[bytes]:
        """Pack the commands, in pieces: Redis works on one while the next is made."""
        ...

    def outcomes(self, replies: Sequence[Any]) -> Sequence[Outcome]:
        """Return what became of the entries, in order, as far as the replies tell: they may end early."""
        ...

    def again(self, replies: Sequence[Any]) -> Step | None:
        """Return what has to be sent now, if the server did nothing for want of a script's text."""
        ...
