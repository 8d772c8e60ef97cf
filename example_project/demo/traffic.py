"""Gentle synthetic traffic: plain model saves. Nothing in here knows that there is a bus."""

from __future__ import annotations

import heapq
import itertools
import time
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from example_project.shop.models import Customer, Order
from example_project.shop.orders import place_order, ship

from .reconcile import Change

EVERY_S = 0.5
"""Seconds from order to order."""
VAN_S = 2.0
"""Seconds from van to van."""
CUSTOMERS = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov"]
NO_ADDRESS = "Charles Babbage"
PRODUCTS = [("Teapot", "24.90"), ("Cup", "7.50"), ("Saucer", "4.20"), ("Biscuits", "3.80"), ("Darjeeling", "11.00")]


class Step(NamedTuple):
    """Something to do: when (seconds since the start), its place among equals, what, and with which order."""

    at_s: float
    n: int
    what: str
    order: int


class Duration(NamedTuple):
    """How long a transaction took, with all that it sent; `began` is a monotonic moment."""

    began: float
    took_s: float


class Traffic:
    """The n-th order is placed after n half seconds and paid 1.5 seconds later; each 2 seconds a van takes all that is
    paid. But

    - every 6th has its note edited meanwhile: a save that is no event, as ONLY_IF_CHANGED names the status alone;
    - every 7th is deleted instead of paid;
    - every 8th is rolled back while it is being placed: no order, no event;
    - the 3rd is of somebody who gave no address to write to: what the mail department cannot do ends as dead letters.

    Attributes:
        saved: the committed changes that have to become events. They are noted here, after the commit.
        silent: how many more saves there were that are no news.
        rolled_back: how many orders were undone.
        durations: of each transaction, in order.
    """

    def __init__(self) -> None:
        self.saved: list[Change] = []
        self.silent = 0
        self.rolled_back = 0
        self.durations: list[Duration] = []
        self._sequence = itertools.count()
        self._steps: list[Step] = []
        self._at(0.0, "place", 1)
        self._at(VAN_S, "van", 0)

    def run_due(self, now_s: float) -> list[tuple[str, str]]:
        """Do what is due, and return it: (what, the order it happened to)."""
        done: list[tuple[str, str]] = []
        while self._steps[0].at_s <= now_s:
            step = heapq.heappop(self._steps)
            began = time.monotonic()
            if step.what == "place":
                done += self._place(step)
            elif step.what == "van":
                done += self._ship(step)
            else:
                done += self._change(step)
            self.durations.append(Duration(began, time.monotonic() - began))
        return done

    def _at(self, at_s: float, what: str, order: int) -> None:
        heapq.heappush(self._steps, Step(at_s, next(self._sequence), what, order))

    def _place(self, step: Step) -> list[tuple[str, str]]:
        n = step.order
        self._at(step.at_s + EVERY_S, "place", n + 1)
        name = NO_ADDRESS if n == 3 else CUSTOMERS[n % len(CUSTOMERS)]
        email = "" if name == NO_ADDRESS else f"{name.split()[0].lower()}@example.com"
        customer, _ = Customer.objects.get_or_create(name=name, defaults={"email": email})
        lines = [
            (name, Decimal(price), 1 + (n + i) % 3) for i, (name, price) in enumerate(PRODUCTS[n % 4 :][: 1 + n % 2])
        ]
        if n % 8 == 0:
            with transaction.atomic():
                place_order(customer, lines)
                transaction.set_rollback(True)  # as any exception in the block would
            self.rolled_back += 1
            return [("rolled back", "an order")]
        order = place_order(customer, lines)
        if n % 6 == 0:
            self._at(step.at_s + 1.0, "note", order.pk)
        self._at(step.at_s + 1.5, "delete" if n % 7 == 0 else "pay", order.pk)
        return self._saved("created", order.pk)

    def _change(self, step: Step) -> list[tuple[str, str]]:
        with transaction.atomic():
            order = Order.objects.filter(pk=step.order).first()
            if order is None or (step.what == "pay" and order.status != Order.Status.CREATED):
                return []  # somebody was quicker, in the admin
            if step.what == "delete":
                order.delete()
            elif step.what == "pay":
                order.status = Order.Status.PAID
                order.save()
            else:
                order.note = "Gift wrapping, please."
                order.save()
        if step.what == "note":
            self.silent += 1
            return [("note edited", f"#{step.order}")]
        return self._saved("deleted" if step.what == "delete" else "paid", step.order)

    def _ship(self, step: Step) -> list[tuple[str, str]]:
        self._at(step.at_s + VAN_S, "van", 0)
        with transaction.atomic():
            numbers = list(Order.objects.filter(status=Order.Status.PAID).order_by("pk").values_list("pk", flat=True))
            ship(Order.objects.filter(pk__in=numbers))
        return self._saved("shipped", *numbers)

    def _saved(self, what: str, *orders: int) -> list[tuple[str, str]]:
        self.saved += [Change(order=order, what=what) for order in orders]
        return [(what, f"#{order}") for order in orders]
