"""The console's pages in a browser, under the shop's strict Content-Security-Policy: they update, and say when not."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.example.conftest import Shop
from tests.example.test_shop import PLACE

from .conftest import CONSOLE, Page, Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("consumer")]

TAIL = CONSOLE + "streampage/entries/?stream=events:order&live=1"
ADA = PLACE + "ada = Customer.objects.get_or_create(name='Ada', email='ada@example.com')[0]\nprint(place().pk)"


def newest(page: Page) -> str:
    return str(page.locator(".bus-list > li").first.get_attribute("id"))


def handled(page: Page) -> int:
    """Return how many runs the overview's chart shows."""
    return int(page.locator(".bus-legend li:nth-child(2) b").inner_text())


def test_the_overview_changes_by_itself_and_keeps_what_is_open(log_in: Callable[..., Page], shop: Shop) -> None:
    # Given an overview, with its table open and the keyboard on it
    shop.python(ADA)
    page = log_in(CONSOLE + "overview/")
    before = handled(page)
    page.locator("#bus-minutes > summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("columnheader", name="Minute").wait_for()
    # When an order is placed
    shop.python(ADA)
    # Then it is counted, and nothing else has changed
    page.wait_for_function(
        "before => Number(document.querySelector('.bus-legend li:nth-child(2) b').textContent) > before", arg=before
    )
    assert page.get_by_role("columnheader", name="Minute").is_visible()
    assert page.evaluate("document.activeElement.parentElement.id") == "bus-minutes"


def test_nothing_is_asked_while_it_is_paused(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given an overview that is paused
    page = log_in("admin/")
    page.clock.install()
    page.goto(web.url(CONSOLE + "overview/"))
    page.get_by_role("button", name="Pause updates").click()
    page.get_by_text("Paused", exact=True).wait_for()
    # When a minute passes
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    # Then it has asked for nothing, until it is told to go on
    assert asked == []
    with page.expect_response(web.url(CONSOLE + "overview/")):
        page.get_by_role("button", name="Go on updating").click()


def test_the_live_tail_shows_what_comes_and_keeps_what_is_open(log_in: Callable[..., Page], shop: Shop) -> None:
    # Given a live tail, with an entry open and the keyboard on it
    shop.python(ADA)
    page = log_in(TAIL)
    page.get_by_text("Updates by itself", exact=True).wait_for()
    first = newest(page)
    page.locator(f"#{first} summary").focus()
    page.keyboard.press("Enter")
    page.locator(f"#{first} .bus-data").wait_for()
    # When an order is placed
    shop.python(ADA)
    page.wait_for_function("first => document.querySelector('.bus-list > li').id !== first", arg=first)
    # Then it is shown, and the other is open as it was, with the keyboard on it
    assert page.locator(f"#{first} details").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.closest('li').id") == first
    assert page.locator("li.bus-fresh").count() >= 1


def test_updates_pause_by_a_button_and_while_somebody_types(log_in: Callable[..., Page], shop: Shop) -> None:
    # Given
    shop.python(ADA)
    page = log_in(TAIL)
    button = page.get_by_role("button", name="Pause updates")
    # When
    button.click()
    # Then
    page.get_by_text("Paused", exact=True).wait_for()
    assert page.locator("#bus-pause").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Go on updating").click()
    page.get_by_text("Updates by itself", exact=True).wait_for()
    page.get_by_label("Key", exact=True).focus()
    page.get_by_text("Waits while you type", exact=True).wait_for()
    page.get_by_label("Key", exact=True).blur()
    page.get_by_text("Updates by itself", exact=True).wait_for()


def test_an_update_that_fails_is_said_and_what_was_there_stays(
    log_in: Callable[..., Page], shop: Shop, web: Web
) -> None:
    # Given
    shop.python(ADA)
    page = log_in(TAIL)
    first = newest(page)
    # When the web server goes
    web.stop()
    page.get_by_text("The last update failed", exact=False).wait_for()
    # Then what was there stays, until it comes back
    assert newest(page) == first
    web.start()
    page.get_by_text("Updates by itself", exact=True).wait_for()


def test_a_page_that_listens_goes_on_and_keeps_what_it_has_heard(
    log_in: Callable[..., Page], shop: Shop, web: Web, room: str
) -> None:
    # Given somebody who talks without end
    talk = "from example_project.chat.topics import CHAT, SAID\nimport time\nfrom django_redis_bus import bus\n"
    talk += "for n in range(400):\n if not Customer.objects.filter(name='hush').exists():\n"
    talk += f"  bus.publish(CHAT(room='{room}'), {{'text': str(n)}}, type=SAID); time.sleep(0.05)"
    speaker = threading.Thread(target=shop.python, args=(talk,))
    speaker.start()
    try:
        # When a page listens, one window after the other
        page = log_in(CONSOLE + f"channelpage/hear/?channel=chat:{room}")
        heard = page.locator("#bus-heard > li").count()
        page.wait_for_function("heard => document.querySelectorAll('#bus-heard > li').length > heard + 20", arg=heard)
    finally:
        shop.python("Customer.objects.create(name='hush', email='')")
        speaker.join()


def test_without_javascript_everything_is_there(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    shop.python(ADA)
    page = log_in(TAIL, java_script_enabled=False)
    assert page.locator(".bus-list > li").count() >= 1
    assert page.get_by_role("link", name="Refresh").get_attribute("href").endswith("live=1")
    assert not page.locator("#bus-pause").is_visible()
    page.goto(web.url(CONSOLE + "overview/"))
    assert page.locator(".bus-chart svg").is_visible()
