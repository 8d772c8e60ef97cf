"""What `runserver`, daphne and uvicorn serve: pages over HTTP, and the bus over WebSocket."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
pages = get_asgi_application()  # sets Django up, which the next import needs

from django_redis_bus.relay.routing import websocket_application  # noqa: E402

application = ProtocolTypeRouter({"http": pages, "websocket": websocket_application()})
