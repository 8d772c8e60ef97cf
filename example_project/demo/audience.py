"""The people of the demo: two talk in the chat, one watches the board and listens. What they heard is accounted for."""

from __future__ import annotations

import json
from typing import Any

from .clients import Client, Visitor, Watcher
from .hearing import Heard, Position, hear, others, unheard
from .screen import Line

LOBBY, BOARD = "chat:lobby", "board:orders"
TALK = {
    "ada": [
        "Who has the van today?",
        "Then take the teapots along.",
        "All forty?",
        "I'll mark it down.",
        "Tea is ready.",
    ],
    "linus": [
        "I have it.",
        "They are in it already.",
        "But for one, which is broken.",
        "Thank you, ada.",
        "On my way!",
    ],
}


class Audience:
    """Clients of the web server.

    Args:
        address: its host and port.
        redis: to ask what there was to hear.
        every_s: how long each is silent between two lines.
    """

    def __init__(self, address: str, redis: Any, *, every_s: float) -> None:
        self._redis = redis
        self.visitors = [Visitor(name, address, LOBBY, words, every_s=every_s) for name, words in TALK.items()]
        self._every_s = every_s
        self.watcher = Watcher("grace", address, [BOARD, LOBBY])
        self.clients: list[Client] = [*self.visitors, self.watcher]

    def start(self) -> None:
        """Have them come in."""
        for client in self.clients:
            client.start()

    @property
    def is_in(self) -> bool:
        """Whether everybody hears what is said from now on."""
        return all(client.log[LOBBY] for client in self.clients) and bool(self.watcher.log[BOARD])

    def talk(self) -> None:
        """Have them talk, the second in answer to the first. Not before all are in: none is to miss a line."""
        for n, visitor in enumerate(self.visitors, 1):
            visitor.talk(first_s=n * self._every_s / len(self.visitors))

    def hush(self) -> None:
        """Have nobody begin another line."""
        for visitor in self.visitors:
            visitor.hush()

    def stop(self) -> None:
        """Send them home. They are threads that end with the process, so nobody waits for them."""
        for client in self.clients:
            client.stopped.set()

    @property
    def said(self) -> int:
        """How many lines have been said."""
        return sum(len(visitor.said) for visitor in self.visitors)

    def shown(self) -> set[str]:
        """Return the ids of the events that have reached the board, or are kept for it."""
        return set(self._history(BOARD)[2].values()).union(self._heard(BOARD, self.watcher).ids)

    def is_settled(self) -> bool:
        """Return whether all has been said and heard."""
        return all(visitor.is_done for visitor in self.visitors) and not self.differences()

    def differences(self) -> list[str]:
        """Return what does not add up. Nothing can if the demo was stopped before they were in."""
        if not self.is_in:
            return []
        said = [event_id for visitor in self.visitors for event_id in visitor.said]
        found = [f"{v.name} could not say line {v.lines}" for v in self.visitors if not v.is_done]
        for client in self.clients:
            heard = self._heard(LOBBY, client)
            found += [f"chat: {text}" for text in (*heard.differences, *unheard(client.name, said, heard))]
        return found + [f"board: {text}" for text in self._heard(BOARD, self.watcher).differences]

    def lines(self) -> list[Line]:
        """Return what the summary counts."""
        chat = [self._heard(LOBBY, client) for client in self.clients]
        board = self._heard(BOARD, self.watcher)
        refused, doubtful = (
            sum(counts) for counts in zip(*((v.refused, v.doubtful) for v in self.visitors), strict=True)
        )
        said = {event_id for visitor in self.visitors for event_id in visitor.came.union(visitor.said)}
        strangers = max(others(said, heard) for heard in chat)
        again = len(board.ids) - len(set(board.ids))
        return [
            Line("chat", self.said, f"lines said by ada and linus; {refused} were refused and said again"),
            Line("arrived", doubtful, "of those had arrived all the same: nobody knew, as Redis was away"),
            Line("strangers", strangers, "lines by anybody else: by you?"),
            Line("heard", len(chat[0].ids), f"lines in all by {_each(chat)}: {_how(chat)}"),
            Line(
                "board",
                len(board.ids),
                f"cards by a page that listens over SSE, {again} of them again: {_how([board])}",
            ),
        ]

    def _heard(self, topic: str, client: Client) -> Heard:
        epoch, n, kept = self._history(topic)
        return hear(client.name, list(client.log[topic]), Position(epoch, n) if n else None, kept)

    def _history(self, topic: str) -> tuple[str, int, dict[Position, str]]:
        """Return what Redis has of a channel: the epoch, the newest number, and the ids of what is kept.

        It is asked directly, by the names that docs/reference/wire-format.md gives, and not through the library.
        """
        key = f"{{shop:{topic}}}"
        epoch, n = ((value or b"").decode() for value in self._redis.hmget(f"{key}:live", "epoch", "n"))
        kept = {
            Position(epoch, int(offset.partition(b"-")[0])): json.loads(fields[b"e"])["id"]
            for offset, fields in self._redis.xrange(f"{key}:history")
        }
        return epoch, int(n or 0), kept


def _each(heards: list[Heard]) -> str:
    counts = [len(heard.ids) for heard in heards]
    if len(set(counts)) == 1:
        return f"each of {len(counts)} clients"
    return f"the first client, and {', '.join(map(str, counts[1:]))} by the others"


def _how(heards: list[Heard]) -> str:
    gaps = sum(heard.gaps for heard in heards)
    how = "not as it should be" if any(heard.differences for heard in heards) else "each once, in order"
    return f"{how}, {sum(heard.missed for heard in heards)} reported as missing in {gaps} gaps" if gaps else how
