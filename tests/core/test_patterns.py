from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from django_redis_bus.core.exceptions import ConfigurationError, PayloadError
from django_redis_bus.core.patterns import Pattern


@pytest.mark.parametrize(
    "name", ["events:order", "notifications", "a.b-c_d:e@f+g", "user:{user.pk}", "{x}", "a:{b}-{c}"]
)
def test_names(name: str) -> None:
    assert Pattern(name).text == name


@pytest.mark.parametrize(
    "name",
    [
        "", ":", "a:", ":a", "a::b", "a b", "a\n", "a*", "a?", "a[b]", "a{", "a}", "a{}", "a{1}", "a{b", "é", "a\x00",
        "{a}:{a}", "{{a}}", "a/b", "events:order\n",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(name))):
        Pattern(name)


def test_parameters_in_their_order_and_the_glob() -> None:
    pattern = Pattern("tenant:{tenant}:user:{user.pk}")
    assert pattern.parameters == ("tenant", "user.pk")
    assert pattern.glob == "tenant:*:user:*"


def test_values_become_a_name_and_a_name_values() -> None:
    pattern = Pattern("tenant:{tenant}:user:{user.pk}")
    assert pattern.format({"tenant": "acme", "user.pk": 7}) == "tenant:acme:user:7"
    assert pattern.parse("tenant:acme:user:7") == {"tenant": "acme", "user.pk": "7"}


@pytest.mark.parametrize(
    "name", ["tenant:acme", "tenant:acme:orders:x", "tenant::orders", "tenant:a b:orders", "xtenant:acme:orders",
             "tenant:acme:orders\n", "tenant:ac\nme:orders", "tenant:*:orders", "tenant:{tenant}:orders"],
)  # fmt: skip
def test_other_names_are_not_parsed(name: str) -> None:
    assert Pattern("tenant:{tenant}:orders").parse(name) is None


def test_a_dot_in_a_name_is_a_dot() -> None:
    assert Pattern("a.b:{c}").parse("axb:c") is None


@pytest.mark.parametrize(
    "value",
    ["", None, "a b", "a:b", "a\n", "a\x00", "*", "a?", "[a]", "{a}", "\\", "x" * 129, "\ud800", "\u2028", "a\x85"],
)
def test_a_value_that_is_no_segment_is_refused_and_not_shown(value: object) -> None:
    with pytest.raises(PayloadError) as caught:
        Pattern("chat:{room}").format({"room": value})
    assert caught.value.path == "room"
    assert caught.value.topic == "chat:{room}"
    assert "x" * 129 not in str(caught.value)


def test_a_name_holds_nothing_that_is_not_seen() -> None:
    unseen = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    assert "\u200b" in unseen
    pattern = Pattern("chat:{room}")
    assert [one for one in unseen if pattern.parse(f"chat:lob{one}by") is not None] == []
    with pytest.raises(PayloadError, match="invisible"):
        pattern.format({"room": "lob\u202eby"})
    assert pattern.parse("chat:köln-東京-🎉") == {"room": "köln-東京-🎉"}


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("events:order", "events.order"), ("_a:b-", "_a.b-"), ("support:{ticket}", "support"), ("{room}", ""),
        ("tenant:{tenant}:orders", "tenant.orders"), ("user-{id}", "user"), ("{a}-{b}:x", "x"),
    ],
)  # fmt: skip
def test_what_names_have_in_common(text: str, fixed: str) -> None:
    assert Pattern(text).fixed == fixed


@pytest.mark.parametrize("values", [{}, {"room": "x", "more": 1}, {"Room": "x"}])
def test_missing_and_unknown_parameters_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(PayloadError, match="takes the parameters: room"):
        Pattern("chat:{room}").format(values)


def test_values_that_could_not_be_told_apart_again_are_refused() -> None:
    # Given two placeholders in one segment
    pattern = Pattern("chat:{org}-{room}")
    assert pattern.format({"org": "a-b", "room": "c"}) == "chat:a-b-c"
    # When other values would give the same name
    with pytest.raises(PayloadError, match="told apart"):
        pattern.format({"org": "a", "room": "b-c"})


segments = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(text=st.sampled_from(["chat:{a}", "{a}", "x:{a}:{b}:y", "x{a}:{b}y", "{a}-{b}", "{a}{b}"]), values=st.data())
def test_format_and_parse_are_inverse(text: str, values: st.DataObject) -> None:
    pattern = Pattern(text)
    given_values = {name: values.draw(segments) for name in pattern.parameters}
    try:
        name = pattern.format(given_values)
    except PayloadError:
        assume(False)
    assert pattern.parse(name) == given_values
    assert name.count(":") == text.count(":")


@given(name=st.text(max_size=30))
def test_what_is_parsed_formats_to_the_same_name(name: str) -> None:
    pattern = Pattern("x:{a}")
    values = pattern.parse("x:" + name)
    if values is not None:
        assert pattern.format(values) == "x:" + name


@pytest.mark.parametrize(
    ("one", "two", "overlap"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("events:{kind}", "events:order", True),
        ("events:{kind}", "events:order:new", False),
        ("events:{kind}", "channels:order", False),
        ("tenant:{t}", "{a}:{b}", True),
        ("tenant:{t}", "{a}:orders", True),
        ("{a}:x", "{b}:y", False),
        ("u-{a}", "u-{b}-x", True),
        ("u-{a}", "v-{b}", False),
        ("{a}-x", "{b}-y", False),
        ("{a}-{b}", "{c}_{d}", True),
        ("a{b}", "a", False),
        ("{a}", "{b}", True),
    ],
)
def test_overlaps(one: str, two: str, overlap: bool) -> None:
    assert Pattern(one).overlaps(Pattern(two)) is overlap
    assert Pattern(two).overlaps(Pattern(one)) is overlap


PIECES = st.lists(st.sampled_from(["a", "b", ":", "{x}", "{y}", "-"]), min_size=1, max_size=6).map("".join)


@given(one=PIECES, two=PIECES, values=st.data())
def test_a_name_of_both_is_an_overlap(one: str, two: str, values: st.DataObject) -> None:
    try:
        first, second = Pattern(one), Pattern(two)
        name = first.format({p: values.draw(st.text("ab-", min_size=1, max_size=4)) for p in first.parameters})
    except (ConfigurationError, PayloadError):
        assume(False)
    if second.parse(name) is not None:
        assert first.overlaps(second)


def test_names_have_an_end() -> None:
    with pytest.raises(ConfigurationError, match="more than 500"):
        Pattern("a" * 501)
    pattern = Pattern("a" * 400 + ":{x}")
    assert pattern.format({"x": "1"})
    with pytest.raises(PayloadError, match="at most 500"):
        pattern.format({"x": "1" * 100})
    assert pattern.parse("a" * 400 + ":" + "1" * 100) is None
