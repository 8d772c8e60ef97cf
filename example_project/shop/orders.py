"""Placing orders, and sending what is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from .models import Customer, Order, OrderLine


@transaction.atomic
def place_order(customer: Customer, lines: Sequence[tuple[str, Decimal, int]]) -> Order:
    """Save an order with its lines: (product, price, pieces) each.

    Its event is a row of the same transaction, and leaves when that commits; if it is rolled back, there never was
    one.
    """
    total = sum((price * pieces for _, price, pieces in lines), Decimal())
    order = Order.objects.create(customer=customer, total=total)
    OrderLine.objects.bulk_create(
        [OrderLine(order=order, product=product, price=price, pieces=pieces) for product, price, pieces in lines]
    )
    return order


def ship(orders: QuerySet[Order]) -> int:
    """Mark those of `orders` as shipped that are paid for, and return how many. One UPDATE, and an event for each."""
    return orders.filter(status=Order.Status.PAID).update(status=Order.Status.SHIPPED)
