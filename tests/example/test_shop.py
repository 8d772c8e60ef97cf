from __future__ import annotations

import re
import time

import pytest

from .conftest import Shop

pytestmark = pytest.mark.slow

CUSTOMER = "ada = Customer.objects.create(name='Ada', email='ada@example.com')\n"
PLACE = """
from decimal import Decimal
from example_project.shop.orders import place_order
def place():
    return place_order(ada, [("Cup", Decimal("7.50"), 2), ("Teapot", Decimal("24.90"), 1)])
"""
STREAM = "shop:events:order"


def consume(shop: Shop) -> None:
    shop.manage("consume_stream", "--burst")


def test_the_project_passes_its_checks_and_has_all_its_migrations(shop: Shop) -> None:
    shop.manage("check", "--fail-level", "WARNING")
    shop.manage("makemigrations", "--check", "--dry-run")
    shop.manage("bus_audit", "--fail")


def test_every_department_does_its_part(shop: Shop) -> None:
    # Given an order that is placed, paid and shipped by plain saves
    shop.python(CUSTOMER + PLACE + "order = place()\nfor s in ('paid', 'shipped'): order.status = s; order.save()")
    # When the handlers run
    consume(shop)
    # Then each department has done its part, and nothing waits
    assert shop.rows("order_number, amount, attempts", "invoice") == [(1, 39.9, 1)]
    assert shop.rows("what, pieces", "stockmove") == [("reserved", 3), ("picked", 3), ("sent", 3)]
    assert shop.rows("`to`, subject", "mail") == [
        ("ada@example.com", "We have your order 1"),
        ("ada@example.com", "Thank you for paying order 1"),
        ("ada@example.com", "Order 1 is on its way"),
    ]
    assert shop.rows("what", "orderchange") == [("created",), ("paid",), ("shipped",)]
    assert {group["pending"] for group in shop.redis.xinfo_groups(STREAM)} == {0}


def test_what_is_paid_is_shipped_by_one_update(shop: Shop) -> None:
    # Given three orders, of which two are paid for
    shop.python(CUSTOMER + PLACE + "for _ in range(3): place()\nOrder.objects.filter(pk__lt=3).update(status='paid')")
    # When somebody of the staff chooses all three and the action in the admin
    shop.python(
        "from django.contrib.auth.models import User; from django.test import Client\n"
        "User.objects.create_superuser('grace'); client = Client(SERVER_NAME='localhost')\n"
        "client.force_login(User.objects.get())\n"
        "data = {'action': 'ship_paid', '_selected_action': [1, 2, 3]}\n"
        "page = client.post('/admin/shop/order/', data, follow=True).content.decode()\n"
        "assert '2 shipped.' in page, page\n"
    )
    consume(shop)
    # Then the departments have heard of each that was paid, and of each that was shipped
    changes = shop.rows("order_number, what", "orderchange")
    assert sorted(changes[3:]) == [(1, "paid"), (1, "shipped"), (2, "paid"), (2, "shipped")]


def test_an_order_is_safe_while_redis_is_away(shop: Shop) -> None:
    # Given a Redis that does not answer
    shop.python(CUSTOMER)
    shop.server.kill()
    # When an order is placed, and another one is rolled back
    shop.python(
        PLACE + "ada = Customer.objects.get(); place()\n"
        "from django.db import transaction\n"
        "with transaction.atomic(): place(); transaction.set_rollback(True)\n"
    )
    # Then its event is there when Redis is, and no other
    shop.server.start()
    shop.manage("relay_outbox", "--burst")
    consume(shop)
    assert shop.rows("order_number, what", "orderchange") == [(1, "created")]


def test_an_event_that_comes_twice_is_handled_once(shop: Shop) -> None:
    # Given events that have been handled
    shop.python(CUSTOMER + PLACE + "order = place(); order.status = 'paid'; order.save(); order.delete()")
    consume(shop)
    tables = ("invoice", "stockmove", "mail", "orderchange")
    before = {table: shop.rows("*", table) for table in tables}
    assert [len(rows) for rows in before.values()] == [1, 3, 2, 3]
    # When all of them come again
    for group in shop.redis.xinfo_groups(STREAM):
        shop.redis.xgroup_setid(STREAM, group["name"], "0")
    consume(shop)
    # Then nothing has changed
    assert {table: shop.rows("*", table) for table in tables} == before
    assert not shop.redis.exists(f"{{{STREAM}}}:dead")


def test_billing_tries_again_and_nobody_else_waits(shop: Shop) -> None:
    # Given a fifth order, at which the gateway times out once
    shop.python(CUSTOMER + PLACE + "for _ in range(5): place()")
    # When the handlers run
    consume(shop)
    # Then its invoice waits, and only that
    assert [number for (number,) in shop.rows("order_number", "invoice")] == [1, 2, 3, 4]
    assert len(shop.rows("id", "stockmove")) == len(shop.rows("id", "mail")) == 5
    ((_, due_ms),) = shop.redis.zrange(f"{{{STREAM}}}:billing:retry", 0, -1, withscores=True)
    # And when its time has come, it is written
    time.sleep(max(0.0, due_ms / 1000 - time.time()))
    consume(shop)
    assert shop.rows("order_number, attempts", "invoice")[4:] == [(5, 2)]


def test_what_is_no_news_is_no_event(shop: Shop) -> None:
    # Given an order
    shop.python(CUSTOMER + PLACE + "place()")
    # When its note is edited, and another one is rolled back
    shop.python(
        PLACE + "ada = Customer.objects.get(); order = Order.objects.get(); order.note = 'x'; order.save()\n"
        "from django.db import transaction\n"
        "with transaction.atomic(): place(); transaction.set_rollback(True)\n"
    )
    # Then there is only the first event, and no note in it
    ((_, fields),) = shop.redis.xrange(STREAM)
    assert fields[b"ce_type"] == b"shop.order.created"
    assert fields[b"data"] == b'{"id":1,"status":"created","total":"39.90","customer":1}'


def test_mail_without_a_customer_is_a_dead_letter(shop: Shop) -> None:
    # Given an order whose customer is deleted before anything was handled
    shop.python(CUSTOMER + PLACE + "place(); ada.delete()")
    # When the handlers run
    consume(shop)
    # Then only mail has given up on it
    ((_, letter),) = shop.redis.xrange(f"{{{STREAM}}}:dead")
    assert (letter[b"dead_group"], letter[b"dead_reason"]) == (b"mail", b"rejected")
    assert shop.rows("what", "orderchange") == [("created",), ("deleted",)]


def test_a_login_is_an_event(shop: Shop) -> None:
    # Given somebody of the staff
    # When she logs in
    shop.python(
        "from django.contrib.auth.models import User; from django.test import Client\n"
        "Client().force_login(User.objects.create_user('grace'))"
    )
    consume(shop)
    # Then security knows
    assert shop.rows("username", "login") == [("grace",)]


def test_the_page_shows_orders_and_runs_nothing_inline(shop: Shop) -> None:
    # Given an order that was handled, and one that waits
    shop.python(CUSTOMER + PLACE + "place()")
    consume(shop)
    shop.python(PLACE + "ada = Customer.objects.get(); place()")
    # When the page is asked for
    page = shop.python(
        "from django.test import Client; print(Client(SERVER_NAME='localhost').get('/').content.decode())"
    )
    # Then it shows both
    assert "PAY-00001-" in page
    assert "2 × Cup, 1 × Teapot" in page
    assert page.count("waiting") == 3
    # And a strict Content-Security-Policy would have nothing to refuse
    assert not re.search(r"<style|<script|\sstyle=|\son\w+=|javascript:|data:", page)
