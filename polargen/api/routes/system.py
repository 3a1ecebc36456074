"""The server itself: whether it runs, and what it did."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Response

from polargen.api import samples
from polargen.api.answers import Health
from polargen.api.metrics import CONTENT_TYPE
from polargen.api.responses import described, possible
from polargen.api.service import Here

router = APIRouter(tags=["server"])
_VERSION = version("polargen")


@router.get("/healthz", response_model=Health, responses=possible(samples.HEALTH))
async def health() -> dict[str, str]:
    """Say that the server is there; needs no token."""
    return {"status": "ok", "version": _VERSION}


@router.get(
    "/metrics",
    response_class=Response,
    responses=possible(
        described("Prometheus' text format", **{"text/plain": {"example": samples.METRICS}})
    ),
)
def metrics(here: Here) -> Response:
    """Show what the server did, for Prometheus."""
    return Response(here.queue.metrics.text(), media_type=CONTENT_TYPE)
