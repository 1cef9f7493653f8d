"""Statements said once in SQLAlchemy Core and compiled once, for the paths that cannot pay for more.

A hot path runs thousands of times a second; compiling, caching and result objects of an ORM or a Core
connection would cost more than the statement itself. So a `Statement` is compiled when the database is
opened, to text and an order of parameters that the driver takes as it is. Rows come back as the
driver's own (`sqlite3.Row`, `asyncpg.Record`): both are read by column name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ARRAY, Table, Text, bindparam, column, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql_dialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement, FromClause
from sqlalchemy.sql.type_api import TypeEngine

Row: TypeAlias = Any
"""A driver's row: subscriptable by column name."""

SQLITE: Dialect = sqlite_dialect(paramstyle="qmark")
POSTGRESQL: Dialect = postgresql_dialect()  # type: ignore[no-untyped-call] # ships no types for it


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement: its text, and how named parameters become positional ones."""

    text: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        if self.constants:
            constants = self.constants
            return tuple([constants[name] if name in constants else parameters[name] for name in self.names])
        return tuple([parameters[name] for name in self.names])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A set of keys to be looked up by one statement, as a table that the statement joins.

    A batch of changes touches any number of keys; this keeps it one statement of one text for all of
    them: `json_each` on SQLite, `unnest` of arrays on PostgreSQL.
    """

    name: str
    columns: Mapping[str, TypeEngine[Any]]

    def table(self, dialect: Dialect) -> FromClause:
        if dialect.name == "sqlite":
            rows = func.json_each(bindparam(self.name, type_=Text)).table_valued("value", name=f"{self.name}_rows")
            fields = [
                func.json_extract(rows.c.value, f"$[{index}]", type_=kind).label(name)
                for index, (name, kind) in enumerate(self.columns.items())
            ]
            return select(*fields).select_from(rows).subquery(self.name)
        arrays = [bindparam(f"{self.name}_{name}", type_=ARRAY(kind)) for name, kind in self.columns.items()]
        named = [column(name, kind) for name, kind in self.columns.items()]
        return func.unnest(*arrays).table_valued(*named, name=self.name).render_derived()

    def parameters(self, dialect: Dialect, rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
        """What binds `rows` to the table in a statement of that dialect."""
        if dialect.name == "sqlite":
            return {self.name: json.dumps(list(rows), ensure_ascii=False)}
        columns = list(zip(*rows, strict=True)) or [()] * len(self.columns)
        return {f"{self.name}_{name}": list(values) for name, values in zip(self.columns, columns, strict=True)}


def compiled(clause: ClauseElement, dialect: Dialect) -> Statement:
    """Compile a clause for a driver. Literal values in it become constants of the statement."""
    result: Any = clause.compile(dialect=dialect)
    constants = {name: value for name, value in result.params.items() if value is not None}
    return Statement(str(result), tuple(result.positiontup), constants)


Maker: TypeAlias = Callable[[Dialect], ClauseElement]
"""A statement said once; each engine compiles it for itself, the first time it is used."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A step of a unit of work: rows, please."""

    maker: Maker
    parameters: Callable[[Dialect], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Execute:
    """A step of a unit of work: run the statement once for each of the rows."""

    maker: Maker
    rows: Sequence[Mapping[str, Any]]


Work: TypeAlias = Generator[Fetch | Execute, Sequence[Row], Any]
"""A unit of work: a generator that yields statements and is sent the rows they give.

Saying a transaction this way keeps it free of input and output: SQLite's driver runs it in a thread,
PostgreSQL's awaits each step, and the logic is there once.
"""


def wanted(
    maker: Callable[[Dialect, FromClause], ClauseElement], rows: Wanted
) -> Callable[[Iterable[Sequence[Any]]], Fetch]:
    """A fetch that joins a set of wanted keys: call the result with the keys."""

    def statement(dialect: Dialect) -> ClauseElement:
        return maker(dialect, rows.table(dialect))

    return lambda keys: Fetch(statement, lambda dialect: rows.parameters(dialect, keys))


def inserting(table: Table, *, without: Iterable[str] = ()) -> Maker:
    """The insertion of whole rows of a table; `without` names columns that the database fills."""
    left_out = set(without)
    columns = {
        column.name: bindparam(column.name, type_=column.type)
        for column in table.columns
        if column.name not in left_out
    }
    return lambda dialect: insert(table).values(columns)  # noqa: ARG005 - the same on both


def replacing(table: Table) -> Maker:
    """The insertion of whole rows of a table, taking the place of the row with the same primary key."""
    keys = [column.name for column in table.primary_key]
    columns = {column.name: bindparam(column.name, type_=column.type) for column in table.columns}

    def statement(dialect: Dialect) -> ClauseElement:
        family = sqlite if dialect.name == "sqlite" else postgresql
        upsert: Any = family.insert(table).values(columns)
        replaced: ClauseElement = upsert.on_conflict_do_update(
            index_elements=keys, set_={name: upsert.excluded[name] for name in columns if name not in keys}
        )
        return replaced

    return statement
