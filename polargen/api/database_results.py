"""What a finished load put into a database; see `polargen.api.results.Results`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from polargen import ddl, runs
from polargen.api.problems import ApiProblem
from polargen.api.results import CAIRO, DayCounts, shown
from polargen.database import Database, Session
from polargen.generators import all_tables
from polargen.owned import owned_tables
from polargen.schema import Table
from polargen.stored import select_list, text_keys, typed_rows

_MOST_TIME = "60s"


class DatabaseResults:
    """The rows of a schema; where a load was appended to others, they show too.

    Args:
        database: that was loaded.
        job: that loaded it.

    Raises:
        ApiProblem: 409, the rows are not there any more, or lie in tables of others.
        TargetError: the server failed.
    """

    def __init__(self, database: Database, job: str) -> None:
        self._database = database
        with self._session() as session:
            found = next(
                (run for run in runs.runs(session) if run.job_id == job and run.live), None
            )
            if found is None:
                raise ApiProblem(
                    "no-rows",
                    f"{database.place}: {database.schema} holds no rows of {job} any more, a "
                    "later load or a cleanup removed them",
                )
            if found.targets:
                raise ApiProblem(
                    "no-rows", f"{job} filled tables of others, look at them with SQL instead"
                )
            names = set(owned_tables(session))
            self.manifest = runs.manifest_of(session, job)
        self.tables = {
            name: text_keys(table, found.keys)
            for name, table in all_tables().items()
            if name in names
        }

    def rows(self, table: Table) -> int:
        """See `Results`."""
        return int(self._rows(f"SELECT count(*) FROM {self._where(table.name)}")[0][0])

    def page(self, table: Table, offset: int, limit: int) -> list[list[Any]]:
        """See `Results`."""
        with self._session() as session:
            rows = session.fetch(
                f"SELECT {select_list(table)} FROM {self._where(table.name)} AS t "
                f"ORDER BY t.{ddl.name(table.primary_key)} OFFSET {offset} LIMIT {limit}"
            )
        return shown(table, typed_rows(table, rows)) if rows.num_rows else []

    def orders_by_day(self) -> DayCounts:
        """See `Results`."""
        return self._by_day("orders", "order_date", "status")

    def lines_by_product(self) -> list[int]:
        """See `Results`."""
        counts = self._counts("order_items", "product_id", "count(*) DESC")
        return [int(count) for _, count in counts]

    def payments_by_delay(self) -> Iterable[tuple[int, int]]:
        """See `Results`."""
        return self._counts("payments", "days_from_due", "1")

    def labels_by_day(self) -> DayCounts:
        """See `Results`."""
        return self._by_day("anomaly_labels", "event_at", "anomaly_type")

    def _by_day(self, table: str, instant: str, kind: str) -> DayCounts:
        day = f"({ddl.name(instant)} AT TIME ZONE {ddl.literal(CAIRO)})::date"
        return self._counts(table, f"{day}, {ddl.name(kind)}::text", "1, 2")

    def _counts(self, table: str, keys: str, order: str) -> list[Any]:
        if table not in self.tables:
            return []
        groups = ", ".join(str(place) for place in range(1, keys.count(",") + 2))
        return self._rows(
            f"SELECT {keys}, count(*) FROM {self._where(table)} GROUP BY {groups} ORDER BY {order}"
        )

    def _where(self, table: str) -> str:
        return ddl.where(self._database.schema, table)

    def _rows(self, query: str) -> list[Any]:
        with self._session() as session:
            return session.rows(query)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._database.connect("polargen console")
        try:
            session.execute(f"SET statement_timeout = {ddl.literal(_MOST_TIME)}")
            yield session
        finally:
            session.close()
