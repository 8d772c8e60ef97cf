"""Dead letters: what operators see of them, and how they throw them away."""

from __future__ import annotations

from typing import Any

import pytest

from django_redis_bus.operations import acting, dead, letters
from django_redis_bus.operations.dead import DeadLetter, Match
from django_redis_bus.operations.values import Acted, Count, Page
from tests.operations.scene import ALIVE, EVENT, Scene

ALL = Match()


def listed(scene: Scene, match: Match = ALL, *, payloads: bool = True, **options: Any) -> Page[DeadLetter]:
    return dead.listing(scene.asking(), scene.topic, match, payloads=payloads, **options)


def ids(page: Page[DeadLetter]) -> list[str]:
    return [letter.dead_id for letter in page.items]


def counted(scene: Scene, match: Match = ALL, *, payloads: bool = True) -> Count:
    return dead.count(scene.asking(), scene.topic, match, payloads=payloads)


def test_all_that_is_known_of_one(scene: Scene) -> None:
    [entry_id] = scene.read()
    [dead_id] = scene.bury(entry_id, traceback="Traceback\n\x1b[31mboom")

    found = dead.letter(scene.asking(), scene.topic, dead_id, payloads=True)

    assert found is not None
    assert (found.dead_id, found.group, found.entry_id, found.consumer) == (dead_id, "billing", entry_id, ALIVE)
    assert (found.reason, found.error, found.attempts) == ("exhausted", "ValueError: no", 5)
    assert found.traceback == "Traceback\n�[31mboom"
    assert (found.first_ms, found.last_ms) == (1_795_388_384_771, 1_795_388_390_000)
    assert (found.shown.entry_id, found.shown.type, found.shown.data) == (entry_id, EVENT["ce_type"], '{\n  "id": 0\n}')
    assert found.in_stream is True
    assert listed(scene).items[0].in_stream is None


def test_whether_the_entry_is_still_there(scene: Scene) -> None:
    first, second = scene.dead(2)
    [other] = scene.read()
    made_anew = scene.letter(other, {"another": "entry"})
    for dead_id in (first, second):
        scene.trimmed(scene.letters()[dead_id][b"dead_entry"].decode())

    for dead_id in (first, made_anew, scene.letter("no id", {"a": "b"})):
        found = dead.letter(scene.asking(), scene.topic, dead_id, payloads=True)
        assert found is not None
        assert found.in_stream is False


@pytest.mark.parametrize("dead_id", ["1-1", "nonsense", "", "99999999999999999999-1"])
def test_there_is_no_such_letter(scene: Scene, dead_id: str) -> None:
    scene.dead()

    assert dead.letter(scene.asking(), scene.topic, dead_id, payloads=True) is None


def test_the_newest_first_and_page_by_page(scene: Scene) -> None:
    made = scene.dead(5)[::-1]

    first = listed(scene, count=2)
    second = listed(scene, count=2, after=first.following)
    third = listed(scene, count=2, after=second.following)

    assert [ids(first), ids(second), ids(third)] == [made[:2], made[2:4], made[4:]]
    assert third.following is None
    assert listed(scene, count=5).following is None


def test_filters(scene: Scene) -> None:
    [a] = scene.dead(error="Timeout: the GATEWAY")
    [b] = scene.dead(reason="rejected")
    [c] = scene.bury(*scene.read(ce_type="shop.order.deleted"), group="mail")

    assert ids(listed(scene, Match(group="mail"))) == [c]
    assert ids(listed(scene, Match(reason="rejected"))) == [b]
    assert ids(listed(scene, Match(type="shop.order.deleted"))) == [c]
    assert ids(listed(scene, Match(text="gateway"))) == [a]
    assert ids(listed(scene, Match(text='"ID":0'))) == [c, b, a]
    assert ids(listed(scene, Match(until=b))) == [b, a]
    assert ids(listed(scene, Match(group="billing", until=a))) == [a]
    assert [counted(scene, each).number for each in (ALL, Match(group="mail"), Match(until=b), Match(until=c))] == [
        3,
        1,
        2,
        3,
    ]


def test_a_filter_looks_at_so_many_and_goes_on_from_there(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "LOOKED_AT", 200)
    [wanted] = scene.dead(reason="rejected")
    scene.dead(250)

    first = listed(scene, Match(reason="rejected"))

    assert (first.items, first.looked_at, first.cut_short) == ((), 200, True)
    assert ids(listed(scene, Match(reason="rejected"), after=first.following)) == [wanted]


def test_counting_stops(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "AT_ONCE", 100)
    scene.dead(250)

    assert counted(scene, Match(reason="exhausted")) == Count(100, at_least=True)
    assert counted(scene) == Count(250)


def test_what_must_not_be_seen_is_no_answer_to_a_filter(scene: Scene) -> None:
    scene.dead(error="ValueError: card 4711", traceback="card 4711")

    [letter] = listed(scene, payloads=False).items
    assert (letter.error, letter.traceback, letter.shown.data) == ("ValueError", "", None)
    for text in ("4711", '"id":0'):
        assert listed(scene, Match(text=text), payloads=False).items == ()
        assert counted(scene, Match(text=text), payloads=False) == Count(0)
    assert len(listed(scene, Match(text="4711")).items) == 1


def test_letters_that_no_bus_wrote(scene: Scene) -> None:
    scene.client.xadd(scene.keys.dead, {"dead_reason": "exhausted", "\x1b[31m": b"\xff"})
    scene.letter("1-1", {"a": "1"}, attempts="many", first="", group="\x1b[31m", reason="x" * 5000)

    first, second = listed(scene).items

    assert (first.group, first.attempts, first.first_ms) == ("�[31m", None, None)
    assert len(first.reason) < 1100
    assert (second.group, second.entry_id, second.reason, second.error) == ("", "", "", "")


def test_a_packed_entry_is_shown(scene: Scene) -> None:
    scene.letter("1-1", {"dead_packed": b'\x92\xa4data\xa7{"a":1}'})

    assert listed(scene).items[0].shown.data == '{\n  "a": 1\n}'


def test_there_are_none(scene: Scene) -> None:
    assert listed(scene) == Page(items=())
    assert counted(scene) == counted(scene, Match(reason="x")) == Count(0)


# --- discard


def discard(scene: Scene, chosen: dead.Chosen, **more: Any) -> Acted:
    return dead.discard(scene.asking(), scene.topic, chosen, **more)


def test_discard(scene: Scene) -> None:
    first, second, third = scene.dead(3)
    scene.bury(*scene.read(), reason="rejected")

    assert discard(scene, [first, "1-1", first]) == Acted(done=1, left_alone={"gone": 2})
    assert discard(scene, Match(reason="exhausted", until=second)) == Acted(done=1)
    assert discard(scene, Match(reason="exhausted")) == Acted(done=1)

    assert third not in scene.letters()
    assert len(scene.letters()) == 1
    assert len(scene.entries()) == 4


def test_discard_in_one_go_as_many_as_there_is_room_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "AT_ONCE", 200)
    made = scene.dead(250)

    acted = discard(scene, Match())

    assert (acted.done, acted.more) == (200, True)
    # The oldest first
    assert list(scene.letters()) == made[200:]
    assert discard(scene, Match(), after=acted.following) == Acted(done=50)
    assert letters.CHUNK == 100
