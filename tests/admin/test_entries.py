"""Entries: a page of them from any place, in both directions, one of them, and the newest as they come."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from django_redis_bus.admin import entries

from . import reports as made
from .conftest import Staff
from .test_hostile import Seen
from .test_overview import words

At = Callable[..., str]
Render = Callable[..., str]


@pytest.fixture
def filled(redis_client: Any, prefix: str, declare: Callable[..., Any]) -> list[str]:
    """A stream of 120 entries, two of each millisecond, whose ids it returns, oldest first."""
    declare()
    ids = [f"{1_764_403_200_000 + number // 2}-{number % 2}" for number in range(120)]
    pipeline = redis_client.pipeline()
    for number, entry_id in enumerate(ids):
        fields = {
            "ce_specversion": "1.0",
            "ce_id": f"e{number}",
            "ce_source": "shop",
            "ce_type": "shop.paid" if number % 10 == 0 else "shop.order.created",
            "ce_partitionkey": str(number % 3),
            "content-type": "application/json",
            "data": f'{{"secret": "s{number}"}}',
        }
        pipeline.xadd(f"{prefix}:events:order", fields, id=entry_id)
    pipeline.execute()
    return ids


def ids_on(text: str) -> list[str]:
    return re.findall(r'<details id="bus-d-([\d-]+)"', text)


def link(text: str, words: str) -> str:
    """The address of the first link of this text, "" if there is none."""
    found = re.search(rf'<a class="bus-button" href="([^"]+)">{words}</a>', text)
    return found[1].replace("&amp;", "&") if found else ""


def test_pages_lead_from_the_newest_to_the_oldest_and_back(staff: Staff, at: At, filled: list[str]) -> None:
    client = staff("see_bus")
    # When one goes to older ones until there are none
    seen, address = [], at("entries", stream="events:order")
    assert link(client.get(address).content.decode(), "Newer") == ""
    while address:
        text = client.get(address).content.decode()
        seen += ids_on(text)
        last, address = address, link(text, "Older")
    # Then each was seen once, and the way back is the same
    assert seen == filled[::-1]
    back, address = [], link(client.get(last).content.decode(), "Newer")
    while address:
        text = client.get(address).content.decode()
        back = ids_on(text) + back
        address = link(text, "Newer")
    assert back == filled[::-1][: len(back)]
    assert len(back) == 100


def test_from_the_oldest_on_the_newest_is_still_uppermost(staff: Staff, at: At, filled: list[str]) -> None:
    text = staff("see_bus").get(at("entries", stream="events:order", direction="newer")).content.decode()
    assert ids_on(text) == filled[:50][::-1]
    assert link(text, "Older") == ""
    assert link(text, "Newer")


def test_from_an_id_and_from_a_time_in_the_users_zone(staff: Staff, at: At, filled: list[str], settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    client = staff("see_bus")
    text = client.get(at("entries", stream="events:order", start=filled[5])).content.decode()
    assert ids_on(text) == filled[:6][::-1]
    text = client.get(at("entries", stream="events:order", at="2025-11-29T09:00:00.002", direction="newer"))
    assert ids_on(text.content.decode())[-1] == filled[4]
    assert "Europe/Berlin" in text.content.decode()


def test_filters_are_kept_by_the_links(staff: Staff, at: At, filled: list[str]) -> None:
    client = staff("see_bus")
    text = client.get(at("entries", stream="events:order", type="shop.paid")).content.decode()
    assert ids_on(text) == filled[::10][::-1]
    text = client.get(at("entries", stream="events:order", key="1", start=filled[-1])).content.decode()
    assert len(ids_on(text)) == 40
    assert "key=1" in link(text, "Newer")
    assert "key=1" in link(text, "Live tail")


def test_payloads_are_for_who_may_see_them_and_no_filter_tells_of_them(staff: Staff, at: At, filled: list[str]) -> None:
    may, may_not = staff("see_bus", "see_payloads"), staff("see_bus", "operate_bus", "destroy_bus")
    address, one = at("entries", stream="events:order"), at("entry", stream="events:order", id=filled[7])
    assert "s119" in may.get(address).content.decode()
    assert "secret" in may.get(one).content.decode()
    for each in (address, one):
        assert "secret" not in may_not.get(each).content.decode()
        assert "idden" in may_not.get(each).content.decode()
    searched = at("entries", stream="events:order", text="s7")
    assert ids_on(may.get(searched).content.decode()) == [filled[79], *filled[70:79][::-1], filled[7]]
    assert ids_on(may_not.get(searched).content.decode()) == []
    assert "not searched" in may_not.get(searched).content.decode()


def test_the_live_tail_is_the_newest_and_asks_again_every_two_seconds(staff: Staff, at: At, filled: list[str]) -> None:
    text = staff("see_bus").get(at("entries", stream="events:order", live="1", start=filled[0])).content.decode()
    assert ids_on(text) == filled[::-1][:50]
    assert 'data-bus-refresh="2"' in text
    assert link(text, "Older") == ""
    assert "data-bus-refresh" not in staff("see_bus").get(at("entries", stream="events:order")).content.decode()


def test_one_entry_is_shown_with_all_its_attributes(page: Render) -> None:
    text = words(page(entries.shown_one, "events:order", made.an_entry(subject="orders/42", foreign=True)))
    assert "shop.order.created" in text
    for said in ("0193-7a", "orders/42", "content-type application/json", "312 bytes", "foreign", "&quot;total&quot;"):
        assert said in text
    assert "It has none." in words(page(entries.shown_one, "events:order", made.an_entry(data=None)))
    assert "unreadable" in words(page(entries.shown_one, "events:order", made.an_entry(trouble="no JSON")))


def test_an_entry_leads_to_its_neighbours_and_its_key(page: Render) -> None:
    hrefs = Seen(page(entries.shown_one, "events:order", made.an_entry())).hrefs
    assert any("direction=newer" in href and "start=1764403200000-0" in href for href in hrefs)
    assert any("key=42" in href for href in hrefs)


def test_a_search_that_ended_at_its_bound_says_so_and_goes_on(
    staff: Staff, at: At, filled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_redis_bus.operations.entries.LOOKED_AT", 30)
    text = staff("see_bus").get(at("entries", stream="events:order", type="shop.paid")).content.decode()
    assert "Looked at 30 entries and stopped there." in text
    assert f"start={filled[-31]}" in text


@pytest.mark.parametrize(
    ("entry_id", "newer", "older"),
    [
        ("5-3", "5-4", "5-2"),
        ("5-0", "5-1", "4-18446744073709551615"),
        ("5-18446744073709551615", "6-0", "5-18446744073709551614"),
        ("0-0", "0-1", "0-0"),
    ],
)
def test_the_id_beside_an_id(entry_id: str, newer: str, older: str) -> None:
    assert entries._beside(entry_id, "newer") == newer
    assert entries._beside(entry_id, "older") == older
