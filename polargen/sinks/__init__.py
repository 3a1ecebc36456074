"""Where rows go: file formats, PostgreSQL and memory, behind one interface."""

from __future__ import annotations

from polargen.sinks.base import GroupRecord, GroupWriter, PartRecord, Sink, SinkSettings
from polargen.sinks.memory import MemorySink
from polargen.sinks.null import NullSink
from polargen.sinks.parquet import ParquetSink
from polargen.sinks.postgres import PostgresSink
from polargen.sinks.text import CsvSink, NdjsonSink

SINKS: dict[str, type[Sink]] = {
    "parquet": ParquetSink,
    "csv": CsvSink,
    "json": NdjsonSink,
    "memory": MemorySink,
    "none": NullSink,
    "postgresql": PostgresSink,
}

__all__ = ["SINKS", "GroupRecord", "GroupWriter", "PartRecord", "Sink", "SinkSettings"]
