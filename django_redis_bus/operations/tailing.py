"""The end of a stream, and what is added to it."""

from __future__ import annotations

from collections.abc import Callable

from .asking import Asking
from .entries import Walk, beside, browse
from .showing import Showing, Shown
from .values import Page


class Tail:
    """Follows a stream.

    Args:
        visit: makes a visit to its bus; one per call here.
        topic: the stream; it need not exist.
        type, key, text: see Showing.matches.
        payloads: see Showing.
    """

    def __init__(
        self,
        visit: Callable[[], Asking],
        topic: str,
        *,
        type: str = "",
        key: str = "",
        text: str = "",
        payloads: bool,
    ) -> None:
        self._visit = visit
        self._topic = topic
        self._type, self._key, self._text = type, key, text
        self._payloads = payloads
        self._place: str | None = "-"

    def newest(self, count: int) -> Page[Shown]:
        """Return the newest entries, the oldest of them first. Call it once, before `further`. Raises BusError."""
        asking = self._visit()
        found = asking.call("XREVRANGE", asking.key(self._topic), "+", "-", "COUNT", 1)
        if not found:
            return Page(items=())
        last = found[0][0].decode()
        self._place = beside(last, upwards=True)
        if not count:
            return Page(items=())
        page = browse(
            asking, self._topic, start=last, count=count, type=self._type, key=self._key, text=self._text,
            payloads=self._payloads,
        )  # fmt: skip
        return Page(
            items=page.items[::-1], following=page.following, looked_at=page.looked_at, cut_short=page.cut_short
        )

    def further(self) -> Page[Shown]:
        """Return what was added since, up to the bound of a page. Raises BusError."""
        if self._place is None:  # no id is higher than the last
            return Page(items=())
        asking = self._visit()
        showing = Showing(asking, self._topic, payloads=self._payloads)
        walk = Walk(asking, self._topic, self._place, "newer")
        found = []
        while not walk.is_over:
            for entry_id, flat in walk.step():
                if showing.matches(flat, type=self._type, key=self._key, text=self._text):
                    found.append(showing.shown(entry_id, flat))
                self._place = beside(walk.last, upwards=True)
        return Page(
            items=tuple(found),
            following=walk.following,
            looked_at=walk.looked_at,
            cut_short=walk.following is not None,
        )
