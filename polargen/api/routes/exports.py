"""Exports: what a finished job made, or what the database holds, as a file."""

from __future__ import annotations

from collections.abc import Generator

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from polargen.api import names, samples
from polargen.api.exports import MEDIA_TYPES, Export, close_source
from polargen.api.problems import errors_of, invalid
from polargen.api.requests import ExportRequest
from polargen.api.responses import described, possible, request
from polargen.api.service import Here, Service
from polargen.api.streaming import Attachment, close
from polargen.errors import ConfigError
from polargen.selection import Days

router = APIRouter(tags=["export"])
_FILE = {"schema": {"type": "string", "format": "binary"}}
_FILES = described(
    "One table as it is, several as a zip",
    **{
        kind: {**_FILE, "example": samples.CSV} if kind == "text/csv" else _FILE
        for kind in MEDIA_TYPES
    },
)


@router.post(
    "/export",
    response_class=StreamingResponse,
    responses=possible(
        _FILES, "unknown-job", "no-rows", "no-database", "busy", "target", body=True
    ),
    openapi_extra=request(
        orders={"format": "csv", "entities": ["orders"]},
        zip={
            "format": "parquet",
            "entities": ["orders", "orderItems"],
            "includeMetadata": True,
            "dateRange": {"startDate": "2024-01-01", "endDate": "2024-01-31"},
        },
    ),
)
async def export(given: ExportRequest, here: Here) -> Attachment:
    """Send tables as files, in flat memory: one as it is, several as a zip.

    Rows that belong to a document (an order, a chain of visits) go with it, so that a date range
    leaves no reference without what it refers to.
    """
    here.exports.take()
    try:
        wanted, chunks = await run_in_threadpool(_begin, given, here)
        try:
            first = await run_in_threadpool(next, chunks, b"")
        except BaseException:
            await close(chunks)
            raise
    except BaseException:
        here.exports.leave()
        raise
    return Attachment(first, chunks, wanted.file_name, wanted.media_type, here.exports.leave)


def _begin(given: ExportRequest, here: Service) -> tuple[Export, Generator[bytes, None, None]]:
    """Return what is to be exported and its bytes; nothing is read yet."""
    record = None if given.job_id is None else here.job(given.job_id)
    source = here.finished.source(record, _days(given))
    try:
        tables = names.tables(given.entities, source.tables, "entities")
        name = "polargen" if record is None else f"polargen-{record.job_id}"
        wanted = Export(given.format, tables, given.include_metadata, name)
    except BaseException:
        close_source(source)
        raise
    return wanted, wanted.stream(source)


def _days(given: ExportRequest) -> Days | None:
    if given.date_range is None:
        return None
    try:
        return Days(given.date_range.start_date, given.date_range.end_date)
    except ConfigError as error:
        raise invalid(errors_of(error, "dateRange")) from None
