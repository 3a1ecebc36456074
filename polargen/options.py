"""How a run is done: what never changes content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polargen.database import Database


@dataclass(frozen=True)
class RunOptions:
    """How a run is done; nothing here changes content.

    Attributes:
        format: of the sink: parquet, csv, json, postgresql, memory, or none (dry run).
        out: folder of file formats.
        tables: names of tables to write; None for all.
        workers: processes; None for one a core.
        compression, compression_level: of the sink; None for its default.
        target_file_size_bytes: wanted size of files; None for one file a block and table.
        resume: continue a killed run.
        verify: check every rule over the whole before the commit becomes final.
        check: run the cheap rules on each block.
        max_records: most rows of one table; None for no limit, of a database for 10,000,000.
        database: where to load, of format postgresql.
    """

    format: str = "none"
    out: str = ""
    tables: tuple[str, ...] | None = None
    workers: int | None = None
    compression: str | None = None
    compression_level: int | None = None
    target_file_size_bytes: int | None = None
    resume: bool = False
    verify: bool = False
    check: bool = True
    max_records: int | None = None
    database: Database | None = None
