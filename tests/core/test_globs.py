"""Redis's glob patterns; tests/transport/test_globs.py compares them with the servers."""

from __future__ import annotations

import pytest

from django_redis_bus.core.globs import is_glob, matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (b"chat:*", [b"chat:", b"chat:lobby", b"chat:a:b", b"chat:\n"], [b"chat", b"xchat:a"]),
        (b"*", [b"a", b"\x00", b"a:b"], [b""]),
        (b"", [b""], [b"a"]),
        (b"a?c", [b"abc", b"a*c", b"a\xffc"], [b"ac", b"abbc"]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo", b"hllo"]),
        (b"h[^e]llo", [b"hallo", b"h^llo"], [b"hello"]),
        (b"h[a-c]llo", [b"hallo", b"hbllo", b"hcllo"], [b"hdllo", b"h-llo"]),
        (b"h[c-a]llo", [b"hbllo"], [b"hdllo"]),
        (b"h[\\]a]llo", [b"h]llo", b"hallo"], [b"h\\llo"]),
        (b"a[", [], [b"a", b"a["]),
        (b"a[bc", [b"ab", b"ac"], [b"a[bc", b"a"]),
        (b"a[]b", [], [b"a", b"a]b", b"ab"]),
        (b"a[^]b", [b"axb"], [b"ab"]),
        (b"a\\*b", [b"a*b"], [b"aab", b"a\\*b"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"a**b", [b"ab", b"axxb"], [b"a"]),
        (b"*a*b*", [b"xaxbx", b"ab"], [b"ba"]),
    ],
)
def test_matches_as_the_server_does(pattern: bytes, matching: list[bytes], other: list[bytes]) -> None:
    matches = matcher(pattern)

    assert [text for text in matching if not matches(text)] == []
    assert [text for text in other if matches(text)] == []


def test_no_pattern_takes_long() -> None:
    # A matcher that tries each way would need longer than the universe has
    assert not matcher(b"*a" * 50 + b"b")(b"a" * 400)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain:name", False), ("a*b", True), ("q?", True), ("[x]", True), ("back\\slash", True), ("{room}", False)],
)
def test_a_pattern_is_told_from_a_name(text: str, expected: bool) -> None:
    assert is_glob(text) is expected
