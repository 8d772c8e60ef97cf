"""Names of Channels groups for topics: "chat:lobby" is no legal one."""

from __future__ import annotations

import hashlib
import re

LONGEST = 99
_LEGAL = re.compile(rf"[A-Za-z0-9_.\-]{{1,{LONGEST}}}")
_OTHERS = re.compile(r"[^A-Za-z0-9_\-]+")
# Two dots stand in no name that is kept as it is, so nobody can choose a name that is another one's hash.
_MARK = ".."
_HASH = 32
"""Hexadecimal digits: two topics never share a group by chance."""


def group_name(topic: str) -> str:
    """Return the group that a bridge sends the events of a topic to, if it is given none: "chat.lobby".

    Two topics have two groups. Colons become dots; a name that has dots, or other characters that Channels refuses, or
    too many of them, is cut and ends in a hash.
    """
    plain = topic.replace(":", ".")
    return plain if "." not in topic and _kept(plain) else _hashed(topic)


def legal(name: str) -> str:
    """Return a group's name as it is if Channels takes it, else one with a hash that no other name has."""
    return name if _kept(name) else _hashed(name)


def _kept(name: str) -> bool:
    return _LEGAL.fullmatch(name) is not None and _MARK not in name


def _hashed(name: str) -> str:
    start = _OTHERS.sub(".", name).strip(".")[: LONGEST - len(_MARK) - _HASH]
    # A lone surrogate comes from bytes that were no UTF-8; it is as good as another character.
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{start}{_MARK}{digest[:_HASH]}"
