"""The Lua scripts, each a file that opens with what it guarantees.

All but dead.lua are flagged `allow-oom`: on a full Redis the bookkeeping of a few bytes must go on, for only acks and
trimming make room again. A dead letter copies an entry, so Redis may refuse it; it stays pending then.
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
