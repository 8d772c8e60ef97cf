"""Dead letters as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from django_redis_bus.operations import dead
from django_redis_bus.operations.dead import Match
from tests.operations.ward import ALIVE, EVENT, TOPIC, Ward
from tests.servers import Server


def exported(ward: Ward, match: Match | None = None, *, payloads: bool = True) -> list[str]:
    return list(dead.export(ward.asking(), ward.topic, match or Match(), payloads=payloads))


def one(ward: Ward, **options: Any) -> dict[str, Any]:
    [line] = exported(ward, **options)
    found: dict[str, Any] = json.loads(line)
    return found


def test_all_of_a_letter(ward: Ward) -> None:
    [entry_id] = ward.read()
    [dead_id] = ward.bury(entry_id)

    assert one(ward) == {
        "dead_id": dead_id, "group": "billing", "entry_id": entry_id, "reason": "exhausted",
        "error": "ValueError: no", "traceback": "Traceback\n  boom", "attempts": 5, "consumer": ALIVE,
        "first_ms": 1_795_388_384_771, "last_ms": 1_795_388_390_000, "foreign": False,
        "attributes": {name: value for name, value in EVENT.items() if name != "data"} | {"ce_id": "e0"},
        "data": {"id": 0},
    }  # fmt: skip


def test_without_payloads(ward: Ward) -> None:
    ward.bury(*ward.read(data='{"card":4711}', x="4711"), error="ValueError: 4711", traceback="4711")
    ward.letter("1-1", {"card": "4711"})

    first, second = exported(ward, payloads=False)

    assert "4711" not in first + second
    assert json.loads(first)["hidden"] is json.loads(second)["hidden"] is True
    assert json.loads(first)["error"] == "ValueError"


def test_redacted(ward: Ward, declare: Callable[..., Any], bus_settings: Any, any_server: Server) -> None:
    bus_settings(LOCATION=any_server.url)
    declare(TOPIC, redact=["card"])
    ward.bury(*ward.read(data='{"id":1,"card":4711}', card="4711"))
    ward.bury(*ward.read(data='{"id":1,"card":4711'))
    ward.letter("1-1", {"card": "4711", "id": "1"})
    ward.letter("1-1", {"data": b"\xff4711"})

    lines = exported(ward)

    assert [json.loads(line)["data"] for line in lines] == [
        {"id": 1, "card": "[redacted]"}, "[redacted]", {"card": "[redacted]", "id": "1"}, "[redacted]",
    ]  # fmt: skip
    assert "4711" not in "".join(lines)


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"data": b"\xff\x00"}, {"$base64": "/wA="}),
        ({"a": b"\xff", "b": "x"}, {"a": {"$base64": "/w=="}, "b": "x"}),
        ({"data": "null"}, None),
        ({"data": "not json"}, "not json"),
        (EVENT | {"data": b"\xff"}, {"$base64": "/w=="}),
        (EVENT | {"data": "{broken"}, "{broken"),
        (EVENT | {"data": "[" * 5000 + "]" * 5000}, "[" * 5000 + "]" * 5000),
        (EVENT | {"data": "[" * 600 + "]" * 600}, None),
        (
            EVENT
            | {
                "content-type": "application/msgpack",
                "data": msgspec.msgpack.encode({"b": b"\xff", "f": float("nan")}),
            },
            {"b": {"$base64": "/w=="}, "f": None},
        ),
    ],
)
def test_whatever_is_in_it(ward: Ward, fields: dict[str, Any], data: Any) -> None:
    ward.letter("1-1", fields)

    found = one(ward)["data"]
    if data is not None:
        assert found == data


def test_lines_are_harmless_wherever_they_are_opened(ward: Ward) -> None:
    formulas = [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "a,=1+1",
        "a;=1+1",
        "a\t=1",
        'a","=1+1',
        "a\n=1",
        "a '=1",
    ]
    hostile = "\x1b[31m\u202e\u2028\x85\x00é"
    ward.letter("1-1", {text: text for text in [*formulas, hostile]}, error=formulas[0], group=hostile)

    [line] = exported(ward)

    assert line.isascii()
    assert line.startswith("{")
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["data"] == {text: text for text in [*formulas, hostile]}
    for dialect in (",", ";", "\t", "|"):
        for cells in csv.reader(io.StringIO(line), delimiter=dialect):
            assert not [cell for cell in cells if cell.strip(" '\"").startswith(("=", "+", "-", "@"))]


def test_those_that_match_the_oldest_first_and_not_without_end(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ward.dead(130)
    ward.bury(*ward.read(), reason="rejected")

    assert [json.loads(line)["dead_id"] for line in exported(ward, Match(reason="exhausted"))] == made
    monkeypatch.setattr(dead, "AT_ONCE", 110)
    assert [json.loads(line)["dead_id"] for line in exported(ward)] == made[:110]
