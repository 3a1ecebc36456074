"""Jobs: start, watch, cancel."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from polargen.api import events, samples, shown
from polargen.api.answers import Cancelled, Jobs, Started, Status
from polargen.api.problems import ApiProblem
from polargen.api.requests import CancelRequest, GenerateRequest
from polargen.api.responses import described, possible, request
from polargen.api.service import Here
from polargen.errors import ConfigError

router = APIRouter(tags=["jobs"])
MOST_JOBS = 500
JobQuery = Annotated[str, Query(alias="jobId", description="From POST /generate.", max_length=64)]
_SPECIFIED = {
    "scenario": "normal-ops",
    "config": {
        "startDate": "2024-01-01",
        "endDate": "2024-03-31",
        "seed": 12345,
        "volumeMultiplier": 1,
        "dryRun": True,
    },
}
_EVENT = {
    "type": "object",
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Status"},
        },
    },
}
_REFUSALS = (
    "safety",
    "unknown-scenario",
    "no-database",
    "limit",
    "key-reused",
    "queue-full",
    "target",
)
_STREAM = described(
    "An event for each change, and comments while nothing changes",
    **{"text/event-stream": {"itemSchema": _EVENT, "example": samples.EVENT}},
)
_SEEN: dict[int | str, Any] = {204: {"description": "The client has the last event already"}}


@router.post(
    "/generate",
    status_code=202,
    response_model=Started,
    responses=possible(samples.STARTED, *_REFUSALS, body=True, status=202),
    openapi_extra=request(
        quarter=_SPECIFIED,
        files={
            "scenario": "peak-season",
            "config": {"seed": 1, "dryRun": False, "target": "files", "verify": True},
        },
    ),
)
def generate(
    given: GenerateRequest,
    here: Here,
    response: Response,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="The same key and body answer with the same job.",
            pattern=r"^[!-~]{1,255}$",
        ),
    ] = None,
) -> dict[str, Any]:
    """Start a job; it waits where others run already. A dry run unless dryRun is false."""
    started = here.generation.start(given, key)
    response.headers["Location"] = f"/api/mock-data/status?jobId={started['jobId']}"
    return started


@router.get(
    "/status",
    response_model=Status,
    responses=possible(samples.STATUS, "missing-parameter", "unknown-job", "invalid"),
)
async def status(job_id: JobQuery, here: Here) -> Response:
    """Show a job: how far it is, and what came of it."""
    return Response(await here.looks.at(job_id), media_type="application/json")


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        **possible(_STREAM, "missing-parameter", "unknown-job", "invalid", "busy"),
        **_SEEN,
    },
)
async def watch(
    job_id: JobQuery,
    here: Here,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=200)] = None,
) -> Response:
    """Send a job's progress as Server-Sent Events, from where the client left, until it ends."""

    async def look() -> events.Look:
        record = await run_in_threadpool(here.job, job_id)
        return events.Look(shown.event_id(record), shown.status(record), record.ended)

    now = await look()
    if now.ended and now.id == last:
        return Response(status_code=204)  # tells EventSource to ask no more
    here.watchers.take()
    chunks = events.stream(look, last, here.closing)
    return events.EventStream(chunks, here.watchers.leave)


@router.post(
    "/cancel",
    status_code=202,
    response_model=Cancelled,
    responses=possible(samples.CANCELLED, "unknown-job", "conflict", body=True, status=202),
    openapi_extra=request(job={"jobId": "job-1a2b3c4d"}),
)
def cancel(given: CancelRequest, here: Here) -> dict[str, Any]:
    """Stop a job: one that waits never begins, one that runs is rolled back."""
    try:
        here.queue.cancel(here.job(given.job_id).job_id)
    except ConfigError as error:
        raise ApiProblem("conflict", str(error)) from None
    record = here.job(given.job_id)
    return {
        "jobId": record.job_id,
        "status": record.status,
        "message": "cancelled" if record.ended else "it stops, and what it wrote is rolled back",
    }


@router.get("/jobs", response_model=Jobs, responses=possible(samples.JOBS, "invalid"))
def list_jobs(here: Here, limit: Annotated[int, Query(ge=1, le=MOST_JOBS)] = 50) -> dict[str, Any]:
    """List the jobs of this server and of the command line, the newest first."""
    return {"jobs": [shown.status(record) for record in here.store.list(limit)]}
