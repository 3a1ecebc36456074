"""What `polargen generate` was asked for, and how a run does it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polargen.cli import database as databases
from polargen.cli import options, output
from polargen.errors import ConfigError

if TYPE_CHECKING:
    from polargen.orchestrator import RunOptions


@dataclass(frozen=True)
class Request:
    """What `generate` was asked for, as typed.

    Attributes:
        asked: what decides the content.
        out: folder, None for a dry run.
        format_name: None for the default.
        dry_run: as said, None where nothing was said.
        how: the other options by name.
    """

    asked: options.Asked
    out: str | None
    format_name: str | None
    dry_run: bool | None
    as_json: bool
    quiet: bool
    how: dict[str, Any]

    @property
    def loads(self) -> bool:
        """Whether a database is loaded."""
        return self.out is None and self.dry_run is False

    @property
    def writes(self) -> bool:
        """Whether this is no dry run."""
        return self.out is not None or self.loads

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            ConfigError: names the options and what to do.
        """
        if self.out is not None:
            options.folder("-o", self.out)
        if self.out is not None and self.dry_run:
            raise ConfigError(
                f"--dry-run: writes nothing, but -o names {self.out}; leave one of them out"
            )
        needs = {"format_name": self.format_name, **self.how}
        if self.out is not None:
            for name in _NEED_DATABASE:
                if needs[name]:
                    option = "--" + name.replace("_", "-")
                    raise ConfigError(f"{option}: loads a database, but -o names {self.out}")
        else:
            for name in _NEED_OUT:
                if needs[name] and not (name == "verify" and self.loads):
                    option = "--" + name.removesuffix("_name").replace("_", "-")
                    what = "is of files" if self.loads else "a dry run writes nothing"
                    raise ConfigError(f"{option}: {what}, name a folder with -o DIR")
        if self.how["verify"] and self.how["tables"] is not None:
            raise ConfigError("--verify: rules join all tables, leave out --tables")

    def resumed(self) -> Request:
        """Return the request with the seed and dates of the run that is resumed, if not given."""
        if self.out is None or not self.how["resume"]:
            return self
        left = _left_behind(self.out)
        if not left and not self.quiet:
            output.note(f"{self.out}: no unfinished run is there to resume, starting a new one")
        asked = self.asked
        return replace(
            self,
            asked=replace(
                asked,
                seed=asked.seed if asked.seed is not None else left.get("seed"),
                start=asked.start or left.get("startDate"),
                end=asked.end or left.get("endDate"),
            ),
        )

    def workers(self) -> int | None:
        """Return how many processes are to work, None where nothing was said.

        Raises:
            ConfigError: no number that can be used.
        """
        return options.whole_number("--workers", self.how["workers"], 1, options.MOST_WORKERS)

    def run_options(self) -> RunOptions:
        """Return how to run.

        Raises:
            ConfigError: a number, size or table cannot be used.
        """
        from polargen.generators import all_tables
        from polargen.orchestrator import RunOptions

        how, whole = self.how, options.whole_number
        database = None
        if self.loads:
            database = databases.loading(
                how,
                note=not self.quiet,
                missing="--no-dry-run: there is nowhere to write, name a folder with -o DIR, or a "
                "database with --database",
            )
        return RunOptions(
            format=self._format(),
            out=self.out or "",
            tables=options.table_names("--tables", how["tables"], all_tables()),
            workers=self.workers(),
            compression=how["compression"],
            compression_level=whole(
                "--compression-level", how["compression_level"], -(10**6), 10**6
            ),
            target_file_size_bytes=options.size_bytes(
                "--target-file-size", how["target_file_size"]
            ),
            resume=how["resume"],
            verify=how["verify"],
            check=not how["no_check"],
            max_records=whole("--max-records", how["max_records"], 1, options.MOST_ROWS),
            database=database,
        )

    def _format(self) -> str:
        if self.loads:
            return "postgresql"
        return "none" if self.out is None else self.format_name or options.FORMATS[0]


_NEED_DATABASE = (
    "database", "schema", "unlogged", "id_type", "load_mode", "grant", "views", "wait",
)  # fmt: skip
_NEED_OUT = (
    "format_name",
    "compression",
    "compression_level",
    "target_file_size",
    "resume",
    "verify",
)


def _left_behind(out: str) -> dict[str, str]:
    """Return seed and dates of the unfinished run beside a folder; {} if there is none."""
    from polargen.sinks.folder import PLAN, PartialFolder

    try:
        document = json.loads((PartialFolder(out).path / PLAN).read_text(encoding="utf-8"))
        config = document["run"]["config"]
        return {name: str(config[name]) for name in ("seed", "startDate", "endDate")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
