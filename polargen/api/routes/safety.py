"""What may be written, and what is removed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from polargen import guard, state
from polargen.api import names, samples
from polargen.api.answers import Cleaned, Removable, Toggle
from polargen.api.problems import ApiProblem
from polargen.api.removal import Removed
from polargen.api.requests import ToggleRequest
from polargen.api.responses import possible, request
from polargen.api.safety import environment_name
from polargen.api.service import Here, Service

CONFIRMATION = "DELETE_ALL_MOCK_DATA"
_ABOUT_JOB = "Only what this job made; all if left out."
JobToClean = Annotated[str | None, Query(alias="jobId", description=_ABOUT_JOB, max_length=64)]
router = APIRouter(tags=["safety"])


@router.get("/toggle", response_model=Toggle, responses=possible(samples.TOGGLE))
def show_toggle() -> dict[str, Any]:
    """Show whether database loads are enabled, and what decides."""
    on, why = state.enabled(os.environ)
    return {
        "enabled": on,
        "environment": environment_name(os.environ),
        "canEnable": not guard.environment_failures(os.environ),
        "message": f"database loads are {'enabled' if on else 'disabled'}: {why}",
    }


@router.post(
    "/toggle",
    response_model=Toggle,
    responses=possible(samples.TOGGLE, "safety", "conflict", "target", body=True),
    openapi_extra=request(on={"enable": True}, off={"enable": False}),
)
def set_toggle(given: ToggleRequest) -> dict[str, Any]:
    """Enable or disable database loads; kept, and takes effect at once."""
    if given.enable:
        guard.refuse(guard.environment_failures(os.environ))
    on, why = state.enabled(os.environ)
    if os.environ.get(state.TOGGLE_VARIABLE, "").strip() and on != given.enable:
        raise ApiProblem("conflict", f"{why} where the server runs, and wins; change it there")
    state.store_toggle(given.enable)
    return show_toggle()


@router.get(
    "/cleanup",
    response_model=Removable,
    responses=possible(
        samples.REMOVABLE, "unknown-job", "conflict", "no-rows", "no-database", "invalid", "target"
    ),
)
def show_cleanup(here: Here, job_id: JobToClean = None) -> dict[str, Any]:
    """Show what a cleanup would remove; nothing is changed."""
    return _shown(_removed(here, job_id, confirmed=False))


@router.delete(
    "/cleanup",
    response_model=Cleaned,
    responses=possible(
        samples.CLEANED,
        "not-confirmed",
        "safety",
        "unknown-job",
        "conflict",
        "no-rows",
        "no-database",
        "invalid",
        "target",
    ),
)
def clean_up(
    here: Here,
    confirm: Annotated[str, Query(description=f"{CONFIRMATION}, as it stands here.")] = "",
    job_id: JobToClean = None,
) -> dict[str, Any]:
    """Remove what polargen made in the database, and the files of the server's jobs."""
    if confirm != CONFIRMATION:
        raise ApiProblem(
            "not-confirmed", f"confirm: is not the word that removes, give confirm={CONFIRMATION}"
        )
    removed = _removed(here, job_id, confirmed=True)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"success": True, **_shown(removed), "timestamp": now}


def _removed(here: Service, job_id: str | None, confirmed: bool) -> Removed:
    if job_id is None:
        return here.removal.all(confirmed)
    return here.removal.one(here.job(job_id), confirmed)


def _shown(removed: Removed) -> dict[str, Any]:
    rows = names.entities(removed.rows)
    return {"results": rows, "jobs": removed.jobs, "kept": removed.kept}
