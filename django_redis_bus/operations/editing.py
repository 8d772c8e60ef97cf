"""A dead letter as it is edited: its payload whole and exact, but for what nobody may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from .. import consuming, registry
from ..core.letters import Letter, letter_of
from ..core.redaction import redact
from ..core.serializers import plain
from ..core.topics import StreamTopic
from .acting import is_id
from .asking import Asking
from .resending import copy_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Editable:
    """What is edited of a dead letter.

    Attributes:
        text: its payload as indented JSON; "" if it cannot be read, and is to be written anew.
        hides: "[redacted]" stands in the place of some values, and for them: see dead.resend.
    """

    text: str
    hides: bool = False


def editable(asking: Asking, topic: str, dead_id: str) -> Editable | None:
    """Return the payload of a dead letter, None if that is not there. Raises BusError."""
    letter = _letter(asking, topic, dead_id)
    if letter is None:
        return None
    stream = registry.find_stream(asking.bus.alias, topic) or StreamTopic("undeclared", bus=asking.bus.alias)
    paths = consuming.redacted(asking.bus, stream)
    try:
        data = consuming.reader(asking.bus, stream, topic).plain_data(letter.fields)
        if data is None:
            return Editable(text="")
        text = _json(redact(data, paths))
        return Editable(text=text, hides=bool(paths) and _json(data) != text)
    except RecursionError:  # nested too deeply
        return Editable(text="")


def check(asking: Asking, topic: str, dead_id: str, data: Any) -> None:
    """Check data that is to be sent in place of a dead letter's. Raises as dead.resend does, and changes nothing."""
    letter = _letter(asking, topic, dead_id)
    if letter is None:
        raise LookupError(f"Stream {topic!r} has no dead letter {dead_id!r}.")
    copy_of(asking, topic, letter, data)


def _letter(asking: Asking, topic: str, dead_id: str) -> Letter | None:
    found = asking.call("XRANGE", asking.keys(topic).dead, dead_id, dead_id) if is_id(dead_id) else []
    return letter_of(found[0][1]) if found else None


def _json(data: object) -> str:
    return msgspec.json.format(msgspec.json.encode(data, enc_hook=plain), indent=2).decode()
