"""Every Redis key of the package is built here.

The stream's own key is plain, so that any client can use it. Its side keys carry the whole stream key as their hash
tag: Redis Cluster hashes only what stands in braces, so they share the stream's slot and one script may touch them.
"""

from __future__ import annotations

from dataclasses import dataclass


def stream_key(prefix: str, topic: str) -> str:
    """Return the key of a stream, or the name of a channel, in Redis: "shop:events:order"."""
    return f"{prefix}:{topic}" if prefix else topic


def dedup_key(stream: str, name: str) -> str:
    """Return the key that tells what became of an event, by its id, or of a batch, by its token."""
    return f"{{{stream}}}:dedup:{name}"


def switches_key(prefix: str) -> str:
    """Return the key of the set of publishers that are switched off at run time."""
    return f"{prefix}:publishers:off" if prefix else "publishers:off"


def streams_key(prefix: str) -> str:
    """Return the key of the set of streams that consumers have opened, without the prefix."""
    # With the colon, so that what permits the keys of streams, ~{shop:*, permits this one.
    return f"{{{prefix}:}}:streams"


def listeners_key(prefix: str) -> str:
    """Return the key of the hash of listening processes: name -> record (JSON) with the last heartbeat."""
    return f"{{{prefix}:}}:listeners"


@dataclass(frozen=True, slots=True)
class ChannelKeys:
    """The name of one channel in Redis, and the keys beside it."""

    channel: str
    """See `stream_key`."""

    @property
    def live(self) -> str:
        """Hash of the history's epoch and the number of its last message (n)."""
        return f"{{{self.channel}}}:live"

    @property
    def history(self) -> str:
        """Stream of the newest messages; the id of each is its offset."""
        return f"{{{self.channel}}}:history"

    @property
    def members(self) -> str:
        """Sorted set of the sockets in the room, and of whom -> ms when each expires."""
        return f"{{{self.channel}}}:members"

    @property
    def people(self) -> str:
        """Hash of the users in the room -> how many sockets, and what the others see (JSON)."""
        return f"{{{self.channel}}}:people"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKeys:
    """The keys that one consumer group of one stream uses."""

    stream: str
    group: str

    @property
    def dead(self) -> str:
        """Stream of dead letters, shared by the stream's groups."""
        return f"{{{self.stream}}}:dead"

    @property
    def groups(self) -> str:
        """Hash of group -> ms when it last had a live consumer."""
        return f"{{{self.stream}}}:groups"

    @property
    def paused(self) -> str:
        """Hash of what is paused, "<group>" or "<group>\\n<handler>" -> who did it, when and why (JSON)."""
        return f"{{{self.stream}}}:paused"

    def stats(self, minute: int | str) -> str:
        """Return the key of the hash of what consumers counted in a minute, a number of them since 1970."""
        return f"{{{self.stream}}}:stats:{minute}"

    @property
    def replay(self) -> str:
        """Hash of the state of a replay."""
        return f"{{{self.stream}}}:{self.group}:replay"

    @property
    def retry(self) -> str:
        """Sorted set of entry id -> ms when it is due again."""
        return f"{{{self.stream}}}:{self.group}:retry"

    @property
    def consumers(self) -> str:
        """Hash of consumer name -> its record (JSON) with the last heartbeat."""
        return f"{{{self.stream}}}:{self.group}:consumers"

    @property
    def failures(self) -> str:
        """Hash of entry id -> what is known of its failures (JSON)."""
        return f"{{{self.stream}}}:{self.group}:failures"

    @property
    def position(self) -> str:
        """String: an id before the lowest entry the group still needs, to recreate a lost group from."""
        return f"{{{self.stream}}}:{self.group}:position"
