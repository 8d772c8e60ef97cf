"""Topics that the settings give to each user, without being asked."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import person


@pytest.fixture(autouse=True)
def topics(channel: Any, bus_settings: Any) -> Any:
    bus_settings(RELAY={"push": ["notifications", "user:{user.pk}"]})
    channel("notifications")
    return channel("user:{id}", parameters={"id": int}, history=10)


async def test_a_user_is_in_without_asking(browser: Any, topics: Any) -> None:
    ada = await browser(user=person(7, "ada"))
    frames = [await ada.next(), await ada.next()]
    await topics(id=8).apublish({"for": "another"})
    await topics(id=7).apublish({"for": "ada"})

    assert [(frame["do"], frame["topic"], frame["pushed"]) for frame in frames] == [
        ("joined", "notifications", True),
        ("joined", "user:7", True),
    ]
    assert await ada.events(1) == [{"for": "ada"}]


async def test_who_is_not_logged_in_is_given_nothing(browser: Any) -> None:
    guest = await browser()

    assert await guest.is_silent()
    assert (await guest.join("notifications"))["code"] == "forbidden"


async def test_who_comes_back_goes_on_where_it_was(browser: Any, topics: Any) -> None:
    ada = await browser(user=person(7, "ada"))
    joined = (await ada.until("joined"), await ada.until("joined"))[1][0]
    await ada.close()
    await topics(id=7).apublish({"n": 1})

    ada = await browser(user=person(7, "ada"))
    await ada.until("joined")
    await ada.until("joined")
    again = await ada.join("user:7", epoch=joined["epoch"], offset=joined["offset"])
    await topics(id=7).apublish({"n": 2})

    assert again["recovered"] is True
    given = [event["data"] for event in again["messages"]]  # or right after, if the room has not heard of it yet
    assert given + await ada.events(2 - len(given)) == [{"n": 1}, {"n": 2}]


async def test_another_users_topic_stays_closed(browser: Any) -> None:
    ada = await browser(user=person(7, "ada"))
    await ada.until("joined")
    await ada.until("joined")

    assert (await ada.join("user:8"))["code"] == "forbidden"


@pytest.mark.parametrize("name", ["nowhere", "user:{user.shoe_size}", "user:{user.is_authenticated}"])
async def test_a_topic_that_cannot_be_is_logged_and_the_rest_goes_on(
    bus_settings: Any, browser: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    bus_settings(RELAY={"push": [name]})
    ada = await browser(user=person(7, "ada"))

    assert (await ada.ask("ping"))["do"] == "pong"
    assert "RELAY['push']" in caplog.text


async def test_a_method_of_the_user_names_a_topic(bus_settings: Any, browser: Any, channel: Any) -> None:
    channel("by-name:{name}")
    bus_settings(RELAY={"push": ["by-name:{user.get_username}"]})
    ada = await browser(user=person(7, "ada"))

    assert (await ada.next())["topic"] == "by-name:ada"


async def test_identity_of_the_settings(bus_settings: Any, browser: Any) -> None:
    bus_settings(RELAY={"identity": "tests.relay.test_pushed.initials"})
    ada = await browser(user=person(7, "ada"))

    assert ada.welcome["user"] == {"id": "x7", "name": "A."}


def initials(user: Any) -> dict[str, Any]:
    return {"id": f"x{user.pk}", "name": user.get_username()[0].upper() + "."}


async def test_an_identity_that_fails_lets_nobody_in(bus_settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    from .conftest import Browser

    bus_settings(RELAY={"identity": "tests.relay.test_pushed.person"})
    page = Browser(user=person(7, "ada"))
    await page.socket.connect()

    assert await page.close_code() == 4503
    assert "could not be let in" in caplog.text
