"""The documentation against the code: what one has and the other lacks is a failure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import django_redis_bus
from django_redis_bus.core import config, parsing, sections
from django_redis_bus.core.causation import Cause
from django_redis_bus.core.envelope import encode
from django_redis_bus.core.keys import (
    ChannelKeys,
    GroupKeys,
    dedup_key,
    listeners_key,
    stream_key,
    streams_key,
    switches_key,
)
from django_redis_bus.core.policy import Reason, Retry
from tests.pages import CODE, DOCS, LINK, LONGEST, PACKAGE, PAGES, ROOT, first_column, rows, section
from tests.walkthrough import blocks

# --- settings


SETTINGS = {
    "The bus": ("REDIS_BUS['default']", config.BusConfig),
    "PUBLISHERS": ("REDIS_BUS['default']['PUBLISHERS']['p']", config.PublisherConfig),
    "STREAMS": ("REDIS_BUS['default']['STREAMS']['s']", config.StreamConfig),
    "CHANNELS": ("REDIS_BUS['default']['CHANNELS']['c']", config.ChannelConfig),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Which keys the parser asked for, by the place in the settings."""
    found: dict[str, set[str]] = {}
    finish = sections.Section.finish

    def recording(self: sections.Section) -> None:
        found[self.place] = set(self.seen)
        finish(self)

    monkeypatch.setattr(sections.Section, "finish", recording)
    default = {
        "LOCATION": "embedded://",
        "PUBLISHERS": {"p": {"TOPIC": "s", "MODEL": "a.B"}},
        "STREAMS": {"s": {"RETENTION": {}}},
        "CHANNELS": {"c": {}},
    }
    parsing.parse_buses({"default": default})
    return found


def test_settings_page_has_each_key_and_no_other(asked: dict[str, set[str]]) -> None:
    documented = {
        place: set(
            first_column(section("reference/settings.md", heading).split("### ")[0].split("Keys of `RETENTION`")[0])
        )
        for heading, (place, _) in SETTINGS.items()
    }
    documented[SETTINGS["STREAMS"][0] + "['RETENTION']"] = {"count", "age"}
    for heading in ("CIRCUIT", "OUTBOX", "INBOX", "RELAY"):
        documented[f"REDIS_BUS['default']['{heading}']"] = set(
            first_column(section("reference/settings.md", heading).split("## ")[0])
        )

    assert documented == asked


@pytest.mark.parametrize("heading", ["The bus", "PUBLISHERS", "CHANNELS", "RELAY"])
def test_settings_page_has_the_defaults(heading: str) -> None:
    made = {
        "The bus": config.BusConfig(alias="a", location=""),
        "PUBLISHERS": config.PublisherConfig(name="p", topic=""),
        "CHANNELS": config.ChannelConfig(name="c"),
        "RELAY": config.RelayConfig(),
    }
    for key, default, *_ in rows(section("reference/settings.md", heading).split("### ")[0]):
        found = CODE.match(key)
        if found is None or default == "required":
            continue
        name = found[1].lower()
        value = (
            getattr(made[heading], name, None)
            if hasattr(made[heading], name)
            else getattr(made[heading], f"{name}_s", None)
        )
        if name not in ("channels", "circuit", "outbox", "inbox", "relay"):
            assert ast.literal_eval(default.strip("`")) == value, key


def test_settings_page_has_the_retention() -> None:
    documented = {row[0]: row[1] for row in rows(section("reference/settings.md", "STREAMS"))}

    assert documented["`count`"] == f"`{config.Retention().count}`"
    assert documented["`age`"] == f"`{config.Retention().age_s}`"


def test_settings_page_has_each_scheme() -> None:
    text = section("reference/settings.md", "The bus")

    assert {s for s in sections.SCHEMES if f"`{s}" not in text} == set()


# --- checks


def test_checks_page_has_each_id_and_no_other() -> None:
    sources = [*(PACKAGE / "checks").glob("*.py"), *(PACKAGE / "core").glob("*.py")]
    in_code = {
        f"bus.{number}" for path in sources for number in re.findall(r'"(?:bus\.)?([EW]\d{3})"', path.read_text())
    }
    documented = [row[0] for row in rows((DOCS / "reference/checks.md").read_text()) if row[0].startswith("bus.")]

    assert len(documented) == len(set(documented))
    assert set(documented) == in_code


# --- wire format


def test_wire_page_has_the_fields_in_their_order() -> None:
    fields = encode(
        event_id="i", source="s", event_type="t", time_text="2026-11-22T08:00:00Z", content_type="application/json",
        data=b"{}", subject="s", key="k", schema="bus:s:v2", compressed=True,
        cause=Cause("00-x", "c", "d", 1), traceparent="00-x", extensions={"tenant": "a"},
    )  # fmt: skip
    written = [name.decode() if isinstance(name, bytes) else name for name in fields[::2]]

    documented = first_column(section("reference/wire-format.md", "The entry").partition("### Values")[0])
    assert [name.replace("<extension>", "tenant") for name in documented] == written


def test_wire_page_has_the_members_that_a_channel_adds() -> None:
    script = (PACKAGE / "transport/lua/cast.lua").read_text()
    documented = first_column(section("reference/wire-format.md", "Channel messages").partition("### History")[0])

    assert documented == ["data", "ephemeral", *re.findall(r'"(\w+)":"', script)]


def test_wire_page_has_the_fields_of_a_dead_letter_in_their_order() -> None:
    script = (PACKAGE / "transport/lua/dead.lua").read_text()
    documented = [name for name in first_column(section("reference/wire-format.md", "Dead letters")) if "dead_" in name]

    assert documented == re.findall(r"'(dead_\w+)'", script)


def test_wire_page_has_each_reason_and_no_other() -> None:
    reasons = {value for name, value in vars(Reason).items() if name.isupper()}
    documented = set(first_column(section("reference/wire-format.md", "Dead letters")))

    assert {name for name in documented if not name.startswith("dead_")} == reasons


def test_wire_page_has_each_side_key_and_no_other() -> None:
    keys = GroupKeys(stream=stream_key("shop", "events:order"), group="<group>")
    names = [name for name, value in vars(GroupKeys).items() if isinstance(value, property)]

    others = {dedup_key(keys.stream, "<id>"), keys.stats("<minute>")}
    others |= {switches_key("shop"), streams_key("shop"), listeners_key("shop")}
    channel = ChannelKeys(stream_key("shop", "chat:lobby"))
    others |= {channel.live, channel.history, channel.members}

    documented = set(first_column(section("reference/wire-format.md", "Side keys")))
    assert documented == {getattr(keys, name) for name in names} | others


# --- API


def test_api_page_has_each_public_name() -> None:
    text = (DOCS / "reference/api.md").read_text()
    headings = set(re.findall(r"^## (\w+)$", text, re.MULTILINE))
    exceptions = set(first_column(section("reference/api.md", "Exceptions")))

    public = set(django_redis_bus.__all__)
    assert public - headings - exceptions == set()
    assert exceptions - public == set()


def test_api_page_has_the_defaults_of_retry() -> None:
    for argument, default, _ in rows(section("reference/api.md", "Retry")):
        if (name := CODE.match(argument)) is not None:
            value = ast.literal_eval(default.strip("`").replace("(Exception,)", "'Exception'"))
            assert value == ("Exception" if name[1] == "retry_on" else getattr(Retry(), name[1])), argument


# --- all pages


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


def _snippets() -> Iterator[Any]:
    for page in PAGES:
        for number, (language, text) in enumerate(blocks(page), 1):
            if language == "python":
                yield pytest.param(text, id=f"{page.relative_to(ROOT)} block {number}")


@pytest.mark.parametrize("snippet", list(_snippets()))
def test_snippet_compiles(snippet: str) -> None:
    compile(snippet, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_can_be_read_in_one_go(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= LONGEST


def test_index_names_each_page() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall((DOCS / "index.md").read_text())}
    pages = {page.resolve() for page in DOCS.rglob("*.md") if page.parent.name != "decisions"}

    assert pages - linked == {(DOCS / "index.md").resolve()}
    records = set(LINK.findall((DOCS / "decisions/README.md").read_text()))
    assert records == {page.name for page in (DOCS / "decisions").glob("0*.md")}
