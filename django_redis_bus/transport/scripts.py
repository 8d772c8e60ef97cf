"""The Lua scripts, each a file that opens with what it guarantees.

Those that keep the books are flagged `allow-oom`: on a full Redis they must go on, for only acks and trimming make room
again. append.lua, cast.lua, dead.lua, redrive.lua and resend.lua add entries, so Redis may refuse them; a dead letter
stays pending, or in its place, then.

A line "-- include <name>.lua" stands for that file: what several scripts have to judge alike is written once.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple

_INCLUDE = re.compile(rb"^-- include (\w+)\.lua\n", re.MULTILINE)


class Script(NamedTuple):
    """A script and the name Redis knows it by."""

    text: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """Return the script in lua/<name>.lua."""
    text = _text(name)
    return Script(text, sha1(text, usedforsecurity=False).hexdigest())


def _text(name: str) -> bytes:
    text = (files(__package__) / "lua" / f"{name}.lua").read_bytes()
    return _INCLUDE.sub(lambda found: _text(found[1].decode()), text)
