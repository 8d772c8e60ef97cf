from __future__ import annotations

import json
import re

import pytest

from .conftest import Shop
from .test_shop import CUSTOMER, PLACE, consume

pytestmark = pytest.mark.slow

CLIENT = "from django.test import Client; client = Client(SERVER_NAME='localhost')\n"
BOARD = "{shop:board:orders}:history"


def test_the_board_is_told_of_each_change(shop: Shop) -> None:
    # Given an order that was placed, paid and deleted
    shop.python(CUSTOMER + PLACE + "order = place(); order.status = 'paid'; order.save(); order.delete()")
    # When the handlers have run
    consume(shop)
    # Then the channel has a card for each, under the event's own id
    events = [json.loads(fields[b"e"]) for _, fields in shop.redis.xrange(BOARD)]
    assert [(event["data"]["number"], event["data"]["status"]) for event in events] == [
        (1, "created"),
        (1, "paid"),
        (1, "deleted"),
    ]
    assert [event["id"].encode() for event in events] == [
        fields[b"ce_id"] for _, fields in shop.redis.xrange("shop:events:order")
    ]
    # And none of them says whose it was
    assert all(set(event["data"]) == {"number", "status", "total", "goods"} for event in events)


def test_the_board_goes_on_from_where_its_page_was_made(shop: Shop) -> None:
    # Given an order that was placed, and a board that knows of it
    shop.python(CUSTOMER + PLACE + "place()")
    consume(shop)
    # When the page is asked for, with Redis and without
    page = shop.python(CLIENT + "print(client.get('/board/').content.decode())")
    shop.server.kill()
    without = shop.python(CLIENT + "print(client.get('/board/').content.decode())")
    # Then it names the place of the newest message; and it is there in any case
    newest = re.search(r"last=(\w+)%3A(1-\d+)\"", page)
    assert newest is not None
    assert "last=" not in without
    for each in (page, without):
        assert 'data-number="1"' in each
        assert "2 × Cup, 1 × Teapot" in each


def test_rooms_are_for_who_is_signed_in(shop: Shop) -> None:
    said = shop.python(
        CLIENT + "print(client.get('/chat/lobby/').headers['Location'])\n"
        "print(client.post('/chat/', {'name': 'mallory'}).status_code, client.get('/chat/lobby/').status_code)\n"
        "print(client.post('/chat/', {'name': 'ada'}).headers['Location'], client.get('/chat/lobby/').status_code)\n"
        "print(client.get('/chat/cellar/').status_code, client.get('/chat/leave/').status_code)\n"
        "print(client.post('/chat/leave/').headers['Location'], client.get('/chat/lobby/').status_code)\n"
        "from django.conf import settings; settings.DEBUG = False; print(client.get('/chat/').status_code)\n"
    )
    assert said.splitlines() == [
        "/chat/?next=/chat/lobby/",
        "200 302",
        "/chat/lobby/ 200",
        "404 405",
        "/chat/ 302",
        "404",
    ]


def test_no_page_runs_anything_inline(shop: Shop) -> None:
    pages = shop.python(
        CLIENT + "client.post('/chat/', {'name': 'ada'})\n"
        "for path in ('/', '/board/', '/chat/', '/chat/lobby/'):\n"
        "    page = client.get(path); print(page.headers['Content-Security-Policy'], page.content.decode())\n"
    )
    assert pages.count("default-src 'self'") == 4
    assert "chat.js" in pages
    assert "board.js" in pages
    assert not re.search(r"<style|<script(?! type=\"module\" src=)|\sstyle=|\son\w+=|javascript:", pages)
