"""Whatever somebody named a stream, or put into an event: pages show it as text, cut and without tricks."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from django_redis_bus.admin import channels, entries, overview, streams
from django_redis_bus.core.config import Retention
from django_redis_bus.operations.streams import StreamReport
from django_redis_bus.operations.values import Page

from . import reports as made

EVIL = "<script>alert(1)</script>\"'&\x1b[31m\r\n\u202eevil\u2028\x00{{ 7|add:7 }}{% now %}"
Render = Callable[..., str]


def evil_stream() -> StreamReport:
    consumer = made.a_consumer(EVIL, host=EVIL, oldest_id=EVIL)
    handler = made.a_handler(EVIL, types=(EVIL,), pause=made.a_pause(by=EVIL, why=EVIL, handler=EVIL))
    said: dict[str, Any] = {"pause": made.a_pause(by=EVIL, why=EVIL), "replay": made.a_replay(by=EVIL, at=EVIL)}
    group = made.a_group(EVIL, consumers=(consumer,), handlers=(handler,), keys=(EVIL,), last_delivered=EVIL, **said)
    return made.a_stream(
        EVIL, declaration=EVIL, first_id=EVIL, last_id=EVIL, trouble=EVIL, groups=(group,), retention=Retention()
    )


def evil_entry(entry_id: str = "1-0") -> Any:
    texts = dict.fromkeys(("event_id", "type", "source", "subject", "key", "time"), EVIL)
    return made.an_entry(entry_id, data="<script>alert(1)</script>", trouble=EVIL, attributes=((EVIL, EVIL),), **texts)


def pages(page: Render) -> dict[str, str]:
    """Each page of the console, full of what is evil."""
    stream, channel = evil_stream(), made.a_channel(EVIL, declaration=EVIL, people=({EVIL: EVIL}, EVIL))
    listener = made.a_listener(EVIL, what=EVIL, topics=(EVIL,))
    worker = made.a_worker(EVIL, EVIL, name=EVIL, oldest_id=EVIL)
    finding = made.a_finding(title=EVIL, hint=EVIL, topic=EVIL, group=EVIL)
    server = made.a_server(version=EVIL, where=EVIL, role=EVIL, policy=EVIL)
    report = made.an_overview(stream, findings=(finding,), server=server)
    wanted = entries.Wanted(
        topic=EVIL, direction="older", start=EVIL, at=EVIL, type=EVIL, key=EVIL, text=EVIL, is_live=False
    )
    found = Page(items=(evil_entry(),), following="1-0", looked_at=1, cut_short=True)
    message = made.a_message(topic=EVIL, type=EVIL, event_id=EVIL, time=EVIL, text="<script>alert(1)</script>")
    may = {"rights": ("see", "payloads", "operate", "destroy")}
    return {
        "overview": page(overview.shown, report, (worker,), (listener,), **may),
        "streams": page(streams.shown_all, Page(items=(stream,), following=EVIL), **may),
        "stream": page(streams.shown, stream, made.an_hour(), (finding,), **may),
        "entries": page(entries.shown, wanted, found, **may),
        "entry": page(entries.shown_one, EVIL, evil_entry(), **may),
        "channels": page(channels.shown_all, made.the_channels(channel, listeners=(listener,)), **may),
        "channel": page(channels.shown, channel, **may),
        "hear": page(channels.heard, EVIL, [message], **may),
    }


class Seen(HTMLParser):
    """What a browser would do with a page: its scripts, its attributes, the addresses of its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_script = tag == "script" and "src" not in given
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self.inline += [tag] if tag == "style" else []
        self.hrefs += [given["href"] or ""] if tag == "a" and "href" in given else []
        self.ids += [given["id"] or ""] if "id" in given else []

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline.append(data)
        self._in_script = False


@pytest.fixture
def evil_pages(page: Render) -> dict[str, str]:
    return pages(page)


def test_nothing_from_the_wire_is_markup(evil_pages: dict[str, str]) -> None:
    for name, text in evil_pages.items():
        assert "<script>alert" not in text, name
        assert "&lt;script&gt;alert" in text, name
        assert "14" not in re.findall(r"\{\{ 7\|add:7 \}\}|>14<", text), name


def test_no_page_holds_what_a_strict_content_security_policy_refuses(evil_pages: dict[str, str]) -> None:
    for name, text in evil_pages.items():
        assert Seen(text).inline == [], name


def test_no_page_holds_control_characters_or_marks_that_turn_text_around(evil_pages: dict[str, str]) -> None:
    for name, text in evil_pages.items():
        seen = unescape(re.sub(r'(value|href|action)="[^"]*"', "", text))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028]", seen), name


def test_a_hostile_name_survives_in_an_address(evil_pages: dict[str, str]) -> None:
    queries = [parse_qs(urlsplit(href).query) for href in Seen(evil_pages["overview"]).hrefs]
    assert [EVIL] in [query.get("stream") for query in queries]
    for href in Seen(evil_pages["streams"]).hrefs:
        assert re.fullmatch(r"[\w/?=&%.,:;#+*~-]*", href), href


def test_no_id_is_there_twice(evil_pages: dict[str, str]) -> None:
    for name, text in evil_pages.items():
        ids = Seen(text).ids
        assert sorted(set(ids)) == sorted(ids), name


def test_long_names_are_cut_in_pages_and_whole_in_addresses(page: Render) -> None:
    name = "events:" + "x" * 5_000
    text = page(streams.shown_all, Page(items=(made.a_stream(name, groups=()),)))
    assert [name] in [parse_qs(urlsplit(href).query).get("stream") for href in Seen(text).hrefs]
    assert "x" * 201 not in re.sub(r'href="[^"]*"', "", text)


def test_a_lone_surrogate_in_a_name_breaks_no_page(page: Render) -> None:
    assert "a�b" in page(streams.shown_all, Page(items=(made.a_stream("a\ud800b"),)))
