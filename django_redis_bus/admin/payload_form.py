"""A form for a payload: made from the shape of its type, or one field for JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..core.exceptions import PayloadError
from ..core.telling import printable
from ..operations.composing import data_path
from ..operations.shapes import Field, Shape

WHOLE = "json"
"""Name of the one field of a payload that is filled in as JSON."""
LINE_CHARS = 255
"""A text that may be longer has a box of several lines."""
_ABSENT = object()


class JSONText(forms.CharField):
    """JSON as text, and plain values once it is cleaned."""

    widget = forms.Textarea

    def clean(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            if self.required:
                raise forms.ValidationError(self.error_messages["required"], code="required")
            return None
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            raise forms.ValidationError(
                _("This is not JSON: %(reason)s"), params={"reason": str(error)}, code="json"
            ) from None


class PayloadForm(forms.Form):
    """The payload of an event.

    Args:
        shape: of its type. Without fields it is filled in as JSON.
    """

    def __init__(self, shape: Shape, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("prefix", "payload")
        super().__init__(*args, **kwargs)
        self.shape = shape
        # By their place: a name on the wire may be anything, and ids and names in HTML may not.
        self._asked = {f"f{place}": field for place, field in enumerate(shape.fields or ())}
        for name, field in self._asked.items():
            self.fields[name] = _form_field(field)
        if not self._asked:
            self.fields[WHOLE] = JSONText(
                label=_("Payload, as JSON"),
                widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "bus-json"}),
            )

    @property
    def plain(self) -> Any:
        """The payload as plain values; once it is valid."""
        if not self._asked:
            return self.cleaned_data[WHOLE]
        found = {field.name: _value(field, self.cleaned_data.get(name)) for name, field in self._asked.items()}
        return {name: value for name, value in found.items() if value is not _ABSENT}

    @property
    def typed(self) -> dict[str, Any]:
        """What has been filled in field by field: plain values, or the text of what does not fit."""
        self.is_valid()
        found: dict[str, Any] = {}
        for name, field in self._asked.items():
            if name in self.cleaned_data:
                value = _value(field, self.cleaned_data[name])
            else:
                value = self.data.get(self.add_prefix(name)) or _ABSENT
            if value is not _ABSENT:
                found[field.name] = value
        return found

    def initial_of(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return what the fields begin with, for plain values by their names on the wire."""
        return {name: _initial(field, plain[field.name]) for name, field in self._asked.items() if field.name in plain}

    def refuse(self, error: PayloadError) -> None:
        """Show what the bus says against it, at the field that is meant."""
        name, path = data_path(error)
        place = next((place for place, field in self._asked.items() if field.name == name), None)
        if not self._asked:
            place = WHOLE
        self.add_error(place, printable(str(error)))
        if place is None and path.startswith("$."):
            self.add_error(None, gettext("Place in the payload: %(path)s") % {"path": printable(path)})


def as_json(data: Any) -> str:
    """Return plain values as JSON that a person edits."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def _form_field(field: Field) -> forms.Field:
    must = field.required and not field.nullable
    common: dict[str, Any] = {
        "label": printable(field.name),
        "required": must,
        "help_text": printable(field.help),
        "initial": field.default,
    }
    match field.kind:
        case "text":
            if (field.most or 0) > LINE_CHARS:
                common["widget"] = forms.Textarea(attrs={"rows": 3})
            return forms.CharField(strip=False, min_length=_whole(field.least), max_length=_whole(field.most), **common)
        case "int":
            return forms.IntegerField(min_value=_whole(field.least), max_value=_whole(field.most), **common)
        case "float":
            return forms.FloatField(min_value=field.least, max_value=field.most, **common)
        case "decimal":
            return forms.DecimalField(**common)
        case "bool":
            if field.nullable or (not field.required and field.default is None):
                return forms.NullBooleanField(**common)
            return forms.BooleanField(**(common | {"required": False}))
        case "choice":
            return _choice_field(field, common)
        case "date":
            return forms.DateField(widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), **common)
        case "datetime":
            widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"})
            zone = gettext("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()}
            help_text = " ".join(filter(None, (common["help_text"], zone)))
            return forms.DateTimeField(widget=widget, **(common | {"help_text": help_text}))
        case "uuid":
            return forms.UUIDField(**common)
        case "json":
            initial = None if field.default is None else as_json(field.default)
            area = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "bus-json"})
            help_text = " ".join(filter(None, (common["help_text"], gettext("JSON."))))
            return JSONText(widget=area, **(common | {"initial": initial, "help_text": help_text}))


def _choice_field(field: Field, common: dict[str, Any]) -> forms.Field:
    choices = [(str(place), printable(str(value))) for place, value in enumerate(field.choices)]
    if not common["required"]:
        choices.insert(0, ("", "—"))
    initial = str(field.choices.index(field.default)) if field.default in field.choices else None
    return forms.ChoiceField(choices=choices, **(common | {"initial": initial}))


def _value(field: Field, value: Any) -> Any:
    """Return what is to be sent of a cleaned value; _ABSENT for nothing."""
    if field.kind == "choice" and value:
        return field.choices[int(value)]
    if value is not None and value != "":
        return value.replace("\r\n", "\n") if isinstance(value, str) else value
    if field.required or (field.nullable and field.default is not None):
        return None
    # Emptied by hand, where something stood: that is what was meant.
    return "" if field.kind == "text" and field.default else _ABSENT


def _initial(field: Field, value: Any) -> Any:
    """Return what a form's field begins with, for a plain value."""
    if field.kind == "choice":
        return str(field.choices.index(value)) if value in field.choices else None
    if field.kind == "json" or isinstance(value, dict | list):
        return as_json(value)
    if field.kind == "datetime" and isinstance(value, str):
        try:
            return parse_datetime(value) or value
        except ValueError:
            return value
    return value


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
