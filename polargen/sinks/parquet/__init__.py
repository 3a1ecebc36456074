"""Parquet by an encoder of polargen's own: whole columns at once, by NumPy.

The writers of pyarrow and Polars take 4 to 30 ns a value, which is most of a run's time; this one
takes 1 to 3, for files that are as small. It writes what polargen's tables need of the format, and
nothing else: one row group a block, one page a column, `chunks.py` has the encodings.
"""

from __future__ import annotations

from polargen.sinks.parquet.sink import ParquetEncoder, ParquetSink

__all__ = ["ParquetEncoder", "ParquetSink"]
