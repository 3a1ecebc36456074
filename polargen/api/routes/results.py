"""What a finished job made: tables, rows, charts, verification."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from polargen.api import names, samples
from polargen.api.answers import Charts, Rows, Tables
from polargen.api.problems import ApiProblem
from polargen.api.requests import TableName
from polargen.api.responses import possible
from polargen.api.results import Results
from polargen.api.service import Here, JobPath
from polargen.schema import Table

router = APIRouter(prefix="/jobs/{jobId}", tags=["results"])
MOST_ROWS = 200
_ERRORS = ("unknown-job", "no-rows", "invalid", "target")


@router.get("/tables", response_model=Tables, responses=possible(samples.TABLES, *_ERRORS))
def list_tables(job_id: JobPath, here: Here) -> dict[str, Any]:
    """List a finished job's tables."""
    results = here.finished.results(here.job(job_id))
    listed = [
        {"name": table.json_name, "rows": results.rows(table)} for table in results.tables.values()
    ]
    return {"tables": listed}


@router.get(
    "/rows", response_model=Rows, responses=possible(samples.ROWS, "missing-parameter", *_ERRORS)
)
def show_rows(
    job_id: JobPath,
    table: Annotated[TableName, Query(description="By either name.")],
    here: Here,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
) -> dict[str, Any]:
    """Show a page of a table's rows, in the order of their keys."""
    results = here.finished.results(here.job(job_id))
    chosen = _table(results, table)
    return {
        "table": chosen.json_name,
        "columns": [{"name": names.column(c.name), "kind": c.kind} for c in chosen.columns],
        "rows": results.page(chosen, offset, limit),
        "total": results.rows(chosen),
    }


@router.get("/charts", response_model=Charts, responses=possible(samples.CHARTS, *_ERRORS))
def show_charts(job_id: JobPath, here: Here) -> dict[str, Any]:
    """Show a finished job as numbers to draw; the first call counts, later ones do not."""
    return here.finished.charts(here.job(job_id))


@router.get(
    "/verification",
    response_model=dict[str, Any],
    responses=possible(samples.VERIFICATION, "unknown-job", "no-rows", "invalid"),
)
def show_verification(job_id: JobPath, here: Here) -> dict[str, Any]:
    """Show what the verification of a job found, rule by rule."""
    report: dict[str, Any] | None = (here.job(job_id).result or {}).get("verification")
    if report is None:
        raise ApiProblem("no-rows", f"{job_id} was not verified, start one with verify: true")
    return report


def _table(results: Results, given: str) -> Table:
    (name,) = names.tables([given], results.tables, "table")
    return results.tables[name]
