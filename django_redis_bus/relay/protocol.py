"""Protocol v1 of the relay: which frames there are, how one is read and how one is written. Nothing here does I/O.

docs/reference/relay-protocol.md is its description. A frame is a JSON object in a text message; `do` says what it is.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from ..core.exceptions import BusError
from .members import Joined

VERSION = 1
SUBPROTOCOL = "bus.v1"
LONGEST_TOPIC = 500
LONGEST_ID = 64
HUGE = 16
"""A frame of so many times the allowed size is not even read."""

Id: TypeAlias = int | str | None


class Close:
    """Codes that close a socket. All between 4000 and 4999: servers cannot send every other one."""

    BAD_FRAME = 4400
    LOGGED_OUT = 4401
    FOREIGN_ORIGIN = 4403
    UNKNOWN_PATH = 4404
    TOO_SLOW = 4408
    TOO_LARGE = 4413
    TOO_FAST = 4429
    UNAVAILABLE = 4503


REASONS = {
    Close.BAD_FRAME: "bad frame",
    Close.LOGGED_OUT: "logged out",
    Close.FOREIGN_ORIGIN: "foreign origin",
    Close.UNKNOWN_PATH: "unknown path",
    Close.TOO_SLOW: "resume",
    Close.TOO_LARGE: "too large",
    Close.TOO_FAST: "too fast",
    Close.UNAVAILABLE: "try later",
}

Code: TypeAlias = Literal[
    "forbidden", "unknown_topic", "bad_frame", "invalid_payload", "too_large", "too_fast", "not_joined",
    "unavailable", "unknown", "too_many_rooms",
]  # fmt: skip


# --- what a client says


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """What all frames of a client may have."""

    id: Id = None


class Join(Request, frozen=True, kw_only=True, tag="join"):
    """Come into a room; with a position to go on from, or with how much of the history is wanted."""

    topic: str
    epoch: str | None = None
    offset: str | None = None
    history: int = 0


class Leave(Request, frozen=True, kw_only=True, tag="leave"):
    """Go out of a room."""

    topic: str


class Publish(Request, frozen=True, kw_only=True, tag="publish"):
    """Say something in a room."""

    topic: str
    data: Any
    type: str | None = None
    ephemeral: bool = False


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""


Frame: TypeAlias = Join | Leave | Publish | Ping


class Malformed(BusError):
    """A message that is no frame of this protocol.

    Attributes:
        hopeless: it is not even a JSON object, so nobody at the other end speaks this protocol.
        id: of the frame, where it could be read.
    """

    def __init__(self, message: str, *, hopeless: bool = False, id: Id = None) -> None:
        super().__init__(message)
        self.hopeless = hopeless
        self.id = id


class _Id(msgspec.Struct):
    id: Any = None


_frame = msgspec.json.Decoder(Frame)
_id = msgspec.json.Decoder(_Id)
_encode = msgspec.json.Encoder().encode


def read(text: str) -> Frame:
    """Return the frame that `text` is. Raises Malformed."""
    try:
        frame: Frame = _frame.decode(text)
    except msgspec.ValidationError as error:
        # Only the place and what was expected: such an error quotes keys, never values.
        raise Malformed(str(error), id=id_of(text)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        raise Malformed("not a JSON object", hopeless=True) from None
    if not _is_id(frame.id):
        raise Malformed(f"an id has at most {LONGEST_ID} characters")
    if isinstance(frame, Join) and (frame.epoch is None) is not (frame.offset is None):
        raise Malformed("epoch and offset go together", id=frame.id)
    return frame


def id_of(text: str) -> Id:
    """Return the id of a frame that is good for nothing else, None if it has none. Raises Malformed for no JSON."""
    try:
        found = _id.decode(text).id
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        raise Malformed("not a JSON object", hopeless=True) from None
    return found if _is_id(found) else None


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_ID
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53)


# --- what the server says


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, as the others in a room see it."""

    id: str
    name: str


def frame(do: str, id: Id = None, **parts: Any) -> str:
    """Return the text of a frame; an id only if there is one."""
    return _encode({"do": do} | ({} if id is None else {"id": id}) | parts).decode()


def welcome(*, user: User | None, spread_ms: int, keepalive_ms: int, message_bytes: int) -> str:
    """Return the first frame of a connection: who the server takes the client for, and how to come back to it."""
    return frame(
        "welcome",
        version=VERSION,
        user=user,
        reconnect={"least_ms": 500, "most_ms": 30_000, "spread_ms": spread_ms},
        keepalive_ms=keepalive_ms,
        message_bytes=message_bytes,
    )


def error(code: Code, message: str, *, id: Id = None, topic: str | None = None) -> str:
    """Return the frame that refuses something."""
    where = {} if topic is None or len(topic) > LONGEST_TOPIC else {"topic": topic}
    return frame("error", id, **where, code=code, message=message)


def joined(topic: str, found: Joined, **parts: Any) -> str:
    """Return the frame that lets a client into a room."""
    epoch, offset = found.position or (None, None)
    messages = [msgspec.Raw(kept.text.encode()) for kept in found.messages]
    return frame(
        "joined", topic=topic, epoch=epoch, offset=offset, recovered=found.recovered, messages=messages, **parts
    )


def opening(topic: str) -> str:
    """Return what stands before the event in the frames of a topic: worked out once per room."""
    return f'{{"do":"event","topic":{_encode(topic).decode()},"event":'


def gap(topic: str, *, epoch: str | None, offset: str | None, missed: int | None) -> str:
    """Return the frame that tells of messages which nobody can bring back."""
    return frame("gap", topic=topic, epoch=epoch, offset=offset, missed=missed)


def interrupted(topic: str) -> str:
    """Return the frame that tells of an interruption after which only what is not kept may be missing."""
    return frame("interrupted", topic=topic)
