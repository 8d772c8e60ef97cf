from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_redis_bus import UnknownTopic, registry

Declare = Callable[..., Any]


def names(alias: str = "default") -> list[str]:
    return [stream.name for stream in registry.streams(alias)]


def test_streams_in_code_and_in_settings(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(STREAMS={"events:order": {}, "events:settings": {}})
    orders = declare("events:order")
    assert registry.find_stream("default", "events:order") is orders
    assert registry.stream("default", "events:settings").declared_in == "REDIS_BUS['default']['STREAMS']"
    assert names().count("events:order") == 1


def test_a_stream_in_settings_is_one_stream(bus_settings: Callable[..., None]) -> None:
    # An upcaster or a cache kept on it would be lost otherwise.
    bus_settings(STREAMS={"events:settings": {}})
    assert registry.stream("default", "events:settings") is registry.stream("default", "events:settings")


def test_streams_of_other_buses_are_theirs(declare: Declare, bus_settings: Callable[..., None]) -> None:
    bus_settings(others={"eu": {"LOCATION": "redis://nowhere", "STREAMS": {"events:eu": {}}}})
    declare("events:order")
    assert "events:order" not in names("eu")
    assert "events:eu" in names("eu")
    assert "events:eu" not in names()


def test_an_alias_that_is_not_there_has_no_streams(bus_settings: Callable[..., None]) -> None:
    assert names("nowhere") == []


def test_a_literal_name_comes_before_a_pattern(declare: Declare) -> None:
    pattern = declare("events:{kind}")
    literal = declare("events:order")
    assert registry.find_stream("default", "events:order") is literal
    assert registry.find_stream("default", "events:other") is pattern
    assert registry.find_stream("default", "events:{kind}") is pattern


@pytest.mark.parametrize("name", ["", "events", "events:order:x", "events:a b", "events:order\n"])
def test_names_that_are_nobodys(declare: Declare, name: str) -> None:
    declare("events:{kind}")
    assert registry.find_stream("default", name) is None
    with pytest.raises(UnknownTopic):
        registry.stream("default", name)


def test_what_is_removed_takes_its_handlers_with_it(declare: Declare) -> None:
    orders, others = declare("events:order"), declare("events:other")
    orders.handler()(print)
    others.handler()(print)
    registry.remove_stream(orders)
    assert registry.find_stream("default", "events:order") is None
    assert {handler.stream for handler in registry.handlers("default")} & {"events:order", "events:other"} == {
        "events:other"
    }


def test_channels_in_settings(bus_settings: Callable[..., None]) -> None:
    bus_settings(CHANNELS={"chat:{room}": {}})
    found = registry.find_channel("default", "chat:lobby")
    assert found is not None
    assert found.name == "chat:{room}"
    assert registry.find_channel("default", "chat:a b") is None
    assert registry.find_stream("default", "chat:lobby") is None


def test_topics_and_handlers_of_every_app_are_imported(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bus_settings: Callable[..., None]
) -> None:
    # Given an app that declares a stream and a handler
    app = tmp_path / "discovered_app"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "topics.py").write_text("from django_redis_bus import Stream\nFOUND = Stream('events:found')\n")
    (app / "handlers.py").write_text("from .topics import FOUND\n@FOUND.handler()\ndef handle(event): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_discovered", False)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "discovered_app"]
    # When anybody asks for streams
    try:
        stream = registry.stream("default", "events:found")
        # Then both were found
        [handler] = [h for h in registry.handlers("default") if h.stream == "events:found"]
        assert handler.name == "discovered_app.handlers.handle"
    finally:
        registry.remove_stream(stream)
        for name in [name for name in sys.modules if name.startswith("discovered_app")]:
            del sys.modules[name]
