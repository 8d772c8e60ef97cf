"""How the relay is mounted in a project's asgi.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path, re_path

from ..bus import buses
from .consumers import SERVER_SEND, Receive, RoomConsumer, Scope, Send, refuse
from .origins import is_allowed
from .protocol import Close

websocket_urlpatterns = [path("bus/", RoomConsumer.as_asgi())]  # type: ignore[arg-type]  # the stubs know views only
"""ws://…/bus/, for a URLRouter of your own."""


def websocket_application(urlpatterns: Sequence[Any] = ()) -> Any:
    """Return all that a project needs for WebSockets; one line of asgi.py:

        application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websocket_application()})

    Foreign pages are refused (close code 4403), unknown paths too (4404), and the session's user is known to the
    consumers.

    Args:
        urlpatterns: of your own consumers, under the same protection; they go before the relay's. With several buses,
            what one of them names in RELAY["origins"] is no foreign page to these.
    """
    routes = [*urlpatterns, *websocket_urlpatterns, re_path("", _unknown)]  # type: ignore[arg-type]
    return _same_origin(AuthMiddlewareStack(URLRouter(routes)))


def _same_origin(application: Any) -> Any:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        # A consumer of the relay asks once more, for its own bus alone.
        if is_allowed(scope, *(buses[alias] for alias in buses)):
            await application({**scope, SERVER_SEND: send}, receive, send)
        else:
            await receive()
            await refuse(scope, send, Close.FOREIGN_ORIGIN)

    return guarded


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await refuse(scope, send, Close.UNKNOWN_PATH)
