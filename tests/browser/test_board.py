from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.example.conftest import Shop
from tests.example.test_shop import CUSTOMER, PLACE

from .conftest import Page, Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("consumer")]

ADA = PLACE + "ada = Customer.objects.get_or_create(name='Ada', email='ada@example.com')[0]\n"


def card(page: Page, column: str, number: int) -> Page:
    return page.get_by_role("region", name=column).get_by_role("listitem").filter(has_text=f"#{number}")


def test_orders_move_over_the_board_as_they_are_saved(open_page: Callable[..., Page], shop: Shop) -> None:
    # Given an order, and a board that nobody has to be logged in for
    shop.python(CUSTOMER + PLACE + "place()")
    board = open_page("board/")
    card(board, "New", 1).wait_for()
    board.get_by_text("Live", exact=True).wait_for()
    # When others are placed, it shows them
    shop.python(ADA + "place(); place()")
    card(board, "New", 3).wait_for()
    assert "2 × Cup, 1 × Teapot" in card(board, "New", 3).inner_text()
    # And when one is paid and another deleted, it follows
    shop.python("order = Order.objects.get(pk=1); order.status = 'paid'; order.save()")
    card(board, "Paid", 1).wait_for()
    shop.python("Order.objects.get(pk=2).delete()")
    card(board, "New", 2).wait_for(state="detached")
    assert card(board, "New", 1).count() == 0


def test_the_board_comes_back_by_itself(open_page: Callable[..., Page], shop: Shop, web: Web) -> None:
    # Given a board
    shop.python(CUSTOMER + PLACE + "place()")
    board = open_page("board/")
    board.get_by_text("Live", exact=True).wait_for()
    # When the server goes away, and an order is paid meanwhile
    web.stop()
    board.get_by_text("Connection lost").wait_for()
    shop.python("order = Order.objects.get(); order.status = 'paid'; order.save()")
    # Then the board shows it when the server is back
    web.start()
    card(board, "Paid", 1).wait_for()
    board.get_by_text("Live", exact=True).wait_for()
