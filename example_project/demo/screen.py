"""What the demo prints: one line per second, a line per trouble, and the account at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from typing import TextIO

from .facts import GroupTally, Tally
from .reconcile import Account

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
HEADING_EVERY = 20
GROUP_WIDTH = 11


class Screen:
    """Writes to a terminal, or to whatever stands in its place.

    Args:
        out: where to.
        colour: None asks the terminal and NO_COLOR (https://no-color.org).
    """

    def __init__(self, out: TextIO, *, colour: bool | None = None) -> None:
        self._out = out
        self._colour = (out.isatty() and not os.environ.get("NO_COLOR")) if colour is None else colour
        self._lines = 0

    def say(self, text: str = "", *codes: str) -> None:
        """Write one line, at once: it may be read through a pipe."""
        try:
            self._out.write(self._paint(text, *codes) + "\n")
        except UnicodeEncodeError:
            self._out.write(text.encode("ascii", "replace").decode() + "\n")
        self._out.flush()

    def second(self, at_s: float, saved: int, tally: Tally, happened: Iterable[tuple[str, str]]) -> None:
        """Write the line of one second. `happened`: (what, the order it happened to)."""
        if self._lines % HEADING_EVERY == 0:
            names = "".join(f"{name:>{GROUP_WIDTH}}" for name in tally.groups)
            self.say(f" time saved stream{names}  what happened in the shop", BOLD)
        self._lines += 1
        minutes, seconds = divmod(int(at_s), 60)
        head = f"{minutes:2}:{seconds:02} {saved:5} {tally.added:6}"
        # Cut before it is painted: codes have no width.
        room = shutil.get_terminal_size((120, 24)).columns - len(head) - GROUP_WIDTH * len(tally.groups) - 2
        text = _cut(_sentence(happened), max(room, 16))
        cells = "".join(self._cell(group) for group in tally.groups.values())
        self.say(f"{head}{cells}  {self._paint(text, DIM)}")

    def note(self, text: str, *codes: str) -> None:
        """Write something that happened, below the line of its second."""
        self.say(f"       {text}", *codes)

    def account(self, account: Account, *, silent: int, retried: int) -> None:
        """Write the account, and what does not add up."""
        self.say("\nThe account", BOLD)
        entries = account.published + account.others
        for name, number, meaning in (
            ("saved", account.saved, "changes of orders that had to become events"),
            ("published", account.published, "of these are in the stream"),
            ("others", account.others, f"entries by hand or by the admin, {entries} in all"),
            ("silent", silent, "saves that had to stay silent: notes edited, orders rolled back"),
            ("retried", retried, "events that billing could not handle at the first attempt and could later"),
        ):
            self.say(f"  {name:<10}{number:>6}   {meaning}")
        self.say(f"\n  {'group':<12}{'in stream':>9} = {'handled':>9} + {'retrying':>8} + {'dead':>4}", BOLD)
        for group in account.groups:
            balances = group.handled + group.retrying + group.dead == entries
            self.say(
                f"  {group.name:<12}{entries:>9} {'=' if balances else '≠'} "
                f"{group.handled:>9} + {group.retrying:>8} + {group.dead:>4}",
                *(() if balances else (RED,)),
            )

    def verdict(self, differences: Iterable[str]) -> None:
        """Write the last words."""
        wrong = list(differences)
        if not wrong:
            self.say("\nIt reconciles: every change that was saved is accounted for in every group.", GREEN, BOLD)
            return
        self.say("\nIt does not reconcile:", RED, BOLD)
        for difference in wrong:
            self.say(f"  - {difference}", RED)

    def _cell(self, group: GroupTally) -> str:
        """Return "12", "12 ~1" with one retrying, "12 !1" with one dead."""
        plain, painted = str(group.handled), str(group.handled)
        for sign, number, code in (("~", group.retrying, YELLOW), ("!", group.dead, RED)):
            if number:
                plain += f" {sign}{number}"
                painted += " " + self._paint(f"{sign}{number}", code)
        return " " * (GROUP_WIDTH - len(plain)) + painted

    def _paint(self, text: str, *codes: str) -> str:
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self._colour and codes else text


def _sentence(happened: Iterable[tuple[str, str]]) -> str:
    """Return "#3 #4 created, #1 paid"."""
    by_what: dict[str, list[str]] = {}
    for what, order in happened:
        by_what.setdefault(what, []).append(order)
    return ", ".join(f"{' '.join(orders)} {what}" for what, orders in by_what.items()) or "-"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
