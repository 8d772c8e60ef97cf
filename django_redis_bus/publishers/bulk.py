"""Events of many rows that one statement writes: a few queries per thousand rows, whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar

from django.db import NotSupportedError, OperationalError, connections, transaction
from django.db.models import Model, QuerySet, prefetch_related_objects

from django_redis_bus.delivery import gathering

from .publisher import Publisher
from .saves import Saves, listening
from .snapshot import key_fields, locking

Item = TypeVar("Item")
Found = TypeVar("Found", bound=QuerySet[Any])
Rows = dict[Any, Mapping[str, Any]]

_ROWS = 1_000
# Without tuples a composite key is an OR of ANDs, and SQLite takes no expression that is 1,000 deep.
_ALTERNATIVES = 400


def _most_keys(model: type[Model], using: str) -> int | None:
    """Return how many primary keys a statement takes; None if it takes any number."""
    features = connections[using].features
    columns = len(key_fields(model))
    most = [_ALTERNATIVES] if columns > 1 and not features.supports_tuple_lookups else []
    if features.max_query_params:
        # Half of what it takes at all: a statement has other parameters, too.
        most.append(features.max_query_params // 2 // columns)
    return max(1, min(most)) if most else None


def chunks(items: Sequence[Item], model: type[Model], using: str) -> Iterator[Sequence[Item]]:
    """Yield `items`, which go by primary keys of `model`, in as many parts as its database takes in a statement."""
    size = min(_ROWS, _most_keys(model, using) or _ROWS)
    for at in range(0, len(items), size):
        yield items[at : at + size]


@contextmanager
def together(using: str) -> Iterator[None]:
    """Have what is written, and the rows of its events, in one transaction and the events in one batch."""
    with transaction.atomic(using=using, savepoint=False), gathering(using):
        yield


class Insert:
    """A bulk_create(): what is told of its rows.

    Args:
        model: whose rows.
        ignoring, updating: what it was told to do about conflicts.

    Attributes:
        heard: whether anybody wants to hear of it.

    Raises NotSupportedError if nobody could tell of which rows.
    """

    def __init__(self, model: type[Model], *, ignoring: bool, updating: bool) -> None:
        self._model = model
        self._saves = listening(model, "created")
        self.heard = bool(self._saves)
        if ignoring and self._saves:
            _refuse(self._saves, "bulk_create(ignore_conflicts=True) does not tell which rows it has inserted")
        if updating and (saves := self._saves or listening(model, "updated")):
            _refuse(saves, "bulk_create(update_conflicts=True) does not tell which rows it has inserted or updated")

    def check_keys(self, objs: Iterable[Model], using: str) -> None:
        """Raise NotSupportedError if the database would keep new primary keys for itself."""
        connection = connections[using]
        if connection.features.can_return_rows_from_bulk_insert or self._model._meta.pk.has_default():
            return
        if any(obj.pk is None or hasattr(obj.pk, "resolve_expression") for obj in objs):
            _refuse(self._saves, f"bulk_create() is not told the new primary keys by {connection.display_name}")

    def announce(self, objs: Sequence[Model], using: str) -> None:
        """Publish that the rows of `objs` were made."""
        for part in chunks(objs, self._model, using):
            attnames = {a for obj in part for saves in self._saves for a in saves.publisher.reader.missing(obj)}
            known: Rows = {}
            if attnames:
                stored: QuerySet[Any] = QuerySet(self._model, using=using).filter(pk__in=[obj.pk for obj in part])
                known = _by_key(stored, attnames)
            _fetch_relations(part, self._saves)
            for obj in part:
                for saves in self._saves:
                    saves.inserted(obj, using, known.get(obj.pk, {}))


class Update:
    """An update(): what has to be known of its rows before, and what is told of them afterwards.

    Args:
        model: whose rows.
        values: what is written, as update() takes it.

    Attributes:
        heard: whether anybody wants to hear of it.

    Raises FieldDoesNotExist, and NotSupportedError if it moves rows to primary keys that nobody could tell.
    """

    def __init__(self, model: type[Model], values: Mapping[str, Any]) -> None:
        self._model = model
        watched = {saves: saves.watched(values) for saves in listening(model, "updated")}
        self._watched = {saves: attnames for saves, attnames in watched.items() if attnames is not None}
        self.heard = bool(self._watched)
        if self.heard:
            for name in values:
                model._meta.get_field(name)  # as Django: a misspelt name spoils no transaction
            self._moved = self._moves(values)

    def rows(self, queryset: QuerySet[Any], using: str) -> Rows:
        """Lock the rows of `queryset`, where the database can; return what is to be known of them by primary key."""
        found = queryset
        again = None
        if not _is_plain(queryset):
            # FOR UPDATE knows no DISTINCT and no GROUP BY, and would lock rows of joined tables, too.
            again = queryset.using(using).order_by().values("pk")
            again.query.select_for_update = False
            found = QuerySet(self._model).filter(pk__in=again)
        if not found.query.order_by:
            # Two that lock in the same order do not lock each other out.
            found = found.order_by("pk")
        attnames = dict.fromkeys(chain.from_iterable(self._watched.values()))
        rows = _by_key(locking(found, using), attnames)
        if again is not None and rows and connections[using].features.has_select_for_update:
            # Who had to wait for a row has seen in the subquery what it was before.
            still = set(again.values_list("pk", flat=True))
            rows = {pk: values for pk, values in rows.items() if pk in still}
        return rows

    def exactly(self, queryset: Found, rows: Rows, using: str) -> Found:
        """Return the query of the `rows` that `queryset` has found; itself if they are too many to name them.

        It is for one statement: conditions and values may look at the very rows that an UPDATE writes.
        """
        queryset = queryset.using(using)
        most = _most_keys(self._model, using)
        if most is not None and len(rows) > most:
            return queryset
        return _without_conditions(queryset).filter(pk__in=list(rows))

    def check(self, updated: int, rows: Rows, using: str) -> None:
        """Raise OperationalError if `rows` were too many to name them, and others have come or gone meanwhile."""
        most = _most_keys(self._model, using)
        if most is not None and len(rows) > most and updated != len(rows):
            raise OperationalError(
                f"update() has found {len(rows)} rows and written {updated}, and nobody can tell which: it is rolled "
                f"back. Try again, or update at most {most} at once."
            )

    def announce(self, rows: Rows, using: str) -> None:
        """Publish that `rows` were updated."""
        moved = self._moved
        for part in chunks(list(rows), self._model, using):
            instances = self._load([moved(pk) for pk in part], using)
            for pk in part:
                instance = instances.get(moved(pk))
                for saves, attnames in self._watched.items():
                    if instance is not None:
                        saves.rewritten(instance, using, {attname: rows[pk][attname] for attname in attnames})
                    elif not attnames and not saves.publisher.needs_instance:
                        saves.rewritten_unseen(moved(pk), using)

    def _load(self, pks: Sequence[Any], using: str) -> dict[Any, Model]:
        """Return the instances by primary key, with the columns that somebody needs; none if nobody needs any."""
        attnames = set(chain.from_iterable(self._watched.values()))
        publishers = [saves.publisher for saves in self._watched if saves.publisher.needs_instance]
        if not publishers and not attnames:
            return {}
        queryset: QuerySet[Any] = QuerySet(self._model, using=using).filter(pk__in=pks)
        if not any(publisher.shows_instance for publisher in publishers):
            queryset = queryset.only(*attnames.union(*(publisher.reader.columns for publisher in publishers)))
        instances = list(queryset)
        _fetch_relations(instances, self._watched)
        return {instance.pk: instance for instance in instances}

    def _moves(self, values: Mapping[str, Any]) -> Callable[[Any], Any]:
        """Return the function from a primary key to what it is after the update."""
        keys = key_fields(self._model)
        written = {
            at: values[name] for at, field in enumerate(keys) for name in (field.name, field.attname) if name in values
        }
        if not written:
            return lambda pk: pk
        if any(hasattr(value, "resolve_expression") for value in written.values()):
            _refuse(self._watched, "update() of a primary key by an expression does not tell the new keys")
        fixed = {at: keys[at].to_python(getattr(value, "pk", value)) for at, value in written.items()}
        if len(keys) == 1:
            return lambda pk: fixed[0]
        return lambda pk: tuple(fixed.get(at, part) for at, part in enumerate(pk))


def _is_plain(queryset: QuerySet[Any]) -> bool:
    """Return whether the query is of one table, and no row of it can come twice."""
    query = queryset.query.clone()
    query.get_initial_alias()
    plain = query.group_by is None and not query.distinct and not query.extra_tables
    return plain and query.count_active_tables() == 1


def _without_conditions(queryset: Found) -> Found:
    """Return the query with its annotations and its order alone: what an UPDATE may use beside conditions.

    With the conditions it could miss rows: whoever changes what they look at is not locked out, and SQLite looks at
    rows that it has written already.
    """
    found = queryset.all()
    query = found.query
    query.clear_where()
    query.group_by, query.distinct = None, False
    base = query.get_initial_alias()
    # Joins that nothing needs any more. They stay known: Django tells by them what an UPDATE may not refer to.
    query.alias_refcount = {alias: int(alias == base) for alias in query.alias_refcount}
    return found


def _by_key(queryset: QuerySet[Any], attnames: Collection[str]) -> Rows:
    return {pk: dict(zip(attnames, values, strict=True)) for pk, *values in queryset.values_list("pk", *attnames)}


def _fetch_relations(instances: Sequence[Model], listeners: Iterable[Saves]) -> None:
    """Fetch what topics and keys look up over foreign keys, at once and not for each instance."""
    if relations := {relation for saves in listeners for relation in saves.publisher.relations}:
        prefetch_related_objects(instances, *relations)


def _refuse(listeners: Iterable[Saves], what: str) -> None:
    publisher: Publisher = next(iter(listeners)).publisher
    bus = "bus" if publisher.alias == "default" else f"buses[{publisher.alias!r}]"
    raise NotSupportedError(
        f"{what}, and publisher {publisher.config.name!r} wants an event for each. Save them one by one, or publish "
        f"nothing of them: with {bus}.muted(): …"
    )
