"""Dead letters: what operators see of them, and how they throw them away."""

from __future__ import annotations

from typing import Any

import pytest

from django_redis_bus.operations import acting, dead, letters
from django_redis_bus.operations.dead import DeadLetter, Match
from django_redis_bus.operations.values import Acted, Count, Page
from tests.operations.ward import ALIVE, EVENT, Ward

ALL = Match()


def listed(ward: Ward, match: Match = ALL, *, payloads: bool = True, **options: Any) -> Page[DeadLetter]:
    return dead.listing(ward.asking(), ward.topic, match, payloads=payloads, **options)


def ids(page: Page[DeadLetter]) -> list[str]:
    return [letter.dead_id for letter in page.items]


def counted(ward: Ward, match: Match = ALL, *, payloads: bool = True) -> Count:
    return dead.count(ward.asking(), ward.topic, match, payloads=payloads)


def test_all_that_is_known_of_one(ward: Ward) -> None:
    [entry_id] = ward.read()
    [dead_id] = ward.bury(entry_id, traceback="Traceback\n\x1b[31mboom")

    found = dead.letter(ward.asking(), ward.topic, dead_id, payloads=True)

    assert found is not None
    assert (found.dead_id, found.group, found.entry_id, found.consumer) == (dead_id, "billing", entry_id, ALIVE)
    assert (found.reason, found.error, found.attempts) == ("exhausted", "ValueError: no", 5)
    assert found.traceback == "Traceback\n�[31mboom"
    assert (found.first_ms, found.last_ms) == (1_795_388_384_771, 1_795_388_390_000)
    assert (found.shown.entry_id, found.shown.type, found.shown.data) == (entry_id, EVENT["ce_type"], '{\n  "id": 0\n}')
    assert found.in_stream is True
    assert listed(ward).items[0].in_stream is None


def test_whether_the_entry_is_still_there(ward: Ward) -> None:
    first, second = ward.dead(2)
    [other] = ward.read()
    made_anew = ward.letter(other, {"another": "entry"})
    for dead_id in (first, second):
        ward.trimmed(ward.letters()[dead_id][b"dead_entry"].decode())

    for dead_id in (first, made_anew, ward.letter("no id", {"a": "b"})):
        found = dead.letter(ward.asking(), ward.topic, dead_id, payloads=True)
        assert found is not None
        assert found.in_stream is False


@pytest.mark.parametrize("dead_id", ["1-1", "nonsense", "", "99999999999999999999-1"])
def test_there_is_no_such_letter(ward: Ward, dead_id: str) -> None:
    ward.dead()

    assert dead.letter(ward.asking(), ward.topic, dead_id, payloads=True) is None


def test_the_newest_first_and_page_by_page(ward: Ward) -> None:
    made = ward.dead(5)[::-1]

    first = listed(ward, count=2)
    second = listed(ward, count=2, after=first.following)
    third = listed(ward, count=2, after=second.following)

    assert [ids(first), ids(second), ids(third)] == [made[:2], made[2:4], made[4:]]
    assert third.following is None
    assert listed(ward, count=5).following is None


def test_filters(ward: Ward) -> None:
    [a] = ward.dead(error="Timeout: the GATEWAY")
    [b] = ward.dead(reason="rejected")
    [c] = ward.bury(*ward.read(ce_type="shop.order.deleted"), group="mail")

    assert ids(listed(ward, Match(group="mail"))) == [c]
    assert ids(listed(ward, Match(reason="rejected"))) == [b]
    assert ids(listed(ward, Match(type="shop.order.deleted"))) == [c]
    assert ids(listed(ward, Match(text="gateway"))) == [a]
    assert ids(listed(ward, Match(text='"ID":0'))) == [c, b, a]
    assert ids(listed(ward, Match(until=b))) == [b, a]
    assert ids(listed(ward, Match(group="billing", until=a))) == [a]
    assert [counted(ward, each).number for each in (ALL, Match(group="mail"), Match(until=b), Match(until=c))] == [
        3,
        1,
        2,
        3,
    ]


def test_a_filter_looks_at_so_many_and_goes_on_from_there(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "LOOKED_AT", 200)
    [wanted] = ward.dead(reason="rejected")
    ward.dead(250)

    first = listed(ward, Match(reason="rejected"))

    assert (first.items, first.looked_at, first.cut_short) == ((), 200, True)
    assert ids(listed(ward, Match(reason="rejected"), after=first.following)) == [wanted]


def test_counting_stops(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "AT_ONCE", 100)
    ward.dead(250)

    assert counted(ward, Match(reason="exhausted")) == Count(100, at_least=True)
    assert counted(ward) == Count(250)


def test_what_must_not_be_seen_is_no_answer_to_a_filter(ward: Ward) -> None:
    ward.dead(error="ValueError: card 4711", traceback="card 4711")

    [letter] = listed(ward, payloads=False).items
    assert (letter.error, letter.traceback, letter.shown.data) == ("ValueError", "", None)
    for text in ("4711", '"id":0'):
        assert listed(ward, Match(text=text), payloads=False).items == ()
        assert counted(ward, Match(text=text), payloads=False) == Count(0)
    assert len(listed(ward, Match(text="4711")).items) == 1


def test_letters_that_no_bus_wrote(ward: Ward) -> None:
    ward.client.xadd(ward.keys.dead, {"dead_reason": "exhausted", "\x1b[31m": b"\xff"})
    ward.letter("1-1", {"a": "1"}, attempts="many", first="", group="\x1b[31m", reason="x" * 5000)

    first, second = listed(ward).items

    assert (first.group, first.attempts, first.first_ms) == ("�[31m", None, None)
    assert len(first.reason) < 1100
    assert (second.group, second.entry_id, second.reason, second.error) == ("", "", "", "")


def test_a_packed_entry_is_shown(ward: Ward) -> None:
    ward.letter("1-1", {"dead_packed": b'\x92\xa4data\xa7{"a":1}'})

    assert listed(ward).items[0].shown.data == '{\n  "a": 1\n}'


def test_there_are_none(ward: Ward) -> None:
    assert listed(ward) == Page(items=())
    assert counted(ward) == counted(ward, Match(reason="x")) == Count(0)


# --- discard


def discard(ward: Ward, chosen: dead.Chosen, **more: Any) -> Acted:
    return dead.discard(ward.asking(), ward.topic, chosen, **more)


def test_discard(ward: Ward) -> None:
    first, second, third = ward.dead(3)
    ward.bury(*ward.read(), reason="rejected")

    assert discard(ward, [first, "1-1", first]) == Acted(done=1, left_alone={"gone": 2})
    assert discard(ward, Match(reason="exhausted", until=second)) == Acted(done=1)
    assert discard(ward, Match(reason="exhausted")) == Acted(done=1)

    assert third not in ward.letters()
    assert len(ward.letters()) == 1
    assert len(ward.entries()) == 4


def test_discard_in_one_go_as_many_as_there_is_room_for(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AT_ONCE", 200)
    made = ward.dead(250)

    acted = discard(ward, Match())

    assert (acted.done, acted.more) == (200, True)
    # The oldest first
    assert list(ward.letters()) == made[200:]
    assert discard(ward, Match(), after=acted.following) == Acted(done=50)
    assert letters.CHUNK == 100
