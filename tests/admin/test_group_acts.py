"""Replay, pause and trim: the pages that belong to a group or a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus import Retention
from django_redis_bus.operations import pausing, replaying
from django_redis_bus.operations.replaying import Replay
from tests.operations.ward import TOPIC, Ward

from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM, confirm, hidden, records, state

At = Callable[..., str]
Declare = Callable[..., Any]


def replay_of(ward: Ward) -> Replay | None:
    return replaying.replay(ward.asking(), TOPIC, "billing")


# --- replay


def test_the_dry_run_says_from_where_to_where_how_fast_and_who_passes_over(
    staff: Staff, at: At, ward: Ward, declare: Declare
) -> None:
    @declare(TOPIC).handler(group="billing", idempotent=True)
    def charge(event: object) -> None: ...

    first, _, last = ward.read(3)
    client = staff(*RIGHTS)
    text = client.post(at("replay", **GROUP), {"act": "replay", "whence": "id", "entry_id": first}).content.decode()
    for said in ("Replay 3 entries?", first, last, "as fast as the group takes them", "charge", "No other group"):
        assert said in text
    assert replay_of(ward) is None


def test_what_the_dry_run_counted_is_what_is_replayed(staff: Staff, at: At, ward: Ward) -> None:
    *_, last = ward.read(3)
    client = staff(*RIGHTS)
    data = {"act": "replay", "whence": "all", "per_s": "2.5"}
    form = hidden(client.post(at("replay", **GROUP), data).content.decode())
    ward.read(2)
    client.post(at("replay", **GROUP), form | {"confirmed": "1"})
    found = replay_of(ward)
    assert found is not None
    assert (found.until, found.total.number, found.per_s, found.by) == (last, 3, 2.5, "user0")


def test_from_a_time_of_the_users_zone(staff: Staff, at: At, ward: Ward, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    ward.read(1)
    data = {"act": "replay", "whence": "time", "at": "2026-11-22T17:00:00"}
    confirm(staff(*RIGHTS), at("replay", **GROUP), data)
    found = replay_of(ward)
    assert found is not None
    assert found.since == "1795334400000-0"  # 08:00 UTC


@pytest.mark.parametrize(
    "data",
    [
        {"whence": "time"},
        {"whence": "id", "entry_id": "yesterday"},
        {"whence": "id", "entry_id": ""},
        {"whence": "nowhere"},
        {"whence": "all", "per_s": "-1"},
        {"whence": "all", "per_s": "nan"},
    ],
)
def test_a_form_that_is_wrong_starts_nothing(staff: Staff, at: At, ward: Ward, data: dict[str, str]) -> None:
    ward.read(1)
    answer = staff(*RIGHTS).post(at("replay", **GROUP), {"act": "replay", "confirmed": "1"} | data)
    assert answer.status_code == 200
    assert "bus-refused" in answer.content.decode()
    assert replay_of(ward) is None
    assert records() == []


def test_the_second_of_two_is_refused_with_the_reason(staff: Staff, at: At, ward: Ward) -> None:
    ward.read(1)
    replaying.start(ward.asking(), TOPIC, replaying.plan(ward.asking(), TOPIC, "billing", "all"), by="bob")
    answer = confirm(staff(*RIGHTS), at("replay", **GROUP), {"act": "replay", "whence": "all"})
    assert "a replay is under way" in answer.content.decode()
    assert "failed: " in records()[0].change_message
    found = replay_of(ward)
    assert found is not None
    assert found.by == "bob"


def test_its_progress_is_shown_to_who_may_see_and_its_end_to_who_operates(staff: Staff, at: At, ward: Ward) -> None:
    ward.read(4)
    replaying.start(ward.asking(), TOPIC, replaying.plan(ward.asking(), TOPIC, "billing", "all"), by="<bob>")
    ward.client.hset(ward.keys.replay, mapping={"done": 1, "passed": 1})
    text = staff("see_bus").get(at("replay", **GROUP)).content.decode()
    assert '<progress max="4" value="2"' in text
    assert "&lt;bob&gt;" in text
    assert 'name="act"' not in text
    assert 'value="cancel"' in staff("see_bus", "operate_bus").get(at("replay", **GROUP)).content.decode()


# --- pause


def test_a_handler_is_paused_by_itself_with_the_reason(staff: Staff, at: At, ward: Ward, declare: Declare) -> None:
    @declare(TOPIC).handler(group="billing")
    def charge(event: object) -> None: ...

    name = f"{charge.__module__}.{charge.__qualname__}"
    ward.make_group()
    client, why = staff(*RIGHTS), "the <gateway> is down"
    confirm(client, at("pause", **GROUP), {"act": "pause", "handler": name}, why=why)
    [pause] = pausing.pauses(ward.asking(), TOPIC)
    assert (pause.group, pause.handler, pause.by, pause.why) == ("billing", name, "user0", why)
    text = client.get(at("pause", **GROUP)).content.decode()
    assert "the &lt;gateway&gt; is down" in text
    assert "user0" in text
    assert f"because: {why}" in records()[0].change_message
    assert f"handler {name}"[:50] in records()[0].object_id
    confirm(client, at("pause", **GROUP), {"act": "resume", "handler": name})
    assert pausing.pauses(ward.asking(), TOPIC) == ()


def test_a_group_or_a_handler_that_is_not_there_cannot_be_paused(
    staff: Staff, at: At, ward: Ward, declare: Declare
) -> None:
    declare(TOPIC)
    ward.make_group()
    client = staff(*RIGHTS)
    before = state(ward)
    for query, data in ((STREAM | {"group": "bill"}, {}), (GROUP, {"handler": "nobody"})):
        answer = client.post(at("pause", **query), {"act": "pause", "confirmed": "1"} | data)
        assert answer.status_code == 400
    assert state(ward) == before


# --- trim


def test_the_dry_run_of_a_trim_counts_what_would_go(staff: Staff, at: At, ward: Ward) -> None:
    ward.add(5)
    client = staff("see_bus", "destroy_bus")
    text = client.post(at("trim", **STREAM), {"keep": "1", "age": "7d"}).content.decode()
    for said in ("Remove 4 entries from the stream?", "This cannot be undone", "7d"):
        assert said in text
    assert len(ward.entries()) == 5


def test_what_a_group_still_needs_stays(staff: Staff, at: At, ward: Ward) -> None:
    ward.read(3)
    answer = staff(*RIGHTS).post(at("trim", **STREAM), {"keep": "0", "confirmed": "1"}, follow=True)
    assert "There is nothing to remove" in answer.content.decode()
    assert len(ward.entries()) == 3
    assert records() == []


@pytest.mark.parametrize("data", [{}, {"keep": "-1"}, {"age": "soon"}, {"age": "0s"}, {"keep": "x"}])
def test_a_trim_that_is_not_said_clearly_is_none(staff: Staff, at: At, ward: Ward, data: dict[str, str]) -> None:
    ward.add(3)
    answer = staff(*RIGHTS).post(at("trim", **STREAM), data | {"confirmed": "1"})
    assert answer.status_code == 200
    assert "bus-refused" in answer.content.decode()
    assert len(ward.entries()) == 3


def test_the_form_begins_with_the_retention_of_the_stream(staff: Staff, at: At, ward: Ward, declare: Declare) -> None:
    declare(TOPIC, retention=Retention(count=500, age_s=3 * 86_400))
    ward.add(1)
    text = staff(*RIGHTS).get(at("trim", **STREAM)).content.decode()
    assert 'value="500"' in text
    assert 'value="3d"' in text
