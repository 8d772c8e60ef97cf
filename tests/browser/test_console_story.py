"""An operator finds out why an order failed, mends the cause and has it handled: by mouse, by keyboard, scriptless."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.example.conftest import Shop
from tests.example.test_shop import PLACE
from tests.faults.fleet import wait_for

from .conftest import CONSOLE, Page, Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("consumer")]

DEAD_STREAM = "{shop:events:order}:dead"
RECORDS = """
from django.contrib.admin.models import LogEntry
for each in LogEntry.objects.filter(content_type__model='deadletterpage').order_by('pk'):
    print(each.user.username, each.object_repr, each.change_message, sep=' | ')
"""


def give_up(shop: Shop, customer: str) -> int:
    """Have an order placed and paid for that mail gives up twice, for want of an address; return its number."""
    before = shop.redis.xlen(DEAD_STREAM)
    nobody = f"ada = Customer.objects.create(name={customer!r}, email='')\n"
    number = int(
        shop.python(PLACE + nobody + "order = place()\norder.status = 'paid'\norder.save()\nprint(order.pk)").strip()
    )
    wait_for(lambda: shop.redis.xlen(DEAD_STREAM) == before + 2, what="for two dead letters")
    return number


def figure(page: Page, name: str) -> int:
    """Return a figure of the overview."""
    box = page.locator(".bus-figures > div").filter(has=page.get_by_text(name, exact=True))
    return int(box.locator("dd").evaluate("dd => parseInt(dd.textContent)"))


def mails(shop: Shop, order: int) -> list[str]:
    return [subject for (number, subject) in shop.rows("order_number, subject", "mail") if number == order]


@pytest.mark.parametrize(
    ("customer", "script"), [("Charles Babbage", True), ("Henry Babbage", False)], ids=["script", "no script"]
)
def test_an_operator_mends_what_failed_and_has_it_handled(
    log_in: Callable[..., Page], shop: Shop, customer: str, script: bool
) -> None:
    # Given an order of a customer whom nobody can write to
    order = give_up(shop, customer)
    # When an operator, no superuser, comes to look
    page = log_in("admin/", "grace", java_script_enabled=script)
    page.get_by_role("link", name="Overview").click()
    dead = figure(page, "Dead letters")
    # Then the overview says what is wrong, and leads to it
    finding = page.get_by_role("listitem").filter(has_text=f"events:order has {dead} dead letters")
    finding.get_by_role("link").click()
    page.get_by_label("Group").fill("mail")
    page.get_by_label("Text").fill(customer)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="all", exact=True).wait_for()
    assert page.locator("#content-main tbody tr").count() == 2
    page.get_by_role("link", name="shop.order.created").click()
    why = page.get_by_role("region", name="Why it was given up")
    assert f"Reject: {customer} has no e-mail address" in why.inner_text()
    assert "write_to_customer" in why.locator("pre").inner_text()
    assert f'"id": {order},' in page.get_by_role("region", name="Payload").inner_text()
    # When the address is entered
    page.get_by_role("link", name="Home").click()
    page.get_by_role("link", name="Customers").click()
    page.get_by_role("link", name=customer).click()
    page.get_by_label("Email").fill("babbage@example.com")
    page.get_by_role("button", name="Save", exact=True).click()
    # And all that match are redriven, once their number is confirmed
    page.get_by_role("link", name="Home").click()
    page.get_by_role("link", name="Dead letters").click()
    page.locator("#content-main").get_by_role("link", name="events:order").click()
    page.get_by_label("Group").fill("mail")
    page.get_by_label("Text").fill(customer)
    page.get_by_role("button", name="Show").click()
    page.get_by_label("all that match, on every page").check()
    assert page.get_by_role("button", name="Discard").count() == 0
    page.get_by_role("button", name="Redrive").click()
    page.get_by_role("heading", name="Redrive 2 dead letters?").wait_for()
    page.get_by_role("button", name="Redrive").click()
    # Then they are gone, the mail is written, and the overview counts two less
    page.get_by_text("2 dead letters are with their groups again.").wait_for()
    page.get_by_text("No dead letter matches.").wait_for()
    wait_for(lambda: len(mails(shop, order)) == 2, what="for the mail")
    assert sorted(mails(shop, order)) == [f"Thank you for paying order {order}", f"We have your order {order}"]
    page.get_by_role("navigation", name="Redis bus").get_by_role("link", name="Overview").click()
    assert figure(page, "Dead letters") == dead - 2
    # And it stands among the recent actions, and in the record, who did it
    page.get_by_role("link", name="Home").click()
    assert "events:order" in page.locator("#recent-actions-module").inner_text()
    record = shop.python(RECORDS).splitlines()[-1]
    who, what, said = record.split(" | ")
    assert (who, what) == ("grace", "events:order, group mail, bus default")
    assert said.startswith("redrive, 2 asked, all that match group='mail'")
    assert customer in said
    assert said.endswith(": 2 done")


def tab_to(page: Page, target: Page) -> None:
    """Press Tab on a new page until the keyboard is at a control, and see that it shows."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if target.evaluate("each => each === document.activeElement"):
            break
    else:
        raise AssertionError(f"30 times Tab do not lead to {target}")
    outline = target.evaluate("each => getComputedStyle(each).outline")
    assert " solid 2px" in outline, f"{target} has the keyboard, and nobody can see it"


def test_it_can_be_done_by_keyboard(log_in: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given
    order = give_up(shop, "Ada Byron")
    shop.python("Customer.objects.filter(name='Ada Byron').update(email='ada@example.com')")
    page = log_in(CONSOLE + "overview/", "grace")
    # When
    finding = page.get_by_role("listitem").filter(has_text="dead letters")
    tab_to(page, finding.get_by_role("link"))
    page.keyboard.press("Enter")
    page.get_by_label("Text").wait_for()
    tab_to(page, page.get_by_label("Text"))
    page.keyboard.type("Ada Byron")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="all", exact=True).wait_for()
    tab_to(page, page.get_by_label("all that match, on every page"))
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert page.get_by_role("button", name="Redrive").evaluate("each => each === document.activeElement")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Redrive 2 dead letters?").wait_for()
    tab_to(page, page.get_by_role("button", name="Redrive"))
    page.keyboard.press("Enter")
    # Then
    page.get_by_text("2 dead letters are with their groups again.").wait_for()
    wait_for(lambda: len(mails(shop, order)) == 2, what="for the mail")
