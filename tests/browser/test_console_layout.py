"""Every page of the console on a phone, in the dark and from right to left, with names and errors that are too long."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.example.conftest import Shop
from tests.example.test_shop import PLACE
from tests.faults.fleet import wait_for

from .conftest import CONSOLE, Page, Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("consumer")]

PHONE = {"width": 390, "height": 844}
DEAD_STREAM = "{shop:events:order}:dead"
ORDERS = urlencode({"stream": "events:order"})
FURNISH = (
    PLACE
    + """
from django_redis_bus import bus
from django_redis_bus.operations import pausing
from django_redis_bus.operations.asking import Asking
from example_project.shop.topics import ORDERS
ada = Customer.objects.create(name='Ada', email='ada@example.com')
for _ in range(5): place()
ada = Customer.objects.create(name='Wolfeschlegelsteinhausenbergerdorff' * 3, email='')
place()
data = {'id': 1, 'status': 'paid', 'total': '1.00', 'customer': ada.pk}
ORDERS.publish(data, type='shop.order.' + 'updated' * 20, key='k' * 200, subject='a/b' * 100)
pausing.pause(Asking(bus, 5), 'events:order', 'board', by='ada', why='Donaudampfschifffahrtsgesellschaft' * 5)
"""
)
FAULTS = r"""
() => {
  const faults = [];
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) faults.push(`wide: ${width}`);

  const named = (each) => each.textContent.trim() || each.ariaLabel || each.labels?.length || each.hidden ||
    each.getAttribute('aria-labelledby') || (each.type === 'submit' && each.value);
  const controls = ':is(a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex])';
  for (const each of document.querySelectorAll(`#content ${controls}`)) {
    if (!named(each)) faults.push(`nameless: ${each.outerHTML}`);
  }

  // Contrast as WCAG 2 reckons it; 4.5 is what it asks of text.
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (each) => {
    for (; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const words = document.createTreeWalker(document.getElementById('content'), NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const each = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !each.checkVisibility() || each.closest('svg, option, script')) continue;
    const [a, b] = [light(parse(getComputedStyle(each).color)), light(behind(each))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(`faint: ${contrast.toFixed(2)}, ${each.outerHTML.slice(0, 200)}`);
  }
  return faults;
}
"""


@pytest.fixture(scope="module")
def pages(shop: Shop, consumer: None) -> list[str]:
    """Paths of all pages, about things that are hard to lay out."""
    shop.python(FURNISH)
    wait_for(lambda: shop.redis.xlen(DEAD_STREAM) >= 1, what="for a dead letter")
    wait_for(lambda: shop.redis.xpending("shop:events:order", "billing")["pending"], what="for a retry")
    ((dead, _fields),) = shop.redis.xrevrange(DEAD_STREAM, count=1)
    ((newest, _fields),) = shop.redis.xrevrange("shop:events:order", count=1)
    letter = urlencode({"stream": "events:order", "id": dead.decode()})
    below = [
        "overview/",
        "streampage/",
        f"streampage/stream/?{ORDERS}",
        f"streampage/entries/?{ORDERS}",
        f"streampage/entries/?{ORDERS}&live=1",
        f"streampage/entry/?{ORDERS}&id={newest.decode()}",
        f"streampage/pending/?{ORDERS}",
        f"streampage/pending/?{ORDERS}&group=billing",
        f"streampage/replay/?{ORDERS}&group=mail",
        f"streampage/pause/?{ORDERS}&group=board",
        f"streampage/trim/?{ORDERS}",
        "streampage/publish/",
        "streampage/publish/?topic=events:order&mode=json",
        "streampage/publish/?topic=board:orders",
        "streampage/stream/?stream=nothing:here",
        "deadletterpage/",
        f"deadletterpage/?{ORDERS}",
        f"deadletterpage/letter/?{letter}",
        f"deadletterpage/edit/?{letter}",
        "channelpage/",
        "channelpage/channel/?channel=board:orders",
        "outboxevent/",
        "outboxevent/republish/",
        "inboxevent/",
    ]
    return ["admin/", *(CONSOLE + each for each in below)]


@pytest.mark.parametrize(
    ("locale", "direction", "scheme"), [("en-US", "ltr", "light"), ("he-IL", "rtl", "dark")], ids=["light", "dark"]
)
def test_every_page_fits_a_phone_and_can_be_read(
    log_in: Callable[..., Page], web: Web, pages: list[str], locale: str, direction: str, scheme: str
) -> None:
    # Given a phone, by day and in English, or by night and in a language that goes from right to left
    page = log_in("admin/", locale=locale, color_scheme=scheme, viewport=PHONE)
    assert page.evaluate("document.documentElement.dir") == direction
    # When each page is opened, and a confirmation
    found: dict[str, object] = {}
    for path in pages:
        page.goto(web.url(path))
        found[path] = page.evaluate(FAULTS)
    page.goto(web.url(f"{CONSOLE}deadletterpage/?{ORDERS}"))
    page.locator("input[name=all]").check()
    page.locator("button[value=redrive]").click()
    page.locator("button[name=confirmed]").wait_for()
    page.wait_for_load_state()
    found["confirmation"] = page.evaluate(FAULTS)
    # Then nothing is wider than the screen, without a name, or too faint
    assert {path: faults for path, faults in found.items() if faults} == {}


BASELINES = """
() => [...document.querySelectorAll('.bus-scroll td:has(.bus-is-paused)')].map((cell) =>
  ['.bus-name', '.bus-is-paused'].map((each) => {
    const mark = document.createElement('span');
    mark.style.display = 'inline-block';
    cell.querySelector(each).append(mark);
    return mark.getBoundingClientRect().bottom;
  }))
"""


def test_a_name_and_the_mark_beside_it_stand_on_one_line(
    log_in: Callable[..., Page], web: Web, pages: list[str]
) -> None:
    page = log_in(f"{CONSOLE}streampage/")
    [[name, mark]] = page.evaluate(BASELINES)
    assert abs(name - mark) < 0.5
