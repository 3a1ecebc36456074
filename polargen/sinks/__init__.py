"""Where rows go: file formats, PostgreSQL and memory, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from polargen.sinks.base import GroupRecord, GroupWriter, PartRecord, Sink, SinkSettings

_HOMES = {
    "parquet": ("polargen.sinks.parquet", "ParquetSink"),
    "csv": ("polargen.sinks.text", "CsvSink"),
    "json": ("polargen.sinks.text", "NdjsonSink"),
    "memory": ("polargen.sinks.memory", "MemorySink"),
    "none": ("polargen.sinks.null", "NullSink"),
    "postgresql": ("polargen.sinks.postgres", "PostgresSink"),
}


class _Sinks(Mapping[str, type[Sink]]):
    """Sinks by format; each is loaded when it is asked for, as some take Polars and others not."""

    def __getitem__(self, format: str) -> type[Sink]:
        module, name = _HOMES[format]
        sink: type[Sink] = getattr(import_module(module), name)
        return sink

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


SINKS = _Sinks()

__all__ = ["SINKS", "GroupRecord", "GroupWriter", "PartRecord", "Sink", "SinkSettings"]
