"""bus.live.attach where Redis does not answer, or refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from django_redis_bus import buses
from django_redis_bus.core.exceptions import AccessRefused, Unavailable
from tests.listening.conftest import Ear, until
from tests.servers import Server


async def test_without_a_server_it_is_unavailable_in_time(
    own_server: Callable[..., Server], bus_settings: Callable[..., None]
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    server.kill()
    bus = buses["default"]

    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"has not confirmed within 0.4 s that it listens to a\. Redis at"):
        await Ear(bus).attach("a", deadline_s=0.4)

    assert 0.3 < time.monotonic() - started < 3
    assert bus.live._runner is None
    await bus.aclose()


async def test_it_waits_as_long_as_it_takes_if_asked_to(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(aof=False)
    bus_settings(LOCATION=server.url)
    server.kill()
    ear = Ear(buses["default"])
    attaching = asyncio.create_task(ear.attach("a", deadline_s=None))
    await asyncio.sleep(0.5)
    assert not attaching.done()

    server.start()
    await asyncio.wait_for(attaching, 10)
    server.client().publish(f"{prefix}:a", "1")

    await until(lambda: ear.heard == ["a=1"])  # and no gap: nobody had promised anything
    await buses["default"].aclose()


async def test_what_this_user_may_not_hear_is_refused(
    own_server: Callable[..., Server], bus_settings: Callable[..., None], prefix: str
) -> None:
    server = own_server(aof=False)
    server.client().execute_command(
        "ACL", "SETUSER", "reader", "on", ">pw", "resetchannels", f"&{prefix}:a", f"&{prefix}:b*", "+@all"
    )
    bus_settings(LOCATION=server.url, OPTIONS={"username": "reader", "password": "pw"})
    bus = buses["default"]
    ear = Ear(bus)
    await ear.attach("a", patterns=["b*"])

    # A pattern has to be granted as it is
    for forbidden in ({"channels": ["secret"]}, {"patterns": ["bc*"]}):
        with pytest.raises(AccessRefused):
            await bus.live.attach(**forbidden, on_message=ear.message)
    server.client().publish(f"{prefix}:a", "1")

    await until(lambda: ear.heard == ["a=1"])
    assert bus.live.counts["reconnects"] == 0
    await bus.aclose()


async def test_a_wrong_password_is_refused_at_once(
    own_server: Callable[..., Server], bus_settings: Callable[..., None]
) -> None:
    server = own_server(aof=False)
    server.client().execute_command("ACL", "SETUSER", "reader", "on", ">pw")
    bus_settings(LOCATION=server.url, OPTIONS={"username": "reader", "password": "wrong"})

    with pytest.raises(AccessRefused) as caught:
        await Ear(buses["default"]).attach("a", deadline_s=30)

    assert "wrong" not in str(caught.value).lower().replace("wrongpass", "")
    await buses["default"].aclose()
