"""The streams, and one of them with its groups."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from django_redis_bus.admin import streams
from django_redis_bus.core.config import Retention
from django_redis_bus.operations.values import Count, Page

from . import reports as made
from .conftest import Staff
from .test_hostile import Seen
from .test_overview import words

Render = Callable[..., str]
At = Callable[..., str]


def shown(page: Render, *, rights: tuple[str, ...] = ("see",), **said: Any) -> str:
    return words(page(streams.shown, made.a_stream(**said), made.an_hour(), rights=rights))


def group(page: Render, **said: Any) -> str:
    text = shown(page, groups=(made.a_group(**said),))
    return text[text.index("Group billing") :]


def test_a_list_shows_each_group_with_its_lag_in_events_and_in_time(page: Render) -> None:
    stream = made.a_stream(groups=(made.a_group(unread=Count(1000, True)), made.a_group("mail", oldest_s=None)))
    text = words(page(streams.shown_all, Page(items=(stream,))))
    assert "billing \u2066≥ 1,003\u2069 3 min 12 s 4 1" in text
    assert "mail 1,207 up to date 4 1" in text
    assert "events:order the newest 100,000" in text


def test_a_stream_that_cannot_be_read_is_listed_with_the_reason(page: Render) -> None:
    stream = made.a_stream(trouble="The key is of another type: hash.", groups=(), declaration="")
    text = words(page(streams.shown_all, Page(items=(stream,))))
    assert "unreadable The key is of another type: hash. not declared in this project" in text


def test_a_long_list_goes_on(page: Render) -> None:
    text = page(streams.shown_all, Page(items=(made.a_stream(),), following="events:order", cut_short=True))
    assert "after=events%3Aorder" in text
    assert "First page" not in text
    assert "more streams than can be listed" in text
    assert "First page" in page(streams.shown_all, Page(items=(made.a_stream(),)), after="events:order")


def test_retention_and_what_trimming_would_remove(page: Render) -> None:
    text = shown(page, removable=Count(1200))
    assert "the newest 100,000, not older than 7 d" in text
    assert "would remove 1,200 events" in text
    assert "would remove nothing" in shown(page)
    assert "keeps everything" in shown(page, retention=Retention(count=None))


def test_a_group_tells_what_waits(page: Render) -> None:
    text = group(page)
    assert "Unread 1,204 Pending 3 read, not settled Oldest waits 3 min 12 s Retrying 4 1 due now" in text
    assert "next in 9 s" in group(page, due=0, next_s=9.0)
    assert "Oldest waits nothing" in group(page, oldest_s=None)


def test_a_group_without_a_consumer_says_since_when(page: Render) -> None:
    assert "no consumer for 15 min" in group(page, alive=0, last_alive_s=900.0)
    assert "no consumer so far" in group(page, alive=0, last_alive_s=None)
    assert "not made yet" in group(page, exists=False)
    assert "2 consumers alive" in group(page, alive=2)


def test_a_pause_says_who_and_why(page: Render) -> None:
    text = group(page, pause=made.a_pause())
    assert "Paused by ada" in text
    assert "“ SMTP is down ”" in text
    handler = made.a_handler(pause=made.a_pause(by="", why="", at_ms=0))
    assert "shop.handlers.charge paused Paused." in group(page, handlers=(handler,))


def test_a_replay_shows_how_far_it_is(page: Render) -> None:
    report = made.a_stream(groups=(made.a_group(replay=made.a_replay()),))
    text = page(streams.shown, report, ())
    assert '<progress max="10000" value="4212"' in text
    assert "Replay: 4,200 of \u2066≥ 10,000\u2069, 12 passed over" in words(text)
    assert "at most 50/s" in words(text)
    assert "Replay is over: 4,200" in group(page, replay=made.a_replay(is_over=True))


def test_keys_that_wait_for_a_retry_are_named(page: Render) -> None:
    assert "later events of these keys pass them: 42 , customer:99" in group(page, keys=("42", "customer:99"))


def test_consumers_tell_their_heartbeat_and_what_they_hold(page: Render) -> None:
    text = group(page)
    assert "web1-4711 alive 1 s ago 3 3 1764403197400-0 for 3 s 1 min web1 · 4711" in text
    assert "silent for 15 min" in group(page, consumers=(made.a_consumer(is_alive=False, beat_s=900.0),))
    unknown = made.a_consumer(is_alive=False, beat_s=None, held=None, oldest_id="", lease_s=None, host="", pid=None)
    assert "no heartbeat 3 – nothing – –" in group(page, consumers=(unknown,))


def test_many_consumers_are_counted_and_not_all_shown(page: Render) -> None:
    many = tuple(made.a_consumer(f"worker-{number}") for number in range(150))
    text = group(page, consumers=many)
    assert "The first 100 of 150 consumers" in text
    assert "worker-99" in text
    assert "worker-100" not in text


def test_what_is_wrong_with_a_stream_stands_on_its_page(page: Render) -> None:
    finding = made.a_finding(title="Nobody consumes mail", topic="events:order")
    text = page(streams.shown, made.a_stream(), (), (finding,))
    assert "Nobody consumes mail" in text
    assert "Look at" not in text
    letters = made.a_finding(id="dead", topic="events:order")
    hrefs = Seen(page(streams.shown, made.a_stream(), (), (letters,))).hrefs
    assert any("/deadletterpage/?" in href and "stream=events%3Aorder" in href for href in hrefs)


def test_links_lead_to_entries_and_the_live_tail(page: Render) -> None:
    hrefs = Seen(page(streams.shown, made.a_stream(), ())).hrefs
    assert any("/entries/?" in href and "live=1" in href for href in hrefs)
    assert any("/entry/?" in href and "id=1764403200000-3" in href for href in hrefs)


def test_a_real_stream_is_shown(
    staff: Staff, at: At, declare: Callable[..., Any], redis_client: Any, prefix: str
) -> None:
    # Given a stream of which a group has read one event of three
    stream = declare()
    for number in range(3):
        stream.publish({"id": number})
    key = f"{prefix}:events:order"
    redis_client.xgroup_create(key, "billing", id="0")
    redis_client.xreadgroup("billing", "web1", {key: ">"}, count=1)
    # When
    text = words(staff("see_bus").get(at("stream", stream="events:order")).content.decode())
    # Then
    assert "Entries 3" in text
    assert "Unread 2 Pending 1" in text
    assert "web1 no heartbeat" in text
    assert "belongs to another program" in text


def test_a_stream_that_is_not_there_is_said_to_be_so(staff: Staff, at: At) -> None:
    answer = staff("see_bus").get(at("stream", stream="events:nowhere"))
    assert answer.status_code == 404
    assert "There is no stream “events:nowhere”" in answer.content.decode()


@pytest.mark.parametrize("name", ["stream", "pending", "trim"])
def test_a_stream_that_nothing_declares_is_likened_to_one_that_is_there(
    name: str, staff: Staff, at: At, declare: Callable[..., object]
) -> None:
    declare("events:order")
    answer = staff("see_bus", "destroy_bus").get(at(name, stream="events:oder"))
    assert answer.status_code == 404
    text = unescape(answer.content.decode())
    assert "Did you mean 'events:order'?" in text
    assert "keeps everything" not in text


def test_a_declared_stream_is_shown_before_anything_is_in_it(
    staff: Staff, at: At, declare: Callable[..., object]
) -> None:
    declare("events:order")
    answer = staff("see_bus").get(at("stream", stream="events:order"))
    assert answer.status_code == 200
    assert "Nothing has been published to this stream yet" in answer.content.decode()
