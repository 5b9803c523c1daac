"""Statements whose SQL text is built once per process, for the requests that people wait for.

The ORM takes longer to compile a query than the database to run it (`docs/decisions/0008-sql-on-the-hot-path.md`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Generic, Self, TypeVar

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

M = TypeVar("M", bound=models.Model)
Converters = Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]
"""Position, functions and expression of each column whose values Django converts."""


class Parameter(models.Expression):
    """A value that is given each time a statement runs. field: the field that it is compared with."""

    def __init__(self, name: str, field: Any) -> None:  # noqa: ANN401  a field of any type
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, *_arguments: Any) -> Any:  # noqa: ANN401  Django's annotation knows only bound parameters
        return "%s", (self,)

    def bound(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> Any:  # noqa: ANN401
        """Return this parameter's value as the database's driver expects it."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


class CompiledSelect(Generic[M]):
    """A SELECT of one row, which the ORM compiles at its first use, for each database. Reading the row is ours.

    build: makes the query, with a `Parameter` for each value that differs between runs.
    """

    def __init__(self, build: Callable[[], models.QuerySet[M]]) -> None:
        self._build = build
        self._model = lru_cache(maxsize=1)(lambda: build().model)
        self._compiled = lru_cache(maxsize=8)(self._compile)

    def first(self, **values: object) -> M | None:
        """Run the statement for these values of the parameters, and return the first row or None."""
        connection = connections[router.db_for_write(self._model())]
        statement = self._compiled(connection.alias, connection.vendor)
        bound = [each.bound(values, connection) if isinstance(each, Parameter) else each for each in statement.given]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, bound)
            row = cursor.fetchone()
        return None if row is None else statement.read(row, connection)

    def _compile(self, alias: str, _vendor: str) -> "_Statement":
        compiler = self._build().query.get_compiler(alias)
        sql, given = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        return _Statement(
            sql=str(sql),
            given=tuple(given),
            converters=tuple((at, *each) for at, each in compiler.get_converters(columns).items()),
            instances=_Instances.of(compiler, compiler.klass_info or {}, alias=alias),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """A compiled statement."""

    sql: str
    given: tuple[Any, ...]
    converters: "Converters"
    instances: "_Instances"

    def read(self, row: Sequence[Any], connection: BaseDatabaseWrapper) -> Any:  # noqa: ANN401  an instance
        return self.instances.read(converted(row, self.converters, connection))


def converted(row: Sequence[Any], converters: Converters, connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the row's values as the models' fields expect them."""
    values = list(row)
    for at, functions, expression in converters:
        for convert in functions:
            values[at] = convert(values[at], expression, connection)
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instances:
    """Makes instances of a model, and of those that `select_related` follows, as Django does for a queryset.

    Django finds out anew for each query which columns belong to which model. That takes as long as making them.
    key: the position of the primary key among the model's columns.
    """

    model: type[models.Model]
    alias: str
    columns: slice
    names: list[str]
    key: int
    related: "tuple[tuple[_Instances, Callable[..., None], Callable[..., None]], ...]"

    @classmethod
    def of(cls, compiler: SQLCompiler, information: Any, *, alias: str) -> Self:  # noqa: ANN401  untyped in Django
        columns = slice(information["select_fields"][0], information["select_fields"][-1] + 1)
        names = [column.target.attname for column, *_ in (compiler.select or [])[columns]]
        model = information["model"]
        return cls(
            model=model,
            alias=alias,
            columns=columns,
            names=names,
            key=names.index(model._meta.pk.attname),
            related=tuple(
                (cls.of(compiler, each, alias=alias), each["local_setter"], each["remote_setter"])
                for each in information.get("related_klass_infos", ())
            ),
        )

    def read(self, row: Sequence[Any]) -> Any:  # noqa: ANN401  an instance, or None if an outer join found nothing
        values = row[self.columns]
        if values[self.key] is None:
            return None
        found = self.model.from_db(self.alias, self.names, values)
        for instances, local_setter, remote_setter in self.related:
            other = instances.read(row)
            local_setter(found, other)
            if other is not None:
                remote_setter(other, found)
        return found


def insert(*rows: M) -> None:
    """Insert new rows in one statement and set their primary keys, without Django's signals about saved models."""
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    values = [prepared_values(row, connection) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(_insert_sql(model, connection.alias, len(rows)), tuple(chain.from_iterable(values)))
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            mark_inserted(row, key, alias=connection.alias)


def mark_inserted(row: models.Model, key: object, *, alias: str) -> None:
    """Set the primary key of a row that was inserted, as `Model.save` does."""
    row.pk, row._state.adding, row._state.db = key, False, alias  # noqa: SLF001  Django documents `_state`


def prepared_values(row: models.Model, connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the values of all inserted columns as the database's driver expects them."""
    return [prepared_value(field, row, connection) for field in inserted_fields(type(row))]


def prepared_value(field: "models.Field[Any, Any]", row: models.Model, connection: BaseDatabaseWrapper) -> Any:  # noqa: ANN401
    """Return the value of a column as the database's driver expects it: text as it is, without conversions."""
    value = getattr(row, field.attname)
    if type(value) is str and isinstance(field, models.CharField):
        return value
    return field.get_db_prep_save(value, connection)


def insert_select(model: type[models.Model], alias: str, expressions: Mapping[str, str] | None = None) -> str:
    """Return the SQL text of an INSERT of `prepared_values`, up to the FROM that says for which rows.

    expressions: SQL for some fields, in place of `%s`.
    """
    quote = connections[alias].ops.quote_name
    fields, given = inserted_fields(model), expressions or {}
    columns = ", ".join(quote(str(field.column)) for field in fields)
    slots = ", ".join(given.get(field.name, "%s") for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) SELECT {slots}"


@lru_cache(maxsize=32)
def inserted_fields(model: type[models.Model]) -> "tuple[models.Field[Any, Any], ...]":
    """Return all fields but a primary key that the database generates."""
    return tuple(field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField))


@lru_cache(maxsize=32)
def _insert_sql(model: type[models.Model], alias: str, count: int) -> str:
    quote = connections[alias].ops.quote_name
    slots = f"({', '.join(['%s'] * len(inserted_fields(model)))})"
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({_columns(model, alias)}) "  # noqa: S608  names from the model
        f"VALUES {', '.join([slots] * count)} RETURNING {quote(str(model._meta.pk.column))}"
    )


def _columns(model: type[models.Model], alias: str) -> str:
    quote = connections[alias].ops.quote_name
    return ", ".join(quote(str(field.column)) for field in inserted_fields(model))
