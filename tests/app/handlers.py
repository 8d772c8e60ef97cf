"""Handlers of the consumer processes that tests start and hurt.

What an event wants is in its fields: n, and do: "note", "raise", "exit", "kill", "sleep" or, on an event loop, "thread"
(a thread that sleeps), both for s seconds.
What happens is appended to the file BUS_TEST_LOG: "<entry id> <begun|done> <process id> <group> <attempt>". The kernel
appends each line whole, also from many processes, and it needs no server that might be hurt.

Declared only in those processes, so that other tests see no streams that they did not declare.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from importlib import import_module
from typing import Any

from django_redis_bus import Channel, Event, Retry, Stream

LOG = os.environ.get("BUS_TEST_LOG", "")
SOON = Retry(max_attempts=3, backoff_s=0.05, factor=1)


def note(event: Event[Any], what: str, group: str) -> None:
    line = f"{event.entry_id} {what} {os.getpid()} {group} {event.attempt}\n"
    with open(LOG, "a") as file:
        file.write(line)


def act(event: Event[Any], group: str) -> float:
    """Do what the event wants, except waiting; return how long to wait."""
    note(event, "begun", group)
    match event.data.get("do"):
        case "sleep":
            return float(event.data["s"])
        case "raise":
            raise ValueError("as asked")
        case "exit":
            os._exit(1)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


if os.environ.get("BUS_TEST_IMPORT"):
    import_module(os.environ["BUS_TEST_IMPORT"])

if LOG:
    WORK = Stream("events:work")
    BATCHES = Stream("events:batches")
    LOOP = Stream("events:loop")
    PAIR = Stream("events:pair")

    @WORK.handler(group="work", retry=SOON)
    def work(event: Event[Any]) -> None:
        time.sleep(act(event, "work"))
        note(event, "done", "work")

    @BATCHES.handler(group="work", retry=SOON, batch=20)
    def batches(events: list[Event[Any]]) -> None:
        time.sleep(max(act(event, "work") for event in events))
        for event in events:
            note(event, "done", "work")

    @LOOP.handler(group="work", retry=SOON)
    async def loop(event: Event[Any]) -> None:
        seconds = act(event, "work")
        if event.data.get("do") == "thread":
            await asyncio.to_thread(time.sleep, float(event.data["s"]))
        await asyncio.sleep(seconds)
        note(event, "done", "work")

    @PAIR.handler(group="pills", retry=Retry(max_attempts=4, backoff_s=0.05))
    def pills(event: Event[Any]) -> None:
        if event.data.get("pill"):
            act(event, "pills")
        note(event, "done", "pills")

    @PAIR.handler(group="slow", retry=Retry(max_attempts=2, backoff_s=0.05))
    def slow(event: Event[Any]) -> None:
        time.sleep(0.3)
        note(event, "done", "slow")

    # Listeners of chat rooms; a line is "<async|sync> <room> <data>". "fail" and "hang" are what they do.
    CHAT = Channel("chat:{room}")

    def hear(kind: str, room: str, data: Any) -> None:
        if data == "fail":
            raise ValueError("as asked")
        with open(LOG, "a") as file:
            file.write(f"{kind} {room} {data}\n")
        if data == "hang":
            time.sleep(30)

    @CHAT.listener()
    async def hear_async(event: Event[Any], room: str) -> None:
        hear("async", room, event.data)

    @CHAT.listener()
    def hear_sync(event: Event[Any], room: str) -> None:
        hear("sync", room, event.data)
