"""Redis's glob patterns, matched as the server matches them (`stringmatchlen` in its util.c).

`*` any bytes, `?` any one byte, `[abc]` `[^abc]` `[a-z]` one of a class, `\\` takes the next byte as it is. Nothing is
special about `:`. A class that is not closed ends with the pattern. The empty text matches only the empty pattern.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

Token = frozenset[int] | None
"""The bytes that one place of the text may hold; None is a `*`."""

SPECIAL = frozenset("*?[\\")
_ANY = frozenset(range(256))


def is_glob(text: str) -> bool:
    """Return whether a text is a pattern and not a plain name."""
    return not SPECIAL.isdisjoint(text)


@lru_cache(maxsize=1_000)
def matcher(pattern: bytes) -> Callable[[bytes], bool]:
    """Return the function that tells whether a text matches `pattern`. Takes time proportional to both lengths."""
    tokens = _tokens(pattern)
    end = len(tokens)

    def matches(text: bytes) -> bool:
        if not text:
            return not pattern
        at = place = 0
        star = mark = -1  # the last star, and where the text after what it took begins
        while place < len(text):
            token = tokens[at] if at < end else frozenset()
            if token is None:
                star, mark = at, place
                at += 1
            elif text[place] in token:
                at += 1
                place += 1
            elif star >= 0:
                mark += 1
                at, place = star + 1, mark
            else:
                return False
        return all(token is None for token in tokens[at:])

    return matches


def _tokens(pattern: bytes) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
            at += 1
        elif byte == b"?":
            tokens.append(_ANY)
            at += 1
        elif byte == b"[":
            allowed, at = _class(pattern, at + 1)
            tokens.append(allowed)
        else:
            at += byte == b"\\" and at + 1 < len(pattern)
            tokens.append(frozenset(pattern[at : at + 1]))
            at += 1
    return tokens


def _class(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """Return the bytes of the class that begins at `at`, and where it ends."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    found: set[int] = set()
    while at < len(pattern):
        if pattern[at] == ord("\\") and at + 1 < len(pattern):
            found.add(pattern[at + 1])
            at += 2
        elif pattern[at] == ord("]"):
            at += 1
            break
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            first, last = sorted((pattern[at], pattern[at + 2]))
            found.update(range(first, last + 1))
            at += 3
        else:
            found.add(pattern[at])
            at += 1
    return (_ANY - found if negated else frozenset(found)), at
