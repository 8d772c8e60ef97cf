"""The pages: recent orders with what each department did about them, and the live board."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from django_redis_bus import Unavailable

from .models import Effect, Invoice, Mail, Order, OrderChange, StockMove
from .topics import BOARD

SHOWN = 20
CARDS = 8
COLUMNS = {Order.Status.CREATED: "New", Order.Status.PAID: "Paid", Order.Status.SHIPPED: "Shipped"}


def orders(request: HttpRequest) -> HttpResponse:
    """Show the newest orders. `?still` stops the page from reloading itself."""
    recent = list(Order.objects.select_related("customer").prefetch_related("lines").order_by("-pk")[:SHOWN])
    numbers = [order.pk for order in recent]
    invoices = _by_order(Invoice.objects.filter(order_number__in=numbers).order_by("pk"))
    moves = _by_order(StockMove.objects.filter(order_number__in=numbers).order_by("pk"))
    mails = _by_order(Mail.objects.filter(order_number__in=numbers).order_by("pk"))
    rows = [
        {"order": order, "invoices": invoices[order.pk], "moves": moves[order.pk], "mails": mails[order.pk]}
        for order in recent
    ]
    counts = OrderChange.objects.values("what").annotate(n=Count("pk")).order_by("what")
    return render(request, "shop/orders.html", {"rows": rows, "counts": counts, "live": "still" not in request.GET})


def board(request: HttpRequest) -> HttpResponse:
    """Show the board as it is. board.js keeps it so, from the place in the channel where this page was made."""
    # The place first and the rows after it: what happens in between is told, and shown, twice. The other way round it
    # would be lost.
    try:
        last = ",".join(f"{event.epoch}:{event.offset}" for event in BOARD.history(limit=1))
    except Unavailable:
        last = ""
    orders = Order.objects.prefetch_related("lines").order_by("-pk")
    columns = [
        {"status": status, "title": title, "orders": list(orders.filter(status=status)[:CARDS])}
        for status, title in COLUMNS.items()
    ]
    return render(request, "shop/board.html", {"columns": columns, "last": last})


def _by_order(effects: Iterable[Effect]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for effect in effects:
        found[effect.order_number].append(effect)
    return found
