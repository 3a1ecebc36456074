"""Where rows go: file formats and memory, behind one interface."""

from __future__ import annotations

from polargen.sinks.base import GroupRecord, GroupWriter, PartRecord, Sink, SinkSettings
from polargen.sinks.memory import MemorySink
from polargen.sinks.null import NullSink
from polargen.sinks.parquet import ParquetSink
from polargen.sinks.text import CsvSink, NdjsonSink

SINKS: dict[str, type[Sink]] = {
    "parquet": ParquetSink,
    "csv": CsvSink,
    "json": NdjsonSink,
    "memory": MemorySink,
    "none": NullSink,
}

__all__ = ["SINKS", "GroupRecord", "GroupWriter", "PartRecord", "Sink", "SinkSettings"]
