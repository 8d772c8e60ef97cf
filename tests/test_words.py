"""The catalogue of German words: complete, true to what it translates, and compiled."""

from __future__ import annotations

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import django
import pytest
from django.utils.translation import override

import django_redis_bus
from django_redis_bus.operations.server import Server
from django_redis_bus.operations.server_health import of_server
from django_redis_bus.operations.values import Count
from django_redis_bus.operations.wording import count_text, percent_text, span_text
from django_redis_bus.templatetags import bus_console as tags
from tests.conftest import missing
from tests.operations.test_server import HEALTHY
from tests.operations.test_stream_health import findings, group, stream

PACKAGE = Path(django_redis_bus.__file__).parent
CATALOGUE = Path("locale/de/LC_MESSAGES/django.po")
PLACEHOLDERS = re.compile(r"%\(\w+\)[a-z]|%%")
VERBATIM = re.compile(
    r"manage\.py [a-z_]+|--[a-z-]+|</?\w+>|\b[A-Z]+(?:_[A-Z]+)+\b|\b\w+\.py\b|\b[A-Z]{4,} [A-Z]{3,}\b"
)
"""What is typed, or marks up: the same in every language."""


class Message(NamedTuple):
    """An entry of a catalogue; `plural` and `context` are "" if it has none."""

    context: str
    id: str
    plural: str
    texts: tuple[str, ...]


def parse(text: str) -> list[Message]:
    """Return the entries of a .po file, that of its header first."""
    found = []
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                name, _, line = line.partition(" ")
            fields[name] = fields.get(name, "") + ast.literal_eval(line)
        if fields:
            texts = tuple(said for name, said in fields.items() if name.startswith("msgstr"))
            found.append(Message(fields.get("msgctxt", ""), fields["msgid"], fields.get("msgid_plural", ""), texts))
    return found


SOURCE = (PACKAGE / CATALOGUE).read_text(encoding="utf-8")
_, *MESSAGES = parse(SOURCE)


def test_each_entry_is_translated_and_nobody_has_guessed() -> None:
    assert len(MESSAGES) > 500
    assert [message.id for message in MESSAGES if not all(message.texts)] == []
    assert [message.id for message in MESSAGES if len(message.texts) != (2 if message.plural else 1)] == []
    assert "fuzzy" not in SOURCE
    assert "#~" not in SOURCE


def test_it_tells_nothing_of_the_machine_that_it_was_made_on() -> None:
    assert not re.search(r"^#:|/(?:home|work|tmp|usr|Users)/|X-Generator|@", SOURCE, re.MULTILINE)


@pytest.mark.parametrize("pattern", [PLACEHOLDERS, VERBATIM], ids=["placeholders", "verbatim"])
def test_what_is_no_word_is_the_same_in_both(pattern: re.Pattern[str]) -> None:
    wrong = []
    for message in MESSAGES:
        for text, original in zip(message.texts, (message.id, message.plural), strict=False):
            if sorted(pattern.findall(text)) != sorted(pattern.findall(original)):
                wrong.append((original, text))
    assert wrong == []


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    expected: dict[object, str] = {}
    for message in MESSAGES:
        key = f"{message.context}\x04{message.id}" if message.context else message.id
        if message.plural:
            expected |= {(key, number): text for number, text in enumerate(message.texts)}
        else:
            expected[key] = message.texts[0]
    with (PACKAGE / CATALOGUE).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]

    # msgfmt leaves its header as it likes.
    assert "Plural-Forms: nplurals=2; plural=(n != 1);" in compiled.pop("")
    assert compiled == expected


def test_it_has_each_word_of_templates_and_code_and_no_other(tmp_path: Path) -> None:
    if not (shutil.which("xgettext") and shutil.which("msgmerge")):
        missing("gettext")
    # Given the package, and its catalogue without an entry
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "locale", "static"))
    (copy / CATALOGUE).parent.mkdir(parents=True)
    # When its words are collected
    command = [sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-location", "--no-wrap"]
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=copy, check=True, capture_output=True, env=env)
    # Then
    _, *collected = parse((copy / CATALOGUE).read_text(encoding="utf-8"))
    known = {message[:3] for message in MESSAGES}
    used = {message[:3] for message in collected}
    assert used - known == set()
    assert known - used == set()


def test_words_that_django_has_too_are_said_as_django_says_them() -> None:
    """All apps share one catalogue: the first in INSTALLED_APPS that has a word says it. A context keeps ours apart."""
    ours = {message.id: message.texts[0] for message in MESSAGES if not message.context}
    wrong = []
    for path in Path(django.__file__).parent.rglob("locale/de/LC_MESSAGES/django.mo"):
        with path.open("rb") as file:
            theirs = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        wrong += [(word, theirs[word], said) for word, said in ours.items() if theirs.get(word, said) != said]
    assert wrong == []


def test_no_word_hides_in_an_f_string() -> None:
    """There xgettext does not find it."""
    hidden = [
        f"{path.name}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for formatted in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(formatted, ast.JoinedStr)
        for node in ast.walk(formatted)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("_", "gettext", "gettext_lazy", "ngettext")
    ]

    assert hidden == []


# --- numbers and sentences in the language that is active


def test_numbers_and_spans_of_time_in_german() -> None:
    with override("de"):
        assert tags.number(1_234_567) == "1.234.567"
        assert tags.duration(2 * 3_600) == "2 Std."
        assert tags.duration(86_400 + 7_200) == "1 Tg. 2 Std."
        assert tags.ago(12) == "vor 12 Sek."
        assert tags.rate(0.5) == "30/min"
        assert tags.events(Count(1)) == "1 Event"
        assert tags.events(Count(1_000, True)) == "\u2066≥ 1.000\u2069 Events"
        assert count_text(Count(10_000, True)) == "≥ 10.000"
        assert percent_text(0.934) == "93 %"
        assert [span_text(seconds) for seconds in (90, 600, 7_200, 86_400 * 3)] == [
            "90 Sek.", "10 Minuten", "2 Stunden", "3 Tage",
        ]  # fmt: skip


def test_findings_in_german() -> None:
    with override("de"):
        [full] = of_server(Server(**HEALTHY | {"memory_bytes": 95}))
        letters, idle = findings(stream(group(alive=0, last_alive_s=7_200.0, unread=Count(1_500)), dead=1_234))

    assert full.title.startswith("Der Server hat 95 % seines Speichers belegt")
    assert letters.title == "Stream events:order hat 1.234 Dead Letters."
    assert "manage.py bus_dead redrive events:order --all" in letters.hint
    assert idle.title == (
        "Stream events:order, Gruppe billing: Kein Consumer ist aktiv, schon 2 Stunden lang. 1.500 Events warten."
    )
    assert idle.id == "no-consumer"


@pytest.mark.parametrize("language", ["he", "ar", "fa"])
def test_spans_of_time_keep_their_order_from_right_to_left(language: str) -> None:
    with override(language):
        for text in (tags.duration(192), tags.duration(0.34), tags.rate(3.2)):
            assert (text[0], text[-1]) == ("\u2068", "\u2069")
    with override("de"):
        assert tags.duration(192) == "3 Min. 12 Sek."
