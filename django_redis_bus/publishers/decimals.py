"""What a column keeps of a decimal: `Order(total="1.239")` holds all of it, its row two decimal places."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.models import DecimalField, Field

# Whoever overrides one of these may store something else than the instance's value.
_STORING = ("to_python", "get_prep_value", "get_db_prep_value", "get_db_prep_save", "get_internal_type", "db_type")
# SQLite stores a binary float, and Django reads this much of it.
_SQLITE = decimal.Context(prec=15, rounding=decimal.ROUND_HALF_EVEN)

Rounding = Callable[[Any, str], Any]


def rounding(field: Field[Any, Any]) -> Rounding | None:
    """Return the function from a decimal and a database alias to what a column of `field` keeps there.

    None if `field` keeps decimals as they are, is no DecimalField, or is one that stores in its own way.
    """
    if not isinstance(field, DecimalField) or hasattr(field, "from_db_value"):
        return None
    if any(getattr(type(field), name) is not getattr(DecimalField, name) for name in _STORING):
        return None
    # From Django 6.1 on a field may leave out both.
    digits: Any = field.max_digits
    places: Any = field.decimal_places
    if digits is None or places is None:
        return None
    unit = decimal.Decimal(1).scaleb(-places)
    # Of two neighbours equally near, Django's reader of SQLite takes the even one; PostgreSQL, MySQL and Oracle
    # take the one further from zero.
    even = decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_EVEN)
    away = decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_UP)

    def kept(value: Any, using: str) -> Any:
        if not isinstance(value, decimal.Decimal):
            return value
        connection = connections[using]
        adapted: Any = connection.ops.adapt_decimalfield_value(value, digits, places)
        try:
            # No column keeps the sign of -0.
            if connection.vendor == "sqlite":
                return _SQLITE.create_decimal_from_float(float(adapted) or 0.0).quantize(unit, context=even)
            rounded = decimal.Decimal(adapted).quantize(unit, context=away)
            return rounded or abs(rounded)
        except decimal.InvalidOperation:
            # It does not fit: there is no such row, or (SQLite) one that Django cannot read.
            return value

    return kept
