"""Configuration: defaults, and what would become of a run."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from polargen import state
from polargen.api import planning, safety, samples
from polargen.api.answers import Judged, ServerConfig
from polargen.api.problems import ApiProblem
from polargen.api.requests import ConfigRequest, RunConfig, Target
from polargen.api.responses import possible, request
from polargen.api.routes.safety import CONFIRMATION
from polargen.api.service import Here, Service
from polargen.guard import ENVIRONMENT_VARIABLES
from polargen.guard_database import PROTECTED_VARIABLE
from polargen.orchestrator import MOST_DATABASE_RECORDS
from polargen.scenario import Distributions, EntityRates

router = APIRouter(tags=["configuration"])


@router.get("/config", response_model=ServerConfig, responses=possible(samples.SERVER_CONFIG))
def show_config(here: Here) -> dict[str, Any]:
    """Show what holds where nothing is said, and how the server is set up."""
    database = here.settings.database
    place = None if database is None else {"place": database.place, "schema": database.schema}
    defaults = here.generation.resolve("normal-ops", RunConfig()).to_dict()
    return {
        "defaults": {
            **defaults,
            "seed": None,
            "target": here.generation.target(None),
            "verify": False,
        },
        "safetyConfig": {
            "targetSchema": "mock_data" if database is None else database.schema,
            "environmentVariables": list(ENVIRONMENT_VARIABLES),
            "enabledVariable": state.TOGGLE_VARIABLE,
            "protectedVariable": PROTECTED_VARIABLE,
            "maxRecordsPerEntity": MOST_DATABASE_RECORDS,
            "cleanupConfirmation": CONFIRMATION,
        },
        "defaultEntityRates": EntityRates().model_dump(mode="json", by_alias=True),
        "defaultDistributions": Distributions().model_dump(mode="json", by_alias=True),
        "targets": ["files"] if database is None else ["files", "database"],
        "database": place,
    }


@router.post(
    "/config",
    response_model=Judged,
    responses=possible(samples.JUDGED, "unknown-scenario", body=True),
    openapi_extra=request(
        quarter={
            "scenario": "peak-season",
            "config": {"startDate": "2024-01-01", "endDate": "2024-03-31", "seed": 12345},
        }
    ),
)
def judge_config(given: ConfigRequest, here: Here) -> dict[str, Any]:
    """Check a configuration, plan it and ask the safety guard; nothing is run or written."""
    profile = here.scenarios.find(given.scenario)
    judged: dict[str, Any] = {"valid": True, "errors": [], "config": None, "plan": None}
    target: Target = "files" if here.settings.database is None else "database"
    try:
        asked = planning.read_config(given.config)
        target = here.generation.target(given.target or asked.target)
        config = here.generation.resolve(given.scenario, asked)
        judged["config"] = here.generation.complete(config, asked)
        expected = planning.expected(config, profile, target)
        judged["plan"] = expected.to_dict(target)
        if expected.too_large:
            raise ApiProblem("limit", expected.too_large)
    except ApiProblem as problem:
        judged["valid"] = False
        judged["errors"] = _errors(problem)
    judged["safetyChecks"] = _checks(here, target)
    return judged


def _errors(problem: ApiProblem) -> list[dict[str, str]]:
    path, _, message = problem.detail.partition(": ")
    if not path.startswith("config"):
        path, message = "config", problem.detail
    errors: list[dict[str, str]] = problem.more.get("errors", [{"path": path, "message": message}])
    return errors


def _checks(here: Service, target: Target) -> list[dict[str, Any]]:
    return safety.checks(here.settings.database if target == "database" else None)
