"""Errors as text."""

from __future__ import annotations

from django_redis_bus.core.patterns import Pattern
from django_redis_bus.core.telling import loggable, printable, said, traceback_text, users_frames


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


def test_a_printable_error_goes_to_the_record_as_it_is() -> None:
    error = raised(ValueError("x"))
    assert loggable(error) == ("", (ValueError, error, error.__traceback__))
    assert loggable(ValueError("never raised")) == loggable(None) == ("", None)


def test_an_error_is_cleaned_when_its_context_could_not_be_written_to_a_file() -> None:
    # Given an error that came while a hostile one was handled
    try:
        try:
            raise ValueError("\udcff\x1b[31m\nERROR a line of its own")
        except ValueError:
            raise RuntimeError("after it")  # noqa: B904 - its context is the point
    except RuntimeError as caught:
        text, exc_info = loggable(caught)
    # Then the whole traceback is part of the message, every line of it marked
    assert exc_info is None
    assert all(line.startswith("    | ") for line in text.removeprefix("\n").split("\n"))
    assert "after it" in text
    assert text.encode()
    assert "\x1b" not in text


def test_an_error_that_quotes_what_must_not_be_shown_is_cleaned() -> None:
    error = raised(ValueError("card 4111"))
    text, exc_info = loggable(error, lambda text: text.replace("4111", "[redacted]"))
    assert exc_info is None
    assert "card [redacted]" in text
    assert "4111" not in text.replace("raised(ValueError", "")
