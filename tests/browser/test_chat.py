from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.example.conftest import Shop

from .conftest import Page, Web

pytestmark = pytest.mark.slow

ComeIn = Callable[..., Page]
SAY = "from example_project.chat.topics import *\nfrom django_redis_bus import bus\n"


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox").fill(text)
    page.keyboard.press("Enter")


def said(page: Page) -> list[str]:
    """What stands on the page: lines as they are, and markers in brackets."""
    return page.eval_on_selector_all(
        "#messages > :is(.message, .gap)",
        "items => items.map(i => i.matches('.gap') ? `[${i.textContent}]` : i.querySelector('.text').textContent)",
    )


def wait_for(page: Page, text: str) -> None:
    page.locator("#messages").get_by_text(text, exact=True).wait_for()


def people(page: Page, *names: str) -> None:
    """Wait until these are shown as present."""
    page.wait_for_function(
        "names => [...document.querySelectorAll('#people li')].map(i => i.textContent).join() === names",
        arg=",".join(names),
    )


def from_elsewhere(shop: Shop, room: str, *texts: str) -> None:
    """Say something in a room from another process of the project."""
    shop.python(SAY + f"bus.publish_many([(CHAT(room={room!r}), ChatMessage(text=text)) for text in {texts!r}])")


def test_two_people_talk(come_in: ComeIn, room: str) -> None:
    # Given two people in one room, and one in another
    ada, linus, grace = come_in("ada"), come_in("linus"), come_in("grace", room="tea")
    # When one writes, then the other sees it
    ada.get_by_role("textbox").type("Hello")
    linus.get_by_text("ada is typing …").wait_for()
    # And when she sends it, each has it once
    ada.keyboard.press("Enter")
    wait_for(linus, "Hello")
    say(linus, "<b>Hello</b>, ada\nHow are you?")
    wait_for(ada, "<b>Hello</b>, ada How are you?")
    assert said(ada) == said(linus) == ["Hello", "<b>Hello</b>, ada\nHow are you?"]
    # And who said it shows
    assert ada.locator(".message.own .text").all_inner_texts() == ["Hello"]
    assert linus.locator(".message:not(.own) .author").all_inner_texts() == ["ada"]
    assert linus.get_by_text("is typing").count() == 0
    # And nobody else has heard of it
    assert said(grace) == []
    # And who comes later reads it all
    grace.get_by_role("link", name=room, exact=True).click()
    wait_for(grace, "Hello")
    assert said(grace) == said(ada)


def test_what_was_said_while_the_server_restarted_appears_once_and_in_order(
    come_in: ComeIn, web: Web, shop: Shop, room: str
) -> None:
    # Given two people who talk
    ada, linus = come_in("ada"), come_in("linus")
    say(ada, "before")
    wait_for(linus, "before")
    # When the server is killed, and something is said meanwhile
    web.stop(signal.SIGKILL)
    ada.get_by_text(re.compile(r"Offline, next try in \d+ s")).wait_for()
    from_elsewhere(shop, room, "one", "two", "three")
    # Then both have it when the server is back
    web.start()
    for page in (ada, linus):
        wait_for(page, "three")
    say(linus, "after")
    wait_for(ada, "after")
    assert said(ada) == said(linus) == ["before", "one", "two", "three", "after"]
    people(ada, "ada (you)", "linus")


SAID = 1_100
"""More than the room's history, and than RELAY["history"]."""


def test_a_gap_that_is_too_large_is_shown(come_in: ComeIn, web: Web, shop: Shop, room: str) -> None:
    # Given somebody in a room
    ada = come_in("ada")
    say(ada, "before")
    wait_for(ada, "before")
    # When more is said while the server is away than a browser is given at once
    web.stop()
    from_elsewhere(shop, room, *(f"line {n}" for n in range(1, SAID + 1)))
    web.start()
    wait_for(ada, f"line {SAID}")
    # Then the page shows where something is missing, and how much
    first, gap, *lines = said(ada)
    assert first == "before"
    assert lines == [f"line {n}" for n in range(SAID + 1 - len(lines), SAID + 1)]
    assert gap == f"[You missed {SAID - len(lines):,} messages here]"


def test_who_is_here(come_in: ComeIn) -> None:
    # Given somebody in a room
    ada = come_in("ada")
    people(ada, "ada (you)")
    # When another one comes, twice
    linus, also_linus = come_in("linus"), come_in("linus")
    # Then both see both
    people(ada, "ada (you)", "linus")
    people(linus, "ada", "linus (you)")
    # And the other one is there until the last page is closed
    linus.close()
    also_linus.close()
    people(ada, "ada (you)")


def test_who_logs_out_is_out(come_in: ComeIn) -> None:
    # Given two people
    ada, linus = come_in("ada"), come_in("linus")
    # When one logs out in another tab
    tab = linus.context.new_page()
    tab.goto(linus.url)
    tab.get_by_role("button", name="Leave").click()
    # Then the first tab is out as well
    linus.get_by_text("Signed out").wait_for()
    people(ada, "ada (you)")
    # And comes in again by the front door
    tab.get_by_role("button", name="linus", exact=True).click()
    tab.get_by_text("Connected", exact=True).wait_for()


def test_a_line_that_was_refused_is_kept_and_can_be_sent_again(come_in: ComeIn, shop: Shop) -> None:
    # Given two people, and a Redis that is away
    ada, linus = come_in("ada"), come_in("linus")
    shop.server.kill()
    # When one says something, it is shown as not sent
    say(ada, "Anybody?")
    again = ada.get_by_role("button", name="Try again")
    again.wait_for()
    # And when Redis is back, it can be sent
    shop.server.start()
    for _ in range(30):
        ada.wait_for_timeout(300)
        if ada.locator(".message:not(.failed)").count():
            break
        if again.count():
            again.click()
    wait_for(linus, "Anybody?")
    assert said(linus) == ["Anybody?"]


def test_any_redis_client_is_heard(come_in: ComeIn, shop: Shop, room: str) -> None:
    # Given somebody in a room
    ada = come_in("ada")
    # When a text is published there by hand
    shop.redis.publish(f"shop:chat:{room}", "from a terminal")
    # Then it is shown, as of now, for it has no time of its own
    wait_for(ada, "from a terminal")
    assert ada.locator(".author").all_inner_texts() == ["From outside"]
    assert "Invalid" not in ada.locator("#messages").inner_text()
    assert re.fullmatch(r"\d{4}-.+Z", ada.locator("#messages time").get_attribute("datetime"))


@pytest.mark.parametrize(
    ("code", "shown"),
    [(4401, "Signed out"), (4403, "not one that the server accepts"), (4404, "no chat at this address")],
)
def test_the_page_says_why_it_was_turned_away(come_in: ComeIn, web: Web, code: int, shown: str) -> None:
    # Given somebody in the chat
    ada = come_in("ada")
    # When the server lets nobody in any more
    ada.route_web_socket("**/bus/", lambda socket: socket.close(code=code, reason="for a reason"))
    ada.reload()
    # Then the page says why, and not that she was logged out if she was not
    ada.get_by_role("status").get_by_text(shown).wait_for()


def test_a_line_of_which_nobody_knows_is_not_called_unsent(come_in: ComeIn, room: str) -> None:
    # Given a relay whose Redis has taken a line and not answered
    topic = f"chat:{room}"
    answers = {
        "join": {"do": "joined", "topic": topic, "epoch": "a", "offset": None, "recovered": None, "messages": []},
        "publish": {"do": "error", "topic": topic, "code": "unknown", "message": "It may have been sent."},
    }

    def serve(socket: Any) -> None:
        def answer(text: str) -> None:
            asked = json.loads(text)
            socket.send(json.dumps(answers[asked["do"]] | {"id": asked["id"], "can_publish": True}))

        socket.on_message(answer)
        socket.send(json.dumps({"do": "welcome", "version": 1, "user": None, "reconnect": {}}))

    ada = come_in("ada")
    ada.route_web_socket("**/bus/", serve)
    ada.reload()
    ada.get_by_text("Connected", exact=True).wait_for()
    # When she says one
    say(ada, "Hello")
    # Then the page does not claim to know
    ada.get_by_role("button", name="Perhaps not sent: It may have been sent. Try again").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(come_in: ComeIn, scheme: str, tmp_path: Path) -> None:
    # Given a narrow page, and a message longer than that
    ada = come_in("ada", viewport={"width": 390, "height": 760}, color_scheme=scheme)
    say(ada, "An address: https://example.com/" + "long" * 30)
    ada.locator(".message").wait_for()
    # Then nothing stands out on the right, and there is room to write
    assert ada.evaluate("document.documentElement.scrollWidth") == 390
    assert ada.get_by_role("textbox").bounding_box()["y"] < 720
    assert ada.get_by_role("log").bounding_box()["height"] > 400
    # And the list of people is folded, and unfolds
    assert not ada.locator("#people").is_visible()
    ada.get_by_text("Here now").click()
    people(ada, "ada (you)")
    assert ada.locator("#people").is_visible()
    assert len(ada.screenshot(path=tmp_path / f"{scheme}.png")) > 5_000
