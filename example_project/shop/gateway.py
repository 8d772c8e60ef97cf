"""A made-up payment gateway that is slow to answer now and then, by a rule, so that one can foretell when."""

from __future__ import annotations


class PaymentGatewayTimeout(Exception):
    """The gateway did not answer in time. It may well answer the next time."""


def authorise(order_number: int, *, idempotency_key: str, attempt: int) -> str:
    """Return the reference of an authorised payment.

    Every 5th order times out at the first attempt, every 10th at the second attempt too. As real gateways do, it
    gives the same answer for the same idempotency key, however often it is asked.

    Raises PaymentGatewayTimeout.
    """
    timeouts = 2 if order_number % 10 == 0 else 1 if order_number % 5 == 0 else 0
    if attempt <= timeouts:
        raise PaymentGatewayTimeout(f"order {order_number}: no answer from the gateway")
    return f"PAY-{order_number:05}-{idempotency_key[:6]}"
