"""The console in other languages: German whole, and a page from right to left."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from django_redis_bus import bus
from django_redis_bus.operations import pausing
from django_redis_bus.outbox import rows
from django_redis_bus.outbox.rows import now_ms
from tests.operations.ward import TOPIC, Ward
from tests.test_words import MESSAGES

from .conftest import Staff
from .verbs import GROUP, STREAM

pytestmark = pytest.mark.django_db(databases=["default", "other"])

At = Callable[..., str]
GERMAN = {text for message in MESSAGES for text in message.texts}
ENGLISH = {text for message in MESSAGES for text in (message.id, message.plural) if text} - GERMAN
"""What a German page does not say."""
PAGES: dict[str, dict[str, str]] = {
    "overview": {},
    "streams": {},
    "stream": STREAM,
    "entries": STREAM,
    "pending": GROUP,
    "replay": GROUP,
    "pause": GROUP,
    "trim": STREAM,
    "dead": {},
    "channels": {},
    "channel": {"channel": "news"},
    "publish": {"topic": TOPIC},
    "republish": {},
    "outboxevent_changelist": {},
    "inboxevent_changelist": {},
}


class Said(HTMLParser):
    """What a page says: the texts of elements, and what is read in place of one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lang = self.dir = ""
        self.texts: set[str] = set()
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "html":
            self.lang, self.dir = found.get("lang") or "", found.get("dir") or ""
        self.texts |= {
            str(found[name]) for name in ("aria-label", "title", "placeholder", "data-label") if name in found
        }
        if tag == "input" and found.get("type") == "submit":
            self.texts.add(str(found.get("value")))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("code", "pre", "script", "style", "bdi"):
            self.texts.add(" ".join(data.split()).strip(" ·.:,"))


@pytest.fixture
def scene(ward: Ward, declare: Callable[..., Any], db: None) -> dict[str, str]:
    """A bus with something of everything; returns ids of a dead letter, of an entry and of a row."""
    stream = declare(TOPIC)

    @stream.handler(group="billing", types=["shop.order.created"])
    def charge(event: object) -> None: ...

    ward.running()
    ward.waiting()
    ward.silent()
    [dead_id] = ward.dead()
    [entry_id] = ward.add()
    pausing.pause(ward.asking(), TOPIC, "billing", by="ann", why="night")
    [row] = rows.store(
        "default", [bus.message(TOPIC, {"id": 1}, type="order.made")], using="default", moment_ms=now_ms()
    )
    return {"dead": dead_id, "entry": entry_id, "row": str(row.id)}


@pytest.fixture
def read(staff: Staff) -> Callable[..., Said]:
    """Return what a page says to somebody who may do everything: read("de", address)."""
    client: Client = staff(is_superuser=True)

    def ask(language: str, address: str, data: dict[str, Any] | None = None) -> Said:
        headers = {"Accept-Language": language}
        answer = client.get(address, headers=headers) if data is None else client.post(address, data, headers=headers)
        assert answer.status_code == (400 if "group=none" in address else 200)
        return Said(answer.content.decode())

    return ask


def addresses(at: At, scene: dict[str, str]) -> Iterator[str]:
    for name, query in PAGES.items():
        yield at(name, **query)
    yield at("dead", **STREAM)
    yield at("dead_letter", **STREAM, id=scene["dead"])
    yield at("dead_edit", **STREAM, id=scene["dead"])
    yield at("entry", **STREAM, id=scene["entry"])
    yield at("pending", **STREAM, group="none")
    yield reverse("admin:django_redis_bus_outboxevent_change", args=[scene["row"]])
    yield reverse("admin:app_list", args=["django_redis_bus"])


def test_no_page_in_german_has_kept_an_english_text(read: Callable[..., Said], at: At, scene: dict[str, str]) -> None:
    for address in addresses(at, scene):
        said = read("de", address)
        assert said.lang == "de", address
        assert len(said.texts & GERMAN) > 5, address
        assert said.texts & ENGLISH == set(), address


def test_a_confirmation_in_german(read: Callable[..., Said], at: At, scene: dict[str, str]) -> None:
    said = read("de", at("dead_act", **STREAM, reason="exhausted"), {"act": "discard", "all": "1"})
    assert "1 Dead Letter verwerfen?" in said.texts
    assert "Das lässt sich nicht rückgängig machen" in said.texts
    assert said.texts & ENGLISH == set()


def test_no_page_breaks_from_right_to_left(read: Callable[..., Said], at: At, scene: dict[str, str]) -> None:
    for address in addresses(at, scene):
        said = read("he", address)
        assert (said.lang, said.dir) == ("he", "rtl"), address


def test_bus_info_speaks_the_language_of_the_project_and_its_ids_stay(
    settings: Any, ward: Ward, scene: dict[str, str], capsys: Any
) -> None:
    settings.LANGUAGE_CODE = "de"
    call_command("bus_info")
    assert f"Stream {TOPIC} hat 1 Dead Letter." in html.unescape(capsys.readouterr().out)
    call_command("bus_info", "--json")
    assert '"id": "dead"' in capsys.readouterr().out
