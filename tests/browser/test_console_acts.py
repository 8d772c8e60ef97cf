"""What an operator does from the console: pause and resume, replay, retry now, publish a test event."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.example.conftest import Shop
from tests.example.test_shop import PLACE
from tests.faults.fleet import wait_for

from .conftest import CONSOLE, Page, Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("consumer")]

STREAM = CONSOLE + "streampage/stream/?stream=events:order"
ADA = PLACE + "ada = Customer.objects.get_or_create(name='Ada', email='ada@example.com')[0]\n"
UNANSWERED = "order = place()\nwhile order.pk % 10 != 5: order = place()\nprint(order.pk)"


def placed(shop: Shop, code: str = "print(place().pk)") -> int:
    """Place an order, or more; return the number of the last."""
    return int(shop.python(ADA + code))


def has_mail(shop: Shop, order: int) -> bool:
    return (order,) in shop.rows("order_number", "mail")


def section(page: Page, group: str) -> Page:
    """Return the part of a stream's page that is about a group."""
    return page.get_by_role("region", name=f"Group {group}", exact=True)


def figure(part: Page, name: str) -> int:
    box = part.locator(".bus-figures > div").filter(has=part.page.get_by_text(name, exact=True))
    return int(box.locator("dd").evaluate("dd => parseInt(dd.textContent)"))


def test_a_group_is_paused_and_resumed(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given a group that has handled an order
    first = placed(shop)
    wait_for(lambda: has_mail(shop, first))
    page = log_in(STREAM, "grace")
    # When it is paused, with a reason
    section(page, "mail").get_by_role("link", name="Pause").first.click()
    page.get_by_role("button", name="Pause the group").click()
    page.get_by_role("heading", name="Pause group “mail”?").wait_for()
    page.get_by_label("Reason").fill("The mail server moves house")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Told to pause: group “mail”. Its consumers obey within a second.").wait_for()
    assert "Paused by grace" in page.get_by_role("region", name="Group mail").inner_text()
    # Then its page says why, and that its consumer obeys
    page.goto(web.url(STREAM))
    mail = section(page, "mail")
    assert "“The mail server moves house” Its events wait in the stream." in mail.inner_text()
    mail.get_by_role("region", name="Consumers").get_by_text("paused", exact=True).wait_for()
    # And an order waits there, though not for others
    order = placed(shop)
    wait_for(lambda: (order,) in shop.rows("order_number", "stockmove"))
    page.reload()
    assert figure(section(page, "mail"), "Unread") == 1
    assert not has_mail(shop, order)
    # When it is resumed, from what the overview says about it
    page.get_by_role("navigation", name="Redis bus").get_by_role("link", name="Overview").click()
    finding = page.get_by_role("listitem").filter(has_text="paused by grace: The mail server moves house")
    finding.get_by_role("link").click()
    page.get_by_role("button", name="Resume the group").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Goes on: group “mail”.").wait_for()
    # Then it is handled
    wait_for(lambda: has_mail(shop, order))
    page.goto(web.url(STREAM))
    assert figure(section(page, "mail"), "Unread") == 0


def test_a_group_is_given_again_what_it_has_had(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given mail that somebody has lost
    order = placed(shop, "for _ in range(4): order = place()\nprint(order.pk)")
    wait_for(lambda: has_mail(shop, order))
    shop.python("Mail.objects.all().delete()")
    page = log_in(STREAM, "grace")
    # When a replay from the first entry is asked for
    section(page, "mail").get_by_role("link", name="Replay").click()
    page.get_by_label("the first entry that is there").check()
    page.get_by_label("Entries per second, at most").fill("4")
    page.get_by_role("button", name="Dry run").click()
    # Then a dry run names its number, and has done nothing
    heading = page.get_by_role("heading", name="entries")
    heading.wait_for()
    count = shop.redis.xlen("shop:events:order")
    assert heading.inner_text() == f"Replay {count} entries?"
    assert shop.rows("id", "mail") == []
    # When it is started, it is seen under way, and then over, without anybody touching the page
    page.get_by_role("button", name="Replay").click()
    page.get_by_text(f"The replay of {count} entries begins.").wait_for()
    page.get_by_role("heading", name="A replay is under way").wait_for()
    page.get_by_text("Updates by itself", exact=True).wait_for()
    page.get_by_role("heading", name="The last replay").wait_for()
    page.get_by_text(f"{count} of {count}", exact=True).wait_for()
    # Then each has been handled once more
    wait_for(lambda: has_mail(shop, order))


def test_what_waits_for_its_retry_is_tried_now(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given an order whose payment the gateway has not answered
    order = placed(shop, UNANSWERED)
    wait_for(lambda: shop.redis.xpending("shop:events:order", "billing")["pending"])
    page = log_in(STREAM, "grace")
    section(page, "billing").get_by_role("link", name="Pending").click()
    row = page.get_by_role("row").filter(has_text=f"order {order}: no answer from the gateway")
    assert "waiting" in row.inner_text()
    assert "retry in " in row.inner_text()
    # When it is retried now
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Retry now").click()
    page.get_by_role("heading", name="Retry 1 pending entry now?").wait_for()
    page.get_by_role("button", name="Retry now").click()
    page.get_by_text("1 entry is tried again now.").wait_for()
    # Then it is handled, ten minutes before its time, and no longer pending
    wait_for(lambda: (order, 2) in shop.rows("order_number, attempts", "invoice"))
    wait_for(lambda: page.reload() and not row.count())


def test_a_test_event_is_published(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given the form for an event, with a mistake in it
    placed(shop)
    customer = shop.python("print(Customer.objects.get(name='Ada').pk)").strip()
    page = log_in(CONSOLE + "overview/", "grace")
    page.get_by_role("navigation", name="Redis bus").get_by_role("link", name="Publish").click()
    page.get_by_label("Topic").select_option("events:order")
    page.get_by_role("button", name="Choose").click()
    page.get_by_label("Event type").fill("shop.order.updated")
    page.get_by_role("button", name="Choose").click()
    page.get_by_role("heading", name="shop.order.updated").wait_for()
    page.get_by_role("button", name="Write it as JSON").click()
    text = page.get_by_label("Payload, as JSON")
    text.fill(f'{{"id": 77, "status": "paid", "total": "a lot", "customer": {customer}}}')
    page.get_by_role("button", name="Check it").click()
    # Then the mistake is told at its field, and what was written is still there
    field = page.locator(".bus-field.bus-is-refused")
    assert "$.total" in field.get_by_role("alert").inner_text()
    assert "a lot" in text.input_value()
    # When it is mended and sent
    text.fill(text.input_value().replace("a lot", "12.50"))
    page.get_by_role("button", name="Check it").click()
    page.get_by_role("heading", name="Send this event?").wait_for()
    page.get_by_role("button", name="Send").click()
    # Then it is in the stream, and is handled
    page.get_by_role("listitem").filter(has_text="events:order").wait_for()
    wait_for(lambda: has_mail(shop, 77))
    page.goto(web.url(CONSOLE + "streampage/entries/?stream=events:order"))
    assert '"total": "12.50"' in page.locator(".bus-list > li").first.inner_text()


def test_pending_changes_by_itself_and_loses_no_tick(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given the pending entries of a group, one of them ticked
    def pending() -> int:
        return int(shop.redis.xpending("shop:events:order", "billing")["pending"])

    placed(shop, UNANSWERED)
    wait_for(pending)
    page = log_in("admin/", "grace")
    page.clock.install()
    page.goto(web.url(CONSOLE + "streampage/pending/?stream=events:order&group=billing"))
    page.get_by_text("Updates by itself", exact=True).wait_for()
    boxes, ticked = page.locator('input[name="id"]'), page.locator('input[name="id"]:checked')
    before = boxes.count()
    boxes.first.check()
    page.locator("h1").click()  # the keyboard is elsewhere
    page.get_by_text("Waits while something is ticked").wait_for()
    # When another order waits for its retry, and time goes by
    count = pending()
    placed(shop, UNANSWERED)
    wait_for(lambda: pending() > count)
    page.clock.run_for(30_000)
    # Then nothing has changed, until nothing is ticked any more
    assert (boxes.count(), ticked.count()) == (before, 1)
    boxes.first.uncheck()
    page.locator("h1").click()
    page.get_by_text("Updates by itself", exact=True).wait_for()
    page.clock.run_for(6_000)
    page.wait_for_function("before => document.querySelectorAll('input[name=\"id\"]').length > before", arg=before)
    # And the box that ticks all of them is there again
    page.get_by_label("Tick all of this page").check()
    assert ticked.count() == boxes.count()
