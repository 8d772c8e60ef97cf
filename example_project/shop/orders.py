"""Placing an order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from .models import Customer, Order, OrderLine


@transaction.atomic
def place_order(customer: Customer, lines: Sequence[tuple[str, Decimal, int]]) -> Order:
    """Save an order with its lines: (product, price, pieces) each.

    Its event is taken from the order here and leaves when the transaction commits; if it is rolled back, there never
    was one.
    """
    total = sum((price * pieces for _, price, pieces in lines), Decimal())
    order = Order.objects.create(customer=customer, total=total)
    OrderLine.objects.bulk_create(
        [OrderLine(order=order, product=product, price=price, pieces=pieces) for product, price, pieces in lines]
    )
    return order
