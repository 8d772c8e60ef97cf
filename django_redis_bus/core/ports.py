"""What the loops need of a transport, and the values that pass between them.

`runtime` runs against these Protocols and never sees Redis; `transport` fulfils them and never sees a handler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from .config import Retention

EntryFields = Sequence[bytes]


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One attempt to hand an entry to a group."""

    entry_id: bytes
    fields: list[bytes]
    """Alternating field and value, as stored."""
    attempt: int = 1
    redelivered: bool = False
    """Something may be noted about it in the side keys, so its ack must clean up there."""
    solo: bool = False
    """A suspect: its owner died with it more than once. It runs alone, and its start is already noted."""
    crashes: int = 0
    """How many of its runs alone ended with the process."""


class Claimed(NamedTuple):
    """What one claim brought."""

    deliveries: list[Delivery]
    lost: list[bytes]
    """Ids whose payload had been trimmed away; nothing is left to handle."""
    cursor: bytes
    """Where the next claim of expired leases goes on; b"-" after a full round."""


class Failure(NamedTuple):
    """A failed delivery to be scheduled again."""

    entry_id: bytes
    wait_ms: int
    error: str


class Grave(NamedTuple):
    """A delivery to be moved to the dead letters."""

    entry_id: bytes
    attempts: int
    reason: str
    error: str
    traceback: str


class Report(NamedTuple):
    """What a consumer tells of itself at a heartbeat."""

    handled: int = 0
    """Outcomes since the last report that arrived."""
    failed: int = 0
    dead: int = 0
    held: int = 0
    """Entries in hand now."""
    oldest: bytes = b""
    """The one that has been in hand longest, and for how many ms."""
    oldest_ms: int = 0
    paused: bool = False


class Opened(NamedTuple):
    """The state of a group when a consumer opened it."""

    created: bool
    recreated: bool
    length: int
    unread: int | None
    """Entries that the group has not read; None where Redis cannot tell."""


class GroupLink(Protocol):
    """One consumer's connection to one group of one stream.

    Used by one thread, except `renew`, `release`, `beat`, `orders` and `interrupt`, which any thread may call.

    Every method may raise TransportError; after Unavailable the next call connects anew.
    """

    @property
    def consumer(self) -> str:
        """The name held; "" before `join`."""

    def open(self, start: str) -> Opened:
        """Make sure that the group exists; a new one starts after id `start` ("0" all, "$" only new ones)."""

    def join(self) -> str:
        """Take a consumer name and return it. Raises ConsumerNameTaken."""

    def leave(self) -> None:
        """Give the name back."""

    def send(self, acks: Sequence[bytes], count: int, block_ms: int | None) -> None:
        """Ask, in one write, to ack `acks` and, if `count` is not 0, to read that many new entries.

        `block_ms` None does not wait for entries. Every `send` is followed by one `receive`.
        """

    def receive(self) -> list[Delivery]:
        """Return the entries that the last `send` asked for."""

    def claim_due(self, count: int, suspects: bool) -> Claimed:
        """Take retries whose time has come. A suspect comes alone, and only if `suspects` are wanted."""

    def claim_expired(
        self, count: int, lease_ms: int, cursor: bytes, own: bool, in_hand: Sequence[bytes], suspects: bool
    ) -> Claimed:
        """Take entries whose lease ran out; with `own`, those under this consumer's name that are not `in_hand`.

        Suspects as for `claim_due`.
        """

    def ack(self, entry_ids: Sequence[bytes], fence: bool) -> list[bytes]:
        """Ack redelivered entries with all that is noted about them. Returns those that were no longer ours."""

    def retry(self, failures: Sequence[Failure]) -> list[bytes]:
        """Schedule failed entries again. Returns those that were no longer ours."""

    def hold(self, entries: Sequence[tuple[bytes, str]]) -> list[bytes]:
        """Put entries aside whose handlers, named beside, are paused; no attempt is counted. Returns those not ours."""

    def bury(self, grave: Grave) -> bool:
        """Move an entry to the dead letters. False if it was no longer ours."""

    def release(self, entry_ids: Sequence[bytes]) -> int:
        """Let others claim these at once, without an attempt counted."""

    def renew(self, entry_ids: Sequence[bytes]) -> list[bytes]:
        """Start the leases of these anew. Returns those that were no longer ours."""

    def beat(self, report: Report) -> bool:
        """Renew the heartbeat. False if another has taken the name."""

    def orders(self) -> set[str]:
        """Carry out what operators have asked of this group; return what is paused of the stream.

        That is "<group>" for a whole group, "<group>\\n<handler>" for a handler.
        """

    def tidy(self, retention: Retention) -> int:
        """Trim the stream and remove idle consumers. Returns how many entries went."""

    def interrupt(self) -> None:
        """Make every call that waits in another thread fail with Unavailable."""

    def close(self) -> None:
        """Close the connections."""
