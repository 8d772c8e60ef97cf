"""Clients of the web server, as browsers are: over WebSocket and over Server-Sent Events, each in a thread of its own.

They speak what docs/reference/relay-protocol.md describes, and use nothing of the library.
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from http.cookiejar import CookieJar
from threading import Event, Thread
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from .hearing import Gap, Item, Message, Position, Start

SAID = "chat.said"
AGAIN_S = 0.5
"""After a connection was lost."""


class Client(Thread, ABC):
    """Somebody who is connected, and comes back when the connection is lost.

    Args:
        address: host and port of the web server.

    Attributes:
        log: what came, by topic.
    """

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name=name, daemon=True)
        self.address = address
        self.cookies = ""
        self.log: defaultdict[str, list[Item]] = defaultdict(list)
        self.stopped = Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.cookies = self.cookies or enter(self.name, self.address)
                self.stay()
            except (OSError, HTTPException, WebSocketException):
                self.stopped.wait(AGAIN_S)

    @abstractmethod
    def stay(self) -> None:
        """Connect, and take what comes until the connection ends or `stopped` is set."""

    def take(self, topic: str, event: dict[str, Any]) -> None:
        """Note a message. Those without an offset are for the moment: who is here, who is typing."""
        if (position := place(event)) is not None:
            self.log[topic].append(Message(position, event["id"]))

    def joined(self, topic: str, frame: dict[str, Any]) -> None:
        """Note how it came in, or came back."""
        if frame["recovered"] is None:
            self.log[topic].append(Start(place(frame)))
        elif not frame["recovered"]:
            self.log[topic].append(Gap(place(frame), None))

    def missed(self, topic: str, frame: dict[str, Any]) -> None:
        """Note a loss that the server reports."""
        self.log[topic].append(Gap(place(frame), frame["missed"]))


class Visitor(Client):
    """Says a line in a room now and then, and hears what the others say. A line that is refused is said again.

    Args:
        topic: of the room.
        words: what it says, one after the other and then again from the beginning.
        every_s: how long it is silent between two lines.

    Attributes:
        lines: how many lines there were to say.
        said: ids of the events that the server has confirmed.
        refused: how often it did not, or was gone before it could.
        came: ids of its own lines that came back to it.
    """

    def __init__(self, name: str, address: str, topic: str, words: Sequence[str], *, every_s: float) -> None:
        super().__init__(name, address)
        self.topic = topic
        self.words = words
        self.every_s = every_s
        self.lines = 0
        self.said: list[str] = []
        self.refused = 0
        self.came: set[str] = set()
        self._talks = Event()
        self._place: tuple[str, str] | None = None
        self._waits_for_answer = False
        self._next_at = 0.0

    def talk(self, first_s: float) -> None:
        """Begin, after so many seconds."""
        self._next_at = time.monotonic() + first_s
        self._talks.set()

    def hush(self) -> None:
        """Begin no other line."""
        self._talks.clear()

    @property
    def is_done(self) -> bool:
        """Whether each line that it had to say is said."""
        return len(self.said) == self.lines

    @property
    def doubtful(self) -> int:
        """How many lines are in the room although they were not confirmed."""
        return len(self.came.difference(self.said))

    def take(self, topic: str, event: dict[str, Any]) -> None:
        super().take(topic, event)
        if event.get("authorname") == self.name and event["type"] == SAID:
            self.came.add(event["id"])

    def stay(self) -> None:
        join: dict[str, Any] = {"do": "join", "topic": self.topic, "id": 0}
        if self._place is not None:
            join |= {"epoch": self._place[0], "offset": self._place[1]}
        url, origin = f"ws://{self.address}/bus/", f"http://{self.address}"
        with connect(url, origin=Origin(origin), additional_headers={"Cookie": self.cookies}, proxy=None) as connection:
            connection.send(json.dumps(join))
            self._waits_for_answer = False
            while not self.stopped.is_set():
                try:
                    self._take_frame(json.loads(connection.recv(timeout=0.05)))
                except TimeoutError:
                    self._speak(connection)

    def _speak(self, connection: ClientConnection) -> None:
        if self._waits_for_answer or time.monotonic() < self._next_at:
            return
        if self.is_done and not self._talks.is_set():
            return
        self.lines += self.is_done  # else the last one has yet to be said
        data = {"text": self.words[(self.lines - 1) % len(self.words)]}
        connection.send(json.dumps({"do": "publish", "topic": self.topic, "id": 1, "type": SAID, "data": data}))
        self._waits_for_answer = True
        self._next_at = time.monotonic() + self.every_s

    def _take_frame(self, frame: dict[str, Any]) -> None:
        if frame["do"] == "event":
            self.take(self.topic, frame["event"])
            self._remember(frame["event"])
        elif frame["do"] == "joined":
            if frame["recovered"]:
                for event in frame["messages"]:
                    self.take(self.topic, event)
            self.joined(self.topic, frame)
            self._remember(frame)
        elif frame["do"] == "gap":
            self.missed(self.topic, frame)
            self._remember(frame)
        elif frame["do"] == "published":
            self.said.append(frame["event_id"])
            self._waits_for_answer = False
        elif frame["do"] == "error" and frame.get("id") == 1:
            self.refused += 1
            self._waits_for_answer = False

    def _remember(self, at: dict[str, Any]) -> None:
        if at.get("offset"):
            self._place = at["epoch"], at["offset"]


class Watcher(Client):
    """Has a page open that listens over Server-Sent Events."""

    def __init__(self, name: str, address: str, topics: list[str]) -> None:
        super().__init__(name, address)
        self.topics = topics
        self._last_id = ""

    def stay(self) -> None:
        connection = HTTPConnection(self.address, timeout=40)
        query = urllib.parse.urlencode({"topic": self.topics}, doseq=True)
        headers = {"Cookie": self.cookies, "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        try:
            connection.request("GET", f"/bus/events/?{query}", headers=headers)
            reply = connection.getresponse()
            if reply.status != 200:
                raise HTTPException(f"status {reply.status}")
            kind, data = "message", ""
            while not self.stopped.is_set() and (line := reply.readline()):
                field, _, value = line.decode().rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    kind = value
                elif field == "data":
                    data += value
                elif field == "id":
                    self._last_id = value
                elif not field and not value and data:
                    self._take_event(kind, json.loads(data))
                    kind, data = "message", ""
        finally:
            connection.close()

    def _take_event(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "message":
            self.take(content["topic"], content["event"])
        elif kind == "gap":
            self.missed(content["topic"], content)
        elif kind == "joined" and content["recovered"] is None:
            self.joined(content["topic"], content)


def place(of: dict[str, Any]) -> Position | None:
    """Return where something stands in the history; None if it is not in there."""
    if not of.get("offset"):
        return None
    return Position(of["epoch"], int(of["offset"].partition("-")[0]))


def enter(name: str, address: str) -> str:
    """Come in by the chat's front door, as a browser does; return the cookies."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    url = f"http://{address}/chat/"
    opener.open(url, timeout=10).close()
    token = next(cookie.value or "" for cookie in jar if cookie.name == "csrftoken")
    form = urllib.parse.urlencode({"name": name, "csrfmiddlewaretoken": token}).encode()
    opener.open(url, form, timeout=10).close()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
