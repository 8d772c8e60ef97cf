"""Pending entries that an operator moves to the dead letters."""

from __future__ import annotations

import json
from typing import Any

from django_redis_bus.operations import pending
from django_redis_bus.operations.pending import Chosen, Match
from django_redis_bus.operations.values import Acted
from tests.operations.ward import ALIVE, Ward


def bury(ward: Ward, chosen: Chosen, *, by: str = "ann", why: str = "", **more: Any) -> Acted:
    return pending.bury(ward.asking(), ward.topic, ward.group, chosen, by=by, why=why, **more)


def test_bury(ward: Ward) -> None:
    [waiting] = ward.waiting(error="ValueError: no")
    ward.silent()
    entries = ward.entries()
    note = ward.note(waiting)
    assert note is not None

    assert bury(ward, Match(), why="hope\x1b[less") == Acted(done=2)

    first, second = ward.letters().values()
    said = {name.decode(): value.decode() for name, value in first.items() if name.startswith(b"dead_")}
    assert int(said.pop("dead_last")) <= ward.now_ms()
    assert said == {
        "dead_group": "billing", "dead_entry": waiting, "dead_reason": "operator", "dead_attempts": "1",
        "dead_error": "by ann: hope�[less. Before: ValueError: no", "dead_traceback": "", "dead_consumer": ALIVE,
        "dead_first": str(note["first"]),
    }  # fmt: skip
    assert {name: value for name, value in first.items() if not name.startswith(b"dead_")} == entries[waiting]
    assert second[b"dead_error"].decode() == "by ann: hope�[less"
    assert (ward.pending(), ward.note(waiting), ward.due_in_ms(waiting)) == ({}, None, None)


def test_bury_has_a_bound_for_what_is_said(ward: Ward) -> None:
    ward.waiting(error="é" * 1000)

    bury(ward, Match(), by="x" * 500)

    [letter] = ward.letters().values()
    assert 990 < len(letter[b"dead_error"]) <= 1000
    assert letter[b"dead_error"].decode().startswith("by xxx")


def test_bury_of_what_has_no_payload_any_more(ward: Ward) -> None:
    [entry_id] = ward.waiting()
    ward.trimmed(entry_id)

    assert bury(ward, [entry_id]) == Acted(left_alone={"trimmed": 1})
    assert list(ward.pending()) == [entry_id]
    assert ward.letters() == {}


def test_bury_of_large_entries_in_several_calls(ward: Ward) -> None:
    ids = ward.waiting(7, data=json.dumps("x" * 1_500_000))

    assert bury(ward, ids) == Acted(done=7)
    assert len(ward.letters()) == 7
