"""The one page: recent orders, and what each department did about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .models import Effect, Invoice, Mail, Order, OrderChange, StockMove

SHOWN = 20


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


def _by_order(effects: Iterable[Effect]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for effect in effects:
        found[effect.order_number].append(effect)
    return found
