"""The Lua scripts, each a file that opens with what it guarantees.

Those that keep the books are flagged `allow-oom`: on a full Redis they must go on, for only acks and trimming make room
again. append.lua, cast.lua and dead.lua add entries, so Redis may refuse them; a dead letter stays pending then.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A script and the name Redis knows it by."""

    text: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script in lua/<name>.lua."""
    text = (files(__package__) / "lua" / f"{name}.lua").read_bytes()
    return Script(text, sha1(text, usedforsecurity=False).hexdigest())
