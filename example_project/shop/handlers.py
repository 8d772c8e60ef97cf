"""What the departments do about events. `manage.py consume_stream` runs them.

Each group gets every event, on its own: when billing has to wait for its gateway, mail does not. Returning means
done, raising means: again later. Nothing here acknowledges anything.

Delivery is at least once, so an event may come twice. `idempotent=True` notes its id in the transaction of what the
handler writes, and does not call it for an event noted: both are committed, or neither. Mail shows the other way.
"""

from __future__ import annotations

import asyncio

from django.db.models import Sum

from django_redis_bus import Event, Reject, Retry

from .gateway import authorise
from .models import Customer, Invoice, Login, Mail, Order, OrderChange, OrderLine, StockMove
from .topics import BOARD, CREATED, DELETED, LOGINS, ORDERS, UPDATED, Card, LoginEvent, OrderEvent

# --- billing


@ORDERS.handler(group="billing", types=[CREATED], retry=Retry(max_attempts=5, backoff_s=1), idempotent=True)
def write_invoice(event: Event[OrderEvent]) -> None:
    """Have the payment authorised, then write the invoice.

    The gateway raises PaymentGatewayTimeout now and then. There is nothing to catch: the event is tried again after
    1, 2, 4 and 8 seconds, and would be a dead letter after the fifth attempt.

    No transaction reaches as far as the gateway, so that gets the event id as idempotency key: asked again after a
    crash, it does not charge again.
    """
    order = event.data
    reference = authorise(order.id, idempotency_key=event.id, attempt=event.attempt)
    Invoice.objects.create(
        event_id=event.id,
        order_number=order.id,
        reference=reference,
        amount=order.total,
        attempts=event.attempt,
    )


# --- stock: handlers of one group may share the work by type

MOVES = {
    Order.Status.PAID: StockMove.What.PICKED,
    Order.Status.SHIPPED: StockMove.What.SENT,
    Order.Status.CANCELLED: StockMove.What.PUT_BACK,
}


@ORDERS.handler(group="stock", types=[CREATED], idempotent=True)
def reserve(event: Event[OrderEvent]) -> None:
    """Put the goods aside.

    The event left when the transaction committed, so the lines, which were saved after the order, are there. It says
    what was, the database what is: an order that has been deleted meanwhile has no lines, and reserves nothing.
    """
    lines = OrderLine.objects.filter(order_id=event.data.id)
    _move(event, StockMove.What.RESERVED, pieces=lines.aggregate(sum=Sum("pieces"))["sum"] or 0)


@ORDERS.handler(group="stock", types=[UPDATED], idempotent=True)
def move(event: Event[OrderEvent]) -> None:
    """Pick, send or put back what was reserved."""
    what = MOVES.get(Order.Status(event.data.status), StockMove.What.RESERVED)
    _move(event, what, pieces=_reserved(event.data.id))


@ORDERS.handler(group="stock", types=[DELETED], idempotent=True)
def put_back(event: Event[OrderEvent]) -> None:
    """Put back what was reserved."""
    _move(event, StockMove.What.PUT_BACK, pieces=_reserved(event.data.id))


def _move(event: Event[OrderEvent], what: StockMove.What, *, pieces: int) -> None:
    StockMove.objects.create(event_id=event.id, order_number=event.data.id, what=what, pieces=pieces)


def _reserved(order_number: int) -> int:
    first = StockMove.objects.filter(order_number=order_number).order_by("pk").first()
    return first.pieces if first else 0


# --- mail

SUBJECTS = {
    Order.Status.CREATED: "We have your order {n}",
    Order.Status.PAID: "Thank you for paying order {n}",
    Order.Status.SHIPPED: "Order {n} is on its way",
    Order.Status.CANCELLED: "Order {n} is cancelled",
}


@ORDERS.handler(group="mail", types=[CREATED, UPDATED])
async def write_to_customer(event: Event[OrderEvent]) -> None:
    """Write to the customer.

    `async def`, because a mail server is mostly waited for: many of these wait together on one event loop. Django has
    no transactions there, and a mail that has left cannot be rolled back anyway. So this handler sees to it by itself
    that the second time changes nothing: the event id is unique among the mails.
    """
    customer = await Customer.objects.filter(pk=event.data.customer).afirst()
    if customer is None:
        # No attempt will ever find the address. Reject makes a dead letter at once, for a person to look at.
        raise Reject("the customer has been deleted")
    if not customer.email:
        # Somebody can: enter the address in the admin, then redrive the dead letter on its page.
        raise Reject(f"{customer.name} has no e-mail address")
    await asyncio.sleep(0.05)  # the mail server
    await Mail.objects.aget_or_create(
        event_id=event.id,
        defaults={
            "order_number": event.data.id,
            "to": customer.email,
            "subject": SUBJECTS[Order.Status(event.data.status)].format(n=event.data.id),
        },
    )


# --- statistics


@ORDERS.handler(group="statistics", batch=100, idempotent=True)
def count(events: list[Event[OrderEvent]]) -> None:
    """Record every change.

    A batch handler, because one INSERT of a hundred rows costs little more than one of a single row. Events that were
    counted before are not in the list.
    """
    OrderChange.objects.bulk_create(
        [
            OrderChange(
                event_id=event.id,
                order_number=event.data.id,
                what="deleted" if event.type == DELETED else event.data.status,
                total=event.data.total,
            )
            for event in events
        ]
    )


# --- the board


@ORDERS.handler(group="board")
def show_on_board(event: Event[OrderEvent]) -> None:
    """Show it to whoever has the board open.

    If Redis does not take it, publish() raises, and the event is tried again as any other. So the board may be told
    twice, which changes nothing: a card says what an order is now.
    """
    lines = OrderLine.objects.filter(order_id=event.data.id)
    BOARD.publish(
        Card(
            number=event.data.id,
            status="deleted" if event.type == DELETED else event.data.status,
            total=event.data.total,
            goods=", ".join(map(str, lines)),
        ),
        id=event.id,
    )


# --- security


@LOGINS.handler(group="security", idempotent=True)
def note_login(event: Event[LoginEvent]) -> None:
    """Keep a record of who came in."""
    Login.objects.create(event_id=event.id, username=event.data.username)
