"""Gentle synthetic traffic: plain model saves. Nothing in here knows that there is a bus."""

from __future__ import annotations

import heapq
import itertools
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from example_project.shop.models import Customer, Order
from example_project.shop.orders import place_order

from .reconcile import Change

EVERY_S = 0.5
"""Seconds from order to order."""
CUSTOMERS = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov"]
PRODUCTS = [("Teapot", "24.90"), ("Cup", "7.50"), ("Saucer", "4.20"), ("Biscuits", "3.80"), ("Darjeeling", "11.00")]


class Step(NamedTuple):
    """Something to do with an order: when (seconds since the start), its place among equals, what, and with which."""

    at_s: float
    n: int
    what: str
    order: int


class Traffic:
    """The n-th order is placed after n half seconds, paid 1.5 seconds later and shipped after 2 more, but

    - every 6th has its note edited meanwhile: a save that is no event, as ONLY_IF_CHANGED names the status alone;
    - every 7th is deleted instead of paid;
    - every 8th is rolled back while it is being placed: no order, no event.

    Attributes:
        saved: the committed changes that have to become events. They are noted here, after the commit.
        silent: how many more saves there were that must not become events.
    """

    def __init__(self) -> None:
        self.saved: list[Change] = []
        self.silent = 0
        self._sequence = itertools.count()
        self._steps = [Step(0.0, next(self._sequence), "place", 1)]

    def run_due(self, now_s: float) -> list[tuple[str, str]]:
        """Do what is due, and return it: (what, the order it happened to)."""
        done = []
        while self._steps[0].at_s <= now_s:
            step = heapq.heappop(self._steps)
            happened = self._place(step) if step.what == "place" else self._change(step)
            if happened is not None:
                done.append(happened)
        return done

    def _later(self, step: Step, after_s: float, what: str, order: int) -> None:
        heapq.heappush(self._steps, Step(step.at_s + after_s, next(self._sequence), what, order))

    def _place(self, step: Step) -> tuple[str, str]:
        n = step.order
        self._later(step, EVERY_S, "place", n + 1)
        name = CUSTOMERS[n % len(CUSTOMERS)]
        email = f"{name.split()[0].lower()}@example.com"
        customer, _ = Customer.objects.get_or_create(name=name, defaults={"email": email})
        lines = [
            (name, Decimal(price), 1 + (n + i) % 3) for i, (name, price) in enumerate(PRODUCTS[n % 4 :][: 1 + n % 2])
        ]
        if n % 8 == 0:
            with transaction.atomic():
                place_order(customer, lines)
                transaction.set_rollback(True)  # as any exception in the block would
            self.silent += 1
            return "rolled back", "an order"
        order = place_order(customer, lines)
        self.saved.append(Change(order=order.pk, what="created"))
        if n % 6 == 0:
            self._later(step, 1.0, "note", order.pk)
        if n % 7 == 0:
            self._later(step, 1.5, "delete", order.pk)
        else:
            self._later(step, 1.5, "paid", order.pk)
            self._later(step, 3.5, "shipped", order.pk)
        return "created", f"#{order.pk}"

    def _change(self, step: Step) -> tuple[str, str] | None:
        with transaction.atomic():
            order = Order.objects.filter(pk=step.order).first()
            before = {"paid": Order.Status.CREATED, "shipped": Order.Status.PAID}.get(step.what)
            if order is None or (before is not None and order.status != before):
                return None  # somebody was quicker, in the admin
            if step.what == "delete":
                order.delete()
            elif step.what == "note":
                order.note = "Gift wrapping, please."
                order.save()
            else:
                order.status = Order.Status(step.what)
                order.save()
        if step.what == "note":
            self.silent += 1
            return "note edited", f"#{step.order}"
        what = "deleted" if step.what == "delete" else step.what
        self.saved.append(Change(order=step.order, what=what))
        return what, f"#{step.order}"
