"""A web server with the rooms of one side. Its argument is the Job.

It says "ready", and then answers each line: "cpu" with the seconds it used, anything else with its memory in KB.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from . import project
from .job import Job

PAGE_KB = 4


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    config = uvicorn.Config(
        application(job), host="127.0.0.1", port=job.port, lifespan="off", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    threading.Thread(target=answer, args=(server,), daemon=True).start()
    asyncio.run(server.serve())


def answer(server: uvicorn.Server) -> None:
    """Answer each line with what was used until now; end the server with the input."""
    while not server.started:
        time.sleep(0.01)
    print("ready", flush=True)
    for asked in sys.stdin:
        if asked == "cpu\n":
            print(json.dumps(time.process_time()), flush=True)
        else:
            gc.collect()
            print(json.dumps(resident_kb()), flush=True)
    logging.disable()  # that sockets and tasks end with the server is no news
    server.should_exit = server.force_exit = True


def resident_kb() -> int:
    """Return the memory that this process has in use (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KB


def application(job: Job) -> Any:
    """Return the application of this side, in a project as a chat has it: users, sessions, and the origin checked."""
    project.setup_site(job)
    if job.work == "bus":
        return of_the_bus(job)
    from channels.auth import AuthMiddlewareStack
    from channels.routing import ProtocolTypeRouter, URLRouter
    from channels.security.websocket import AllowedHostsOriginValidator
    from django.urls import path

    from . import hubs

    consumer = hubs.by_hand(job) if job.work == "by_hand" else hubs.by_layer(job)
    routes = URLRouter([path(hubs.PATH, consumer.as_asgi())])
    return ProtocolTypeRouter({"websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(routes))})


def of_the_bus(job: Job) -> Any:
    """Return what a project writes in its asgi.py for the bus."""
    from channels.routing import ProtocolTypeRouter

    from django_redis_bus import Channel
    from django_redis_bus.access import anyone
    from django_redis_bus.relay.routing import websocket_application

    Channel("bench:{room}", history=job.history, can_join=anyone)
    return ProtocolTypeRouter({"websocket": websocket_application()})


if __name__ == "__main__":
    main()
