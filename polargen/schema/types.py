"""What a column and a table are: the vocabulary of every declaration in `polargen.schema`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Kind = Literal[
    "key",  # int64: a primary or foreign key (see `Table.is_key`), or a count beyond int32
    "int",  # int32
    "money",  # decimal(12, 2), EGP; int64 piastres while it is computed
    "money_total",  # decimal(18, 2), EGP; sums over many orders
    "float",  # float64
    "bool",
    "instant",  # timestamp in microseconds, UTC
    "date",  # a day of Cairo's calendar
    "enum",  # one of `values`
    "label",  # text with few distinct values; a dictionary from birth to file
    "text",  # text, mostly distinct
    "json",  # a JSON object as text
    "ints",  # list of int8
    "enums",  # list of `values`
    "structs",  # list of structs with `fields`
]

NESTED: frozenset[str] = frozenset({"ints", "enums", "structs"})


@dataclass(frozen=True)
class Column:
    """One column, declared once.

    Attributes:
        name: snake_case.
        kind: see `Kind`; decides dtype, encoding and DDL.
        meaning: one sentence for the data dictionary, with the unit.
        nullable: may hold nulls.
        present_when: (other column, values): not null exactly when the other column has one of
            the values. Only for nullable columns.
        low, high: inclusive range of numbers, in the column's shown unit.
        values: of an enumeration, in code order.
        references: the table whose primary key this column holds.
        references_by: instead: the enumeration column that names this table, row by row.
        unique: no value twice in the table (nulls aside).
        longest: characters of the longest text; None: as long as it comes.
        fields: of each struct in a "structs" column.
    """

    name: str
    kind: Kind
    meaning: str
    nullable: bool = False
    present_when: tuple[str, tuple[str, ...]] | None = None
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    references: str | None = None
    references_by: str | None = None
    unique: bool = False
    longest: int | None = None
    fields: tuple[Column, ...] = ()

    def code(self, value: str) -> int:
        """Return the code of an enumeration's value."""
        return self.values.index(value)

    @cached_property
    def arrow_type(self) -> pa.DataType:
        """Arrow type in frames and files."""
        import pyarrow as pa

        simple = {
            "key": pa.int64(),
            "int": pa.int32(),
            "money": pa.decimal128(12, 2),
            "money_total": pa.decimal128(18, 2),
            "float": pa.float64(),
            "bool": pa.bool_(),
            "instant": pa.timestamp("us", "UTC"),
            "date": pa.date32(),
            "enum": pa.dictionary(pa.uint8(), pa.string()),
            "label": pa.dictionary(pa.int32(), pa.string()),
            "text": pa.string(),
            "json": pa.dictionary(pa.int32(), pa.string()),
            "ints": pa.list_(pa.int8()),
            "enums": pa.list_(pa.dictionary(pa.uint8(), pa.string())),
        }
        if self.kind == "structs":
            return pa.list_(pa.struct([(item.name, item.arrow_type) for item in self.fields]))
        return simple[self.kind]

    @property
    def polars_type(self) -> pl.DataType:
        """Polars type in frames."""
        import polars as pl

        simple: dict[str, pl.DataType] = {
            "key": pl.Int64(),
            "int": pl.Int32(),
            "money": pl.Decimal(12, 2),
            "money_total": pl.Decimal(18, 2),
            "float": pl.Float64(),
            "bool": pl.Boolean(),
            "instant": pl.Datetime("us", "UTC"),
            "date": pl.Date(),
            "label": pl.String(),
            "text": pl.String(),
            "json": pl.String(),
            "ints": pl.List(pl.Int8()),
        }
        if self.kind == "enum":
            return pl.Enum(self.values)
        if self.kind == "enums":
            return pl.List(pl.Enum(self.values))
        if self.kind == "structs":
            return pl.List(pl.Struct({item.name: item.polars_type for item in self.fields}))
        return simple[self.kind]


@dataclass(frozen=True)
class Table:
    """One table, declared once.

    Attributes:
        name: snake_case; `json_name` is its name in JSON (camelCase).
        meaning: one sentence for the data dictionary.
        primary_key: name of the first column.
        columns: in the order of frames, files and DDL.
        main_date: the column by which exports and indexes go, or None.
        unique_together: sets of columns that are unique as a whole.
    """

    name: str
    json_name: str
    meaning: str
    primary_key: str
    columns: tuple[Column, ...]
    main_date: str | None = None
    unique_together: tuple[tuple[str, ...], ...] = ()
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})

    def __getitem__(self, column: str) -> Column:
        return self._by_name[column]

    def is_key(self, column: Column) -> bool:
        """Return whether a column holds keys: its own, or another table's."""
        own = column.name == self.primary_key
        return own or column.references is not None or column.references_by is not None

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Arrow schema of the table's frames and files."""
        import pyarrow as pa

        return pa.schema(
            [pa.field(item.name, item.arrow_type, item.nullable) for item in self.columns]
        )

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        """Polars schema of the table's frames."""
        return {item.name: item.polars_type for item in self.columns}

    @property
    def foreign_keys(self) -> tuple[tuple[str, str], ...]:
        """Pairs (column, referenced table)."""
        return tuple((c.name, c.references) for c in self.columns if c.references)
