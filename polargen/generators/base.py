"""What a generator is, and how one is registered.

A generator makes one document family for one block, as whole columns. It declares its tables and
what it depends on; plan, sinks, checks and command line pick it up from there. Plug-ins subclass
`BaseGenerator` and register by `register_generator` or the entry-point group
``polargen.generators``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, ClassVar

from polargen.blocks import BlockContext, BlockKind
from polargen.columns import Frame
from polargen.errors import ConfigError
from polargen.schema import TABLES, Table

if TYPE_CHECKING:
    import polars as pl

ENTRY_POINTS = "polargen.generators"


class BaseGenerator(ABC):
    """Makes the rows of one document family for one block.

    Attributes:
        name: of the generator, unique.
        tables: it fills; each begins with its primary key.
        depends_on: tables whose frames of the same block it needs.
        kinds: kinds of block in which it runs.
        rows_per_unit: expected rows for each order (visit, user day, master row) of a table, for
            the plan's estimate.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[Table, ...]]
    depends_on: ClassVar[tuple[str, ...]] = ()
    kinds: ClassVar[tuple[BlockKind, ...]] = ("orders",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {}

    @abstractmethod
    def generate(
        self, ctx: BlockContext, upstream: Mapping[str, Frame]
    ) -> Mapping[str, Frame | pl.DataFrame]:
        """Return the frames of one block by table name.

        Args:
            ctx: plan, block, world and streams.
            upstream: frames of the tables in ``depends_on`` that this block has.
        """


_registered: dict[str, type[BaseGenerator]] = {}


def register_generator(generator: type[BaseGenerator]) -> type[BaseGenerator]:
    """Register a generator class; usable as a decorator.

    Raises:
        ConfigError: its name or one of its tables is taken by another class.
    """
    known = _registered.get(generator.name)
    if known is not None and known.__qualname__ != generator.__qualname__:
        raise ConfigError(f"generator {generator.name!r} is registered twice, rename one of them")
    _registered[generator.name] = generator
    _ordered.cache_clear()
    return generator


def registered() -> tuple[type[BaseGenerator], ...]:
    """Return the classes that `register_generator` was given, in that order."""
    return tuple(_registered.values())


def generators() -> tuple[type[BaseGenerator], ...]:
    """Return all generators, built-in and plugged in, each after what it depends on."""
    return _ordered()


def all_tables() -> dict[str, Table]:
    """Return every declared table by name: the built-in ones, then those of plug-ins."""
    tables = dict(TABLES)
    for generator in generators():
        tables.update({table.name: table for table in generator.tables})
    return tables


@lru_cache(maxsize=1)
def _ordered() -> tuple[type[BaseGenerator], ...]:
    from polargen.generators import BUILT_IN

    found = {generator.name: generator for generator in BUILT_IN}
    for generator in (*_installed(), *_registered.values()):
        if generator.name in found and found[generator.name] is not generator:
            raise ConfigError(f"generator {generator.name!r} is there twice, rename one of them")
        found[generator.name] = generator
    _check_tables(found.values())
    makers: dict[str, list[str]] = {}
    for generator in found.values():
        for table in generator.tables:
            makers.setdefault(table.name, []).append(generator.name)
    graph = {
        name: [maker for table in generator.depends_on for maker in makers.get(table, [])]
        for name, generator in found.items()
    }
    try:
        return tuple(found[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ConfigError(f"generators depend on each other in a circle: {error.args[1]}") from None


def _installed() -> list[type[BaseGenerator]]:
    return [entry.load() for entry in sorted(entry_points(group=ENTRY_POINTS), key=str)]


def _check_tables(found: Iterable[type[BaseGenerator]]) -> None:
    known = set(TABLES)
    for generator in found:
        for table in generator.tables:
            if table.name in TABLES and TABLES[table.name] is not table:
                raise ConfigError(f"generator {generator.name!r}: table {table.name} is built in")
            known.add(table.name)
    for generator in found:
        missing = [name for name in generator.depends_on if name not in known]
        if missing:
            raise ConfigError(
                f"generator {generator.name!r} depends on {', '.join(missing)}, which nobody makes"
            )
