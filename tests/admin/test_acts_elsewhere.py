"""Acts in an AdminSite of a project's own, on another bus, in trouble, and under hostile names."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from django_redis_bus.core.keys import GroupKeys
from tests.operations.ward import TOPIC, Ward
from tests.servers import Server

from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM, VERBS, confirm, hidden, records

At = Callable[..., str]
Settings = Callable[..., None]
EVIL = '"><script>alert(1)</script>{{7*7}}\x1b[31m\u202e'
MINE = {
    "pending": GROUP, "dead": STREAM, "replay": GROUP, "pause": GROUP, "trim": STREAM, "publish": {"topic": TOPIC},
}  # fmt: skip


@pytest.mark.parametrize("name", MINE)
def test_a_site_of_a_projects_own_stays_in_it(
    name: str, staff: Staff, ward: Ward, settings: Any, declare: Callable[..., Any]
) -> None:
    settings.ROOT_URLCONF = "tests.admin.ops_urls"
    declare(TOPIC)
    ward.waiting()
    ward.dead()
    address = reverse(f"admin:django_redis_bus_{name}", current_app="ops", query=MINE[name])
    text = html.unescape(staff(*RIGHTS).get(address).content.decode())
    content = text[text.index('id="content-main"') :]
    found = re.findall(r'(?:href|action)="(/[^"]*)"', content)
    assert found
    assert [each for each in found if not each.startswith("/ops/")] == []


def test_an_act_in_a_site_of_a_projects_own(staff: Staff, ward: Ward, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.admin.ops_urls"
    ids = ward.waiting()
    address = reverse("admin:django_redis_bus_pending_act", current_app="ops", query=GROUP)
    answer = confirm(staff(*RIGHTS), address, {"act": "ack", "id": ids})
    assert answer.redirect_chain[0][0].startswith("/ops/")
    assert ward.pending() == {}


def test_an_act_is_done_on_the_bus_that_was_looked_at(
    staff: Staff, at: At, ward: Ward, bus_settings: Settings, own_server: Callable[..., Server]
) -> None:
    # Given the same stream and group on two buses
    eu = own_server()
    bus_settings(others={"eu": {"LOCATION": eu.url, "KEY_PREFIX": "eu"}})
    there = Ward(eu.client(), "eu")
    ward.waiting()
    ids = there.waiting(2)
    # When those of the second are discarded
    client, address = staff(*RIGHTS), at("pending_act", bus="eu", **GROUP)
    asked = client.post(address, {"act": "ack", "id": ids}).content.decode()
    assert re.search(r"<dt>Bus</dt><dd><bdi>eu</bdi></dd>", asked)
    client.post(address, hidden(asked) | {"confirmed": "1"})
    # Then
    assert there.pending() == {}
    assert len(ward.pending()) == 1
    assert records()[0].object_repr == "events:order, group billing, bus eu"


@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_a_redis_that_does_not_answer_is_said_and_nothing_is_recorded_as_done(
    verb: Any, staff: Staff, ward: Ward, bus_settings: Settings
) -> None:
    data = verb.given(ward)
    bus_settings(LOCATION="unix:///nowhere/s")
    answer = staff(*RIGHTS).post(verb.address(), data | verb.also | {"confirmed": "1"}, follow=True)
    assert answer.status_code == 503
    assert "Redis cannot be asked" in answer.content.decode()
    assert all("asked" in record.change_message and "failed: " in record.change_message for record in records())


def test_hostile_names_are_escaped_and_capped_everywhere(staff: Staff, at: At, ward: Ward, prefix: str) -> None:
    # Given a stream, a group, a consumer, errors and dead letters of hostile names
    topic, key = f"s{EVIL}", f"{prefix}:s{EVIL}"
    entry_id = ward.client.xadd(key, {"ce_type": EVIL, "ce_id": EVIL, "data": EVIL})
    ward.client.xgroup_create(key, EVIL, "0")
    ward.client.xreadgroup(EVIL, EVIL, {key: ">"})
    keys = GroupKeys(stream=key, group=EVIL)
    ward.client.zadd(keys.retry, {entry_id: ward.now_ms() + 60_000})
    ward.client.hset(
        keys.failures, entry_id, '{"error": "ValueError: <script>alert(1)</script>", "first": 1, "last": 2}'
    )
    letter = {"dead_group": EVIL, "dead_entry": EVIL, "dead_reason": EVIL, "dead_error": EVIL * 1000,
              "dead_traceback": EVIL, "dead_attempts": EVIL, "dead_consumer": EVIL, "dead_first": EVIL,
              "dead_last": EVIL, "ce_type": EVIL, "data": EVIL}  # fmt: skip
    dead_id = ward.client.xadd(keys.dead, letter).decode()
    client, one = staff(*RIGHTS), entry_id.decode()
    here, group = {"stream": topic}, {"stream": topic, "group": EVIL}
    # When each page is looked at, and each confirmation
    answers = [
        client.get(at("pending", **group)),
        client.get(at("dead", **here)),
        client.get(at("dead_letter", **here, id=dead_id)),
        client.get(at("dead_edit", **here, id=dead_id)),
        client.get(at("replay", **group)),
        client.get(at("pause", **group)),
        client.get(at("trim", **here)),
        *(client.post(at("pending_act", **group), {"act": name, "id": one}) for name in ("retry", "claim", "ack")),
        client.post(at("dead_act", **here, group=EVIL, text=EVIL), {"act": "discard", "id": dead_id}),
        client.post(at("replay", **group), {"act": "replay", "whence": "all"}),
        client.post(at("pause", **group), {"act": "pause"}),
        confirm(client, at("dead_act", **here), {"act": "redrive", "id": dead_id}),
        confirm(client, at("pending_act", **group), {"act": "ack", "id": one}),
    ]
    # Then none of it is markup
    for answer in answers:
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "<script>alert" not in text
        # What forms post back is as it is; what is read is clean.
        assert re.search("[\x1b\u202e]", re.sub("<[^>]*>", "", text)) is None
    assert all(record.object_repr.isprintable() and record.change_message.isprintable() for record in records())
    assert len(records()) == 2
