"""Two ways to fill in one payload, field by field and as JSON, and the way from the one to the other."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from ..core.telling import printable
from ..operations.shapes import Field, Kind, Shape
from .payload_form import WHOLE, PayloadForm, as_json

_EXAMPLES: dict[Kind, Any] = {
    "text": "",
    "int": 0,
    "float": 0.0,
    "decimal": "0.00",
    "bool": False,
    "date": "2026-01-31",
    "datetime": "2026-01-31T08:00:00Z",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def payload_form(declared: Shape, data: QueryDict | None, *, whole: bool) -> PayloadForm:
    """Return the form for a payload: as JSON, which begins with an example, if `whole`; else field by field."""
    if not whole:
        return PayloadForm(declared, data)
    initial = {WHOLE: as_json(example(declared))} if declared.fields else None
    return PayloadForm(Shape(name=declared.name), data, initial=initial)


def switched(declared: Shape, data: QueryDict, *, whole: bool) -> PayloadForm:
    """Return the form of the other way, with what was filled in. Back from JSON, it has to be one that has fields.

    Args:
        data: posted from the one way.
        whole: the other is JSON.
    """
    if whole:
        typed = PayloadForm(declared, data).typed
        return PayloadForm(Shape(name=declared.name), initial={WHOLE: as_json(example(declared) | typed)})
    written = PayloadForm(Shape(name=declared.name), data)
    if not str(data.get(written.add_prefix(WHOLE), "")).strip():
        return PayloadForm(declared)
    if not written.is_valid():
        return written
    plain, names = written.plain, [field.name for field in declared.fields or ()]
    beyond = [name for name in plain if name not in names] if isinstance(plain, dict) else ["$"]
    if beyond:
        problem = _("There is no field for this: %(names)s") % {"names": printable(", ".join(beyond)[:200])}
        written.add_error(WHOLE, problem)
        return written
    return PayloadForm(declared, initial=PayloadForm(declared).initial_of(plain))


def example(shape: Shape) -> dict[str, Any]:
    """Return a payload of this shape, to be changed, without the fields whose default is made anew each time."""
    fields = shape.fields or ()
    known = (field for field in fields if field.required or field.nullable or field.default is not None)
    return {field.name: _example(field) for field in known}


def _example(field: Field) -> Any:
    if field.default is not None:
        return field.default
    if field.nullable:
        return None
    if field.choices:
        return field.choices[0]
    if field.kind in ("int", "float") and field.least:
        return field.least
    return _EXAMPLES.get(field.kind)
