"""Dead letters on the wire."""

from __future__ import annotations

import pytest

from django_redis_bus.core.letters import NAMES, Letter, letter_of, unpacked

HEAD = [part for name in NAMES for part in (name, name[5:])]


def test_a_letter_by_its_places() -> None:
    # Given an entry that says of itself what the letter says of it
    entry = [b"dead_group", b"mine", b"a", b"1"]

    found = letter_of([*HEAD, *entry])

    assert found == Letter(
        group=b"group", entry_id=b"entry", reason=b"reason", error=b"error", traceback=b"traceback",
        attempts=b"attempts", consumer=b"consumer", first=b"first", last=b"last", fields=entry,
    )  # fmt: skip


@pytest.mark.parametrize("flat", [[], [b"a", b"1"], HEAD[2:], [*HEAD[2:], *HEAD[:2]], HEAD[:-1]])
def test_what_is_no_letter_says_nothing(flat: list[bytes]) -> None:
    assert letter_of(flat) == Letter(fields=flat)


def test_a_packed_entry() -> None:
    texts = [b"", b"a" * 31, b"b" * 32, b"\xff" * 255, b"c" * 256, b"d" * 70_000]
    heads = [b"\xa0", b"\xbf", b"\xd9\x20", b"\xd9\xff", b"\xda\x01\x00", b"\xdb\x00\x01\x11\x70"]
    body = b"".join(head + text for head, text in zip(heads, texts, strict=True))

    assert letter_of([*HEAD, b"dead_packed", b"\x96" + body]).fields == texts
    assert unpacked(b"\xdc\x00\x06" + body) == unpacked(b"\xdd\x00\x00\x00\x06" + body) == texts


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x92",
        b"\x91\xa2a",
        b"\x91\x01",
        b"\x80",
        b"\xdc\x00",
        b"\x91\xd9",
        b"\x91\xa1ab",
        b"\xdd\xff\xff\xff\xff",
    ],
)
def test_what_is_packed_by_nobody_has_no_fields(raw: bytes) -> None:
    assert unpacked(raw) == []


def test_an_entry_beside_a_field_of_that_name_is_not_packed() -> None:
    flat = [b"dead_packed", b"\x90", b"a", b"1"]

    assert letter_of([*HEAD, *flat]).fields == flat
