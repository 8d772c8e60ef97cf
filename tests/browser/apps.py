from __future__ import annotations

from django.apps import AppConfig

ROOMS = [f"room-{n}" for n in range(1, 17)]


class AsTestsNeedIt(AppConfig):
    """Rooms enough for each test to have one of its own, and a gateway that leaves time to look at what waits for it:
    a payment that it has not answered is due again in ten minutes."""

    name = "tests.browser"

    def ready(self) -> None:
        from django_redis_bus import Retry
        from example_project.chat import topics
        from example_project.shop import gateway, handlers

        def authorise(order_number: int, *, idempotency_key: str, attempt: int) -> str:
            try:
                return gateway.authorise(order_number, idempotency_key=idempotency_key, attempt=attempt)
            except gateway.PaymentGatewayTimeout as error:
                raise Retry(str(error), after=600) from error

        topics.ROOMS.update({name: name for name in ROOMS})
        handlers.authorise = authorise
