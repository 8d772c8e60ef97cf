"""Errors as text."""

from __future__ import annotations

from django_redis_bus.core.patterns import Pattern
from django_redis_bus.core.telling import printable, said, traceback_text, users_frames


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_control_characters_become_replacement_characters() -> None:
    assert printable("a\x1b[31m\r\nb\udcff") == "a�[31m��b�"
    assert printable("a\nb", keep="\n") == "a\nb"


def test_an_error_whose_text_fails_is_named() -> None:
    assert "Mute" in said(Mute())
    assert said(ValueError("x")) == "x"


def test_frames_of_ours_before_the_users_are_left_out() -> None:
    # Given an error raised in a user's function that our code called
    def users(match: object) -> str:
        raise ValueError("here")

    pattern = Pattern("a:{b}")
    values = type("Values", (dict,), {"keys": lambda self: users(None)})(b="1")
    error = raised(ValueError())
    try:
        pattern.format(values)
    except ValueError as caught:
        error = caught
    # Then this test's frame comes first: nothing is dropped after the first frame that is not ours
    assert users_frames(error) is error.__traceback__
    # And from our frame on, the first one shown is the user's
    ours = error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None)
    frames = users_frames(ours)
    assert frames is not None
    assert frames.tb_frame.f_globals["__name__"] == __name__
    assert "in format" not in traceback_text(ours)


def test_an_error_that_was_never_raised_has_no_traceback() -> None:
    assert traceback_text(ValueError("x")) == ""
