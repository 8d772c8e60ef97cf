"""Redis that freezes: pages and exports give up soon, and an act that may have been done is not told to have failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.admin import acts, audit, dead_acts, publish
from django_redis_bus.operations.asking import PAGE_S
from tests.faults.fleet import wait_for
from tests.operations.ward import TOPIC, Ward
from tests.servers import Server

from .conftest import RIGHTS, Staff
from .verbs import GROUP, STREAM, records

At = Callable[..., str]
PAGES = {"dead_edit": STREAM, "replay": GROUP, "trim": STREAM, "hear": {"channel": "news"}, "dead_export": STREAM}


@pytest.fixture
def frozen(own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str) -> tuple[Server, Ward]:
    """A server of the test's own, to be frozen."""
    server = own_server()
    bus_settings(LOCATION=server.url)
    return server, Ward(server.client(), prefix)


class Watch:
    """In place of a class or a function: what its calls were given."""

    def __init__(self, real: Callable[..., Any], before: Callable[[], None]) -> None:
        self._real, self._before = real, before

    def __call__(self, *args: Any, **values: Any) -> Any:
        made = self._real(*args, **values)
        self._before()
        return made


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_not_wait_as_long_as_an_act(
    name: str,
    staff: Staff,
    at: At,
    declare: Callable[..., Any],
    declare_channel: Callable[..., Any],
    frozen: tuple[Server, Ward],
) -> None:
    # Given a bus with a dead letter
    declare(TOPIC)
    declare_channel("news")
    server, ward = frozen
    [letter] = ward.dead()
    client = staff(*RIGHTS)
    # When Redis hangs
    server.freeze()
    ask = client.post if name == "dead_export" else client.get
    answer = ask(at(name, **PAGES[name], **({"id": letter} if name == "dead_edit" else {})))
    server.thaw()
    # Then the page says how long it has waited: no longer than a page waits
    assert answer.status_code == 503
    [told] = re.findall(r"(?:no answer within|took longer than) ([0-9.]+) s", answer.content.decode())
    assert float(told) <= PAGE_S


@pytest.fixture
def late(frozen: tuple[Server, Ward], monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let something happen to the server between the record of an act and the act."""
    monkeypatch.setattr(dead_acts, "ACT_S", 0.3)
    monkeypatch.setattr(publish, "ACT_S", 0.3)

    def make(happens: Callable[[], None]) -> None:
        for module in (acts, publish):
            monkeypatch.setattr(module, "Record", Watch(audit.Record, happens))

    return make


def test_an_act_whose_answer_comes_too_late_may_have_been_done(
    staff: Staff, at: At, frozen: tuple[Server, Ward], late: Callable[..., None], declare: Callable[..., Any]
) -> None:
    # Given a dead letter that is discarded as Redis freezes
    declare(TOPIC)
    server, ward = frozen
    known, first, _ = ward.dead(3)
    client, discard = staff(*RIGHTS), {"act": "discard", "confirmed": "1"}
    client.post(at("dead_act", **STREAM), discard | {"id": known})  # from now on Redis knows the script
    late(server.freeze)
    # When
    client.post(at("dead_act", **STREAM), discard | {"id": first})
    server.thaw()
    wait_for(lambda: len(ward.letters()) == 1)
    # Then nobody is told that it was not
    text = client.get(at("streams")).content.decode()
    assert "it may have been done: look before you do it again" in text
    assert "It was not done" not in text
    [_, record] = records()
    assert f"ids {first}: no answer in time, it may have been done: Redis at " in record.change_message
    assert "failed" not in record.change_message


def test_an_event_whose_answer_comes_too_late_may_have_been_sent(
    staff: Staff,
    at: At,
    frozen: tuple[Server, Ward],
    late: Callable[..., None],
    declare: Callable[..., Any],
    bus_settings: Callable[..., None],
) -> None:
    server, ward = frozen
    bus_settings(LOCATION=server.url, ON_FAILURE="raise")
    declare(TOPIC)
    client, data = staff(*RIGHTS), {"payload-json": "1", "confirmed": "1"}
    client.post(at("publish", topic=TOPIC), data | {"event_id": "12345678123456781234567812345678"})
    late(server.freeze)
    client.post(at("publish", topic=TOPIC), data | {"event_id": "22345678123456781234567812345678"})
    server.thaw()
    wait_for(lambda: len(ward.entries()) == 2)
    assert "it may have been done" in client.get(at("streams")).content.decode()
    assert "no answer in time" in records()[1].change_message


def test_an_act_that_redis_was_never_asked_for_was_not_done(
    staff: Staff, at: At, frozen: tuple[Server, Ward], late: Callable[..., None], declare: Callable[..., Any]
) -> None:
    declare(TOPIC)
    server, ward = frozen
    [letter] = ward.dead()
    client = staff(*RIGHTS)
    late(server.kill)
    client.post(at("dead_act", **STREAM), {"act": "discard", "id": letter, "confirmed": "1"})
    assert ": failed: Redis at " in records()[0].change_message
    server.start()
    assert "It was not done" in client.get(at("streams")).content.decode()


def test_the_outcome_of_an_act_on_many_is_never_cut_away(staff: Staff, at: At, ward: Ward) -> None:
    ids = ward.silent(150)
    staff(*RIGHTS).post(at("pending_act", **GROUP), {"act": "ack", "id": ids, "confirmed": "1"})
    message = records()[0].change_message
    assert message.startswith(f"ack, 150 asked, ids {ids[0]}, {ids[1]}, ")
    assert message.endswith("…: 150 done")
    assert len(message) == audit.MESSAGE_CHARS
