"""Errors as text: safe to print whatever came over the wire, and without our own frames."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

PACKAGE = __name__.partition(".")[0]


def printable(text: str, keep: str = "") -> str:
    """Return text without line breaks, terminal codes and lone surrogates, but for the characters in `keep`."""
    return "".join(c if c.isprintable() or c in keep else "�" for c in text)


def said(error: BaseException, how: Callable[[object], str] = str) -> str:
    """Return what an error says of itself; its own code may fail at that."""
    try:
        return how(error)
    except Exception:
        return f"a {type(error).__name__} whose text cannot be had"


def users_frames(error: BaseException) -> TracebackType | None:
    """Return the error's traceback from the first frame that is not ours; all of it if every frame is."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frames = frames.tb_next
    return frames or error.__traceback__


def traceback_text(error: BaseException) -> str:
    """Return the formatted traceback, "" if the error was never raised."""
    frames = users_frames(error)
    return "".join(traceback.format_exception(type(error), error, frames)) if frames is not None else ""
