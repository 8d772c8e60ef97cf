"""The project of asgi.py with pages: event streams, and what a test wants to know of the process."""

from __future__ import annotations

from channels.routing import ProtocolTypeRouter
from django.conf import settings

settings.ROOT_URLCONF = "tests.relay.site_urls"
settings.MIDDLEWARE = [
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

from tests.relay import asgi  # noqa: E402

from django.core.asgi import get_asgi_application  # noqa: E402 isort:skip

application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": asgi.websocket_application()})
