"""REDIS_BUS as values, and every mistake in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_bus.core.config import (
    BusConfig,
    ChannelConfig,
    CircuitConfig,
    Limit,
    OutboxConfig,
    RelayConfig,
    Retention,
    StreamConfig,
)
from django_redis_bus.core.exceptions import ConfigurationError
from django_redis_bus.core.parsing import parse_buses
from django_redis_bus.core.sections import Problem, duration_s

LOCATION = "redis://127.0.0.1:6379/0"


def parsed(**options: Any) -> BusConfig:
    configs, problems = parse_buses({"default": {"LOCATION": LOCATION} | options})
    assert problems == []
    return configs["default"]


def wrong(**options: Any) -> Problem:
    """The one problem that these options are."""
    configs, problems = parse_buses({"default": {"LOCATION": LOCATION} | options})
    assert "default" in configs
    [problem] = problems
    assert problem.message.startswith("REDIS_BUS['default']")
    assert problem.hint
    return problem


def test_only_a_location_is_needed() -> None:
    config = parsed()
    assert config == BusConfig(alias="default", location=LOCATION)
    assert (config.deadline_s, config.lease_s, config.drain_s, config.max_hops) == (0.25, 30.0, 20.0, 16)
    assert (config.on_failure, config.deduplicate_s, config.inbox_retention_s) == (None, 120.0, 604_800.0)
    assert (config.serializer, config.compress_over, config.max_event_bytes) == ("json", None, 1_048_576)


def test_everything_that_can_be_said() -> None:
    config = parsed(
        KEY_PREFIX="shop:eu", SOURCE="shop", SERIALIZER="msgpack", COMPRESS_OVER=0, MAX_EVENT_BYTES=10, LEASE="1m",
        DRAIN=0, DEADLINE="100ms", ON_FAILURE="drop", DEDUPLICATE="5m", MAX_HOPS=1,
        MIDDLEWARE=["a.B"], OPTIONS={"ssl_ca_certs": "x"},
        CIRCUIT={"failures": 5, "cooldown": "2s"}, OUTBOX={"fast_path": False, "retention": "1h"},
        INBOX={"retention": "1d"},
        STREAMS={
            "events:order": {"RETENTION": {"count": 5, "age": "7d"}, "MAX_LAG": 10, "REDACT": ["card.number"]},
            "tenant:{t}": {"MAX_LAG": "5m", "ON_FULL": "trim"},
        },
        CHANNELS={"chat:{room}": {}},
        PUBLISHERS={"p": {"TOPIC": "events:order", "MODEL": "shop.Order", "FIELDS": "__all__", "ACTIONS": ["created"]}},
    )  # fmt: skip
    assert (config.key_prefix, config.source, config.serializer, config.compress_over) == (
        "shop:eu",
        "shop",
        "msgpack",
        0,
    )
    assert (config.max_event_bytes, config.lease_s, config.drain_s, config.deadline_s) == (10, 60.0, 0, 0.1)
    assert (config.on_failure, config.deduplicate_s, config.inbox_retention_s) == ("drop", 300.0, 86_400.0)
    assert config.circuit == CircuitConfig(failures=5, cooldown_s=2.0)
    assert config.outbox == OutboxConfig(fast_path=False, retention_s=3600.0)
    assert config.streams["events:order"].limit == Limit(events=10)
    assert config.streams["events:order"].redact == ("card.number",)
    assert config.streams["tenant:{t}"].limit == Limit(age_s=300.0, on_full="trim")
    assert (config.max_hops, config.middleware, config.options) == (1, ("a.B",), {"ssl_ca_certs": "x"})
    assert config.streams["events:order"].retention == Retention(count=5, age_s=604_800.0)
    assert config.channels == {"chat:{room}": ChannelConfig(name="chat:{room}")}
    assert config.relay == RelayConfig()
    publisher = config.publishers["p"]
    assert (publisher.name, publisher.topic, publisher.fields) == ("p", "events:order", "__all__")
    assert (publisher.actions, publisher.delivery, publisher.on_error) == (("created",), "on_commit", "log")


@pytest.mark.parametrize("raw", [None, [], "redis://", 7])
def test_e001_redis_bus_is_a_mapping(raw: object) -> None:
    configs, [problem] = parse_buses(raw)
    assert (configs, problem.id) == ({}, "bus.E001")


def test_e002_there_is_a_default() -> None:
    configs, [problem] = parse_buses({"eu": {"LOCATION": LOCATION}})
    assert (list(configs), problem.id) == (["eu"], "bus.E002")
    assert parse_buses({})[1][0].id == "bus.E002"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LOCATION", "http://127.0.0.1"), ("LOCATION", ""), ("LOCATION", None), ("LOCATION", 7),
        ("KEY_PREFIX", "a b"), ("KEY_PREFIX", "a:"), ("KEY_PREFIX", "{a}"), ("KEY_PREFIX", "a\n"), ("KEY_PREFIX", None),
        ("SOURCE", ""), ("SOURCE", 7), ("SOURCE", "a\nb"), ("SOURCE", "a\x00"), ("SOURCE", None),
        ("SERIALIZER", "pickle"), ("SERIALIZER", []), ("COMPRESS_OVER", -1), ("COMPRESS_OVER", "1kB"),
        ("COMPRESS_OVER", 1.5), ("COMPRESS_OVER", True), ("MAX_EVENT_BYTES", 0), ("MAX_EVENT_BYTES", None),
        ("LEASE", 0.5), ("LEASE", "500ms"), ("LEASE", "soon"), ("LEASE", True), ("LEASE", None), ("LEASE", "-5s"),
        ("LEASE", float("nan")), ("LEASE", float("inf")), ("LEASE", 10**400), ("LEASE", "9" * 400 + "s"),
        ("DRAIN", -1), ("DRAIN", float("nan")), ("DEADLINE", 0), ("DEADLINE", None), ("DEADLINE", "1 parsec"),
        ("ON_FAILURE", "panic"), ("DEDUPLICATE", 0), ("CIRCUIT", 3), ("OUTBOX", None), ("INBOX", "7d"),
        ("MAX_HOPS", 0), ("MAX_HOPS", True), ("MAX_HOPS", 2.0), ("MIDDLEWARE", "a.B"), ("MIDDLEWARE", [7]),
        ("MIDDLEWARE", [""]), ("OPTIONS", "x"), ("OPTIONS", None), ("PUBLISHERS", []), ("PUBLISHERS", "ab"),
        ("STREAMS", ["events:order"]), ("STREAMS", ["ab"]), ("CHANNELS", ["ab"]), ("CHANNELS", 7),
    ],
)  # fmt: skip
def test_e003_a_value_of_another_kind(key: str, value: object) -> None:
    problem = wrong(**{key: value})
    assert problem.id == "bus.E003"
    assert f"[{key!r}]" in problem.message
    assert problem.hint.startswith("Give ")


@pytest.mark.parametrize(
    ("name", "entry", "place"),
    [
        ("STREAMS", {"a": None}, "['a'] must be a mapping"),
        ("STREAMS", {"a": {"RETENTION": []}}, "['a']['RETENTION'] must be a mapping"),
        ("STREAMS", {"a": {"RETENTION": {"count": -1}}}, "['RETENTION']['count'] is -1"),
        ("STREAMS", {"a": {"RETENTION": {"count": "5"}}}, "['RETENTION']['count'] is '5'"),
        ("STREAMS", {"a": {"RETENTION": {"age": "7 fortnights"}}}, "['RETENTION']['age'] is '7 fortnights'"),
        ("STREAMS", {"a": {"RETENTION": {"age": 0}}}, "['RETENTION']['age'] is 0"),
        ("PUBLISHERS", {"p": None}, "['p'] must be a mapping"),
        ("PUBLISHERS", {"p": {"TOPIC": ""}}, "['p']['TOPIC'] is ''"),
        ("PUBLISHERS", {"p": {"TOPIC": "a", "FIELDS": "id"}}, "['p']['FIELDS'] is 'id'"),
        ("PUBLISHERS", {"p": {"TOPIC": "a", "ACTIONS": "created"}}, "['p']['ACTIONS'] is 'created'"),
        ("PUBLISHERS", {"p": {"TOPIC": "a", "RAW": "yes"}}, "['p']['RAW'] is 'yes'"),
        ("PUBLISHERS", {"p": {"TOPIC": "a", "ON_ERROR": "panic"}}, "['p']['ON_ERROR'] is 'panic'"),
    ],
)
def test_e003_deeper_down_names_the_place(name: str, entry: object, place: str) -> None:
    _, problems = parse_buses({"default": {"LOCATION": LOCATION, name: entry}})
    problem = problems[0]
    assert problem.id == "bus.E003"
    assert f"REDIS_BUS['default'][{name!r}]" in problem.message
    assert place in problem.message


def test_e003_a_location_is_not_shown_because_it_may_hold_a_password() -> None:
    assert "hunter2" not in wrong(LOCATION="valkey://user:hunter2@host").message
    assert "hunter2" not in wrong(OPTIONS="hunter2").message


def test_e004_an_unknown_key_with_the_one_that_was_meant() -> None:
    problem = wrong(KEY_PREFX="shop")
    assert (problem.id, problem.hint) == ("bus.E004", "Did you mean 'KEY_PREFIX'?")
    assert wrong(STREAMS={"a": {"RETENTON": {}}}).id == "bus.E004"
    assert wrong(STREAMS={"a": {"RETENTION": {"cuont": 5}}}).hint == "Did you mean 'count'?"
    assert wrong(PUBLISHERS={"p": {"TOPIC": "a", "MODLE": "x"}}).hint == "Did you mean 'MODEL'?"
    _, problems = parse_buses({"default": {"LOCATION": LOCATION, 7: 1, "B": 2, "A": 3}})
    assert [p.message.split("[")[2] for p in problems] == [
        "'7'] is not a known key.", "'A'] is not a known key.", "'B'] is not a known key.",
    ]  # fmt: skip


def test_e005_a_location_is_needed() -> None:
    configs, [problem] = parse_buses({"default": {}})
    assert (problem.id, configs["default"].location) == ("bus.E005", "embedded://")


@pytest.mark.parametrize("name", ["", "a b", "a::b", "a:", "{a", "{a}{a}", 7])
@pytest.mark.parametrize("place", ["STREAMS", "CHANNELS"])
def test_e006_names_of_topics(place: str, name: Any) -> None:
    configs, problems = parse_buses({"default": {"LOCATION": LOCATION, place: {name: {}}}})
    if name == 7:
        assert problems == []
        return
    assert [p.id for p in problems] == ["bus.E006"]
    # what cannot be a name is left out, or everything that reads the names would fail in turn
    assert not configs["default"].streams
    assert not configs["default"].channels


def test_e007_a_publisher_has_a_topic() -> None:
    assert wrong(PUBLISHERS={"p": {"MODEL": "shop.Order"}}).id == "bus.E007"


def test_each_alias_is_named_by_its_problems() -> None:
    _, problems = parse_buses({"default": {"LOCATION": LOCATION}, "eu": {"LOCATION": LOCATION, "LEASE": "x"}})
    assert problems[0].message.startswith("REDIS_BUS['eu']['LEASE']")


@pytest.mark.parametrize(
    ("entry", "retention"),
    [
        ({}, None),
        ({"RETENTION": None}, None),
        ({"RETENTION": {}}, Retention()),
        ({"RETENTION": {"count": 5}}, Retention(count=5)),
        ({"RETENTION": {"count": 0}}, Retention(count=0)),
        ({"RETENTION": {"count": None}}, Retention(count=None)),
        ({"RETENTION": {"age": "7d"}}, Retention(count=None, age_s=604_800)),
        ({"RETENTION": {"count": 5, "age": 60}}, Retention(count=5, age_s=60)),
        ({"RETENTION": {"count": None, "age": None}}, Retention(count=None)),
    ],
)
def test_retention(entry: dict[str, Any], retention: Retention | None) -> None:
    config = parsed(STREAMS={"events:order": entry})
    assert config.streams == {"events:order": StreamConfig(name="events:order", retention=retention)}


@pytest.mark.parametrize("wrong_values", [{"count": -1}, {"age_s": 0}, {"age_s": -1.0}])
def test_a_retention_that_keeps_less_than_nothing_is_refused(wrong_values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Retention"):
        Retention(**wrong_values)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(5, 5.0), (0.5, 0.5), ("5", None), ("500ms", 0.5), ("30s", 30), (" 5 m ", 300), ("1.5h", 5_400), ("7d", 604_800),
     ("2w", 1_209_600), ("5s\n", 5), ("5sec", None), ("1h30m", None), ("", None), (None, None), (True, None),
     (b"5s", None), (float("nan"), None), (float("-inf"), None), (10**400, None), (-5, -5.0)],
)  # fmt: skip
def test_durations(value: object, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match=r'"7d"'):
            duration_s(value)
    else:
        assert duration_s(value) == seconds


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("CIRCUIT", "failures", 0),
        ("CIRCUIT", "cooldown", "soon"),
        ("CIRCUIT", "Failures", 3),
        ("OUTBOX", "fast_path", "yes"),
        ("OUTBOX", "retention", -1),
        ("INBOX", "retention", 0),
        ("INBOX", "keep", 1),
    ],
)
def test_sections_say_which_of_their_keys_is_wrong(section: str, key: str, value: object) -> None:
    problem = wrong(**{section: {key: value}})
    assert f"[{section!r}][{key!r}]" in problem.message


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "soon", "0s", ["5m"]])
def test_max_lag_is_a_number_of_events_or_an_age(value: object) -> None:
    problem = wrong(STREAMS={"events:order": {"MAX_LAG": value}})
    assert "['MAX_LAG']" in problem.message
    assert "number of events, or an age" in problem.hint


KEYS = st.sampled_from(
    ["LOCATION", "KEY_PREFIX", "SOURCE", "PUBLISHERS", "STREAMS", "CHANNELS", "SERIALIZER", "COMPRESS_OVER", "LEASE",
     "DRAIN", "MAX_HOPS", "MIDDLEWARE", "DEADLINE", "OPTIONS", "RETENTION", "count", "age", "TOPIC", "FIELDS",
     "ACTIONS", "MAX_LAG", "ON_FULL", "CIRCUIT", "OUTBOX", "ON_FAILURE"]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(LOCATION),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text() | st.integers(), inner),
    max_leaves=15,
)


@given(raw=ANYTHING | st.dictionaries(st.just("default") | st.text(), st.dictionaries(KEYS, ANYTHING)))
def test_whatever_stands_in_settings_is_parsed_or_a_problem(raw: Any) -> None:
    configs, problems = parse_buses(raw)
    for config in configs.values():
        assert 0.01 <= config.deadline_s < float("inf")
        assert config.location
    for problem in problems:
        assert problem.id.startswith("bus.E00")
        assert problem.message
        assert problem.hint
    json.dumps([problem.message for problem in problems])
