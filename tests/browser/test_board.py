from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.example.conftest import Shop
from tests.example.test_shop import PLACE

from .conftest import Page, Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("consumer")]

ADA = PLACE + "ada = Customer.objects.get_or_create(name='Ada', email='ada@example.com')[0]\n"


def placed(shop: Shop, count: int = 1) -> list[int]:
    """Place orders; return their numbers."""
    return [int(line) for line in shop.python(ADA + f"for _ in range({count}): print(place().pk)").split()]


def card(page: Page, column: str, number: int) -> Page:
    return page.get_by_role("region", name=column).get_by_role("listitem").filter(has_text=f"#{number}")


def test_orders_move_over_the_board_as_they_are_saved(open_page: Callable[..., Page], shop: Shop) -> None:
    # Given an order, and a board that nobody has to be logged in for
    (first,) = placed(shop)
    board = open_page("board/")
    card(board, "New", first).wait_for()
    board.get_by_text("Live", exact=True).wait_for()
    # When others are placed, it shows them
    second, third = placed(shop, 2)
    card(board, "New", third).wait_for()
    assert "2 × Cup, 1 × Teapot" in card(board, "New", third).inner_text()
    # And when one is paid and another deleted, it follows
    shop.python(f"order = Order.objects.get(pk={first}); order.status = 'paid'; order.save()")
    card(board, "Paid", first).wait_for()
    shop.python(f"Order.objects.get(pk={second}).delete()")
    card(board, "New", second).wait_for(state="detached")
    assert card(board, "New", first).count() == 0


def test_the_board_comes_back_by_itself(open_page: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given a board
    (order,) = placed(shop)
    board = open_page("board/")
    board.get_by_text("Live", exact=True).wait_for()
    # When the server goes away, and an order is paid meanwhile
    web.stop()
    board.get_by_text("Connection lost").wait_for()
    shop.python(f"order = Order.objects.get(pk={order}); order.status = 'paid'; order.save()")
    # Then the board shows it when the server is back
    web.start()
    card(board, "Paid", order).wait_for()
    board.get_by_text("Live", exact=True).wait_for()
